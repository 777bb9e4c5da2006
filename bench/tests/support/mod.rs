//! Small servers that tests are run against, and what reports say.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

/// Serves each connection in a thread of its own.
pub(crate) fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// How often reasons of a report that contain a text were counted.
pub(crate) fn count(reasons: &Value, containing: &str) -> u64 {
    let reasons = reasons.as_object().unwrap().iter();
    reasons.filter(|(reason, _)| reason.contains(containing)).map(|(_, count)| count.as_u64().unwrap()).sum()
}
