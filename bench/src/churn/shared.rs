//! What the threads of a population and the main thread share.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::visit::Way;
use crate::measure::reasons::{Reasons, add_fields};

/// What a population is about. It only ever moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Visitors come and go.
    Churn,
    /// Nobody comes any more, and all who are here leave in order.
    Close,
    /// Threads drop everything.
    Abort,
}

/// What has become of the visits. The names of its fields in JSON are stable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Visits {
    /// Slots whose first visit has come to something.
    pub(crate) begun: u64,
    /// Visitors here now whose WebSocket is open, those included that are leaving.
    pub(crate) here: u64,
    /// WebSockets opened.
    pub(crate) opened: u64,
    /// Visitors that left, by the way they took.
    pub(crate) left: Reasons<Way>,
    /// Visits given up before they had opened because the end of it all had come.
    pub(crate) given_up: u64,
    /// Visits that this program could not even begin, by reason: no fault of the server.
    pub(crate) not_begun: Reasons,
    /// Connections that did not open, by reason.
    pub(crate) failed: Reasons,
    /// Connections that ended before their visitors meant to leave, by reason.
    pub(crate) lost: Reasons,
    /// Closing handshakes that went wrong, by reason.
    pub(crate) unclean: Reasons,
    /// Pings answered.
    pub(crate) pings_answered: u64,
}

add_fields!(Visits { begun, here, opened, left, given_up, not_begun, failed, lost, unclean, pings_answered });

#[derive(Debug)]
pub(super) struct Shared {
    stage: AtomicU8,
    /// Each thread's visits, as it tells them several times a second.
    visits: Vec<Mutex<Visits>>,
}

impl Shared {
    pub(super) fn new(threads: usize) -> Self {
        let visits = (0..threads).map(|_| Mutex::default()).collect();
        Self { stage: AtomicU8::new(Stage::Churn as u8), visits }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Churn,
            1 => Stage::Close,
            _ => Stage::Abort,
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    /// A panic elsewhere does not make counts wrong.
    pub(super) fn publish(&self, thread: usize, visits: &Visits) {
        self.visits[thread].lock().unwrap_or_else(PoisonError::into_inner).clone_from(visits);
    }

    pub(super) fn visits(&self) -> Visits {
        let mut sum = Visits::default();
        for visits in &self.visits {
            sum += &visits.lock().unwrap_or_else(PoisonError::into_inner);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_of_all_threads_add_up() {
        let shared = Shared::new(2);
        let mut visits = Visits { opened: 2, here: 1, ..Visits::default() };
        visits.left.add(Way::Fin, 1);
        visits.failed.add("connect: refused", 2);
        shared.publish(0, &visits);
        shared.publish(1, &visits);
        let sum = shared.visits();
        assert_eq!((sum.opened, sum.here, sum.left[&Way::Fin], sum.failed["connect: refused"]), (4, 2, 2, 4));
    }

    #[test]
    fn stages_only_move_on() {
        let shared = Shared::new(1);
        shared.enter(Stage::Abort);
        shared.enter(Stage::Close);
        assert_eq!(shared.stage(), Stage::Abort);
    }
}
