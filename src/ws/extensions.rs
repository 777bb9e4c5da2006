//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).

use crate::http::is_token;

/// An extension of a list, with its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a [u8],
    /// The text after the name, beginning with the first semicolon.
    parameters: &'a [u8],
}

/// A parameter of an extension.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: Option<Value<'a>>,
}

/// The value of a parameter: a token, quoted or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a>(&'a [u8]);

/// Returns whether `value` is an `extension-list`: extensions, each a token with parameters after semicolons (RFC 6455-9.1-1). The grammar
/// requires at least one extension, but an empty list is tolerated, because some clients send one when they offer nothing.
///
/// The list can be split at commas and semicolons before quotes are parsed: a quoted value must be a token once it is unquoted, so a legal
/// value contains neither.
pub(super) fn is_extension_list(value: &[u8]) -> bool {
    extensions(value).all(|extension| extension.is_legal())
}

/// Returns the nonempty members of a comma-separated list. The list must not have commas inside quoted strings.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Returns the extensions of a list in its order.
pub(super) fn extensions(value: &[u8]) -> impl Iterator<Item = Extension<'_>> {
    members(value).map(|member| {
        let end = member.iter().position(|&byte| byte == b';').unwrap_or(member.len());
        Extension { name: member[..end].trim_ascii_end(), parameters: &member[end..] }
    })
}

impl<'a> Extension<'a> {
    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> + use<'a> {
        // The first piece is the text before the first semicolon, which is empty.
        self.parameters.split(|&byte| byte == b';').skip(1).map(Parameter::of)
    }

    fn is_legal(&self) -> bool {
        is_token(self.name) && self.parameters().all(|parameter| parameter.is_legal())
    }
}

impl<'a> Parameter<'a> {
    fn of(parameter: &'a [u8]) -> Self {
        let parameter = parameter.trim_ascii();
        // The RFC's grammar implies white space between any two tokens (RFC 2616, section 2.1).
        match parameter.iter().position(|&byte| byte == b'=') {
            None => Self { name: parameter, value: None },
            Some(equals) => Self {
                name: parameter[..equals].trim_ascii_end(),
                value: Some(Value(parameter[equals + 1..].trim_ascii_start())),
            },
        }
    }

    fn is_legal(&self) -> bool {
        is_token(self.name) && self.value.is_none_or(Value::is_legal)
    }
}

impl<'a> Value<'a> {
    /// Returns the token's bytes, without quotes and backslashes.
    pub(super) fn bytes(self) -> impl Iterator<Item = u8> + use<'a> {
        let (text, is_quoted) = match self.0 {
            [b'"', quoted @ .., b'"'] => (quoted, true),
            text => (text, false),
        };
        let mut bytes = text.iter().copied();
        std::iter::from_fn(move || match bytes.next() {
            Some(b'\\') if is_quoted => bytes.next(),
            byte => byte,
        })
    }

    fn is_legal(self) -> bool {
        match self.0 {
            [b'"', quoted @ .., b'"'] => is_quoted_token(quoted),
            token => is_token(token),
        }
    }
}

/// Returns whether the text between two quotes is a token once its backslashes are removed (RFC 6455-4.3-1 and 6455-9.1-2).
fn is_quoted_token(mut quoted: &[u8]) -> bool {
    if quoted.is_empty() {
        return false;
    }
    while let [byte, rest @ ..] = quoted {
        quoted = match (byte, rest) {
            (b'\\', [escaped, rest @ ..]) if is_token(&[*escaped]) => rest,
            _ if is_token(&[*byte]) => rest,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_with_parameters_are_a_list() {
        for value in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; server_no_context_takeover, x-webkit-deflate-frame",
            "foo,, bar;baz=2",
            "foo; a=\"10\"; b=\"\\1\\0\"",
            "foo ; a = b",
            "",
            " , ",
        ] {
            assert!(is_extension_list(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn names_and_values_are_told_apart() {
        let list = b"foo; a ; b = \"1\\0\" ;c=2,, bar";
        let read: Vec<_> = extensions(list)
            .map(|extension| {
                let parameters = extension.parameters().map(|parameter| {
                    let value =
                        parameter.value.map(|value| value.bytes().map(char::from).collect::<String>());
                    (std::str::from_utf8(parameter.name).unwrap(), value)
                });
                (std::str::from_utf8(extension.name).unwrap(), parameters.collect::<Vec<_>>())
            })
            .collect();
        let some = |value: &str| Some(value.to_owned());
        let foo = vec![("a", None), ("b", some("10")), ("c", some("2"))];
        assert_eq!(read, [("foo", foo), ("bar", vec![])]);
    }

    #[test]
    fn what_breaks_the_grammar_is_none() {
        for value in [
            "foo;",
            "foo;;a",
            ";a",
            "foo; =1",
            "foo; a=",
            "foo; a=\"\"",
            "foo; a=\"1",
            "foo; a=\"",
            "foo bar",
            "foo; a=\"b c\"",
            "foo; a=\"b,c\"",
            "foo; a=\"b\\\"",
            "foo; a=b=c",
            "foo/1",
            "foo; a=\"\\;\"",
            "fö",
        ] {
            assert!(!is_extension_list(value.as_bytes()), "{value}");
        }
    }
}
