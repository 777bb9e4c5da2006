#!/usr/bin/env bash
# The arithmetic of what a machine holds, on a directory that stands for /proc and /sys.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/tests/testing.sh
. "$here/testing.sh"
# shellcheck source=scripts/lib/fit.sh
. "$here/../fit.sh"

GIB=$((1 << 30))

# machine AVAILABLE_GIB: a large machine with so much memory left.
machine() {
    FIT_ROOT=$TMP
    fake proc/meminfo "MemTotal: 999999999 kB
MemAvailable: $(($1 * 1024 * 1024)) kB"
    fake proc/loadavg '0.1 0.1 0.1 1/200 4711'
    fake proc/self/cgroup ''
    fake proc/sys/kernel/threads-max 192731
    fake proc/sys/kernel/pid_max 32768
    fake proc/sys/fs/file-max 9223372036854775807
    fake proc/sys/fs/file-nr '400 0 9223372036854775807'
    fake proc/sys/fs/epoll/max_user_watches 50000000
    fake proc/sys/net/ipv4/ip_local_port_range '1024 65535'
}

test_counts() {
    expect 1000000 "$(parse_count 1M)"
    expect 100000 "$(parse_count 100k)"
    expect 250000 "$(parse_count 250_000)"
    expect 1 "$(parse_count 1)"
    expect 16000000 "$(parse_count 16m)"
    local bad
    for bad in '' 0 -1 1.5M 1G k 10kk 0x10 16000001 99999999999 '1 2' 010; do
        expect refused "$(parse_count "$bad" || echo refused)" "'$bad'"
    done
}

test_numbers_for_people() {
    expect 1,000,000 "$(thousands 1000000)"
    expect 999 "$(thousands 999)"
    expect '9.2 GiB' "$(gib $((9 * GIB + GIB / 4)))"
}

test_a_million_needs_nine_gib_and_a_third() {
    expect 0 "$(fit_memory $GIB)"
    expect 0 "$(fit_memory 5)"
    expect 905565 "$(fit_memory $((8 * GIB)))"
    ((1000000 <= $(fit_memory $((9 * GIB + GIB * 3 / 10)))))
}

test_one_end_takes_half() {
    machine 8
    fit_plan 2000000 3000000 unlimited
    expect 905000 "$FIT_N"
    FIT_ENDS=1
    fit_plan 2000000 3000000 unlimited
    expect 1811000 "$FIT_N"
    expect_in 'takes 4,150 bytes here' "$FIT_WHY"
    expect $((200 * 18480)) "$(fit_threads 200 20000)"
}

test_descriptor_tables() {
    expect 1 "$(tables_for 1000000 1100000)"
    expect 55 "$(tables_for 1000000 20000)"
    expect 2 "$(tables_for 1000000 1000000)" 'no room for listeners in one table'
    expect refused "$(tables_for 10 100 || echo refused)"
    expect $((100 * 18480)) "$(fit_threads 200 20000)"
    expect $((1024 * 833)) "$(fit_threads 9000 1024)" 'no more threads than each side starts'
}

test_files_watches_and_ports_count_both_ends() {
    expect 497952 "$(fit_files 1000400 400)"
    expect 0 "$(fit_files 1000 400)"
    expect $FIT_MAX_CONNECTIONS "$(fit_files 9223372036854775807 400)"
    expect 990000 "$(fit_watches 2000000)"
    expect $((4096 * 11292)) "$(fit_ports 32768 60999)"
}

test_a_large_machine_holds_all() {
    machine 24
    fit_plan 1000000 20000 unlimited
    expect '1000000 ' "$FIT_N $FIT_WHY"
}

test_too_little_memory_scales_down_to_a_round_number() {
    machine 4
    fit_plan 1000000 20000 unlimited
    expect 388000 "$FIT_N"
    expect '4.0 GiB of memory are available, a connection takes 8,300 bytes here, and 1 GiB stays free' "$FIT_WHY"
}

test_the_lowest_limit_gives_the_reason() {
    machine 4
    fake proc/sys/net/ipv4/ip_local_port_range '32768 32867'
    fit_plan 1000000 20000 unlimited
    expect 163000 "$FIT_N"
    expect_in '4,096 source addresses 100 ports' "$FIT_WHY"
}

test_threads_limit_only_where_descriptors_are_short() {
    machine 24
    fit_plan 1000000 20000 1324
    expect 924000 "$FIT_N" '100 threads, 50 a side'
    expect_in 'at most 20,000 descriptors, and each side can have 50 threads' "$FIT_WHY"
    fit_plan 1000000 1100000 1324
    expect 1000000 "$FIT_N"
}

test_cgroup_v2_limits_memory_and_threads() {
    machine 24
    fake proc/self/cgroup '0::/a/b'
    fake sys/fs/cgroup/a/memory.max $((4 * GIB))
    fake sys/fs/cgroup/a/memory.current $((2 * GIB))
    fake sys/fs/cgroup/a/memory.stat "anon 5
inactive_file $GIB
active_file 0"
    fake sys/fs/cgroup/a/b/memory.max max
    fake sys/fs/cgroup/a/b/memory.current 0
    fake sys/fs/cgroup/a/pids.max 3000
    fake sys/fs/cgroup/a/pids.current 1000
    expect $((3 * GIB)) "$(available_memory)" 'page cache counts as free'
    expect $((2000 - FIT_SPARE_THREADS)) "$(available_threads unlimited)"
}

test_cgroup_v1_limits_memory() {
    machine 24
    fake proc/self/cgroup '8:pids:/
4:memory:/x'
    fake sys/fs/cgroup/memory/x/memory.limit_in_bytes $((3 * GIB))
    fake sys/fs/cgroup/memory/x/memory.usage_in_bytes $GIB
    fake sys/fs/cgroup/memory/memory.limit_in_bytes 9223372036854771712
    fake sys/fs/cgroup/memory/memory.usage_in_bytes $GIB
    expect $((2 * GIB)) "$(available_memory)"
}

test_this_machine_can_be_read() {
    FIT_ROOT=''
    (($(available_memory) > 0))
    fit_plan 1 1000 unlimited
    expect 1 "$FIT_N"
}

run_tests
