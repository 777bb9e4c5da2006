//! The end of what has passed, which later messages may refer to.

/// The least capacity of a window in bytes.
const LEAST: usize = 256;

/// The last bytes of one direction of a connection, as many as later messages may refer to: what is kept of a context between
/// two messages instead of a stream with all its tables.
///
/// It takes no memory before the first message and at most its size later.
#[derive(Debug, Default)]
pub struct Window(Vec<u8>);

impl Window {
    /// The bytes, oldest first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of memory that are taken.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Takes in a message that has passed, and forgets what is further back than a window of `bits`, a power of two.
    pub fn push(&mut self, message: &[u8], bits: u8) {
        let size = 1_usize << bits;
        let message = &message[message.len().saturating_sub(size)..];
        let surplus = (self.0.len() + message.len()).saturating_sub(size);
        self.0.drain(..surplus);
        let needed = self.0.len() + message.len();
        if needed > self.0.capacity() {
            // No more than a window, where growth by the standard library would go beyond.
            let capacity = needed.next_power_of_two().clamp(LEAST.min(size), size);
            self.0.reserve_exact(capacity - self.0.len());
        }
        self.0.extend_from_slice(message);
    }
}

/// Both windows of a connection.
#[derive(Debug, Default)]
pub struct Windows {
    /// What was sent compressed.
    pub sent: Window,
    /// What was received compressed.
    pub received: Window,
}

impl Windows {
    /// Bytes of memory that are taken.
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
