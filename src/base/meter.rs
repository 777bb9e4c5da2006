//! Limits of the work that a worker does for one connection before it serves the next, and for all connections before it polls for new
//! input.
//!
//! Work is charged where it is done, whatever causes it. Its unit is about a nanosecond, the time that decompressing a byte takes. So the
//! time that a client can make a worker spend is bounded, although the costs of bytes and of messages differ a thousandfold. No clock is
//! read, which would cost more than most messages.

use crate::budget::WORK_OF_MESSAGE;

/// Limits of work, in units of about a nanosecond. Only the message under way may exceed them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// The most work for a connection that has become ready, in its first visit: enough for most connections. A connection with more work
    /// waits for another visit.
    pub(crate) first: usize,
    /// The most work for a connection in each further visit.
    pub(crate) visit: usize,
    /// The most work for all connections in an iteration of the event loop.
    pub(crate) iteration: usize,
}

/// The remaining allowances of work.
#[derive(Debug)]
pub(crate) struct Meter {
    most: Allowance,
    /// The work left for the current connection. It is below 0 when the connection exceeded its allowance.
    left: isize,
    /// The value of `left` up to which work has been subtracted from `iteration`.
    counted: isize,
    /// The work left for all connections in this iteration.
    iteration: isize,
}

/// An iteration reserves one part in `REVISIT_SHARE` of its allowance for connections that wait for another visit, so that they make
/// progress however many connections become ready.
const REVISIT_SHARE: isize = 4;

impl Meter {
    pub(crate) const fn new(most: Allowance) -> Self {
        Self { most, left: 0, counted: 0, iteration: 0 }
    }

    pub(crate) fn begin_iteration(&mut self) {
        let most = signed(self.most.iteration);
        (self.left, self.counted, self.iteration) = (0, 0, most - most / REVISIT_SHARE);
    }

    /// Begins the mail, which the worker handles before input. The mail has an allowance as large as the part reserved for waiting
    /// connections, in addition to the others.
    pub(crate) fn begin_mail(&mut self) {
        self.left = (signed(self.most.iteration) / REVISIT_SHARE).max(1);
        self.counted = self.left;
    }

    /// Makes the part that is reserved for waiting connections available.
    pub(crate) fn begin_revisits(&mut self) {
        self.charge_iteration();
        self.iteration = self.iteration.max(0) + signed(self.most.iteration) / REVISIT_SHARE;
    }

    pub(crate) fn begin_first_visit(&mut self) {
        self.begin(self.most.first);
    }

    /// Begins another visit, or continues one that cannot be interrupted. Both are charged to the iteration.
    pub(crate) fn begin_visit(&mut self) {
        self.begin(self.most.visit);
    }

    fn begin(&mut self, most: usize) {
        self.charge_iteration();
        self.left = signed(most);
        self.counted = self.left;
    }

    #[inline]
    pub(crate) const fn charge(&mut self, work: usize) {
        self.left = self.left.saturating_sub_unsigned(work);
    }

    /// Returns the number of empty messages that the remaining work allows: at least one unless the work is spent.
    pub(crate) fn messages_left(&self) -> usize {
        usize::try_from(self.left).unwrap_or_default().div_ceil(WORK_OF_MESSAGE)
    }

    /// Returns `true` if the current connection has to wait for its next visit. The mail counts as one visit.
    #[inline]
    pub(crate) const fn is_visit_spent(&self) -> bool {
        self.left <= 0
    }

    /// Returns `true` if all other connections have to wait for the next iteration.
    #[inline]
    pub(crate) const fn is_iteration_spent(&self) -> bool {
        self.iteration <= self.counted - self.left
    }

    /// Subtracts the work done for the current connection from the iteration's allowance.
    fn charge_iteration(&mut self) {
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
            assert!(!meter.is_visit_spent() && !meter.is_iteration_spent());
            meter.charge(99);
            assert!(!meter.is_visit_spent());
            meter.charge(1);
            assert!(meter.is_visit_spent());
        }
        assert!(meter.is_iteration_spent());
        meter.begin_revisits();
        assert!(!meter.is_iteration_spent(), "what is kept for those who wait");
        meter.begin_visit();
        meter.charge(1_000);
        assert!(meter.is_visit_spent() && meter.is_iteration_spent());
        meter.begin_iteration();
        assert!(!meter.is_iteration_spent());
    }

    #[test]
    fn a_first_look_has_an_allowance_of_its_own() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 400 });
        meter.begin_iteration();
        for _ in 0..30 {
            meter.begin_first_visit();
            meter.charge(9);
            assert!(!meter.is_visit_spent());
            meter.charge(1);
            assert!(meter.is_visit_spent());
        }
        assert!(meter.is_iteration_spent());
    }

    #[test]
    fn what_goes_beyond_a_visit_counts_for_the_iteration() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 4_000 });
        meter.begin_iteration();
        meter.begin_visit();
        meter.charge(2_999);
        assert!(meter.is_visit_spent() && !meter.is_iteration_spent());
        meter.begin_visit();
        assert!(!meter.is_visit_spent());
        meter.charge(10_000);
        assert!(meter.is_visit_spent() && meter.is_iteration_spent());
        meter.begin_revisits();
        assert!(!meter.is_iteration_spent(), "those who wait have their share nevertheless");
    }

    #[test]
    fn a_visit_that_goes_on_is_paid_for() {
        let mut meter = Meter::new(Allowance { first: 10, visit: 100, iteration: 400 });
        meter.begin_iteration();
        for _ in 0..4 {
            meter.begin_visit();
            assert!(!meter.is_visit_spent());
            meter.charge(100);
            assert!(meter.is_visit_spent());
        }
        assert!(meter.is_iteration_spent());
    }
}
