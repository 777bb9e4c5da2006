# shellcheck shell=bash
# Kernel settings: raising them for a while and putting them back. Sourced by scripts/c1m.
#
# SYSCTL_ROOT stands for /proc/sys, so that the tests can use a directory of plain files. Reports go through `say`.

SYSCTL_ROOT=${SYSCTL_ROOT:-/proc/sys}

declare -F say >/dev/null || say() { echo "$*"; }

# What sysctl_raise changed, in order: the key, the value before, the value that was read back after.
SYSCTL_KEYS=()
SYSCTL_OLD=()
SYSCTL_NEW=()

# sysctl_path KEY
sysctl_path() { printf '%s/%s\n' "$SYSCTL_ROOT" "${1//.//}"; }

# sysctl_get KEY: its value, several numbers separated by one space. Fails when the kernel has no such setting.
sysctl_get() {
    local -a fields
    { read -r -a fields <"$(sysctl_path "$1")"; } 2>/dev/null || return 1
    printf '%s\n' "${fields[*]}"
}

# sysctl_set KEY VALUE
sysctl_set() { { printf '%s\n' "$2" >"$(sysctl_path "$1")"; } 2>/dev/null; }

# at_least A B: whether A >= B, also for numbers beyond 64 bits (fs.file-max may be 2^64 - 1).
at_least() {
    ((${#1} != ${#2})) && { ((${#1} > ${#2})); return; }
    [[ $1 == "$2" || $1 > $2 ]]
}

# sysctl_merge KEY CURRENT WANTED: the value to write so that nothing gets smaller; CURRENT itself when it is enough.
sysctl_merge() {
    local -a current wanted merged=()
    local i
    read -r -a current <<<"$2"
    read -r -a wanted <<<"$3"
    case $1 in
        # A range grows at both ends.
        net.ipv4.ip_local_port_range)
            merged=($((current[0] < wanted[0] ? current[0] : wanted[0])) $((current[1] > wanted[1] ? current[1] : wanted[1])))
            ;;
        # 2, "on loopback only", is all that a run with both ends on the box needs.
        net.ipv4.tcp_tw_reuse)
            merged=("$((current[0] == 0 ? wanted[0] : current[0]))")
            ;;
        *)
            for i in "${!wanted[@]}"; do
                if at_least "${current[i]:-0}" "${wanted[i]}"; then merged+=("${current[i]}"); else merged+=("${wanted[i]}"); fi
            done
            ;;
    esac
    printf '%s\n' "${merged[*]}"
}

# sysctl_fits KEY WANTED MEMORY: whether the value suits a machine with that many bytes of memory.
sysctl_fits() {
    local -a pages
    [[ $1 == net.ipv4.tcp_mem ]] || return 0
    read -r -a pages <<<"$2"
    ((pages[2] * 4096 <= $3 / 2))
}

# sysctl_enough KEY CURRENT CONNECTIONS: whether a run with so many connections needs no more than what is there.
sysctl_enough() {
    local open
    case $1 in
        # A file at each end beside those that are open, and a generous rest for everybody else.
        fs.file-max)
            open=$(sysctl_get fs.file-nr) || open=0
            at_least "$2" $((2 * $3 + ${open%% *} + 100000))
            ;;
        fs.nr_open) at_least "$2" $(($3 + 10000)) ;;
        # Nothing is counted where no firewall rule asks for it.
        net.netfilter.nf_conntrack_max) [[ $(sysctl_get net.netfilter.nf_conntrack_count) == 0 ]] ;;
        *) return 1 ;;
    esac
}

# sysctl_raise FILE MEMORY CONNECTIONS: raises every setting of FILE that is below its value there and matters to such a run,
# remembers the old ones, and says one line for each it raised and for each it could not, with the cost as FILE's "Without:"
# comment states it.
sysctl_raise() {
    local line key value optional current target without=''
    while read -r line; do
        case $line in
            '# Without: '*) without=${line#'# Without: '} ;;
            '' | '#'*) ;;
            *)
                optional=''
                [[ $line == -* ]] && optional=yes && line=${line#-}
                key=${line%%=*} && key=${key%% *}
                value=${line#*=} && value=${value# }
                if ! current=$(sysctl_get "$key"); then
                    [[ -n $optional ]] || say "cannot raise $key: not visible here, as in a container (without: $without)"
                elif ! target=$(sysctl_merge "$key" "$current" "$value") || [[ $target == "$current" ]] ||
                    sysctl_enough "$key" "$current" "$3"; then
                    :
                elif ! sysctl_fits "$key" "$target" "$2"; then
                    say "left $key at $current: $target suits more memory than this machine has"
                else
                    sysctl_raise_one "$key" "$current" "$target" "$without"
                fi
                without=''
                ;;
        esac
    done <"$1"
}

# sysctl_raise_one KEY CURRENT TARGET WITHOUT
sysctl_raise_one() {
    # Remembered before it is written: a signal between the two then restores a value that is in place already.
    SYSCTL_KEYS+=("$1")
    SYSCTL_OLD+=("$2")
    SYSCTL_NEW+=("$3")
    if sysctl_set "$1" "$3"; then
        SYSCTL_NEW[-1]=$(sysctl_get "$1")
        say "raised $1 from $2 to ${SYSCTL_NEW[-1]}"
    else
        unset 'SYSCTL_KEYS[-1]' 'SYSCTL_OLD[-1]' 'SYSCTL_NEW[-1]'
        say "cannot raise $1 from $2 to $3, not permitted (without: $4)"
    fi
}

# sysctl_restore: puts every raised setting back, the last one first, and forgets them; one that somebody else has changed
# meanwhile stays. Says only what did not work, and fails then.
sysctl_restore() {
    local i now failed=0
    for ((i = ${#SYSCTL_KEYS[@]} - 1; i >= 0; i--)); do
        now=$(sysctl_get "${SYSCTL_KEYS[i]}") || now=''
        if [[ $now == "${SYSCTL_OLD[i]}" ]]; then
            :
        elif [[ $now != "${SYSCTL_NEW[i]}" ]]; then
            say "left ${SYSCTL_KEYS[i]} at $now: somebody else has changed it meanwhile (before: ${SYSCTL_OLD[i]})"
        elif ! sysctl_set "${SYSCTL_KEYS[i]}" "${SYSCTL_OLD[i]}"; then
            say "could not put ${SYSCTL_KEYS[i]} back to ${SYSCTL_OLD[i]}: please do, sysctl -w ${SYSCTL_KEYS[i]}='${SYSCTL_OLD[i]}'"
            failed=1
        fi
    done
    SYSCTL_KEYS=() SYSCTL_OLD=() SYSCTL_NEW=()
    return "$failed"
}
