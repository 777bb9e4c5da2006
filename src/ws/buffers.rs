//! Memory for messages that arrive in pieces.

/// Gives a [`Decoder`](super::Decoder) the memory for messages that arrive in pieces.
pub trait Buffers {
    /// Makes room for `additional` more bytes in `buffer`, which is empty and without capacity at first. Returns `false` to refuse the
    /// memory: decoding then ends with [`DecodeError::OutOfBuffers`](super::DecodeError).
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool;

    /// Makes room in `buffer` for `additional` more bytes that have not arrived, or leaves `buffer` as it is. Returns how many bytes at the
    /// end of the buffer's capacity do not count towards a limit of memory yet: they count once [`try_count`](Self::try_count) or
    /// [`count`](Self::count) is called.
    fn reserve_ahead(&mut self, buffer: &mut Vec<u8>, additional: usize) -> usize {
        self.reserve(buffer, additional);
        0
    }

    /// Counts bytes of room made ahead, before data is written there. Returns `false` to refuse, as [`reserve`](Self::reserve) does.
    fn try_count(&mut self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }

    /// Counts bytes of room made ahead, without a limit: data was already written there, or the buffer is about to be recycled or handed to
    /// the caller.
    fn count(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// Takes back a buffer that is no longer needed; its content is irrelevant.
    fn recycle(&mut self, buffer: Vec<u8>);
}

/// Buffers directly from the allocator, for tests and small programs.
#[derive(Debug, Default)]
pub struct Heap;

impl Buffers for Heap {
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
        buffer.try_reserve(additional).is_ok()
    }

    fn recycle(&mut self, _: Vec<u8>) {}
}
