# shellcheck shell=bash
# A small test runner. Sourced by every *_test.sh: it defines functions test_*, and calls run_tests at its end.

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

# run_tests: every test in a subshell with an empty $TMP of its own; prints a line each and fails when one failed. The
# scripts that call it must not `set -e`: the tests do, and a `||` here would switch it off for them.
run_tests() {
    local name output status passed=0 failed=0
    for name in $(declare -F | sed -n 's/^declare -f \(test_\)/\1/p'); do
        TMP=$(mktemp -d)
        output=$(
            set -euo pipefail
            "$name" 2>&1
        )
        status=$?
        rm -rf "$TMP"
        if ((status == 0)); then
            passed=$((passed + 1))
            printf '  ok     %s\n' "$name"
        else
            failed=$((failed + 1))
            printf '  FAILED %s (exit %s)\n%s\n' "$name" "$status" "$output"
        fi
    done
    printf '%s: %d passed, %d failed\n' "$(basename "$0")" "$passed" "$failed"
    ((failed == 0 && passed > 0))
}
