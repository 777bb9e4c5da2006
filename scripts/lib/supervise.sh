# shellcheck shell=bash
# Running one program at a time in a session of its own, and leaving nothing of it behind. Sourced by scripts/c1m.
#
# The script traps its signals with `supervise_signal NAME`; a program it supervises gets them forwarded.

# The session that runs now, by the id of its first process; empty for none.
SUPERVISED=''
# The first signal that came in, how many did, and when the first one, in microseconds.
SIGNAL=''
SIGNALS=0
SIGNALLED_AT=0
# How long after it another one is somebody who does not want to wait any more, in microseconds. What comes sooner is the same wish told
# twice, as by timeout, which signals its child and then their group.
SIGNALS_APART=1000000
# Tenths of a second a program has to end after a signal: a million sockets take a while to close.
SUPERVISE_GRACE=${SUPERVISE_GRACE:-300}
# And those that what it left behind has after a SIGTERM.
SUPERVISE_TERM=${SUPERVISE_TERM:-100}

declare -F say >/dev/null || say() { echo "$*"; }

# supervise COMMAND...: runs it, waits, ends what it leaves in its session, and returns its exit code, or 128 and the
# signal's number when this script got one meanwhile.
supervise() {
    local status=0
    ((SIGNALS)) && return "$(signal_status)"
    # In a session of its own, whatever process groups it makes within, the terminal's Ctrl-C reaches this script only, which
    # forwards it; and ending the session cannot hit anybody else. A shell ignores SIGINT for what it runs beside itself.
    (
        trap - INT QUIT TERM HUP EXIT
        exec setsid "$@" 9<&-
    ) &
    SUPERVISED=$!
    wait "$SUPERVISED" || status=$?
    if ((SIGNALS)); then
        # The wait above was cut short by the signal; its program is on its way out and ends its own children.
        until_not "$SUPERVISE_GRACE" kill -s 0 "$SUPERVISED" || say "it has not ended ${SUPERVISE_GRACE%?} s after SIG$SIGNAL"
        status=$(signal_status)
    fi
    end_session
    SUPERVISED=''
    return "$status"
}

# supervise_signal NAME: for `trap`. The first signal is forwarded to the program; one that comes a second later or more ends its
# whole session at once.
supervise_signal() {
    local now=${EPOCHREALTIME/[.,]/}
    SIGNALS=$((SIGNALS + 1))
    SIGNAL=${SIGNAL:-$1}
    ((SIGNALS > 1)) || SIGNALLED_AT=$now
    if [[ -z $SUPERVISED ]]; then
        exit "$(signal_status)"
    elif ((SIGNALS == 1)); then
        say "SIG$1: ending the run"
        kill -s "$1" "$SUPERVISED" 2>/dev/null || true
    elif ((now - SIGNALLED_AT >= SIGNALS_APART)); then
        signal_session KILL
    fi
}

# signal_status: the exit code for the signal that came in.
signal_status() { echo $((128 + $(kill -l "$SIGNAL"))); }

# session: the ids of the processes in the session that still run. The dead that nobody reaps (a container without an
# init) do not count, but threads that outlive their process's first one do: they are still closing sockets.
session() {
    local file stat
    local -a fields
    for file in /proc/[0-9]*/stat; do
        { read -r stat <"$file"; } 2>/dev/null || continue
        # After the name, which may hold anything: state, parent, group, session, and as the 18th the number of threads.
        read -r -a fields <<<"${stat##*) }"
        [[ ${fields[3]} == "$SUPERVISED" ]] || continue
        [[ ${fields[0]} == Z ]] && ((fields[17] < 2)) || echo "${stat%% *}"
    done
}

# session_alive: whether anything of it is left.
session_alive() { [[ -n $(session) ]]; }

# signal_session NAME
signal_session() {
    local pid
    for pid in $(session); do
        kill -s "$1" "$pid" 2>/dev/null || true
    done
}

# until_not TENTHS COMMAND...: waits at most so long until the command fails, and fails if it never does.
until_not() {
    local i
    for ((i = 0; i < $1; i++)); do
        "${@:2}" 2>/dev/null || return 0
        sleep 0.1
    done
    ! "${@:2}" 2>/dev/null
}

# end_session: ends what is left of the session, politely and then not.
end_session() {
    [[ -n $SUPERVISED ]] || return 0
    # A server told to stop by a parent that has just ended may still be at it.
    until_not 5 session_alive && return 0
    say "ending what the run left behind (session $SUPERVISED)"
    signal_session TERM
    until_not "$SUPERVISE_TERM" session_alive && return 0
    signal_session KILL
    until_not "$SUPERVISE_GRACE" session_alive || say "session $SUPERVISED does not end: ps -o pid,stat,cmd -s $SUPERVISED"
}
