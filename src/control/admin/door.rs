//! Connections to the admin port: how long each may take for what, and how it ends.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::body::Arrived;
use super::places::{Place, Places};
use super::problem::{Problem, Reason};

/// Bytes of a request's head behind which no more is read: over it, and what the last read brought beyond, the answer is 431. So it is
/// over the 100 fields that hyper allows.
const MAX_HEAD: usize = 64 * 1024;
/// Pause after accepting has failed, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes read at a time of what nobody wants.
const SKIP: usize = 16 * 1024;
/// Most bytes of a path that the log is told.
const MOST_TOLD: usize = 256;

/// How long a connection may take for what, and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// For a request's head to arrive, and between requests. Then the connection is dropped.
    pub(super) head: Duration,
    /// For a request's body to arrive and the answer to be made. Then it is answered with 408, or with 503 where it had arrived.
    pub(super) request: Duration,
    /// For all its requests. Then it ends after the request under way, so that none can be held by not reading answers.
    pub(super) life: Duration,
    /// For the rest of a request that was answered before it had arrived, and most bytes of it: what is left unread turns into a
    /// reset, which overtakes the answer (RFC 9112, section 9.6).
    pub(super) linger: Duration,
    pub(super) linger_bytes: usize,
}

impl Allowance {
    /// What holds in the program, where bodies have `max_body` bytes at most; tests do not wait so long.
    pub(super) const fn new(max_body: usize) -> Self {
        Self {
            head: Duration::from_secs(30),
            request: Duration::from_secs(30),
            life: Duration::from_secs(600),
            linger: Duration::from_secs(5),
            linger_bytes: max_body.saturating_add(64 * 1024 * 1024),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

/// Accepts connections and serves each, until the program ends; then it only waits.
pub(super) async fn run(
    listener: TcpListener,
    routes: Router,
    places: Arc<Places>,
    allowance: Allowance,
) -> Infallible {
    let routes = routes.layer(from_fn_with_state(allowance.request, limit_time)).layer(from_fn(tell_refused));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = places.is_ending() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = places.admit().await;
                tokio::spawn(serve(stream, Peer(peer), routes.clone(), allowance, place));
                // Its request has usually arrived, and is looked at before another newcomer can displace it.
                yield_now().await;
            }
            // These are about that one connection (accept(2)).
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the admin port");
                // One that is idle has what is missing.
                places.displace();
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    std::future::pending().await
}

/// Serves a connection, which keeps its place until it ends.
async fn serve(stream: TcpStream, peer: Peer, routes: Router, allowance: Allowance, mut place: Place) {
    let (seat, routes) = (place.seat(), TowerToHyperService::new(routes));
    let (places, Peer(address)) = (place.places(), peer);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&seat));
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(allowance.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let served = async {
        tokio::select! {
            ended = &mut connection => {
                // What is wrong with a connection is its peer's affair.
                if let Err(error) = ended {
                    tracing::debug!(peer = %address, reason = %error, "dropped a connection to the admin port");
                }
                return;
            }
            () = sleep(allowance.life) => {}
            () = places.is_ending() => {}
        }
        Pin::new(&mut connection).graceful_shutdown();
        let _ = timeout(allowance.request, &mut connection).await;
    };
    // First who has to go: a connection that was idle when that was decided must not begin with a request any more.
    tokio::select! {
        biased;
        () = place.is_taken_away() => {
            let reason = "it was idle, and there was no place for a newcomer";
            tracing::debug!(peer = %address, reason, "dropped a connection to the admin port");
            return;
        }
        () = served => {}
    }
    let mut stream = connection.into_parts().io.into_inner();
    tokio::select! {
        biased;
        () = place.is_taken_away() => {}
        _ = timeout(allowance.linger, linger(&mut stream, allowance.linger_bytes)) => {}
    }
}

/// Ends our half, and reads on until the peer has ended its own, or sent too much.
async fn linger(stream: &mut TcpStream, most: usize) -> io::Result<()> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await?;
    let mut skipped = vec![0; SKIP];
    let mut left = most;
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut skipped) {
            Ok(0) => break,
            Ok(len) => {
                left = left.saturating_sub(len);
                // Who sends as fast as this reads must not keep others waiting.
                yield_now().await;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Answers with 408 when a request's body takes too long, after which it may be sent again, and with 503 when its answer does.
async fn limit_time(State(most): State<Duration>, mut request: Request, next: Next) -> Response {
    let arrived = Arrived::default();
    request.extensions_mut().insert(arrived.clone());
    let problem = match timeout(most, next.run(request)).await {
        Ok(response) => return response,
        Err(_) if arrived.is_whole() => Problem::unanswered(),
        Err(_) => Problem::timeout(),
    };
    problem.into_response()
}

/// Has the log say that a request was refused, if anybody wants to know.
async fn tell_refused(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let peer = request.extensions().get().map_or_else(String::new, |Peer(address)| address.to_string());
    let (method, mut path) = (request.method().clone(), request.uri().path().to_owned());
    path.truncate(path.floor_char_boundary(MOST_TOLD));
    let response = next.run(request).await;
    if let Some(Reason { code, message }) = response.extensions().get() {
        let (status, reason) = (response.status().as_u16(), &**message);
        tracing::debug!(peer, %method, path, status, code, reason, "refused a request to the admin port");
    }
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::post;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(100);
    const PATIENT: Allowance =
        Allowance { head: LONG, request: LONG, life: LONG, linger: LONG, linger_bytes: usize::MAX };

    /// What a client is told that says something and waits for the end of the connection.
    fn told(allowance: Allowance, said: String) -> io::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(LONG / 2)).unwrap();
                stream.write_all(said.as_bytes())?;
                let mut told = String::new();
                stream.read_to_string(&mut told)?;
                Ok(told)
            });
            let never = |_: String| std::future::pending::<()>();
            let routes = Router::new()
                .route("/", post(|body: String| async move { body }))
                .route("/never", post(never))
                .layer(from_fn(super::super::body::close_where_unread));
            tokio::select! {
                never = run(listener, routes, Arc::default(), allowance) => match never {},
                told = client => told.unwrap(),
            }
        })
    }

    #[test]
    fn a_head_that_does_not_end_is_dropped() {
        let allowance = Allowance { head: SHORT, ..PATIENT };
        for said in ["POST / HTTP/1.1\r\nHost: a\r\nX: ", ""] {
            assert_eq!(told(allowance, said.into()).unwrap(), "", "{said}");
        }
    }

    #[test]
    fn a_body_that_does_not_end_is_answered_with_408() {
        let allowance = Allowance { request: SHORT, ..PATIENT };
        let told =
            told(allowance, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx".into()).unwrap();
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
        assert!(told.contains(r#"{"error":{"code":"timeout","#), "{told}");
    }

    /// Who is told 408 may send it again, though it may have been done.
    #[test]
    fn an_answer_that_does_not_come_is_no_request_that_has_not_arrived() {
        let allowance = Allowance { request: SHORT, ..PATIENT };
        let request = "POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
        let told = told(allowance, request.into()).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(told.contains(r#"{"error":{"code":"busy","#), "{told}");
    }

    #[test]
    fn what_is_sent_on_after_an_answer_is_read_for_a_while_and_as_much_as_allowed() {
        const MOST: usize = 10_000_000;
        let head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
        let sent = |allowance, len| told(allowance, head.to_owned() + &"x".repeat(len));
        let allowance = Allowance { linger_bytes: MOST, ..PATIENT };
        // What little is sent does not end the wait for more; the time does.
        let answered = sent(Allowance { linger: SHORT, ..allowance }, 1000).unwrap();
        assert!(answered.starts_with("HTTP/1.1 405 "), "{answered}");
        // More than is allowed, and than the buffers of two sockets hold.
        assert!(sent(allowance, 4 * MOST).is_err());
        assert!(sent(allowance, MOST / 2).unwrap().starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn a_connection_is_not_kept_for_ever() {
        let allowance = Allowance { life: SHORT, ..PATIENT };
        let told =
            told(allowance, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".into()).unwrap();
        assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("hello"), "{told}");
    }
}
