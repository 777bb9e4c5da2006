//! Tokens, of which the names of header fields, methods and subprotocols are made.

/// Whether `name` is a token as RFC 9110 section 5.6.2 defines it, which names of header fields and of subprotocols must be.
#[must_use]
pub fn is_token(name: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token_byte)
}
