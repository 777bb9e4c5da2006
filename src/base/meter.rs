//! How much work a worker does for one connection before others have their turn, and for all of them before it looks for new input.
//!
//! Work is charged where it is done, whatever causes it. Its unit is about a nanosecond, the time that decompressing a byte takes. So
//! what a client can make a worker do is bounded in time: bytes and messages differ a thousandfold in what they cost. No clock is read,
//! which would cost more than most messages.

use crate::budget::WORK_OF_MESSAGE;

/// The most work at a time. Only the message under way may go beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// For a connection that has become ready, whose input is looked at for the first time: enough for most. A connection with more
    /// waits for another turn.
    pub(crate) first: usize,
    /// For a connection that waits for another turn.
    pub(crate) visit: usize,
    /// For all connections in an iteration.
    pub(crate) iteration: usize,
}

/// What is left of the allowances.
#[derive(Debug)]
pub(crate) struct Meter {
    most: Allowance,
    /// For the connection at hand. Below 0 when it went beyond.
    left: isize,
    /// `left` as it was when it was last subtracted from `iteration`.
    counted: isize,
    /// For all connections, in this iteration.
    iteration: isize,
}

/// One part in so many of an iteration's allowance is kept for connections that wait for another turn, so that they go on however many
/// become ready.
const KEPT: isize = 4;

impl Meter {
    pub(crate) const fn new(most: Allowance) -> Self {
        Self { most, left: 0, counted: 0, iteration: 0 }
    }

    pub(crate) fn begin_iteration(&mut self) {
        let most = signed(self.most.iteration);
        (self.left, self.counted, self.iteration) = (0, 0, most - most / KEPT);
    }

    /// Begins the mail, which comes before input: it has another part as large as that of the connections that wait.
    pub(crate) fn begin_mail(&mut self) {
        self.left = (signed(self.most.iteration) / KEPT).max(1);
        self.counted = self.left;
    }

    /// Makes the share of the connections that wait available.
    pub(crate) fn begin_revisits(&mut self) {
        self.settle();
        self.iteration = self.iteration.max(0) + signed(self.most.iteration) / KEPT;
    }

    pub(crate) fn begin_first(&mut self) {
        self.begin(self.most.first);
    }

    /// Begins another visit, or goes on with one that cannot be interrupted. Either is charged to the iteration.
    pub(crate) fn begin_visit(&mut self) {
        self.begin(self.most.visit);
    }

    fn begin(&mut self, most: usize) {
        self.settle();
        self.left = signed(most);
        self.counted = self.left;
    }

    #[inline]
    pub(crate) const fn charge(&mut self, work: usize) {
        self.left = self.left.saturating_sub_unsigned(work);
    }

    /// How many empty messages what is left is enough for: at least one unless it is spent.
    pub(crate) fn messages_left(&self) -> usize {
        usize::try_from(self.left).unwrap_or_default().div_ceil(WORK_OF_MESSAGE)
    }

    /// Whether the connection at hand has to wait for its next visit.
    #[inline]
    pub(crate) const fn is_spent(&self) -> bool {
        self.left <= 0
    }

    /// Whether all others have to wait for the next iteration.
    #[inline]
    pub(crate) const fn is_over(&self) -> bool {
        self.iteration <= self.counted - self.left
    }

    /// Counts what was done for the connection at hand.
    fn settle(&mut self) {
        self.iteration = self.iteration.saturating_sub(self.counted - self.left);
        self.counted = self.left;
    }
}

fn signed(work: usize) -> isize {
    isize::try_from(work).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_for_the_visit_and_the_iteration() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 400 });
        meter.begin_iteration();
        for _ in 0..3 {
            meter.begin_visit();
            assert!(!meter.is_spent() && !meter.is_over());
            meter.charge(99);
            assert!(!meter.is_spent());
            meter.charge(1);
            assert!(meter.is_spent());
        }
        assert!(meter.is_over());
        meter.begin_revisits();
        assert!(!meter.is_over(), "what is kept for those who wait");
        meter.begin_visit();
        meter.charge(1_000);
        assert!(meter.is_spent() && meter.is_over());
        meter.begin_iteration();
        assert!(!meter.is_over());
    }

    #[test]
    fn a_first_look_has_an_allowance_of_its_own() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 400 });
        meter.begin_iteration();
        for _ in 0..30 {
            meter.begin_first();
            meter.charge(9);
            assert!(!meter.is_spent());
            meter.charge(1);
            assert!(meter.is_spent());
        }
        assert!(meter.is_over());
    }

    #[test]
    fn what_goes_beyond_a_visit_counts_for_the_iteration() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 4_000 });
        meter.begin_iteration();
        meter.begin_visit();
        meter.charge(2_999);
        assert!(meter.is_spent() && !meter.is_over());
        meter.begin_visit();
        assert!(!meter.is_spent());
        meter.charge(10_000);
        assert!(meter.is_spent() && meter.is_over());
        meter.begin_revisits();
        assert!(!meter.is_over(), "those who wait have their share nevertheless");
    }

    #[test]
    fn a_visit_that_goes_on_is_paid_for() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 400 });
        meter.begin_iteration();
        for _ in 0..4 {
            meter.begin_visit();
            assert!(!meter.is_spent());
            meter.charge(100);
            assert!(meter.is_spent());
        }
        assert!(meter.is_over());
    }
}
