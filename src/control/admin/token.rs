//! The secret that requests to the admin port must bear (RFC 6750).

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use subtle::ConstantTimeEq;

use super::super::environment::Environment;
use super::super::error::ExitError;

/// The variable that may hold the token itself.
const VARIABLE: &str = "THRONG_ADMIN_TOKEN";
/// The fewest bytes of a token: shorter ones could be guessed.
const SHORTEST: usize = 16;
/// The most bytes of a token, so that it fits a request's head with room to spare.
const LONGEST: usize = 1024;
/// The most bytes that are read of the token's file: a mistaken path must not fill the memory.
const MAX_FILE: u64 = 2 * LONGEST as u64;

/// A token. It is compared in constant time, and never shown.
pub(crate) struct AdminToken(Box<[u8]>);

impl AdminToken {
    /// Reads the token from the file or the environment, if there is one.
    pub(crate) fn find(file: Option<&Path>, environment: &Environment) -> Result<Option<Self>, ExitError> {
        let text = environment.text(VARIABLE)?;
        let (place, text) = match (file, text) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(ExitError::Configuration(format!(
                    "both admin-token-file and {VARIABLE} are given: take one of them away"
                )));
            }
            (None, Some(text)) => (VARIABLE.to_owned(), text),
            (Some(path), None) => {
                let place = path.display().to_string();
                let mut text = String::new();
                // The metadata's length is of no use: that of a device or a pipe says nothing.
                File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)).map_err(
                    |error| ExitError::Configuration(format!("cannot read the admin token {place}: {error}")),
                )?;
                (place, text)
            }
        };
        Self::new(&text).map(Some).map_err(|error| ExitError::Configuration(format!("{place}: {error}")))
    }

    fn new(text: &str) -> Result<Self, String> {
        let token = text.trim_end_matches(['\r', '\n']).as_bytes();
        if token.len() < SHORTEST || token.len() > LONGEST || !token.iter().all(u8::is_ascii_graphic) {
            return Err(format!(
                "the admin token must be {SHORTEST} to {LONGEST} visible ASCII characters without blanks, as `openssl rand \
                 -hex 32` makes them"
            ));
        }
        Ok(Self(token.into()))
    }

    pub(super) fn is(&self, given: &[u8]) -> bool {
        self.0.ct_eq(given).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(token: &str) -> Environment {
        [(VARIABLE.to_owned(), token.into())].into_iter().collect()
    }

    #[test]
    fn tokens_have_a_length_and_visible_characters() {
        let good = "0123456789abcdef";
        assert!(AdminToken::new(good).unwrap().is(good.as_bytes()));
        assert!(AdminToken::new(&format!("{good}\r\n")).unwrap().is(good.as_bytes()));
        assert!(AdminToken::new(&"x".repeat(1024)).is_ok());
        let too_long = "x".repeat(1025);
        for wrong in ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdefü", "\n\n", &too_long] {
            assert!(AdminToken::new(wrong).unwrap_err().contains("16 to 1024 visible ASCII"), "{wrong}");
        }
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = AdminToken::new("0123456789abcdef").unwrap();
        for wrong in ["", "0123456789abcde", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
    }

    #[test]
    fn it_comes_from_one_place() {
        assert!(AdminToken::find(None, &Environment::default()).unwrap().is_none());
        assert!(AdminToken::find(None, &environment("0123456789abcdef")).unwrap().is_some());
        let both = AdminToken::find(Some(Path::new("/nowhere")), &environment("0123456789abcdef"));
        assert!(both.unwrap_err().to_string().contains("take one of them away"));
        let missing = AdminToken::find(Some(Path::new("/nowhere/token")), &Environment::default());
        let said = missing.unwrap_err().to_string();
        assert!(said.starts_with("cannot read the admin token /nowhere/token: "), "{said}");
        let endless = AdminToken::find(Some(Path::new("/dev/zero")), &Environment::default());
        let said = endless.unwrap_err().to_string();
        assert!(said.starts_with("/dev/zero: the admin token must be"), "{said}");
        let short = AdminToken::find(None, &environment("secret")).unwrap_err().to_string();
        assert!(short.starts_with("THRONG_ADMIN_TOKEN: the admin token must be"), "{short}");
        assert!(!short.contains("secret"), "{short}");
    }
}
