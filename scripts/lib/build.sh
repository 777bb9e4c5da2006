# shellcheck shell=bash
# Building the programs. Sourced by scripts/c1m and scripts/namespaces, which have `fail`, `say` and `supervise`.

# build ROOT: sets `bench` and `server` to the release programs of the project at ROOT. A bench of one's own, named in C1M_BENCH,
# is taken as it is (the tests have one), with C1M_SERVER as its server.
build() {
    local status=0 target
    if [[ -n ${C1M_BENCH:-} ]]; then
        bench=$C1M_BENCH
        server=${C1M_SERVER:-$C1M_BENCH}
    else
        command -v cargo >/dev/null || fail "cargo is not installed: see https://rustup.rs"
        command -v cc >/dev/null || fail "there is no C compiler (cc) to link with: install gcc or clang"
        say "building"
        pushd "$1" >/dev/null || fail "cannot enter $1"
        supervise cargo build --release --locked -p throng --features throng/serve -p throng-bench || status=$?
        popd >/dev/null || fail "cannot go back to where it began"
        ((SIGNALS == 0)) || exit "$status"
        ((status == 0)) || fail "the build failed"
        target=${CARGO_TARGET_DIR:-$1/target}
        [[ $target == /* ]] || target=$1/$target
        bench=$target/release/throng-bench
        # shellcheck disable=SC2034 # for the caller
        server=$target/release/throng
    fi
    [[ -x $bench ]] || fail "$bench is missing: the build should have made it"
}
