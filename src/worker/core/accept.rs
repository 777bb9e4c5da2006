//! New connections: a worker accepts them within a budget, refuses them at a limit, and pauses when the system is out of resources.

use std::io;

use super::worker::Worker;
use crate::base::ticks::deadline;
use crate::budget::{EXHAUSTED_PAUSE, FULL_NOTICE_INTERVAL, LINGER, READ_BUFFER};
use crate::http::{Status, is_head_method};
use crate::worker::app::handler::Handler;
use crate::worker::app::notice::Notice;
use crate::worker::os::Os;
use crate::worker::session::opening::AT_LIMIT;
use crate::worker::stream::Streams;
use crate::worker::table::token_of;
use crate::worker::table::{Flags, ListenerIndex, Record};

impl<O: Os, H: Handler> Worker<O, H> {
    pub(in crate::worker) fn accept_connections(&mut self) {
        if let Some(until) = self.acceptor.paused_until {
            if self.sessions.streams.now < until {
                return;
            }
            self.acceptor.paused_until = None;
        }
        self.sessions.streams.os.refill_reserve();
        self.join_or_leave_group();
        if self.acceptor.must_watch_shared && self.acceptor.in_group {
            self.watch_shared_listeners();
        }
        for at in 0..self.acceptor.listeners.len() {
            if self.acceptor.listeners[at].ready {
                let accepted = self.sessions.streams.counters.accepted.get();
                self.accept_from(at);
                if self.sessions.streams.counters.accepted.get() != accepted {
                    self.requeue_shared_listener(at);
                }
            }
            let slot = &mut self.acceptor.listeners[at];
            self.schedule.is_unfinished |= slot.ready && self.acceptor.paused_until.is_none();
            let closes = self.acceptor.is_leaving && (!slot.is_shared() || self.schedule.drain.is_some());
            if closes
                && !slot.ready
                && let Some(listener) = slot.listener.take()
            {
                // Other workers have copies of a shared listener, so closing this copy would not end the watch.
                self.sessions.streams.os.unwatch(&listener);
                self.sessions.streams.os.close_listener(listener);
            }
        }
    }

    fn accept_from(&mut self, at: usize) {
        for _ in 0..self.sessions.limits.budgets.accepts {
            let slot = &mut self.acceptor.listeners[at];
            if !slot.ready {
                return;
            }
            let Some(listener) = &slot.listener else {
                slot.ready = false;
                return;
            };
            match self.sessions.streams.os.accept(listener) {
                Ok(socket) => self.admit(socket, at),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.ready = false,
                Err(error) if is_exhaustion(&error) => {
                    self.sessions.streams.counters.accept_exhausted.add(1);
                    if let Err(error) = self.refuse_with_reserve(at) {
                        if error.kind() == io::ErrorKind::WouldBlock {
                            self.acceptor.listeners[at].ready = false;
                        } else {
                            // Connections that wait already cause no event, so a timer tries again.
                            self.acceptor.paused_until = Some(self.sessions.streams.now + EXHAUSTED_PAUSE);
                        }
                        return;
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => {
                    // The error may last, and no event would follow, as with exhaustion.
                    self.sessions.streams.counters.accept_exhausted.add(1);
                    self.acceptor.paused_until = Some(self.sessions.streams.now + EXHAUSTED_PAUSE);
                    return;
                }
            }
        }
    }

    /// Adds an accepted connection of the listener at `at` to the table, to serve it or to refuse it. Drops it if the room for refusals is
    /// used up.
    fn admit(&mut self, socket: O::Socket, at: usize) {
        self.sessions.streams.counters.accepted.add(1);
        let mut flags = Flags::default();
        let mut time = self.sessions.limits.handshake_timeout;
        if !self.has_room() {
            self.send_full_notice();
            if self.sessions.refused >= self.sessions.limits.refusals {
                self.sessions.streams.counters.dropped_at_limit.add(1);
                self.sessions.send_refusal_notice(
                    &socket,
                    Status::SERVICE_UNAVAILABLE,
                    "dropped: too many are being refused",
                );
                self.sessions.streams.os.close(socket);
                return;
            }
            self.sessions.refused += 1;
            flags.set(Flags::REFUSED);
            time = time.min(LINGER);
        }
        let listener = ListenerIndex::new(at).expect("listeners were counted when the worker was made");
        let initial = self.sessions.streams.listeners[at].initial_tags();
        let mut record = Record::new(socket, listener, initial, self.sessions.streams.tick);
        record.flags = flags;
        let index = self.sessions.streams.table.insert(record);
        self.sessions.streams.counters.sockets.add(1);
        // The deadline counts from the current time, as every deadline does: the time that the iteration has taken does not shorten it.
        self.sessions.streams.table.arm(index, deadline(self.sessions.streams.os.now(), time));
        let token = token_of(self.sessions.streams.table.id(index));
        let record = self.sessions.streams.table.get(index);
        if record.is_none_or(|record| self.sessions.streams.os.watch(&record.socket, token).is_err()) {
            // epoll is out of memory or of watches (/proc/sys/fs/epoll/max_user_watches).
            self.sessions.streams.counters.accept_exhausted.add(1);
            let _ = self.sessions.discard(index);
        }
    }

    /// Sends a notice that clients are refused, with the exhausted resource, unless the worker sent one within the last
    /// `FULL_NOTICE_INTERVAL`.
    fn send_full_notice(&mut self) {
        if self.schedule.drain.is_some()
            || self.acceptor.next_full_notice.is_some_and(|again| self.sessions.streams.now < again)
        {
            return;
        }
        self.acceptor.next_full_notice = Some(self.sessions.streams.now + FULL_NOTICE_INTERVAL);
        let has_table = self.sessions.streams.table.len() < self.sessions.limits.worker_connections;
        let of = if has_table { "max-connections" } else { "a worker's descriptor table" };
        self.sessions.common.notices.send(Notice::Full { worker: self.sessions.number, of });
    }

    /// Returns `true` if one more connection may be served, and counts it then.
    fn has_room(&self) -> bool {
        if self.schedule.drain.is_some()
            || self.sessions.streams.table.len() >= self.sessions.limits.worker_connections
        {
            return false;
        }
        if self.sessions.common.add_connection() >= self.sessions.limits.server_connections {
            self.sessions.common.remove_connection();
            return false;
        }
        true
    }

    /// Accepts one waiting connection with the descriptor in reserve, and refuses it. Returns `WouldBlock` if no connection waits, which an
    /// exhausted table hides: the kernel allocates a descriptor before it checks the queue.
    fn refuse_with_reserve(&mut self, at: usize) -> io::Result<()> {
        let slot = &self.acceptor.listeners[at];
        let Some(listener) = slot.listener.as_ref().filter(|_| self.sessions.streams.os.release_reserve())
        else {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        };
        let transport = self.sessions.streams.listeners[at].transport;
        let accepted = self.sessions.streams.os.accept(listener);
        let refused = accepted.map(|socket| {
            // The request has usually arrived. If it stayed unread, closing the socket would send a reset, which can overtake the response.
            let from = self.sessions.streams.receive_buffer.input_start();
            let room = self.sessions.streams.receive_buffer.room(from..from + READ_BUFFER);
            let arrived = self.sessions.streams.os.recv(&socket, room).unwrap_or(0);
            let mut response = Vec::new();
            if is_head_method(self.sessions.streams.receive_buffer.bytes(from..from + arrived)) {
                AT_LIMIT.write_head(&mut response);
            } else {
                AT_LIMIT.write(&mut response);
            }
            let Streams { os, transports, .. } = &mut self.sessions.streams;
            let _ = os.send(&socket, transports.refusal(transport, &response));
            self.sessions.send_refusal_notice(&socket, AT_LIMIT.status(), "no descriptor is left");
            self.sessions.streams.counters.accepted.add(1);
            self.sessions.streams.counters.refused_at_limit.add(1);
            self.sessions.streams.os.close(socket);
        });
        self.sessions.streams.os.refill_reserve();
        refused
    }
}

/// Returns `true` if accepting failed because of this connection alone: the connection or its network failed while it waited (accept(2),
/// "Error handling"), or a firewall forbids it. Other waiting connections may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EPERM
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
        )
    )
}

/// Returns `true` if accepting failed for lack of descriptors or memory: a later attempt may succeed.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
