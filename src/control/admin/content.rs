//! The kind of a request's body, by its header fields: text or bytes.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue};

use super::problem::Problem;

/// The kind of message that a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// UTF-8, which is checked.
    Text,
    Binary,
}

/// Names of character encodings that are UTF-8 or subsets of it (from IANA's registry, and common spellings).
const UTF_8: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];

/// Returns the kind that the header fields declare. The body's bytes do not matter: what a subscriber gets must not change with a message's
/// content.
///
/// # Errors
/// 415 for a body that is compressed or encoded, since subscribers would have to decode it without being informed of the encoding; 501 for
/// an unknown transfer coding; 400 for fields that break their grammar (RFC 9110, section 8.3) or contradict each other.
pub(super) fn kind(fields: &HeaderMap) -> Result<BodyKind, Problem> {
    if codings(fields, CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Problem::encoded(
            "a Content-Encoding is not undone: publish the body as subscribers shall get it",
        ));
    }
    if codings(fields, TRANSFER_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("chunked")) {
        // RFC 9112, section 6.1.
        return Err(Problem::not_implemented("no Transfer-Encoding but chunked is understood"));
    }
    let mut types = fields.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (None, _) => Ok(BodyKind::Text),
        (Some(kind), None) => kind_of(kind),
        (Some(_), Some(_)) => Err(Problem::bad_request("there are two fields Content-Type: which is meant?")),
    }
}

/// Returns the codings that the fields name. Each field may name several.
fn codings(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = fields.get_all(name).into_iter();
    // A value that is not ASCII names no coding.
    let lists = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    lists.map(str::trim).filter(|coding| !coding.is_empty())
}

fn kind_of(value: &HeaderValue) -> Result<BodyKind, Problem> {
    let malformed = || Problem::bad_request("Content-Type must be a type, such as text/plain; charset=utf-8");
    let value = value.to_str().map_err(|_| malformed())?;
    let (essence, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    let essence = essence.trim().to_ascii_lowercase();
    if essence.is_empty() && parameters.is_empty() {
        return Ok(BodyKind::Text);
    }
    let (main, sub) = essence.split_once('/').ok_or_else(malformed)?;
    if !is_token(main) || !is_token(sub) {
        return Err(malformed());
    }
    if main == "multipart" {
        return Err(Problem::unsupported_type("a multipart body is several: publish each part by itself"));
    }
    if !is_text(main, sub) {
        return Ok(BodyKind::Binary);
    }
    for (name, charset) in read_parameters(parameters).ok_or_else(malformed)? {
        if name.eq_ignore_ascii_case("charset")
            && !UTF_8.iter().any(|known| charset.eq_ignore_ascii_case(known))
        {
            return Err(Problem::unsupported_type(
                "a text must be UTF-8: convert it, or say Content-Type: application/octet-stream for a binary message",
            ));
        }
    }
    Ok(BodyKind::Text)
}

/// Returns whether a type is text: `text/*`, JSON and XML, including their suffixes (RFC 6839, RFC 7303), and the type that `curl -d`
/// declares by default.
fn is_text(main: &str, sub: &str) -> bool {
    let is_json_or_xml = matches!(sub, "json" | "xml") || sub.ends_with("+json") || sub.ends_with("+xml");
    match main {
        "text" => true,
        "application" => is_json_or_xml || sub == "x-www-form-urlencoded",
        _ => sub.ends_with("+json") || sub.ends_with("+xml"),
    }
}

/// Returns names and values of `*( OWS ";" OWS [ parameter ] )` (RFC 9110, section 5.6.6), values without their quotes; `None` for anything
/// else.
fn read_parameters(mut rest: &str) -> Option<Vec<(&str, String)>> {
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Some(parameters);
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, behind) = behind.split_at(behind.find([' ', '\t', ';']).unwrap_or(behind.len()));
                is_token(value).then(|| (value.to_owned(), behind))?
            }
        };
        let behind = behind.trim_start_matches([' ', '\t']);
        if !is_token(name) || !(behind.is_empty() || behind.starts_with(';')) {
            return None;
        }
        parameters.push((name, value));
        rest = behind;
    }
}

/// Returns the text before the closing quote, unescaped, and the rest behind the quote.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => value.push(chars.next()?.1),
            (_, char) => value.push(char),
        }
    }
}

fn is_token(text: &str) -> bool {
    throng::ws::handshake::is_token(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: HeaderName, values: &[&str]) -> Result<BodyKind, u16> {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        kind(&fields).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn text_json_xml_nothing_and_forms_are_text() {
        assert_eq!(kind(&HeaderMap::new()).ok(), Some(BodyKind::Text));
        for value in [
            "",
            "text/plain",
            "TEXT/Plain;charset=UTF-8",
            "text/csv ; charset=\"utf-8\" ;",
            "text/plain; format=flowed; charset=us-ascii; x=\"a;b\\\"c\"",
            "text/event-stream",
            "application/json",
            "application/json; charset=utf8",
            "application/problem+json",
            "application/xml",
            "application/atom+XML",
            "image/svg+xml",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(declared(CONTENT_TYPE, &[value]), Ok(BodyKind::Text), "{value}");
        }
    }

    #[test]
    fn all_other_types_are_binary() {
        for value in [
            "application/octet-stream",
            "Application/Octet-Stream; x=y",
            "application/octet-stream; charset=binary",
            "image/png",
            "application/jsonl",
            "application/x-protobuf",
            "model/xml",
            "text+json/x",
        ] {
            assert_eq!(declared(CONTENT_TYPE, &[value]), Ok(BodyKind::Binary), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_passed_on_as_it_is_meant_is_415() {
        for value in [
            "text/plain; charset=iso-8859-1",
            "text/plain; charset=utf-8; charset=utf-16",
            "application/json; charset=\"UTF-16LE\"",
            "application/x-www-form-urlencoded; charset=windows-1252",
            "multipart/form-data; boundary=x",
            "multipart/mixed",
        ] {
            assert_eq!(declared(CONTENT_TYPE, &[value]), Err(415), "{value}");
        }
        for values in [&["gzip"][..], &["identity, br"], &["identity", "deflate"], &["\u{e4}"]] {
            assert_eq!(declared(CONTENT_ENCODING, values), Err(415), "{values:?}");
        }
        assert_eq!(declared(TRANSFER_ENCODING, &["gzip, chunked"]), Err(501));
        for values in [&["identity"][..], &["Identity, identity"], &[""]] {
            assert_eq!(declared(CONTENT_ENCODING, values), Ok(BodyKind::Text), "{values:?}");
        }
        assert_eq!(declared(TRANSFER_ENCODING, &["chunked"]), Ok(BodyKind::Text));
    }

    #[test]
    fn fields_that_say_nothing_definite_are_400() {
        for values in [
            &["text/plain", "application/octet-stream"][..],
            &["text/plain", "text/plain"],
            &["text"],
            &["text/plain, text/html"],
            &["/plain"],
            &["text/"],
            &["; charset=utf-8"],
            &["text/plain; charset"],
            &["text/plain; charset="],
            &["text/plain; charset=\"utf-8"],
            &["text/plain; charset=\"utf-8\"x"],
            &["text/pl\u{e4}in"],
        ] {
            assert_eq!(declared(CONTENT_TYPE, values), Err(400), "{values:?}");
        }
    }
}
