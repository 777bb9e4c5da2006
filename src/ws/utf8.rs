//! An incremental UTF-8 check, which fails at the first wrong byte of a text (RFC 6455, section 8.1).

/// A checker that keeps the unfinished character at the end of a piece for the next piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Utf8Check {
    /// The first bytes of an unfinished character, of which only the first `len` are valid.
    partial: [u8; 4],
    /// The number of bytes in `partial`, at most 3: four bytes are a whole character or an error.
    len: u8,
}

/// The error of bytes that cannot be part of UTF-8 text, whatever follows them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Utf8Error;

impl Utf8Check {
    /// Checks the next piece of a text.
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), Utf8Error> {
        while self.len > 0 {
            let [next, rest @ ..] = piece else { return Ok(()) };
            self.partial[usize::from(self.len)] = *next;
            self.len += 1;
            piece = rest;
            match std::str::from_utf8(&self.partial[..usize::from(self.len)]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(Utf8Error),
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Utf8Error);
        }
        for &byte in &piece[error.valid_up_to()..] {
            self.partial[usize::from(self.len)] = byte;
            self.len += 1;
        }
        Ok(())
    }

    /// Returns whether the text so far ends between two characters.
    #[cfg(test)]
    const fn is_complete(self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fails_at_the_first_wrong_byte() {
        // (accepted so far, the byte that must fail at once)
        for (good, bad) in [
            (&b""[..], 0x80_u8),
            (b"a", 0xff),
            (b"\xf4", 0x90),
            (b"\xe0", 0x80),
            (b"\xed", 0xa0),
            (b"\xc3", 0x28),
            (b"\xf0\x9f", 0x28),
            (b"ok\xf0\x9f\x98", 0xff),
        ] {
            let mut check = Utf8Check::default();
            for &byte in good {
                assert_eq!(check.feed(&[byte]), Ok(()), "{good:x?}");
            }
            assert_eq!(check.feed(&[bad]), Err(Utf8Error), "{good:x?} then {bad:x}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library_however_it_is_split(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..12),
                ".{0,12}".prop_map(String::into_bytes),
            ],
            cuts in prop::collection::vec(0..12_usize, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut check = Utf8Check::default();
            let fed = cuts.windows(2).try_for_each(|pair| check.feed(&bytes[pair[0]..pair[1]]));
            prop_assert_eq!(fed.is_ok() && check.is_complete(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
