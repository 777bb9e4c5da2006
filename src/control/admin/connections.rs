//! Connections to the admin port: their limits, and how they end.

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

use super::admission::{Admission, ConnectionPermit, MAX_CONNECTIONS};
use super::body::Arrived;
use super::problem::{Problem, Reason};

/// The most bytes of a request's head that are read. A longer head is answered with 431, as is one with more than the 100 fields that hyper
/// allows.
const MAX_HEAD: usize = 64 * 1024;
/// The pause after accepting has failed because descriptors or memory were used up.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Bytes that are read at a time, and discarded, of a request that was answered early.
const SKIPPED_AT_ONCE: usize = 16 * 1024;
/// The most bytes of a path in the log.
const MAX_LOGGED_PATH: usize = 256;

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    /// The time for a request's head to arrive, and between requests. After that the connection is dropped.
    pub(super) head_timeout: Duration,
    /// The time for a request's body to arrive and the response to be made. After that the response is 408, or 503 where the body has
    /// arrived.
    pub(super) request_timeout: Duration,
    /// The time for all requests. After that the connection ends with the current request: a client that does not read responses cannot
    /// keep it.
    pub(super) lifetime: Duration,
    /// The time for the rest of a request that was answered before it had arrived. Unread input causes a reset, which overtakes the
    /// response (RFC 9112, section 9.6).
    pub(super) linger_timeout: Duration,
    /// The most bytes of that rest.
    pub(super) linger_bytes: usize,
}

impl ConnectionLimits {
    /// Returns the limits of the program for bodies of at most `max_body` bytes.
    pub(super) const fn new(max_body: usize) -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(600),
            linger_timeout: Duration::from_secs(5),
            linger_bytes: max_body.saturating_add(64 * 1024 * 1024),
        }
    }
}

/// The address of a connection's peer.
#[derive(Debug, Clone, Copy)]
struct PeerAddress(SocketAddr);

/// Accepts connections and serves each, until the port ends. Never returns.
pub(super) async fn run(
    listener: TcpListener,
    routes: Router,
    admission: Arc<Admission>,
    limits: ConnectionLimits,
) -> Infallible {
    let routes =
        routes.layer(from_fn_with_state(limits.request_timeout, limit_time)).layer(from_fn(log_refusal));
    admission.open();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = admission.ending() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let permit = admission.admit().await;
                tokio::spawn(serve(stream, PeerAddress(peer), routes.clone(), limits, permit));
                // The request has usually arrived: it is read before another new connection can take the room.
                yield_now().await;
            }
            // These errors concern a single connection (accept(2)).
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the admin port");
                // An idle client holds the descriptor or the memory that is missing.
                admission.make_room();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    if let Err(error) = serve_queued(listener, &routes, &admission, limits).await {
        tracing::warn!(%error, "cannot serve what has connected to the admin port before its end");
    }
    admission.close();
    std::future::pending().await
}

/// Serves the connections in the listener's queue, and closes the listener. Closing it first would reset them.
async fn serve_queued(
    listener: TcpListener,
    routes: &Router,
    admission: &Arc<Admission>,
    limits: ConnectionLimits,
) -> io::Result<()> {
    // The runtime's listener does not try to accept before the runtime has received an event.
    let listener = listener.into_std()?;
    for _ in 0..MAX_CONNECTIONS {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                let permit = admission.admit().await;
                let stream = TcpStream::from_std(stream)?;
                tokio::spawn(serve(stream, PeerAddress(peer), routes.clone(), limits, permit));
                yield_now().await;
                let_input_be_read().await;
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Serves a connection, which holds its permit until it ends.
async fn serve(
    stream: TcpStream,
    peer: PeerAddress,
    routes: Router,
    limits: ConnectionLimits,
    mut permit: ConnectionPermit,
) {
    let (client, routes) = (permit.client(), TowerToHyperService::new(routes));
    let (admission, PeerAddress(address)) = (permit.admission(), peer);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&client));
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let served = async {
        tokio::select! {
            ended = &mut connection => {
                // The client is at fault.
                if let Err(error) = ended {
                    tracing::debug!(peer = %address, reason = %error, "dropped a connection to the admin port");
                }
                return;
            }
            () = sleep(limits.lifetime) => {}
            () = async { admission.ending().await; let_input_be_read().await } => {}
        }
        Pin::new(&mut connection).graceful_shutdown();
        let _ = timeout(limits.request_timeout, &mut connection).await;
    };
    // Giving way is checked first: an idle connection that has to give way must not begin a request any more.
    tokio::select! {
        biased;
        () = permit.evicted() => {
            let reason = "it was idle, and there was no place for a newcomer";
            tracing::debug!(peer = %address, reason, "dropped a connection to the admin port");
            return;
        }
        () = served => {}
    }
    let mut stream = connection.into_parts().io.into_inner();
    tokio::select! {
        biased;
        () = permit.evicted() => {}
        _ = timeout(limits.linger_timeout, linger(&mut stream, limits.linger_bytes)) => {}
    }
}

/// Lets a connection read input that has arrived: hyper drops one that is shut down before its first byte. The first yield lets the runtime
/// receive the event, the second lets the connection read.
async fn let_input_be_read() {
    yield_now().await;
    yield_now().await;
}

/// Shuts down the server's half of the connection, and reads until the peer has ended the other half or has sent too much.
async fn linger(stream: &mut TcpStream, most: usize) -> io::Result<()> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await?;
    let mut skipped = vec![0; SKIPPED_AT_ONCE];
    let mut left = most;
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut skipped) {
            Ok(0) => break,
            Ok(len) => {
                left = left.saturating_sub(len);
                // A peer that sends as fast as this reads must not block other connections.
                yield_now().await;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Answers with 408 when a request's body takes too long: the client may send it again. Answers with 503 when the response takes too long.
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

/// Logs that a request was refused, at the level debug.
async fn log_refusal(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let peer =
        request.extensions().get().map_or_else(String::new, |PeerAddress(address)| address.to_string());
    let (method, mut path) = (request.method().clone(), request.uri().path().to_owned());
    path.truncate(path.floor_char_boundary(MAX_LOGGED_PATH));
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
    const PATIENT: ConnectionLimits = ConnectionLimits {
        head_timeout: LONG,
        request_timeout: LONG,
        lifetime: LONG,
        linger_timeout: LONG,
        linger_bytes: usize::MAX,
    };

    /// Sends `said`, waits for the end of the connection, and returns the response.
    fn told(limits: ConnectionLimits, said: String) -> io::Result<String> {
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
                never = run(listener, routes, Arc::default(), limits) => match never {},
                told = client => told.unwrap(),
            }
        })
    }

    #[test]
    fn a_head_that_does_not_end_is_dropped() {
        let limits = ConnectionLimits { head_timeout: SHORT, ..PATIENT };
        for said in ["POST / HTTP/1.1\r\nHost: a\r\nX: ", ""] {
            assert_eq!(told(limits, said.into()).unwrap(), "", "{said}");
        }
    }

    #[test]
    fn a_body_that_does_not_end_is_answered_with_408() {
        let limits = ConnectionLimits { request_timeout: SHORT, ..PATIENT };
        let told = told(limits, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx".into()).unwrap();
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
        assert!(told.contains(r#"{"error":{"code":"timeout","#), "{told}");
    }

    /// A client that gets 408 may send the request again, though the server may have executed it.
    #[test]
    fn an_answer_that_does_not_come_is_no_request_that_has_not_arrived() {
        let limits = ConnectionLimits { request_timeout: SHORT, ..PATIENT };
        let request = "POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
        let told = told(limits, request.into()).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(told.contains(r#"{"error":{"code":"busy","#), "{told}");
    }

    #[test]
    fn what_is_sent_on_after_an_answer_is_read_for_a_while_and_as_much_as_allowed() {
        const MOST: usize = 10_000_000;
        let head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
        let sent = |limits, len| told(limits, head.to_owned() + &"x".repeat(len));
        let limits = ConnectionLimits { linger_bytes: MOST, ..PATIENT };
        // A few bytes do not end the wait for more; the timeout does.
        let answered = sent(ConnectionLimits { linger_timeout: SHORT, ..limits }, 1000).unwrap();
        assert!(answered.starts_with("HTTP/1.1 405 "), "{answered}");
        // More than is allowed, and more than the buffers of two sockets hold.
        assert!(sent(limits, 4 * MOST).is_err());
        assert!(sent(limits, MOST / 2).unwrap().starts_with("HTTP/1.1 405 "));
    }

    /// The accept queue is the kernel's: closing a listener resets the connections in it.
    #[test]
    fn a_request_that_waits_in_the_queue_at_the_end_is_answered() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut clients: Vec<_> = (0..MAX_CONNECTIONS - 1)
                .map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
                .collect();
            for client in &mut clients {
                client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").unwrap();
            }
            let admission = Arc::<Admission>::default();
            let permits = from_fn_with_state(Arc::clone(&admission), super::super::admission::admit_request);
            let routes = Router::new().route("/", post(|body: String| async move { body })).layer(permits);
            tokio::select! {
                biased;
                never = run(listener, routes, Arc::clone(&admission), PATIENT) => match never {},
                () = admission.end() => {}
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let mut told = [0; 15];
                client.set_read_timeout(Some(LONG / 2)).unwrap();
                assert!(client.read_exact(&mut told).is_ok(), "client {index}");
                assert_eq!(&told, b"HTTP/1.1 200 OK");
            }
        });
    }

    #[test]
    fn a_connection_is_not_kept_for_ever() {
        let limits = ConnectionLimits { lifetime: SHORT, ..PATIENT };
        let told =
            told(limits, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".into()).unwrap();
        assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("hello"), "{told}");
    }
}
