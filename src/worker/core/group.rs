//! The group of workers that get new connections: which workers are in it, and in which order a shared listener wakes them.

use super::acceptor::LISTENER;
use super::worker::Worker;
use crate::budget::EXHAUSTED_PAUSE;
use crate::worker::app::handler::Handler;
use crate::worker::app::notice::Notice;
use crate::worker::os::{Os, Token};

impl<O: Os, H: Handler> Worker<O, H> {
    /// Leaves the next connection of a shared listener to another worker: the kernel wakes the waiting worker that registered first, and
    /// this worker registers again, as the last.
    pub(in crate::worker) fn requeue_shared_listener(&mut self, at: usize) {
        let slot = &self.acceptor.listeners[at];
        let Some(listener) = slot.listener.as_ref().filter(|_| slot.is_shared()) else { return };
        self.sessions.streams.os.unwatch(listener);
        if self.acceptor.in_group
            && self.sessions.streams.os.watch_exclusive(listener, Token(LISTENER + at as u64)).is_err()
        {
            self.retry_watching_shared();
        }
    }

    /// Watches the listeners that the workers share, as the last worker in the order in which the kernel wakes them.
    pub(in crate::worker) fn watch_shared_listeners(&mut self) {
        self.acceptor.must_watch_shared = false;
        for (at, slot) in (LISTENER..).zip(&self.acceptor.listeners) {
            let Some(listener) = slot.listener.as_ref().filter(|_| slot.is_shared()) else {
                continue;
            };
            self.sessions.streams.os.unwatch(listener);
            if self.sessions.streams.os.watch_exclusive(listener, Token(at)).is_err() {
                self.retry_watching_shared();
                return;
            }
        }
    }

    /// Schedules another attempt to watch the shared listeners: the system is out of memory or of watches
    /// (/proc/sys/fs/epoll/max_user_watches).
    fn retry_watching_shared(&mut self) {
        self.sessions.streams.counters.accept_exhausted.add(1);
        self.acceptor.must_watch_shared = true;
        self.acceptor.paused_until = Some(self.sessions.streams.now + EXHAUSTED_PAUSE);
    }

    /// Leaves the group if this worker is full and another worker is in the group, so that new connections go to workers with room. Joins
    /// the group again when more than a sixteenth of this worker's room is free.
    pub(in crate::worker) fn join_or_leave_group(&mut self) {
        if self.schedule.drain.is_some() {
            return;
        }
        let (held, room) = (self.sessions.streams.table.len(), self.sessions.limits.worker_connections);
        if self.acceptor.in_group && held >= room {
            if self.sessions.common.leave_group() {
                self.sessions.streams.counters.left_group.add(1);
                self.acceptor.in_group = false;
                // Later connections wake another worker. This worker still accepts the connections in the queues of its listeners.
                let shared = self.acceptor.listeners.iter().filter(|slot| slot.is_shared());
                shared
                    .filter_map(|slot| slot.listener.as_ref())
                    .for_each(|listener| self.sessions.streams.os.unwatch(listener));
                self.acceptor.leave();
            }
        } else if !self.acceptor.in_group && held < room - room / 16 {
            self.join_group();
        }
    }

    fn join_group(&mut self) {
        for (at, slot) in (LISTENER..).zip(&mut self.acceptor.listeners) {
            let (None, Some(address)) = (&slot.listener, slot.address) else { continue };
            let opened = self.sessions.streams.os.listen(address);
            let watched = opened.and_then(|listener| {
                self.sessions.streams.os.watch_listener(&listener, Token(at))?;
                Ok(listener)
            });
            match watched {
                Ok(listener) => (slot.listener, slot.ready) = (Some(listener), true),
                Err(error) => {
                    let worker = self.sessions.number;
                    self.sessions.common.notices.send(Notice::CannotListen { worker, address, error });
                    self.acceptor.paused_until = Some(self.sessions.streams.now + EXHAUSTED_PAUSE);
                    return;
                }
            }
        }
        self.acceptor.is_leaving = false;
        self.acceptor.must_watch_shared = true;
        self.acceptor.in_group = true;
        self.sessions.common.join_group();
    }
}
