# shellcheck shell=bash
# A small test runner. Sourced by every *_test.sh: it defines functions test_*, and calls run_tests at its end.

# Shells ignore SIGINT for what they run beside themselves, children inherit that, and a script can neither trap nor reset it:
# what Ctrl-C does could not be tested. Begins anew without it.
ignored=$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$$/status")
if ((0x$ignored >> ($(kill -l INT) - 1) & 1)); then
    exec env --default-signal=INT "$BASH" "$0" "$@"
fi

# expect WANTED GOT [WHAT]: fails the test when they differ.
expect() {
    [[ $1 == "$2" ]] && return
    printf '      %s\n      expected: %s\n      got:      %s\n' "${3:-line ${BASH_LINENO[0]}}" "$1" "$2"
    exit 1
}

# expect_in PART TEXT
expect_in() {
    [[ $2 == *"$1"* ]] && return
    printf '      line %s\n      expected this: %s\n      in:            %s\n' "${BASH_LINENO[0]}" "$1" "$2"
    exit 1
}

# fake FILE TEXT: a file in the test's own directory $TMP, with the directories above it.
fake() {
    mkdir -p "$(dirname "$TMP/$1")"
    printf '%s\n' "$2" >"$TMP/$1"
}

# ends PID: waits until that child ends and sets STATUS to its exit code; one that does not within WITHIN seconds fails the test.
WITHIN=30
ends() {
    local i
    for ((i = 0; i < WITHIN * 10; i++)); do
        kill -s 0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    if kill -s 0 "$1" 2>/dev/null; then
        kill -s KILL "$1"
        wait "$1" || true
        expect "an end within $WITHIN s" 'none'
    fi
    # shellcheck disable=SC2034 # the tests look at it
    { STATUS=0 && wait "$1"; } || STATUS=$?
}

# ignoring_sigint COMMAND...: takes this shell's place with a command that ignores SIGINT, as what a shell runs beside itself does.
ignoring_sigint() {
    trap '' INT
    exec "$@"
}

# run_tests: every test in a subshell with an empty $TMP of its own; prints a line each and fails when one failed. The
# scripts that call it must not `set -e`: the tests do, and a `||` here would switch it off for them.
run_tests() {
    local name output status started passed=0 failed=0
    for name in $(declare -F | sed -n 's/^declare -f \(test_\)/\1/p'); do
        TMP=$(mktemp -d) started=$SECONDS
        output=$(
            set -euo pipefail
            "$name" 2>&1
        )
        status=$?
        rm -rf "$TMP"
        if ((status == 0)); then
            passed=$((passed + 1))
            printf '  ok     %s (%d s)\n' "$name" $((SECONDS - started))
        else
            failed=$((failed + 1))
            printf '  FAILED %s (exit %s)\n%s\n' "$name" "$status" "$output"
        fi
    done
    printf '%s: %d passed, %d failed\n' "$(basename "$0")" "$passed" "$failed"
    ((failed == 0 && passed > 0))
}
