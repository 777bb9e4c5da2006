#!/usr/bin/env bash
# scripts/c1m as a whole, with a bench that only pretends and a directory that stands for /proc/sys.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/tests/testing.sh
. "$here/testing.sh"
c1m=$here/../../c1m

# settings BENCH_BODY: files for the settings, and a bench with that body which first writes down what it was called with.
settings() {
    fake sys/net/core/somaxconn 4096
    fake sys/net/core/netdev_max_backlog 1000
    fake sys/fs/file-max 100000000
    fake sys/net/ipv4/tcp_migrate_req 0
    fake bench "#!/usr/bin/env bash
echo \"\$*\" >$TMP/called
cp $TMP/sys/net/core/somaxconn $TMP/during
$1
"
    chmod +x "$TMP/bench"
}

run_c1m() { (exec_c1m "$@"); }

# exec_c1m [ARGUMENT...]: by way of the command in BY, if it is set.
exec_c1m() {
    ${BY:-exec} env SYSCTL_ROOT="$TMP/sys" CGROUP_ROOT="$TMP/cgroup" C1M_BENCH="$TMP/bench" "$c1m" "$@" >"$TMP/said" 2>&1
}

# interrupt SIGNAL: runs c1m and, once the bench runs, sends the signal to c1m's process group, as a terminal does; sets
# STATUS to its exit code. With job control, because a shell starts what runs beside it with SIGINT ignored otherwise.
interrupt() {
    local pid
    set -m
    exec_c1m 1k &
    pid=$!
    set +m
    started "$TMP/child"
    kill -s "$1" -- "-$pid"
    ends $pid
}

# started [FILE]: waits until the bench runs and has written FILE.
started() {
    local i
    for ((i = 0; i < 100; i++)); do
        [[ -s ${1:-$TMP/during} ]] && return
        sleep 0.1
    done
    expect 'a bench that runs' "$(<"$TMP/said")"
}

# status_of COMMAND...: its exit code.
status_of() {
    local status=0
    "$@" || status=$?
    echo "$status"
}

# gone PID: whether the process is gone, or only waits to be reaped.
gone() { [[ ! -d /proc/$1 || $(<"/proc/$1/stat") == *') Z '* ]]; }

all_put_back() {
    expect 4096 "$(<"$TMP/sys/net/core/somaxconn")"
    expect 1000 "$(<"$TMP/sys/net/core/netdev_max_backlog")"
    expect 100000000 "$(<"$TMP/sys/fs/file-max")"
    expect 0 "$(<"$TMP/sys/net/ipv4/tcp_migrate_req")"
}

test_settings_are_raised_during_the_run_and_put_back() {
    settings 'exit 0'
    expect 0 "$(status_of run_c1m 1k --cycles 3 --json out.json)"
    expect 65535 "$(<"$TMP/during")"
    local results
    results=$(cd "$here/../../.." && pwd)/results
    expect "c1m -n 1000 --floor --results $results --server-bin $TMP/bench --cycles 3 --json out.json" "$(<"$TMP/called")"
    expect_in 'put 3 kernel settings back' "$(<"$TMP/said")"
    all_put_back
}

test_keep_leaves_them_raised() {
    settings 'exit 0'
    expect 0 "$(status_of run_c1m --keep --no-floor --no-results 1k)"
    expect "c1m -n 1000 --server-bin $TMP/bench" "$(<"$TMP/called")"
    expect 65535 "$(<"$TMP/sys/net/core/somaxconn")"
    expect_in 'raised (--keep)' "$(<"$TMP/said")"
}

test_the_servers_machine_runs_an_agent() {
    settings 'exit 0'
    expect 0 "$(status_of run_c1m --serve 1k --listen 10.0.0.1:9200)"
    expect "agent --server-bin $TMP/bench --listen 10.0.0.1:9200" "$(<"$TMP/called")"
    expect 65535 "$(<"$TMP/during")"
    all_put_back
}

test_a_load_machine_starts_no_server_and_asks_for_all_connections() {
    settings 'exit 0'
    expect 0 "$(status_of run_c1m 1k --no-floor --no-results --server a,b --machine 2/3 --cycles 1)"
    expect "c1m -n 1000 --server a,b --machine 2/3 --cycles 1" "$(<"$TMP/called")"
    expect 2 "$(status_of run_c1m 1k --server a --machine two)"
    expect_in "'two' is no machine" "$(<"$TMP/said")"
}

test_results_go_where_they_are_wanted() {
    settings 'exit 0'
    expect 0 "$(status_of run_c1m 1k --results here --name there)"
    expect "c1m -n 1000 --floor --server-bin $TMP/bench --results here --name there" "$(<"$TMP/called")"
}

test_a_control_group_left_behind_is_removed() {
    settings "mkdir -p $TMP/cgroup/memory/throng-bench-1 $TMP/cgroup/throng-bench-2 $TMP/cgroup/other; kill -KILL \$\$"
    expect 137 "$(status_of run_c1m 1k)"
    expect other "$(cd "$TMP/cgroup" && find . -mindepth 1 ! -name memory -printf '%f\n')"
}

test_a_failing_bench_passes_its_exit_code_on() {
    settings 'exit 1'
    expect 1 "$(status_of run_c1m 1k)"
    all_put_back
}

test_a_missing_bench_is_an_error() {
    settings 'exit 0'
    rm "$TMP/bench"
    expect 1 "$(status_of run_c1m 1k)"
    expect_in 'is missing' "$(<"$TMP/said")"
    all_put_back
}

test_wrong_usage_changes_nothing() {
    settings 'exit 0'
    expect 2 "$(status_of run_c1m none)"
    expect_in "'none' is no number of connections" "$(<"$TMP/said")"
    expect 2 "$(status_of run_c1m 5 6)"
    expect 2 "$(status_of run_c1m -n 5)"
    expect no "$([[ -e $TMP/called ]] && echo yes || echo no)"
    all_put_back
}

test_help() {
    settings 'exit 0'
    expect 0 "$(status_of run_c1m --help)"
    expect_in 'Usage: scripts/c1m [N]' "$(<"$TMP/said")"
}

interrupted_by() {
    settings "trap 'echo $1 >$TMP/signal; exit 0' $1
sleep 60 & echo \$! >$TMP/child; wait"
    interrupt "$1"
    expect "$2" "$STATUS"
    expect "$1" "$(<"$TMP/signal")" 'the bench got the signal'
    gone "$(<"$TMP/child")" || expect 'nothing left running' 'a child'
    all_put_back
}

test_ctrl_c_is_forwarded_and_leaves_nothing() { interrupted_by INT 130; }
test_sigterm_is_forwarded_and_leaves_nothing() { interrupted_by TERM 143; }

test_a_wish_told_twice_does_not_cut_the_run() {
    settings "trap 'sleep 1; echo done >$TMP/end; exit 0' TERM
sleep 60 & echo \$! >$TMP/child; wait"
    local pid
    exec_c1m 1k &
    pid=$!
    started "$TMP/child"
    kill -s TERM "$pid"
    sleep 0.3
    kill -s TERM "$pid"
    ends "$pid"
    expect 143 "$STATUS"
    expect 'done' "$(<"$TMP/end")"
    all_put_back
}

test_another_wish_a_second_later_cuts_it() {
    settings "trap 'echo heard >$TMP/heard; sleep 60; echo done >$TMP/end; exit 0' TERM
sleep 60 & echo \$! >$TMP/child; wait"
    local pid
    exec_c1m 1k &
    pid=$!
    started "$TMP/child"
    kill -s TERM "$pid"
    started "$TMP/heard"
    sleep 1.1
    kill -s TERM "$pid"
    ends "$pid"
    expect 143 "$STATUS"
    expect no "$([[ -e $TMP/end ]] && echo yes || echo no)"
    all_put_back
}

test_beside_a_shell_it_ends_at_sigterm_and_leaves_nothing() {
    local BY=ignoring_sigint
    interrupted_by TERM 143
}

test_beside_a_shell_it_lives_through_ctrl_c() {
    # To what the shell runs in front.
    local BY=ignoring_sigint
    settings "sleep 1 & echo \$! >$TMP/child; wait; echo done >$TMP/end"
    interrupt INT
    expect 0 "$STATUS"
    expect 'done' "$(<"$TMP/end")"
    all_put_back
}

test_a_bench_that_ignores_signals_is_killed() {
    settings "trap '' INT TERM
sleep 60 & echo \$! >$TMP/child; wait"
    export SUPERVISE_GRACE=10 SUPERVISE_TERM=10
    interrupt INT
    expect 130 "$STATUS"
    gone "$(<"$TMP/child")" || expect 'nothing left running' 'a child'
    expect_in 'has not ended 1 s after SIGINT' "$(<"$TMP/said")"
    all_put_back
}

test_what_the_bench_leaves_running_is_ended() {
    # In a process group of its own, as the bench starts its children.
    settings "set -m; sleep 60 & echo \$! >$TMP/child; exit 0"
    expect 0 "$(status_of run_c1m 1k)"
    gone "$(<"$TMP/child")" || expect 'nothing left running' 'a child'
    expect_in 'ending what the run left behind' "$(<"$TMP/said")"
}

test_two_at_once_are_refused() {
    settings 'sleep 2'
    run_c1m 1k & local first=$!
    started
    local second
    second=$(SYSCTL_ROOT=$TMP/sys C1M_BENCH=$TMP/bench "$c1m" 1k 2>&1) && expect refused 'both run'
    expect_in 'another scripts/c1m is running' "$second"
    wait $first
    all_put_back
}

run_tests
