//! Messages to everybody, on their way.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dialect::Dialect;
use super::message::Announcement;
use super::round::{cost, skip};
use super::seat::Seat;
use crate::metrics::HubCounters;
use crate::worker::{Batch, Connections, SlowPolicy};

/// The lane of announcements: no topic has this number.
const LANE: u32 = u32::MAX - 1;

/// Announcements under way, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Announcing {
    waiting: VecDeque<Arc<Announcement>>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    /// It counts as under way to the end.
    #[cfg_attr(not(feature = "simulation"), expect(dead_code, reason = "it counts by being kept"))]
    announcement: Arc<Announcement>,
    /// By the dialect's number.
    batches: [Batch; Dialect::COUNT],
    next: u32,
    end: u32,
}

impl Announcing {
    pub(crate) fn add(&mut self, announcement: Arc<Announcement>) {
        self.waiting.push_back(announcement);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// How many there are, and their bytes.
    #[cfg(feature = "simulation")]
    pub(crate) fn queued(&self) -> [usize; 2] {
        let current = self.current.iter().map(|current| &current.announcement);
        let all = self.waiting.iter().chain(current).map(|announcement| announcement.bytes());
        all.fold([0; 2], |[messages, bytes], more| [messages + 1, bytes + more])
    }

    /// Goes on with as many connections as the budget allows.
    pub(crate) fn go_on(
        &mut self,
        connections: &mut Connections<'_, Seat>,
        budget: &mut usize,
        counters: &HubCounters,
    ) {
        let mut empty = 0;
        while *budget > 0 {
            let Some(mut current) = self.current.take().or_else(|| self.begin(connections.end())) else {
                return;
            };
            while current.next < current.end && *budget > 0 {
                let index = current.next;
                current.next += 1;
                let Some(seat) = connections.data_mut(index).copied() else {
                    skip(&mut empty, budget);
                    continue;
                };
                let batch = &mut current.batches[usize::from(seat.dialect().number())];
                let pushed = connections.push(index, batch, false);
                counters.count(pushed);
                *budget = budget.saturating_sub(cost(batch, pushed));
            }
            if current.next < current.end {
                self.current = Some(current);
            }
        }
    }

    fn begin(&mut self, end: u32) -> Option<Current> {
        let announcement = self.waiting.pop_front()?;
        let batches = Dialect::ALL.map(|dialect| {
            let mut batch = Batch::new(LANE, SlowPolicy::Close);
            batch.add(announcement.encoded(dialect).clone());
            batch
        });
        Some(Current { announcement, batches, next: 0, end })
    }
}
