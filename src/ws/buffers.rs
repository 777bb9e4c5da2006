//! Memory for what does not arrive whole.

/// Where a decoder gets the memory for messages that do not arrive whole.
pub trait Buffers {
    /// Makes room for `additional` more bytes in `buffer`, which is empty and without capacity at first. Return `false` to
    /// refuse: decoding then ends with [`DecodeError::OutOfBuffers`](super::DecodeError).
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool;

    /// Takes back a buffer that is no longer needed; what is in it does not count.
    fn recycle(&mut self, buffer: Vec<u8>);
}

/// Buffers straight from the allocator, for tests and small programs.
#[derive(Debug, Default)]
pub struct Heap;

impl Buffers for Heap {
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
        buffer.try_reserve(additional).is_ok()
    }

    fn recycle(&mut self, _: Vec<u8>) {}
}
