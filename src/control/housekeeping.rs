//! Returning memory that the workers have freed to the system.

use std::time::{Duration, Instant};

use throng::Server;
use throng::hub::Hub;
use throng::sys::memory;

/// The interval between two looks at memory.
const LOOK: Duration = Duration::from_secs(1);
/// The fewest free bytes that are worth the time.
const WORTHWHILE: u64 = 1 << 20;
/// Number of consecutive looks after which memory below a quarter is returned.
const LOOKS: u32 = 5;

/// Finds resident memory that the load does not explain, and makes the allocator return free pages.
///
/// The allocator returns large blocks when they are freed. Small ones leave holes that only the allocator can find, in time that grows with
/// their number. So it is asked only when a quarter of all memory or more was not needed for a whole period, or a sixteenth for several.
/// Resident memory is checked rather than changes of the load, because a spike can come and go between two looks.
#[derive(Debug, Default)]
pub(super) struct Housekeeper {
    next_look: Option<Instant>,
    /// Unexplained bytes at the last look.
    last: u64,
    /// The fewest unexplained bytes since several looks were last judged together, and how many looks that were.
    fewest: Option<u64>,
    looks: u32,
    /// Unexplained bytes that the allocator left when it was last asked, or fewer that were seen since: no holes, or holes that it cannot
    /// return. This is unknown before the first time, which therefore comes soon after the start.
    base: u64,
}

impl Housekeeper {
    pub(super) fn look_after(&mut self, server: &Server, hub: Option<&Hub>) {
        let now = Instant::now();
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        self.next_look = Some(now + LOOK);
        let explained = server.memory() + hub.map_or(0, Hub::memory);
        // Without /proc resident memory is unknown.
        let Ok(resident) = memory::anonymous_resident() else { return };
        if self.should_trim(resident, explained) {
            memory::give_back_free_pages();
            let left = memory::anonymous_resident().unwrap_or(resident);
            self.note_trim(left.saturating_sub(explained));
        }
    }

    fn should_trim(&mut self, resident: u64, explained: u64) -> bool {
        let unexplained = resident.saturating_sub(explained);
        self.base = self.base.min(unexplained);
        let stayed = unexplained.min(std::mem::replace(&mut self.last, unexplained)) - self.base;
        if stayed >= WORTHWHILE && stayed >= resident / 4 {
            return true;
        }
        let fewest = self.fewest.map_or(unexplained, |fewest| fewest.min(unexplained));
        (self.fewest, self.looks) = (Some(fewest), self.looks + 1);
        if self.looks < LOOKS {
            return false;
        }
        (self.fewest, self.looks) = (None, 0);
        let stayed = fewest.saturating_sub(self.base);
        stayed >= WORTHWHILE && stayed >= resident / 16
    }

    fn note_trim(&mut self, left: u64) {
        *self = Self { next_look: self.next_look, last: left, base: left, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Returns a housekeeper that has found the program's own megabyte.
    fn keeper() -> Housekeeper {
        let mut keeper = Housekeeper::default();
        assert_eq!([1, 1].map(|resident| keeper.should_trim(resident * MIB, 0)), [false, true]);
        keeper.note_trim(MIB);
        keeper
    }

    /// Returns the housekeeper's decisions for looks at (resident, explained) megabytes.
    fn decide<const LOOKS: usize>(keeper: &mut Housekeeper, looks: [(u64, u64); LOOKS]) -> [bool; LOOKS] {
        looks.map(|(resident, explained)| keeper.should_trim(resident * MIB, explained * MIB))
    }

    #[test]
    fn trims_once_when_a_good_part_of_the_load_has_gone() {
        let mut keeper = keeper();
        let looks = [(1, 0), (101, 100), (101, 100), (101, 25), (101, 25)];
        assert_eq!(decide(&mut keeper, looks), [false, false, false, false, true]);
        // Some holes are pinned; the allocator is not asked for them again and again.
        keeper.note_trim(11 * MIB);
        let looks = [(36, 25), (36, 25), (37, 25), (37, 25), (20, 9), (20, 9)];
        assert_eq!(decide(&mut keeper, looks), [false; 6]);
    }

    #[test]
    fn what_a_spike_between_two_looks_leaves_is_given_back() {
        assert_eq!(decide(&mut keeper(), [(1, 0), (9, 0), (9, 0)]), [false, false, true]);
        // This holds before the first look, too.
        assert_eq!(decide(&mut Housekeeper::default(), [(9, 0), (9, 0)]), [false, true]);
    }

    #[test]
    fn holes_that_are_needed_again_stay() {
        let looks = [(101, 0), (101, 100), (101, 0), (101, 100), (101, 0), (101, 100)];
        assert_eq!(decide(&mut keeper(), looks), [false; 6]);
    }

    #[test]
    fn a_smaller_part_goes_back_when_it_was_not_needed_for_long() {
        let mut keeper = keeper();
        assert_eq!(decide(&mut keeper, [(101, 100); 5]), [false; 5]);
        // An eighth goes back when it was not needed at five consecutive looks.
        assert_eq!(decide(&mut keeper, [(101, 87); 5]), [false, false, false, false, true]);
        keeper.note_trim(MIB);
        assert_eq!(decide(&mut keeper, [(101, 87), (101, 87), (101, 100), (101, 87), (101, 87)]), [false; 5]);
        // A twentieth is not worth the time.
        assert_eq!(decide(&mut keeper, [(101, 95); 10]), [false; 10]);
    }

    #[test]
    fn little_is_not_worth_it() {
        assert_eq!(decide(&mut keeper(), [(101, 100), (101, 76), (101, 76)]), [false; 3]);
        let mut keeper = keeper();
        assert!(!(0..9).any(|_| keeper.should_trim(2 * MIB - 1, 0)));
    }
}
