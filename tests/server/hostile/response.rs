//! Error responses as a strict reader sees them.

/// Checks a response from its first byte to its last, and returns its status.
pub(super) fn status_of(response: &[u8]) -> u16 {
    let text = response.escape_ascii();
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut fields);
    let head = match parsed.parse(response) {
        Ok(httparse::Status::Complete(head)) => head,
        other => panic!("{other:?}: {text}"),
    };
    let status = parsed.code.unwrap();
    let fields = parsed.headers;
    let values = |name: &str| -> Vec<String> {
        let of_name = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        of_name.map(|field| String::from_utf8(field.value.to_vec()).unwrap()).collect()
    };
    assert_eq!(parsed.version, Some(1), "{text}");
    assert_eq!(values("content-length"), [(response.len() - head).to_string()], "{text}");
    assert_eq!(values("content-type"), ["text/plain; charset=utf-8"], "{text}");
    assert!(response.len() > head + 10 && response.ends_with(b"\n"), "there is no explanation: {text}");
    // RFC 9110, sections 15.5.6 and 15.5.22; RFC 6455, section 4.2.2.
    assert_eq!(values("allow"), if status == 405 { &["GET, HEAD"][..] } else { &[] }, "{text}");
    let (connection, upgrade, version): (_, &[&str], &[&str]) = match status {
        426 => ("upgrade, close", &["websocket"], &["13"]),
        _ => ("close", &[], &[]),
    };
    assert_eq!(values("connection"), [connection], "{text}");
    assert_eq!(values("upgrade"), upgrade, "{text}");
    assert_eq!(values("sec-websocket-version"), version, "{text}");
    status
}
