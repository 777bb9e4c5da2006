# shellcheck shell=bash
# Network namespaces that live as long as the script that makes them. Sourced by scripts/namespaces.
#
# Each is held by a process that the kernel ends with the script, so that none is left whatever happens to it.

# The process that holds each namespace, by its name.
declare -A NETNS=()
# Interfaces made so far.
NETNS_LINKS=0

# netns_make NAME...: namespaces with nothing but loopback.
netns_make() {
    local name i
    for name; do
        setpriv --pdeathsig KILL unshare --net sleep infinity 9<&- &
        NETNS[$name]=$!
        # It is a namespace of its own once `unshare` has done its work.
        for ((i = 0; i < 100; i++)); do
            [[ $(readlink "/proc/${NETNS[$name]}/ns/net") != "$(readlink /proc/self/ns/net)" ]] && break
            sleep 0.05
        done
        ((i < 100)) && netns_run "$name" ip link set lo up || return 1
    done
}

# netns_path NAME: a file that stands for the namespace.
netns_path() { echo "/proc/${NETNS[$1]}/ns/net"; }

# netns_run NAME COMMAND...: a command in the namespace.
netns_run() { nsenter "--net=$(netns_path "$1")" "${@:2}"; }

# netns_bridge NAME: makes the namespace a switch.
netns_bridge() {
    netns_run "$1" ip link add switch type bridge
    netns_run "$1" ip link set switch up
}

# netns_join SWITCH NAME ADDRESS/BITS...: a cable from a namespace to a switch, and the namespace's addresses.
netns_join() {
    local switch=$1 name=$2 address port=port$((NETNS_LINKS += 1))
    shift 2
    netns_run "$switch" ip link add "$port" type veth peer name eth0 netns "${NETNS[$name]}"
    netns_run "$switch" ip link set "$port" master switch up
    for address; do
        netns_run "$name" ip address add "$address" dev eth0
    done
    netns_run "$name" ip link set eth0 up
}

# netns_remove: ends them all.
netns_remove() {
    local name
    for name in "${!NETNS[@]}"; do
        kill -s KILL "${NETNS[$name]}" 2>/dev/null || true
        wait "${NETNS[$name]}" 2>/dev/null || true
        unset "NETNS[$name]"
    done
}
