//! The bytes of a fuzzer, taken apart: choices in front, then what is to be read.

/// What is left of an input. Where it ends early, choices are 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'i>(&'i [u8]);

impl<'i> Input<'i> {
    pub(crate) const fn new(bytes: &'i [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Two bytes, the higher one first.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next `len` bytes, or as many as there are.
    pub(crate) fn take(&mut self, len: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) const fn rest(self) -> &'i [u8] {
        self.0
    }
}

/// Where `len` bytes are cut into pieces, ascending: `choice` 0 is every place, any other one a sequence of its own of pieces
/// up to 4, 16, 64 or 1,024 bytes long.
pub(crate) fn cuts(choice: u8, len: usize) -> Vec<usize> {
    if choice == 0 {
        return (1..len).collect();
    }
    let longest = [4, 16, 64, 1024][usize::from(choice % 4)];
    let mut state = u64::from(choice);
    let mut next = || {
        // Knuth's MMIX generator, of which the high bits are the better ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or_default() % longest + 1
    };
    let mut at = 0;
    std::iter::from_fn(|| {
        at += next();
        (at < len).then_some(at)
    })
    .collect()
}
