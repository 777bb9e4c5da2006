//! Memory for what does not arrive whole.

/// Where a decoder gets the memory for messages that do not arrive whole.
pub trait Buffers {
    /// Makes room for `additional` more bytes in `buffer`, which is empty and without capacity at first. Return `false` to
    /// refuse: decoding then ends with [`DecodeError::OutOfBuffers`](super::DecodeError).
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool;

    /// Makes room ahead of what arrives, for `additional` more bytes in `buffer` or none. Returns how many bytes at the end of the buffer
    /// are not counted until they arrive, which is told with [`count`](Self::count).
    fn reserve_ahead(&mut self, buffer: &mut Vec<u8>, additional: usize) -> usize {
        self.reserve(buffer, additional);
        0
    }

    /// Counts bytes for which room was made ahead, before they are put there. Return `false` to refuse, as above.
    fn count(&mut self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }

    /// Counts such bytes that are there already, or that will not be asked for any more because the buffer is about to be recycled or handed
    /// on.
    fn settle(&mut self, bytes: usize) {
        let _ = bytes;
    }

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
