//! Faults of this program that it survives.
//!
//! Where something cannot happen, and a worker could go on all the same, it goes on: one connection may suffer, and a million do not. Such
//! a fault is counted, and the log says the first one. Debug builds panic.

use std::cell::Cell;

thread_local! {
    /// How many there were on this thread since they were last taken, and what the first one was.
    static SURVIVED: Cell<(u64, &'static str)> = const { Cell::new((0, "")) };
}

/// Counts a fault of this program. `what` says in a few words what has happened.
#[cold]
pub(crate) fn survived(what: &'static str) {
    debug_assert!(false, "{what}");
    note(what);
}

fn note(what: &'static str) {
    let (count, first) = SURVIVED.get();
    SURVIVED.set((count + 1, if count == 0 { what } else { first }));
}

/// Takes the faults of this thread since the last call: how many, and what the first one was.
pub(crate) fn take() -> Option<(u64, &'static str)> {
    let (count, first) = SURVIVED.get();
    if count == 0 {
        return None;
    }
    SURVIVED.set((0, ""));
    Some((count, first))
}

/// Counts a fault in a debug build too, which [`survived`] would end with a panic.
#[cfg(test)]
pub(crate) fn pretend(what: &'static str) {
    note(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_and_the_first_is_named() {
        assert_eq!(take(), None);
        pretend("one");
        pretend("another");
        assert_eq!([take(), take()], [Some((2, "one")), None]);
    }

    #[test]
    #[should_panic(expected = "what cannot be")]
    fn a_debug_build_panics() {
        survived("what cannot be");
    }
}
