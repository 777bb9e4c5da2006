# shellcheck shell=bash
# How many connections this machine holds, with both their ends on it or with one. Sourced by scripts/c1m.
#
# FIT_ROOT is put before /proc and /sys, so that the tests can use a directory of plain files.

FIT_ROOT=${FIT_ROOT:-}

# Ends of each connection that are on this machine: 2 for server and clients, 1 for one of them.
FIT_ENDS=${FIT_ENDS:-2}
# Bytes of memory one connection takes with both ends on the box: 2 x 4.0 KB of kernel memory, ports, and both processes.
FIT_BYTES_PER_CONNECTION=8300
# Bytes that stay free: the kernel reclaims hard and stalls everybody below that.
FIT_SPARE_BYTES=$((1 << 30))
# Files and descriptors of the rest of the machine and of what is no connection: epolls, wakers, logs.
FIT_SPARE_FILES=4096
# How full a descriptor table may get on average, in per cent: the kernel spreads connections over the tables by a hash.
FIT_TABLE_FILL=93
# Threads and processes the machine goes on needing.
FIT_SPARE_THREADS=1024
# The most threads with tables of their own that each side starts.
FIT_MAX_TABLES=1024
# Source addresses that the load generator takes at most from 127.0.0.0/8, and the percentage of ports it takes on each.
FIT_SOURCES=4096
FIT_PORT_FILL=40
FIT_MAX_CONNECTIONS=16000000

# parse_count TEXT: 100k, 1M, 250000, 1_000_000 as a number. Fails on anything else, 0 and more than 16 million.
parse_count() {
    local digits=${1//_/} factor=1
    case $digits in
        *[kK]) factor=1000 digits=${digits%?} ;;
        *[mM]) factor=1000000 digits=${digits%?} ;;
    esac
    [[ $digits =~ ^[1-9][0-9]{0,8}$ ]] || return 1
    ((digits * factor <= FIT_MAX_CONNECTIONS)) || return 1
    echo $((digits * factor))
}

# thousands N: 1000000 as 1,000,000.
thousands() {
    local rest=$1 out=''
    while ((${#rest} > 3)); do
        out=,${rest: -3}$out
        rest=${rest:0:-3}
    done
    echo "$rest$out"
}

# gib BYTES: with one decimal.
gib() { echo "$(($1 / (1 << 30))).$(($1 % (1 << 30) * 10 / (1 << 30))) GiB"; }

# meminfo NAME: bytes.
meminfo() {
    local name value _
    while read -r name value _; do
        [[ $name == "$1:" ]] && { echo $((value * 1024)); return; }
    done <"$FIT_ROOT/proc/meminfo"
    return 1
}

# number_in FILE: the number it starts with; fails when there is no file, or "max" in it.
number_in() {
    local value _
    [[ -r $1 ]] && read -r value _ <"$1" && [[ $value =~ ^[0-9]+$ ]] && echo "$value"
}

# stat_in FILE NAME: the number after NAME in a file of "name number" lines, 0 when it has none.
stat_in() {
    local name value
    while read -r name value; do
        [[ $name == "$2" ]] && { echo "$value"; return; }
    done <"$1" 2>/dev/null
    echo 0
}

# cgroup_dirs CONTROLLER: the directories of this process's group and of all above it, for v2 and v1 alike.
cgroup_dirs() {
    local id controllers path base
    while IFS=: read -r id controllers path; do
        if [[ $id == 0 && -z $controllers ]]; then
            base=$FIT_ROOT/sys/fs/cgroup
        elif [[ ,$controllers, == *,$1,* ]]; then
            base=$FIT_ROOT/sys/fs/cgroup/$1
        else
            continue
        fi
        while :; do
            [[ -d $base$path ]] && echo "$base${path%/}"
            [[ -z $path || $path == / ]] && break
            path=${path%/*}
        done
    done <"$FIT_ROOT/proc/self/cgroup"
}

# available_memory: bytes that can still be taken: MemAvailable, or less where a cgroup has a limit. Page cache in a group's
# usage counts as free, like in MemAvailable.
available_memory() {
    local least dir limit used left
    least=$(meminfo MemAvailable) || return 1
    while read -r dir; do
        if limit=$(number_in "$dir/memory.max") && used=$(number_in "$dir/memory.current"); then
            used=$((used - $(stat_in "$dir/memory.stat" inactive_file) - $(stat_in "$dir/memory.stat" active_file)))
        elif limit=$(number_in "$dir/memory.limit_in_bytes") && used=$(number_in "$dir/memory.usage_in_bytes"); then
            used=$((used - $(stat_in "$dir/memory.stat" total_inactive_file) - $(stat_in "$dir/memory.stat" total_active_file)))
        else
            continue
        fi
        left=$((limit - used))
        ((left < least)) && least=$left
    done < <(cgroup_dirs memory)
    echo $((least > 0 ? least : 0))
}

# available_threads USER_LIMIT: how many more threads may be started (USER_LIMIT: ulimit -u, a number or "unlimited").
available_threads() {
    local least running limit used dir key _
    read -r _ _ _ running _ <"$FIT_ROOT/proc/loadavg"
    running=${running#*/}
    least=$((1 << 22))
    for key in threads-max pid_max; do
        limit=$(number_in "$FIT_ROOT/proc/sys/kernel/$key") || continue
        ((limit - running < least)) && least=$((limit - running))
    done
    [[ $1 =~ ^[0-9]+$ ]] && (($1 - running < least)) && least=$(($1 - running))
    while read -r dir; do
        if limit=$(number_in "$dir/pids.max") && used=$(number_in "$dir/pids.current"); then
            ((limit - used < least)) && least=$((limit - used))
        fi
    done < <(cgroup_dirs pids)
    least=$((least - FIT_SPARE_THREADS))
    echo $((least > 0 ? least : 0))
}

# fit_memory BYTES
fit_memory() {
    local left=$(($1 - FIT_SPARE_BYTES))
    echo $((left > 0 ? left * 2 / (FIT_BYTES_PER_CONNECTION * FIT_ENDS) : 0))
}

# fit_table LIMIT: connections one descriptor table holds.
fit_table() {
    local left=$(($1 - 128))
    echo $((left > 0 ? left * FIT_TABLE_FILL / 100 : 0))
}

# tables_for N LIMIT: descriptor tables, and so threads, that each side needs; one where the limit is high enough.
tables_for() {
    local per_table
    (($2 >= $1 + FIT_SPARE_FILES)) && { echo 1; return; }
    per_table=$(fit_table "$2")
    ((per_table > 0)) || return 1
    echo $((($1 + per_table - 1) / per_table))
}

# fit_threads THREADS LIMIT: connections that so many threads hold, shared by the sides that are here, with a table each.
fit_threads() {
    local each_side=$(($1 / FIT_ENDS))
    ((each_side <= FIT_MAX_TABLES)) || each_side=$FIT_MAX_TABLES
    echo $((each_side * $(fit_table "$2")))
}

# fit_files MAX OPEN: each connection is a file at each end.
fit_files() {
    # Beyond 2^62 there is no arithmetic, and no limit either.
    ((${#1} >= 19)) && { echo "$FIT_MAX_CONNECTIONS"; return; }
    local left=$(($1 - $2 - FIT_SPARE_FILES))
    echo $((left > 0 ? left / FIT_ENDS : 0))
}

# fit_watches MAX: each connection is watched by an epoll at each end.
fit_watches() { echo $((($1 - $1 / 100) / FIT_ENDS)); }

# fit_ports FIRST LAST
fit_ports() { echo $((FIT_SOURCES * (($2 - $1 + 1) * FIT_PORT_FILL / 100))); }

# fit_plan N DESCRIPTORS USER_THREADS: sets FIT_N to the connections that fit, N or fewer, and FIT_WHY to the sentence that
# says what limits them, empty when N fits.
fit_plan() {
    local wanted=$1 memory threads max open first last
    FIT_N=$1 FIT_WHY=''
    memory=$(available_memory) || { echo "cannot read $FIT_ROOT/proc/meminfo" >&2; return 1; }
    fit_lower "$(fit_memory "$memory")" \
        "$(gib "$memory") of memory are available, a connection takes $(thousands $((FIT_BYTES_PER_CONNECTION * FIT_ENDS / 2))) bytes here, and 1 GiB stays free"
    if (($2 < wanted + FIT_SPARE_FILES)); then
        threads=$(available_threads "$3")
        fit_lower "$(fit_threads "$threads" "$2")" \
            "a thread holds at most $(thousands "$2") descriptors, and each side can have $(thousands $((threads / FIT_ENDS < FIT_MAX_TABLES ? threads / FIT_ENDS : FIT_MAX_TABLES))) threads"
    fi
    if max=$(number_in "$FIT_ROOT/proc/sys/fs/file-max") && open=$(number_in "$FIT_ROOT/proc/sys/fs/file-nr"); then
        fit_lower "$(fit_files "$max" "$open")" \
            "fs.file-max allows the machine $max open files, $open are open, and a connection is one at each of its ends here"
    fi
    if max=$(number_in "$FIT_ROOT/proc/sys/fs/epoll/max_user_watches"); then
        fit_lower "$(fit_watches "$max")" \
            "fs.epoll.max_user_watches is $max, and a connection is one at each of its ends here"
    fi
    # Elsewhere addresses are not free to choose: the bench looks at those there are.
    if ((FIT_ENDS == 2)) && read -r first last <"$FIT_ROOT/proc/sys/net/ipv4/ip_local_port_range"; then
        fit_lower "$(fit_ports "$first" "$last")" \
            "net.ipv4.ip_local_port_range gives each of $(thousands $FIT_SOURCES) source addresses $((last - first + 1)) ports, $FIT_PORT_FILL % of them found quickly"
    fi 2>/dev/null
    # A round number is easier to compare.
    ((FIT_N < wanted && FIT_N > 10000)) && FIT_N=$((FIT_N / 1000 * 1000))
    return 0
}

# fit_lower LIMIT SENTENCE: takes LIMIT and its reason where it is the lowest so far.
# shellcheck disable=SC2034 # FIT_WHY is for the caller.
fit_lower() { (($1 < FIT_N)) && FIT_N=$1 FIT_WHY=$2; return 0; }
