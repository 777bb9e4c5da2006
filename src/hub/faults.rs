//! Clients that say what is no request, and how often in a row.

use std::collections::HashMap;

use crate::budget::BAD_REQUESTS;

/// By the index of its connection, how many bad requests a client has sent since its last good one. Few send any.
#[derive(Debug, Default)]
pub(crate) struct Faults(HashMap<u32, u32>);

impl Faults {
    /// A client has sent one more; `true` when it is to be its last.
    pub(crate) fn add(&mut self, index: u32) -> bool {
        let count = self.0.entry(index).or_default();
        *count += 1;
        *count >= BAD_REQUESTS
    }

    /// A client has sent a good one, or has gone.
    pub(crate) fn forgive(&mut self, index: u32) {
        if !self.0.is_empty() {
            self.0.remove(&index);
            if self.0.is_empty() {
                self.0 = HashMap::new();
            }
        }
    }

    /// Clients that have sent some.
    #[cfg(feature = "simulation")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_row_are_too_many() {
        let mut faults = Faults::default();
        let row = |faults: &mut Faults| (1..=BAD_REQUESTS).position(|_| faults.add(7));
        assert!(!faults.add(8));
        assert_eq!(row(&mut faults), Some(BAD_REQUESTS as usize - 1));
        faults.forgive(7);
        assert!(!faults.add(7));
        faults.forgive(7);
        faults.forgive(8);
        assert_eq!(faults.0.capacity(), 0);
    }
}
