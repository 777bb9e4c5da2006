//! Tests of bugs that a worker survives: they are counted, and the first is logged.

use super::rig::{limits, play};
use crate::base::bug;
use crate::worker::Notice;

#[test]
fn bugs_are_counted_and_the_first_is_logged() {
    play(limits(), |rig| {
        let notices = rig.handle.shared.common.notices.open().unwrap();
        rig.iterate();
        assert_eq!(rig.counters().bugs.get(), 0);
        ["first", "second"].into_iter().for_each(bug::count_without_panic);
        rig.iterate();
        bug::count_without_panic("third");
        rig.iterate();
        assert_eq!(rig.counters().bugs.get(), 3);
        let notices_sent: Vec<Notice> = notices.try_iter().collect();
        assert!(matches!(notices_sent[..], [Notice::Bug { worker: 0, what: "first" }]), "{notices_sent:?}");
        // Every other test must end without a bug.
        rig.counters().bugs.set(0);
    });
}
