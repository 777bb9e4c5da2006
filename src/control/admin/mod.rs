//! The admin port: what the server is doing, and publishing, over HTTP.
//!
//! - `door`: connections, and how long they may take; `guard`: who may ask; `token`: what they know.
//! - `publish`, `batch`, `topics`, `slowest`, `counters`: what is answered; `problem`: what is answered instead.
//! - `desk`: questions to the hub's workers, whose answers come from their threads.

mod batch;
mod counters;
mod desk;
mod door;
mod guard;
mod problem;
mod publish;
mod slowest;
mod token;
mod topics;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use throng::Server;
use throng::hub::Hub;
use tokio::net::TcpListener;

use super::exit::Failure;
use counters::Counters;
use desk::{Desk, Limits};
use door::TIMES;
use problem::Problem;
pub(super) use token::Token;

/// Most bytes of a request's body, or as many as a message may have where those are more. A longer one is answered with 413.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// Time for the workers to answer; well below the time for a request. Then that is answered with 503.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Refuses an address that others can reach while nobody has to show a token.
pub(super) fn check(address: SocketAddr, token: Option<&Token>) -> Result<(), Failure> {
    if address.ip().is_loopback() || token.is_some() {
        return Ok(());
    }
    Err(Failure::Configuration(format!(
        "the admin port at {address} could be used by anybody: set admin-token-file or THRONG_ADMIN_TOKEN, or give a loopback \
         address"
    )))
}

/// Listens on the admin address.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Configuration(format!(
            "cannot listen on {address} for the admin port: {error}: give another address with --admin, or off"
        ))
    })
}

/// Serves the admin port for as long as it is polled.
pub(super) async fn run(
    listener: TcpListener,
    server: &Server,
    hub: Option<&Hub>,
    token: Option<Token>,
    max_message: usize,
) -> Result<Infallible, Failure> {
    let max_body = max_message.max(MAX_BODY);
    let limits = Limits { max_message, patience: ANSWER_TIMEOUT };
    let counters = Counters::new(server.handle(), hub.cloned());
    let routes = Router::new()
        .route("/health", get(counters::health))
        .route("/stats", get(counters::stats).with_state(counters));
    let Some(hub) = hub else {
        return Ok(door::run(listener, guarded(routes, token, max_body), TIMES).await);
    };
    let (desk, answers) = Desk::new(hub.publisher(), server.bell(), limits);
    let routes = routes.merge(hub_routes(Arc::clone(&desk)));
    tokio::select! {
        never = door::run(listener, guarded(routes, token, max_body), TIMES) => Ok(never),
        failed = answers.deliver(&desk) => {
            let Err(error) = failed;
            Err(Failure::Runtime(format!("cannot hear of the workers' answers: {error}")))
        }
    }
}

fn hub_routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/publish/{*topic}", post(publish::one))
        .route("/publish", post(publish::batch))
        .route("/broadcast", post(publish::broadcast))
        .route("/slowest", get(slowest::slowest))
        .route("/topics/{*topic}", get(topics::one))
        .route("/topics", get(topics::list))
        .with_state(desk)
}

/// The routes, with what holds for all of them: who may ask, how much, and that errors are JSON.
fn guarded(routes: Router, token: Option<Token>, max_body: usize) -> Router {
    routes
        .fallback(|| async { Problem::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(max_body))
        .layer(from_fn_with_state(token.map(Arc::new), guard::check))
}
