#!/usr/bin/env bash
# Raising kernel settings and putting them back, on a directory of plain files.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/tests/testing.sh
. "$here/testing.sh"
# shellcheck source=scripts/lib/sysctl.sh
. "$here/../sysctl.sh"

MEMORY=$((64 << 30))

settings() {
    SYSCTL_ROOT=$TMP
    fake net/core/somaxconn 4096
    fake net/ipv4/tcp_mem $'10\t20\t30'
    fake fs/nr_open 5000000
    fake wanted.conf "# A reason.
# Without: bursts wait
net.core.somaxconn = 65535
net.ipv4.tcp_mem = 15 16 40
fs.nr_open = 2097152
# Without: nothing to see
net.ipv4.absent = 1
-net.netfilter.absent = 1"
}

test_only_what_is_lower_is_raised() {
    settings
    sysctl_raise "$TMP/wanted.conf" $MEMORY 1000000 >"$TMP/said"
    expect 65535 "$(sysctl_get net.core.somaxconn)"
    expect '15 20 40' "$(sysctl_get net.ipv4.tcp_mem)" 'each number by itself'
    expect 5000000 "$(sysctl_get fs.nr_open)" 'a higher value stays'
    expect 'net.core.somaxconn net.ipv4.tcp_mem' "${SYSCTL_KEYS[*]}"
    expect 'raised net.core.somaxconn from 4096 to 65535
raised net.ipv4.tcp_mem from 10 20 30 to 15 20 40
cannot raise net.ipv4.absent: not visible here, as in a container (without: nothing to see)' "$(<"$TMP/said")"
}

test_everything_is_put_back() {
    settings
    sysctl_raise "$TMP/wanted.conf" $MEMORY 1000000 >/dev/null
    expect '' "$(sysctl_restore)"
    expect 4096 "$(sysctl_get net.core.somaxconn)"
    sysctl_restore
    expect '10 20 30' "$(sysctl_get net.ipv4.tcp_mem)"
    expect 0 ${#SYSCTL_KEYS[@]}
}

test_what_somebody_else_changed_meanwhile_stays() {
    settings
    sysctl_raise "$TMP/wanted.conf" $MEMORY 1000000 >/dev/null
    fake net/core/somaxconn 50000
    expect_in 'left net.core.somaxconn at 50000' "$(sysctl_restore)"
    sysctl_restore >/dev/null
    expect 50000 "$(sysctl_get net.core.somaxconn)"
    expect '10 20 30' "$(sysctl_get net.ipv4.tcp_mem)"
}

test_what_cannot_be_written_is_said_with_its_cost_and_not_remembered() {
    settings
    sysctl_set() { return 1; }
    sysctl_raise "$TMP/wanted.conf" $MEMORY 1000000 >"$TMP/said"
    expect_in 'cannot raise net.core.somaxconn from 4096 to 65535, not permitted (without: bursts wait)' "$(<"$TMP/said")"
    expect 0 ${#SYSCTL_KEYS[@]}
}

test_what_cannot_be_put_back_is_said_and_fails() {
    settings
    sysctl_raise "$TMP/wanted.conf" $MEMORY 1000000 >/dev/null
    sysctl_set() { [[ $1 != net.core.somaxconn ]]; }
    if sysctl_restore >"$TMP/said"; then expect failure success; fi
    expect_in "sysctl -w net.core.somaxconn='4096'" "$(<"$TMP/said")"
}

test_a_range_grows_at_both_ends_and_loopback_reuse_is_enough() {
    expect '1024 65535' "$(sysctl_merge net.ipv4.ip_local_port_range '32768 60999' '1024 65535')"
    expect '1000 65535' "$(sysctl_merge net.ipv4.ip_local_port_range '1000 60999' '1024 65535')"
    expect 2 "$(sysctl_merge net.ipv4.tcp_tw_reuse 2 1)"
    expect 1 "$(sysctl_merge net.ipv4.tcp_tw_reuse 0 1)"
}

test_numbers_beyond_64_bits_compare() {
    expect 18446744073709551615 "$(sysctl_merge fs.file-max 18446744073709551615 9223372036854775807)"
    expect 9223372036854775807 "$(sysctl_merge fs.file-max 2466190 9223372036854775807)"
    at_least 10 9
    at_least 9 9
    if at_least 9 10; then expect 'less' 'at least'; fi
}

test_what_is_enough_for_the_run_stays() {
    settings
    fake fs/file-max 2466190
    fake fs/nr_open 1048576
    fake net/netfilter/nf_conntrack_count 0
    sysctl_enough fs.file-max 2466190 1000000
    sysctl_enough fs.nr_open 1048576 1000000
    sysctl_enough net.netfilter.nf_conntrack_max 262144 1000000
    fake fs/file-nr $'2000767\t0\t2466190'
    if sysctl_enough fs.file-max 2466190 1000000; then expect 'too few' enough; fi
    rm "$TMP/fs/file-nr"
    fake net/netfilter/nf_conntrack_count 7
    if sysctl_enough fs.file-max 2466190 1200000; then expect 'too few' enough; fi
    if sysctl_enough fs.nr_open 1048576 1048576; then expect 'too few' enough; fi
    if sysctl_enough net.netfilter.nf_conntrack_max 262144 10; then expect 'too few' enough; fi
    if sysctl_enough net.core.somaxconn 4096 10; then expect 'too few' enough; fi
    fake wanted.conf 'fs.nr_open = 2097152'
    expect '' "$(sysctl_raise "$TMP/wanted.conf" $MEMORY 1000000)"
}

test_tcp_mem_leaves_half_of_the_memory() {
    settings
    fake wanted.conf 'net.ipv4.tcp_mem = 1048576 2097152 2621440'
    expect_in 'left net.ipv4.tcp_mem at 10 20 30' "$(sysctl_raise "$TMP/wanted.conf" $((16 << 30)) 1)"
    expect_in 'raised net.ipv4.tcp_mem' "$(sysctl_raise "$TMP/wanted.conf" $((24 << 30)) 1)"
}

test_every_line_of_the_real_file_has_a_reason_and_a_cost() {
    local line previous='' lines=0
    while read -r line; do
        if [[ -n $line && $line != '#'* ]]; then
            lines=$((lines + 1))
            [[ $line =~ ^-?[a-z0-9_.-]+' = '[0-9\ ]+$ ]] || expect 'key = numbers' "$line"
            expect '# Without: ' "${previous:0:11}" "the line above $line"
        fi
        previous=$line
    done <"$here/../../../sysctl/90-throng.conf"
    ((lines > 0)) || expect 'some settings' 'none'
}

run_tests
