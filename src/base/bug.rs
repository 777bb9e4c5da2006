//! Faults of this program that it survives.
//!
//! When code finds a state that should be impossible, and the worker can continue, the worker continues: one connection may suffer, but a
//! million do not. The fault is counted, and the log names the first one. Debug builds panic.

use std::cell::Cell;

thread_local! {
    /// The number of faults on this thread since the last [`take`], and the description of the first one.
    static SURVIVED: Cell<(u64, &'static str)> = const { Cell::new((0, "")) };
}

/// Counts a fault of this program. `what` describes the fault in a few words.
#[cold]
pub(crate) fn survived(what: &'static str) {
    debug_assert!(false, "{what}");
    note(what);
}

fn note(what: &'static str) {
    let (count, first) = SURVIVED.get();
    SURVIVED.set((count + 1, if count == 0 { what } else { first }));
}

/// Takes the faults of this thread since the last call: returns their number and the description of the first one, or `None` without a
/// fault.
pub(crate) fn take() -> Option<(u64, &'static str)> {
    let (count, first) = SURVIVED.get();
    if count == 0 {
        return None;
    }
    SURVIVED.set((0, ""));
    Some((count, first))
}

/// Counts a fault without a panic, which [`survived`] has in a debug build.
#[cfg(test)]
pub(crate) fn count_without_panic(what: &'static str) {
    note(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_and_the_first_is_named() {
        assert_eq!(take(), None);
        count_without_panic("one");
        count_without_panic("another");
        assert_eq!([take(), take()], [Some((2, "one")), None]);
    }

    #[test]
    #[should_panic(expected = "what cannot be")]
    fn a_debug_build_panics() {
        survived("what cannot be");
    }
}
