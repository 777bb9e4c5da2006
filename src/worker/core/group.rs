//! The group of workers that get new connections: who is in it, and in which order a shared listener wakes them.

use super::acceptor::LISTENER;
use super::worker::Worker;
use crate::budget::EXHAUSTED_PAUSE;
use crate::worker::app::handler::Handler;
use crate::worker::app::notice::Notice;
use crate::worker::os::{Os, Token};

impl<O: Os, H: Handler> Worker<O, H> {
    /// Leaves the next connection of a shared listener to the other workers: the kernel wakes the first in line.
    pub(in crate::worker) fn go_to_the_end_of_the_line(&mut self, at: usize) {
        let listening = &self.acceptor.listeners[at];
        let Some(listener) = listening.listener.as_ref().filter(|_| listening.is_shared()) else { return };
        self.sessions.streams.os.unwatch(listener);
        if self.acceptor.in_group
            && self.sessions.streams.os.watch_together(listener, Token(LISTENER + at as u64)).is_err()
        {
            self.watch_shared_later();
        }
    }

    /// Watches the listeners that the workers share, as the last in line.
    pub(in crate::worker) fn watch_shared(&mut self) {
        self.acceptor.is_unwatched = false;
        for (at, listening) in (LISTENER..).zip(&self.acceptor.listeners) {
            let Some(listener) = listening.listener.as_ref().filter(|_| listening.is_shared()) else {
                continue;
            };
            self.sessions.streams.os.unwatch(listener);
            if self.sessions.streams.os.watch_together(listener, Token(at)).is_err() {
                self.watch_shared_later();
                return;
            }
        }
    }

    /// The system is out of memory or watches (/proc/sys/fs/epoll/max_user_watches): the clock says when to try again.
    fn watch_shared_later(&mut self) {
        self.sessions.streams.counters.accept_exhausted.add(1);
        self.acceptor.is_unwatched = true;
        self.acceptor.paused_until = Some(self.sessions.streams.now + EXHAUSTED_PAUSE);
    }

    /// A worker that is full leaves the group while another one is in it, so that new connections go where there is room; it
    /// comes back when a sixteenth of its room is free.
    pub(in crate::worker) fn join_or_leave_group(&mut self) {
        if self.schedule.drain.is_some() {
            return;
        }
        let (held, room) = (self.sessions.streams.table.len(), self.sessions.limits.worker_connections);
        if self.acceptor.in_group && held >= room {
            if self.sessions.common.leave_group() {
                self.sessions.streams.counters.left_group.add(1);
                self.acceptor.in_group = false;
                // Later connections wake another worker. Those in the queue are dealt with below.
                let shared = self.acceptor.listeners.iter().filter(|listening| listening.is_shared());
                shared
                    .filter_map(|listening| listening.listener.as_ref())
                    .for_each(|listener| self.sessions.streams.os.unwatch(listener));
                self.acceptor.leave();
            }
        } else if !self.acceptor.in_group && held < room - room / 16 {
            self.join_group();
        }
    }

    fn join_group(&mut self) {
        for (at, listening) in (LISTENER..).zip(&mut self.acceptor.listeners) {
            let (None, Some(address)) = (&listening.listener, listening.address) else { continue };
            let opened = self.sessions.streams.os.listen(address);
            let watched = opened.and_then(|listener| {
                self.sessions.streams.os.watch_listener(&listener, Token(at))?;
                Ok(listener)
            });
            match watched {
                Ok(listener) => (listening.listener, listening.ready) = (Some(listener), true),
                Err(error) => {
                    let worker = self.sessions.number;
                    self.sessions.common.notices.say(Notice::CannotListen { worker, address, error });
                    self.acceptor.paused_until = Some(self.sessions.streams.now + EXHAUSTED_PAUSE);
                    return;
                }
            }
        }
        self.acceptor.leaving = false;
        self.acceptor.is_unwatched = true;
        self.acceptor.in_group = true;
        self.sessions.common.join_group();
    }
}
