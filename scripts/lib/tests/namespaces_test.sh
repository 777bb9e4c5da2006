#!/usr/bin/env bash
# scripts/namespaces as a whole, with a bench that only pretends, in real network namespaces.
# shellcheck disable=SC2016 # the bench expands its arguments, not this script
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/tests/testing.sh
. "$here/testing.sh"
namespaces=$here/../../namespaces

# bench BODY: a bench with that body, which first writes down what it was called with and what addresses it sees.
bench() {
    fake sys/net/core/somaxconn 4096
    fake bench "#!/usr/bin/env bash
case \$1 in
    agent) what=agent ;;
    merge) what=merge ;;
    *) what=\$(ip -4 -br address show dev eth0 | tr -s ' ' | cut -d' ' -f3) what=\${what%/*} ;;
esac
echo \"\$*\" >$TMP/called-\$what
echo \$\$ >$TMP/pid-\$what
[[ \$what != agent ]] || echo '{\"ready\":true}'
$1
"
    chmod +x "$TMP/bench"
}

# exec_namespaces [ARGUMENT...]: by way of the command in BY, if it is set.
exec_namespaces() {
    ${BY:-exec} env SYSCTL_ROOT="$TMP/sys" CGROUP_ROOT="$TMP/cgroup" C1M_BENCH="$TMP/bench" TMPDIR="$TMP" \
        "$namespaces" "$@" >"$TMP/said" 2>&1
}

run_namespaces() { (exec_namespaces "$@"); }

status_of() {
    local status=0
    "$@" || status=$?
    echo "$status"
}

# held: namespaces that are held by a process of ours.
held() { pgrep -c -f '^sleep infinity$' || true; }

test_three_machines_are_started_and_their_reports_merged() {
    local before
    before=$(held)
    bench 'while (($#)); do
            case $1 in --results) results=$2 ;; --name) name=$2 ;; esac
            shift
        done
        [[ $what != 10.* ]] || { mkdir -p "$results/$name" && echo {} >"$results/$name/summary.json"; }'
    expect 0 "$(status_of run_namespaces 1k --cycles 1 --results "$TMP/results" --name here)" "$(cat "$TMP/said")"
    expect_in 'agent --server-bin' "$(<"$TMP/called-agent")"
    for number in 1 2; do
        expect_in "-n 1000 --floor --server 10.90.0.1,10.90.0.2 --source 10.90.$number.1 --machine $number/2" \
            "$(<"$TMP/called-10.90.$number.1")"
        expect_in '--cycles 1' "$(<"$TMP/called-10.90.$number.1")"
    done
    expect_in "--results $TMP/results --name here" "$(<"$TMP/called-merge")"
    expect "$before" "$(held)" 'namespaces left'
    expect 4096 "$(<"$TMP/sys/net/core/somaxconn")"
}

test_a_load_machine_that_fails_ends_the_others() {
    local before
    before=$(held)
    bench '[[ $what == 10.90.1.1 ]] && { echo "no port left" >&2; exit 1; }
        exec sleep 60'
    expect 1 "$(status_of run_namespaces 1k)"
    expect_in 'no port left' "$(<"$TMP/said")"
    for what in agent 10.90.2.1; do
        expect gone "$([[ -d /proc/$(<"$TMP/pid-$what") ]] || echo gone)" "$what"
    done
    expect "$before" "$(held)" 'namespaces left'
}

# interrupted_by SIGNAL STATUS: a run that ends with that, and leaves nothing.
interrupted_by() {
    local before pid i
    before=$(held)
    bench 'exec sleep 60'
    set -m
    exec_namespaces 1k &
    pid=$!
    set +m
    for ((i = 0; i < 200; i++)); do
        [[ -s $TMP/pid-10.90.1.1 && -s $TMP/pid-10.90.2.1 ]] && break
        sleep 0.1
    done
    kill -s "$1" -- "-$pid"
    ends $pid
    expect "$2" "$STATUS"
    for what in agent 10.90.1.1 10.90.2.1; do
        expect gone "$([[ -d /proc/$(<"$TMP/pid-$what") ]] || echo gone)" "$what"
    done
    expect "$before" "$(held)" 'namespaces left'
    expect 4096 "$(<"$TMP/sys/net/core/somaxconn")"
    expect '' "$(find "$TMP" -mindepth 1 -maxdepth 1 -name 'tmp.*')" 'a scratch directory left'
}

test_an_interrupt_leaves_nothing() { interrupted_by INT 130; }

test_beside_a_shell_it_ends_at_sigterm_and_leaves_nothing() {
    local BY=ignoring_sigint
    interrupted_by TERM 143
}

test_wrong_usage_is_told() {
    bench 'exit 0'
    expect 2 "$(status_of run_namespaces none)"
    expect 2 "$(status_of run_namespaces 1)"
    expect 2 "$(status_of run_namespaces 1k --server x)"
    expect_in "this script's own business" "$(<"$TMP/said")"
}

if ((EUID != 0)) && ! unshare --user --map-root-user --net true 2>/dev/null; then
    echo "  SKIPPED: only root may make network namespaces here"
    [[ ${CI:-} != true ]]
    exit
fi
run_tests
