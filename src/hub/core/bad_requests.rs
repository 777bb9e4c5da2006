//! Consecutive messages that are not valid requests, counted by client.

use std::collections::HashMap;

use crate::base::spare::free_spare;
use crate::budget::{LIST_KEEP, MAX_BAD_REQUESTS};
use crate::worker::ConnIndex;

/// Number of bad requests since the last valid one, by the index of the client's connection. Few clients send any.
#[derive(Debug, Default)]
pub(crate) struct BadRequests(HashMap<ConnIndex, u32>);

impl BadRequests {
    /// Counts one more bad request of a client. Returns `true` when the client has reached the limit.
    pub(crate) fn add(&mut self, index: ConnIndex) -> bool {
        let count = self.0.entry(index).or_default();
        *count += 1;
        *count >= MAX_BAD_REQUESTS
    }

    /// Resets the counter of a client that has sent a valid request or has closed its connection.
    pub(crate) fn reset(&mut self, index: ConnIndex) {
        if !self.0.is_empty() {
            self.0.remove(&index);
            free_spare(&mut self.0, LIST_KEEP);
        }
    }

    /// Returns the number of clients with bad requests.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundredth_bad_request_in_a_row_reaches_the_limit() {
        let mut bad_requests = BadRequests::default();
        let row = |bad_requests: &mut BadRequests| {
            (1..=MAX_BAD_REQUESTS).position(|_| bad_requests.add(ConnIndex::new(7)))
        };
        assert!(!bad_requests.add(ConnIndex::new(8)));
        assert_eq!(row(&mut bad_requests), Some(MAX_BAD_REQUESTS as usize - 1));
        bad_requests.reset(ConnIndex::new(7));
        assert!(!bad_requests.add(ConnIndex::new(7)));
        bad_requests.reset(ConnIndex::new(7));
        bad_requests.reset(ConnIndex::new(8));
        assert_eq!(bad_requests.len(), 0);
    }
}
