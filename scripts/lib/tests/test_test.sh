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

test_wrong_usage() {
    steps '' nonsense
    expect 2 "$STATUS"
    steps '' --list
    expect 0 "$STATUS"
    expect_in 'clippy ' "$SAID"
}

run_tests
