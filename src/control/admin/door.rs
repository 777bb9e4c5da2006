//! Connections to the admin port: how many, and how long each may take for what.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::problem::Problem;

/// Most connections at a time. More wait in the kernel's queue until one goes: each takes a descriptor of those that are set
/// aside for other things than clients.
const MAX_CONNECTIONS: usize = 64;
/// Most bytes of a request's head, and of what is read ahead of it.
const MAX_HEAD: usize = 64 * 1024;
/// Pause after accepting has failed, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// For a request's head to arrive, and between requests. Then the connection is dropped.
    pub(super) head: Duration,
    /// For a request's body to arrive and the answer to be made. Then it is answered with 408.
    pub(super) request: Duration,
    /// For all its requests. Then it ends after the request under way, so that none can be held by not reading answers.
    pub(super) life: Duration,
}

/// What holds in the program; tests do not wait so long.
pub(super) const TIMES: Times =
    Times { head: Duration::from_secs(30), request: Duration::from_secs(30), life: Duration::from_secs(600) };

/// Accepts connections and serves each.
pub(super) async fn run(listener: TcpListener, routes: Router, times: Times) -> Infallible {
    let routes = routes.layer(from_fn_with_state(times.request, limit_time));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // It is never closed, so that there is always a place in the end.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, routes.clone(), times, place));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the admin port");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Serves a connection, which keeps its place until it ends.
async fn serve(stream: TcpStream, routes: Router, times: Times, _place: Option<OwnedSemaphorePermit>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    // What is wrong with a connection is its peer's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(times.life) => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(times.request, connection).await;
}

/// Answers with 408 when a request's body, or its answer, takes too long.
async fn limit_time(State(most): State<Duration>, request: Request, next: Next) -> Response {
    let answered = timeout(most, next.run(request)).await;
    answered.unwrap_or_else(|_| Problem::timeout().into_response())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::post;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(100);

    /// What a client is told that says something and waits for the end of the connection.
    fn told(times: Times, said: &'static str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(LONG / 2)).unwrap();
                stream.write_all(said.as_bytes()).unwrap();
                let mut told = String::new();
                stream.read_to_string(&mut told).expect("it ends in time");
                told
            });
            let routes = Router::new().route("/", post(|body: String| async move { body }));
            tokio::select! {
                never = run(listener, routes, times) => match never {},
                told = client => told.unwrap(),
            }
        })
    }

    #[test]
    fn a_head_that_does_not_end_is_dropped() {
        let times = Times { head: SHORT, request: LONG, life: LONG };
        assert_eq!(told(times, "POST / HTTP/1.1\r\nHost: a\r\nX: "), "");
        assert_eq!(told(times, ""), "");
    }

    #[test]
    fn a_body_that_does_not_end_is_answered_with_408() {
        let times = Times { head: LONG, request: SHORT, life: LONG };
        let told = told(times, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
        assert!(told.contains(r#"{"error":{"code":"timeout","#), "{told}");
    }

    #[test]
    fn a_connection_is_not_kept_for_ever() {
        let times = Times { head: LONG, request: LONG, life: SHORT };
        let told = told(times, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("hello"), "{told}");
    }
}
