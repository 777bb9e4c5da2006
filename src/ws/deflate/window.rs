//! The last bytes of earlier messages, which later messages may refer to.

/// The least capacity of a window in bytes.
const LEAST: usize = 256;

/// The last bytes of one direction of a connection, as many as later messages may refer to. A window replaces a whole stream with its
/// tables as the context that is kept between two messages.
///
/// A window takes no memory before the first message, and at most its size afterwards.
#[derive(Debug, Default)]
pub struct Window(Vec<u8>);

impl Window {
    /// Returns the bytes, oldest first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes of memory that the window takes.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Appends a message and drops the bytes beyond a window of `bits`, a power of two.
    pub fn push(&mut self, message: &[u8], bits: u8) {
        let size = 1_usize << bits;
        let message = &message[message.len().saturating_sub(size)..];
        let surplus = (self.0.len() + message.len()).saturating_sub(size);
        self.0.drain(..surplus);
        let needed = self.0.len() + message.len();
        if needed > self.0.capacity() {
            // `reserve_exact`, because the standard library's growth could exceed the window.
            let capacity = needed.next_power_of_two().clamp(LEAST.min(size), size);
            self.0.reserve_exact(capacity - self.0.len());
        }
        self.0.extend_from_slice(message);
    }
}

/// The windows of both directions of a connection.
#[derive(Debug, Default)]
pub struct Windows {
    /// The last bytes of the compressed messages that were sent, before compression.
    pub sent: Window,
    /// The last bytes of the compressed messages that were received, after decompression.
    pub received: Window,
}

impl Windows {
    /// Returns the bytes of memory that both windows take.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.sent.capacity() + self.received.capacity()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_the_end_of_all_that_passed_in_no_more_than_its_size(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..12),
            bits in 8..=11_u8,
        ) {
            let (mut window, mut passed) = (Window::default(), Vec::new());
            prop_assert_eq!(window.capacity(), 0);
            for message in messages {
                window.push(&message, bits);
                passed.extend_from_slice(&message);
                let size = 1 << bits;
                prop_assert_eq!(window.bytes(), &passed[passed.len().saturating_sub(size)..]);
                prop_assert!(window.capacity() <= size, "{} bytes", window.capacity());
            }
        }
    }
}
