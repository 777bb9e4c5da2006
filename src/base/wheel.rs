//! A timer wheel whose nodes are in the connection records: 12 bytes a connection, no allocation, constant time.

/// The number of slots. With a tick of 100 ms the wheel turns once in 102 seconds. A timer with a later deadline waits in the last slot of
/// the turn, and is armed again when that slot is due.
const SLOTS: u32 = 1024;
/// A `prev` or `next` without a node.
const NONE: u32 = u32::MAX;
/// Marks a `prev` that is the head of a slot instead of a node; the slot is in the other bits.
const HEAD: u32 = 1 << 31;

/// A connection's place in the wheel.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The previous node, or `HEAD | slot` for the first node of a slot, or `NONE` while the node is in no slot.
    prev: u32,
    /// The next node, or `NONE`.
    next: u32,
    /// The tick at which the timer is due. It is valid only while the node is in a slot.
    deadline: u32,
}

impl Node {
    /// A node that is in no slot.
    pub const UNLINKED: Self = Self { prev: NONE, next: NONE, deadline: 0 };

    /// Returns `true` if the timer is armed.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.prev != NONE
    }

    /// Returns the tick at which the timer is due, if it is armed.
    #[must_use]
    pub fn deadline(&self) -> Option<u32> {
        self.is_armed().then_some(self.deadline)
    }
}

/// The container of the nodes. Indices are below 2^31.
pub trait Nodes {
    /// Returns the node of `index`, which must exist while it is armed.
    fn node(&mut self, index: u32) -> &mut Node;
}

/// The wheel: 4 KiB of slot heads and a bitmap of the slots that are not empty.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[u32]>,
    occupied: [u64; (SLOTS / u64::BITS) as usize],
    /// The next tick to process; all earlier ticks have been processed.
    current: u32,
    /// The number of nodes in slots.
    armed: u32,
    /// No slot of an earlier tick is occupied: most calls of [`expire`](Self::expire) return because of this field.
    quiet_until: u32,
}

impl Wheel {
    /// Makes an empty wheel whose current tick is `now`.
    #[must_use]
    pub fn new(now: u32) -> Self {
        Self {
            heads: vec![NONE; SLOTS as usize].into(),
            occupied: [0; (SLOTS / u64::BITS) as usize],
            current: now,
            armed: 0,
            quiet_until: now,
        }
    }

    /// Arms the timer of `index` for the tick `deadline`. If it was armed, this replaces its deadline.
    pub fn arm(&mut self, nodes: &mut impl Nodes, index: u32, deadline: u32) {
        self.postpone(nodes, index, deadline, deadline);
    }

    /// Arms the timer of `index` with the deadline `deadline`, but puts it in the slot of the tick `expires_at`, so that it expires at that
    /// tick or later.
    pub fn postpone(&mut self, nodes: &mut impl Nodes, index: u32, deadline: u32, expires_at: u32) {
        self.disarm(nodes, index);
        // An overdue timer is due now. A timer beyond the wheel's reach is armed again at the end of the turn.
        let expires_at = expires_at.clamp(self.current, self.current.saturating_add(SLOTS - 1));
        let slot = expires_at % SLOTS;
        let first = std::mem::replace(&mut self.heads[slot as usize], index);
        if first != NONE {
            nodes.node(first).prev = index;
        }
        *nodes.node(index) = Node { prev: HEAD | slot, next: first, deadline };
        self.armed += 1;
        self.quiet_until = self.quiet_until.min(expires_at);
        self.occupied[(slot / u64::BITS) as usize] |= 1 << (slot % u64::BITS);
    }

    /// Disarms the timer of `index`, if it is armed.
    pub fn disarm(&mut self, nodes: &mut impl Nodes, index: u32) {
        let node = std::mem::replace(nodes.node(index), Node::UNLINKED);
        if !node.is_armed() {
            return;
        }
        self.armed -= 1;
        if node.prev & HEAD != 0 {
            let slot = node.prev & !HEAD;
            self.heads[slot as usize] = node.next;
            if node.next == NONE {
                self.occupied[(slot / u64::BITS) as usize] &= !(1 << (slot % u64::BITS));
            }
        } else {
            nodes.node(node.prev).next = node.next;
        }
        if node.next != NONE {
            nodes.node(node.next).prev = node.prev;
        }
    }

    /// Disarms one timer that is due at the tick `now` and returns its index and deadline; `None` if no more are due.
    pub fn expire(&mut self, nodes: &mut impl Nodes, now: u32) -> Option<(u32, u32)> {
        if now < self.quiet_until {
            self.current = self.current.max(now);
            return None;
        }
        if now.saturating_sub(self.current) >= SLOTS {
            // Time has advanced by a turn or more, so every slot is due: one turn visits each slot once.
            self.current = now - (SLOTS - 1);
        }
        while let Some(at) = self.next_occupied()
            && at <= now
        {
            self.current = at;
            let index = self.heads[(at % SLOTS) as usize];
            let deadline = nodes.node(index).deadline;
            if deadline <= now {
                self.disarm(nodes, index);
                return Some((index, deadline));
            }
            // The deadline was beyond the wheel's reach: the timer waits for the next turn.
            self.arm(nodes, index, deadline);
        }
        self.current = self.current.max(now);
        self.quiet_until = self.next_occupied().unwrap_or(u32::MAX);
        None
    }

    /// Returns the first tick up to `now` at which a timer may be due; `None` if no timer is due.
    #[must_use]
    pub fn first_due(&self, now: u32) -> Option<u32> {
        if now < self.quiet_until { None } else { self.next_occupied().filter(|&tick| tick <= now) }
    }

    /// Returns the next tick at which a timer may be due, which is not before the current tick; `None` if no timer is armed.
    #[must_use]
    pub fn next_tick(&self) -> Option<u32> {
        self.next_occupied()
    }

    /// Returns the first tick, from the current one on, whose slot is not empty.
    fn next_occupied(&self) -> Option<u32> {
        if self.armed == 0 {
            return None;
        }
        let start = self.current % SLOTS;
        let words = SLOTS / u64::BITS;
        let first_word = start / u64::BITS;
        // One step more than there are words: the first word is searched twice, its upper part first and its lower part last.
        for step in 0..=words {
            let word = (first_word + step) % words;
            let mut bits = self.occupied[word as usize];
            let above_start = u64::MAX << (start % u64::BITS);
            if step == 0 {
                bits &= above_start;
            } else if step == words {
                bits &= !above_start;
            }
            if bits != 0 {
                let slot = word * u64::BITS + bits.trailing_zeros();
                return Some(self.current.saturating_add((slot + SLOTS - start) % SLOTS));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    struct Plain(Vec<Node>);

    impl Nodes for Plain {
        fn node(&mut self, index: u32) -> &mut Node {
            &mut self.0[index as usize]
        }
    }

    const TIMERS: u32 = 16;

    #[derive(Debug, Clone)]
    enum Step {
        Arm(u32, u32),
        Disarm(u32),
        Advance(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        let distance = prop_oneof![0..4_u32, 0..600_u32, Just(SLOTS - 1), Just(SLOTS), 0..5_000_u32];
        prop_oneof![
            4 => (0..TIMERS, distance.clone()).prop_map(|(index, distance)| Step::Arm(index, distance)),
            1 => (0..TIMERS).prop_map(Step::Disarm),
            3 => distance.prop_map(Step::Advance),
        ]
    }

    proptest! {
        /// The twin is a sorted set of (deadline, index) that is searched from the front.
        #[test]
        fn fires_what_a_sorted_set_would_fire(steps in prop::collection::vec(step(), 1..80), start in 0..3_000_u32) {
            let mut nodes = Plain(vec![Node::UNLINKED; TIMERS as usize]);
            let (mut wheel, mut twin) = (Wheel::new(start), BTreeSet::<(u32, u32)>::new());
            let mut now = start;
            for step in steps {
                match step {
                    Step::Arm(index, distance) => {
                        twin.retain(|&(_, other)| other != index);
                        twin.insert((now + distance, index));
                        wheel.arm(&mut nodes, index, now + distance);
                    }
                    Step::Disarm(index) => {
                        twin.retain(|&(_, other)| other != index);
                        wheel.disarm(&mut nodes, index);
                    }
                    Step::Advance(ticks) => {
                        now += ticks;
                        let mut fired = BTreeSet::new();
                        while let Some((index, deadline)) = wheel.expire(&mut nodes, now) {
                            prop_assert!(twin.contains(&(deadline, index)));
                            prop_assert!(fired.insert(index), "fired twice");
                        }
                        let due: BTreeSet<u32> =
                            twin.iter().filter(|timer| timer.0 <= now).map(|timer| timer.1).collect();
                        twin.retain(|timer| timer.0 > now);
                        prop_assert_eq!(fired, due);
                    }
                }
                match (wheel.next_tick(), twin.first()) {
                    (None, None) => {}
                    (Some(tick), Some(&(deadline, _))) => prop_assert!(tick <= deadline.max(now)),
                    (tick, first) => prop_assert!(false, "{:?} but {:?}", tick, first),
                }
            }
        }
    }

    #[test]
    fn a_long_sleep_costs_each_far_timer_two_looks_at_most() {
        let mut nodes = Plain(vec![Node::UNLINKED; 2]);
        let mut wheel = Wheel::new(0);
        wheel.arm(&mut nodes, 0, u32::MAX - 1);
        wheel.arm(&mut nodes, 1, 7);
        assert_eq!(wheel.expire(&mut nodes, 100_000_000), Some((1, 7)));
        assert_eq!(wheel.expire(&mut nodes, 100_000_000), None);
        assert!(wheel.next_tick().unwrap() > 100_000_000);
        assert_eq!(wheel.expire(&mut nodes, u32::MAX - 2), None);
        assert_eq!(wheel.expire(&mut nodes, u32::MAX - 1), Some((0, u32::MAX - 1)));
    }
}
