//! Visits to many places, a slice at a time: a message is sent to all connections of a worker, or to all subscribers of a topic, this
//! way.

use std::ops::Range;

/// Steps from place to place that take as long as sending a small message.
#[cfg(feature = "hub")]
const STEPS_PER_MESSAGE: usize = 64;

/// The work that a slice may still do, in steps from place to place. Sending a small message takes as long as 64 steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SliceBudget {
    steps: usize,
}

impl SliceBudget {
    pub(crate) const SPENT: Self = Self { steps: 0 };

    pub(crate) const fn of_steps(steps: usize) -> Self {
        Self { steps }
    }

    #[cfg(feature = "hub")]
    pub(crate) const fn of_messages(messages: usize) -> Self {
        Self { steps: messages.saturating_mul(STEPS_PER_MESSAGE) }
    }

    pub(crate) const fn is_spent(self) -> bool {
        self.steps == 0
    }

    /// Counts a step to a place.
    pub(crate) const fn step(&mut self) {
        self.steps = self.steps.saturating_sub(1);
    }

    /// Counts work that takes as long as sending so many small messages.
    #[cfg(feature = "hub")]
    pub(crate) const fn spend(&mut self, messages: usize) {
        self.steps = self.steps.saturating_sub(messages * STEPS_PER_MESSAGE);
    }

    /// Splits off a quarter of the remaining budget.
    #[cfg(feature = "hub")]
    pub(crate) const fn take_quarter(&mut self) -> Self {
        let quarter = Self { steps: self.steps.div_ceil(4) };
        self.steps -= quarter.steps;
        quarter
    }

    /// Returns the unspent rest of a part to this budget.
    #[cfg(feature = "hub")]
    pub(crate) const fn put_back(&mut self, part: Self) {
        self.steps += part.steps;
    }
}

/// A position in numbered places that are visited in slices. Each slice continues where the last one stopped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SliceCursor {
    /// Places below this one have been visited.
    next: u32,
    /// Places from here on are not visited.
    end: u32,
}

impl SliceCursor {
    /// Makes a cursor over the places below `end`.
    #[cfg(feature = "hub")]
    pub(crate) const fn below(end: u32) -> Self {
        Self { next: 0, end }
    }

    /// Returns the places that have not been visited.
    pub(crate) const fn rest(&self) -> Range<u32> {
        self.next..self.end
    }

    #[cfg(any(test, feature = "hub"))]
    pub(crate) const fn is_at_end(&self) -> bool {
        self.next >= self.end
    }

    /// Moves the end, so that places added meanwhile are visited too.
    pub(crate) const fn set_end(&mut self, end: u32) {
        self.end = end;
    }

    /// Visits the targets at the places of the [rest](Self::rest) in order, until the budget is spent. `visit` charges the budget. The
    /// cursor is at its end when `targets` ends, even before `end`.
    #[inline]
    pub(crate) fn advance<T>(
        &mut self,
        targets: impl IntoIterator<Item = T>,
        budget: &mut SliceBudget,
        mut visit: impl FnMut(T, &mut SliceBudget),
    ) {
        // Local variables: fields behind a reference would be written for each place.
        let (mut left, mut visited, mut targets) = (*budget, 0, targets.into_iter());
        while !left.is_spent() {
            let Some(target) = targets.next() else {
                visited = self.end.saturating_sub(self.next);
                break;
            };
            visited += 1;
            visit(target, &mut left);
        }
        self.next += visited;
        *budget = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_visits_each_place_once_in_slices_of_its_budget() {
        let (mut cursor, mut seen, mut slices) = (SliceCursor::default(), Vec::new(), 0);
        cursor.set_end(10);
        while !cursor.is_at_end() {
            let mut budget = SliceBudget::of_steps(4);
            cursor.advance(cursor.rest(), &mut budget, |place, budget| {
                seen.push(place);
                budget.step();
            });
            slices += 1;
        }
        assert_eq!((seen, slices), ((0..10).collect(), 3));
    }

    #[test]
    fn a_spent_budget_visits_nothing_and_an_end_of_the_targets_ends_the_visits() {
        let mut cursor = SliceCursor::default();
        cursor.set_end(10);
        cursor.advance(0..10, &mut SliceBudget::SPENT.clone(), |_, _| panic!("a visit"));
        assert_eq!(cursor.rest(), 0..10);
        let mut budget = SliceBudget::of_steps(100);
        cursor.advance(0..3, &mut budget, |_, budget| budget.step());
        assert!(cursor.is_at_end() && budget == SliceBudget::of_steps(97));
    }

    #[cfg(feature = "hub")]
    #[test]
    fn a_message_takes_as_long_as_64_steps() {
        let mut budget = SliceBudget::of_messages(2);
        (0..64).for_each(|_| budget.step());
        budget.spend(1);
        assert!(budget.is_spent());
        let mut budget = SliceBudget::of_steps(9);
        let quarter = budget.take_quarter();
        assert_eq!((quarter, budget), (SliceBudget::of_steps(3), SliceBudget::of_steps(6)));
        budget.put_back(quarter);
        assert_eq!(budget, SliceBudget::of_steps(9));
    }
}
