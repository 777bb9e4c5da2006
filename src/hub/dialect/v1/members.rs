//! Reading the members of a JSON object as unparsed JSON texts. An error in one member does not prevent the others from being read, and
//! reading builds no tree of values, whatever a client sends.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Reads the members with these names into `found`, in the order of the names, and ignores others. Where the object is malformed, `found`
/// has the members before that place.
///
/// # Errors
/// Returns a short description of the error. It contains no text of the client.
pub(super) fn read<'a, const COUNT: usize>(
    json: &'a str,
    names: [&str; COUNT],
    found: &mut [Option<&'a RawValue>; COUNT],
) -> Result<(), String> {
    let is_object = json.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    if !is_object {
        return Err("it is no JSON object".into());
    }
    let mut source = Deserializer::from_str(json);
    let read = source.deserialize_map(Members { names, found }).and_then(|()| source.end());
    read.map_err(|error| match error.classify() {
        // The only data error is that of `visit_map`.
        Category::Data => "a member is there twice".into(),
        Category::Io | Category::Syntax | Category::Eof => format!("it is no JSON: {error}"),
    })
}

/// Returns the text of a member, borrowed if it contains no escapes.
///
/// # Errors
/// Returns what the member should have been.
pub(super) fn text(value: &RawValue) -> Result<Cow<'_, str>, &'static str> {
    let json = value.get();
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or("is a text")?;
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    // The rest of the syntax was checked when the member was read.
    let text = serde_json::from_str(json);
    text.map(Cow::Owned)
        .map_err(|_| "is a text, which half a surrogate pair (as of a cut emoji) has no place in")
}

struct Members<'f, 'n, 'a, const COUNT: usize> {
    names: [&'n str; COUNT],
    found: &'f mut [Option<&'a RawValue>; COUNT],
}

impl<'a, const COUNT: usize> Visitor<'a> for Members<'_, '_, 'a, COUNT> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(which) = map.next_key_seed(Key(self.names))? {
            let value: &RawValue = map.next_value()?;
            let Some(place) = which.and_then(|which| self.found.get_mut(which)) else { continue };
            if place.is_some() {
                return Err(A::Error::custom("twice"));
            }
            *place = Some(value);
        }
        Ok(())
    }
}

/// Finds a key's index among the names. Compares bytes, since a key with escapes may be invalid UTF-8.
struct Key<'n, const COUNT: usize>([&'n str; COUNT]);

impl<'a, const COUNT: usize> DeserializeSeed<'a> for Key<'_, COUNT> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<const COUNT: usize> Visitor<'_> for Key<'_, COUNT> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|name| name.as_bytes() == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> (Result<(), String>, [Option<&str>; 2]) {
        let mut found = [None; 2];
        let read = read(json, ["a", "b"], &mut found);
        (read, found.map(|value| value.map(RawValue::get)))
    }

    #[test]
    fn members_are_found_as_they_stand_there() {
        let json = r#" {"x":[{"a":1}], "\u0061" : {"a" :2}, "\ud800":"\ud800", "b":"\udc00" } "#;
        assert_eq!(found(json), (Ok(()), [Some(r#"{"a" :2}"#), Some(r#""\udc00""#)]));
        assert_eq!(found("{}"), (Ok(()), [None; 2]));
    }

    #[test]
    fn what_stands_before_a_fault_is_found() {
        for broken in [r#"{"a":1"#, r#"{"a":1,"#, r#"{"a":1}}"#, r#"{"a":1,"a":2}"#, r#"{"a":1,"c":"\x"}"#] {
            let (read, members) = found(broken);
            assert!(read.is_err(), "{broken}");
            assert_eq!(members[0], Some("1"), "{broken}");
        }
        for none in ["", " ", "7", "[]", r#""{}""#, "null"] {
            assert_eq!(found(none).0, Err("it is no JSON object".into()), "{none}");
        }
    }

    #[test]
    fn texts_are_read_and_half_pairs_are_not() {
        let value = |json: &'static str| serde_json::from_str::<&RawValue>(json).unwrap();
        assert_eq!(text(value(r#""plain é""#)), Ok(Cow::Borrowed("plain é")));
        assert_eq!(text(value(r#""\ud83d\ude00\n""#)), Ok("😀\n".into()));
        for half in [r#""\ud83d""#, r#""\ude00\ud83d""#, r#""\ud83dx""#] {
            assert!(text(value(half)).unwrap_err().contains("surrogate"), "{half}");
        }
        for other in ["5", "null", "[]", "{}"] {
            assert_eq!(text(value(other)), Err("is a text"), "{other}");
        }
    }
}
