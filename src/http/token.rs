//! Tokens: the form of the names of header fields, methods and subprotocols.

/// Returns `true` if `name` is a token (RFC 9110, section 5.6.2). Names of header fields and of subprotocols must be tokens.
#[must_use]
pub fn is_token(name: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token_byte)
}
