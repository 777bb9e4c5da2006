//! Memory that the workers have freed, given back to the system.

use std::time::{Duration, Instant};

use throng::Server;
use throng::sys::memory;

/// How often the load is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Connections and buffered kibibytes that must have gone before it is worth the time.
const WORTHWHILE: u64 = 1024;

/// Notices that the load has fallen and has the allocator give free pages back.
///
/// Large blocks go back by themselves when they are freed. Small ones leave holes that only the allocator can find, in time
/// that grows with their number, so it is asked only when at least a quarter of the load has gone.
#[derive(Debug, Default)]
pub(super) struct Housekeeper {
    next_look: Option<Instant>,
    /// The highest load since memory was last given back.
    peak: u64,
}

impl Housekeeper {
    pub(super) fn look_after(&mut self, server: &Server) {
        let now = Instant::now();
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        self.next_look = Some(now + LOOK);
        let stats = server.stats();
        if self.should_trim(stats.sockets + stats.buffered_bytes / 1024) {
            memory::give_back_free_pages();
        }
    }

    fn should_trim(&mut self, load: u64) -> bool {
        self.peak = self.peak.max(load);
        let gone = self.peak - load;
        let due = gone >= WORTHWHILE && gone >= self.peak / 4;
        if due {
            self.peak = load;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_once_when_a_good_part_of_the_load_has_gone() {
        let mut keeper = Housekeeper::default();
        let trims =
            [0, 900, 0, 100_000, 80_000, 74_000, 74_000, 60_000, 10, 0].map(|load| keeper.should_trim(load));
        assert_eq!(trims, [false, false, false, false, false, true, false, false, true, false]);
    }
}
