//! The only source of every decision: a seed, or a string of bytes.

use std::cell::RefCell;
use std::rc::Rc;

/// A source of decisions. One seed, or one string of bytes, always yields the same decisions.
#[derive(Debug)]
enum Source {
    /// The state of SplitMix64 (Steele, Lea and Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    Seed(u64),
    /// Bytes from a fuzzer. After their end, every decision is the first of its options.
    Bytes { bytes: Vec<u8>, at: usize },
}

/// A shared source: the simulated kernel takes its decisions from the one that the clients use.
#[derive(Debug, Clone)]
pub(crate) struct Choices(Rc<RefCell<Source>>);

impl Choices {
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(Source::Seed(seed))))
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Rc::new(RefCell::new(Source::Bytes { bytes: bytes.into(), at: 0 })))
    }

    /// Returns whether all bytes are used; never true for a seed.
    pub(crate) fn are_spent(&self) -> bool {
        matches!(&*self.0.borrow(), Source::Bytes { bytes, at } if *at >= bytes.len())
    }

    /// Returns 64 random bits, or the next eight bytes.
    pub(crate) fn bits(&self) -> u64 {
        match &mut *self.0.borrow_mut() {
            Source::Seed(state) => split_mix(state),
            Source::Bytes { bytes, at } => take(bytes, at, 8),
        }
    }

    /// Returns a number below `bound`, which must not be 0. A string of bytes yields as few bytes as `bound` needs: one, two or eight.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let bits = match &mut *self.0.borrow_mut() {
            Source::Seed(state) => split_mix(state),
            Source::Bytes { bytes, at } if bound <= 0x100 => take(bytes, at, 1),
            Source::Bytes { bytes, at } if bound <= 0x1_0000 => take(bytes, at, 2),
            Source::Bytes { bytes, at } => take(bytes, at, 8),
        };
        usize::try_from(bits % bound as u64).unwrap_or(0)
    }

    /// Returns a number from `least` to `most`.
    pub(crate) fn between(&self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// Returns `true` once in `times` calls on average.
    pub(crate) fn one_in(&self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// Returns one of the options.
    pub(crate) fn pick<T: Clone>(&self, options: &[T]) -> T {
        options[self.below(options.len())].clone()
    }

    /// Returns the index of one of the weights, with a probability in proportion to the weight.
    pub(crate) fn weighted_index(&self, weights: &[usize]) -> usize {
        let mut drawn = self.below(weights.iter().sum());
        let chosen = weights.iter().position(|&weight| {
            let hit = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            hit
        });
        chosen.unwrap_or(0)
    }
}

/// Returns the next number of a SplitMix64 generator.
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn take(bytes: &[u8], at: &mut usize, count: usize) -> u64 {
    let mut bits = 0;
    for _ in 0..count {
        bits = bits << 8 | u64::from(bytes.get(*at).copied().unwrap_or(0));
        *at += 1;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_source_decides_the_same_and_bytes_end() {
        let draw = |choices: &Choices| (0..50).map(|_| choices.below(1000)).collect::<Vec<_>>();
        assert_eq!(draw(&Choices::of_seed(7)), draw(&Choices::of_seed(7)));
        assert_ne!(draw(&Choices::of_seed(7)), draw(&Choices::of_seed(8)));
        let choices = Choices::of_bytes(&[5, 1, 2, 9]);
        assert_eq!((choices.below(10), choices.below(1000), choices.are_spent()), (5, 258, false));
        assert_eq!((choices.below(8), choices.are_spent(), choices.one_in(2)), (1, true, false));
    }

    #[test]
    fn weights_are_kept_to() {
        let choices = Choices::of_seed(1);
        let mut counts = [0; 3];
        (0..1000).for_each(|_| counts[choices.weighted_index(&[1, 0, 3])] += 1);
        assert!(counts[1] == 0 && (200..300).contains(&counts[0]), "{counts:?}");
    }
}
