#!/usr/bin/env bash
# scripts/test itself: that a step which fails is counted as failed, with tools that only pretend.
# shellcheck disable=SC2016 # the tools expand their arguments, not this script
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/tests/testing.sh
. "$here/testing.sh"

# tool NAME BODY: a program that is found before the real one.
tool() {
    fake "bin/$1" "#!/usr/bin/env bash
$2"
    chmod +x "$TMP/bin/$1"
}

# steps CI STEP...: runs them; sets SAID and STATUS.
steps() {
    STATUS=0
    SAID=$(CI=$1 PATH=$TMP/bin:$PATH "$here/../../test" "${@:2}" 2>&1) || STATUS=$?
}

last_line() { tail -n 1 <<<"$SAID"; }

test_a_command_that_fails_in_the_middle_of_a_step_fails_it() {
    tool shellcheck 'exit 1'
    steps '' shellcheck
    expect '1 0 passed, 1 failed, 0 skipped' "$STATUS $(last_line)"
}

test_what_passes_is_counted() {
    tool shellcheck 'exit 0'
    tool cargo 'exit 0'
    steps '' fmt clippy shellcheck
    expect '0 3 passed, 0 failed, 0 skipped' "$STATUS $(last_line)"
}

test_steps_after_a_failed_one_still_run() {
    tool cargo '[[ $1 != clippy || $2 == --version ]]'
    steps '' clippy fmt doc
    expect '1 2 passed, 1 failed, 0 skipped' "$STATUS $(last_line)"
    expect_in 'clippy' "$(grep FAILED <<<"$SAID")"
}

test_a_skip_is_loud_and_fails_in_ci() {
    tool cargo '[[ $2 != --version ]]'
    steps '' fmt
    expect '0 0 passed, 0 failed, 1 skipped' "$STATUS $(last_line)"
    expect_in 'SKIPPED: rustfmt is not installed' "$SAID"
    steps true fmt
    expect '1 0 passed, 1 failed, 0 skipped' "$STATUS $(last_line)"
}

test_without_programs_the_hold_fails() {
    tool cargo 'exit 0'
    export CARGO_TARGET_DIR=$TMP/target
    steps '' hold
    expect 1 "$STATUS"
    expect_in 'throng is missing' "$SAID"
}

# conformance WHICH STATUS: the step autobahn, whose run that has WHICH among its arguments ends with STATUS.
conformance() {
    tool cargo 'exit 0'
    # A run with shared windows goes on until one with dedicated windows has been there, and the other way round.
    tool python3 "[[ \$* != *conformance* ]] && exit
        mode=\$4
        echo \"this is \$mode\"
        touch $TMP/\$mode
        case \$mode in shared) other=dedicated ;; dedicated) other=shared ;; *) other=off ;; esac
        for ((i = 0; i < 500; i++)); do [[ ! -e $TMP/\$other ]] || break; sleep 0.02; done
        [[ -e $TMP/\$other ]] || exit 9
        [[ \$mode != $1 ]] || exit $2"
    steps '' autobahn
}

test_autobahns_runs_with_compression_go_side_by_side_and_both_are_told() {
    conformance none 0
    expect '0 1 passed, 0 failed, 0 skipped' "$STATUS $(last_line)"
    expect 'off shared dedicated' "$(sed -n 's/^this is //p' <<<"$SAID" | xargs)"
}

test_each_of_autobahns_runs_can_fail_the_step() {
    local mode
    for mode in off shared dedicated; do
        conformance "$mode" 1
        expect '1 0 passed, 1 failed, 0 skipped' "$STATUS $(last_line)"
        expect_in "this is $mode" "$SAID"
    done
    conformance dedicated 77
    expect '0 0 passed, 0 failed, 1 skipped' "$STATUS $(last_line)"
}

# deny VERSION BODY: a cargo-deny of that version, and nothing to get another with.
deny() {
    tool cargo-deny "[[ \$1 != --version ]] || { echo cargo-deny $1; exit; }
        $2"
    tool python3 'exit 1'
    tool cargo 'exit 1'
    export CARGO_TARGET_DIR=$TMP/target
}

test_each_lock_file_is_held_against_what_may_be_built_in() {
    local manifest version
    version=$(sed -n 's/^CARGO_DENY_VERSION=//p' "$here/../../test")
    deny "$version" 'echo "asked of $2 for ${*: -3}"'
    steps '' deny
    expect '0 1 passed, 0 failed, 0 skipped' "$STATUS $(last_line)"
    expect "$(cd "$here/../../.." && git ls-files '*Cargo.lock' | sed 's/lock$/toml/' | sort)" \
        "$(sed -n 's/^asked of \(.*\) for licenses bans sources$/\1/p' <<<"$SAID" | sort)"
    for manifest in Cargo.toml fuzz/Cargo.toml bench/peers/Cargo.toml; do
        deny "$version" "[[ \$2 != $manifest ]]"
        steps '' deny
        expect "1 0 passed, 1 failed, 0 skipped" "$STATUS $(last_line)"
    done
}

test_without_cargo_deny_of_the_right_version_the_step_is_skipped_loudly() {
    deny 0.1.0 'exit 0'
    steps '' deny
    expect '0 0 passed, 0 failed, 1 skipped' "$STATUS $(last_line)"
    expect_in 'cargo install --locked cargo-deny@' "$SAID"
    steps true deny
    expect 1 "$STATUS"
}

test_wrong_usage() {
    steps '' nonsense
    expect 2 "$STATUS"
    steps '' --list
    expect 0 "$STATUS"
    expect_in 'clippy ' "$SAID"
}

run_tests
