//! The admin port: what the server is doing, and publishing, over HTTP.
//!
//! - `door`: connections, and how long they may take; `places` and `seat`: how many, and who gives way.
//! - `guard`: who may ask; `token`: what they know; `origin`: web pages, which may not.
//! - `publish`, `batch`, `topics`, `slowest`, `stats`, `health`: what is answered; `problem`: what is answered instead.
//! - `body`: what is published, `content`: as what.
//! - `hub_client`: questions to the hub's workers, whose answers come from their threads.

mod batch;
mod body;
mod content;
mod door;
mod guard;
mod health;
mod hub_client;
mod origin;
mod places;
mod problem;
mod publish;
mod seat;
mod slowest;
mod stats;
mod token;
mod topics;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use throng::Server;
use throng::budget::CLAIM_PATIENCE;
use throng::hub::Hub;
use throng::sys::claim::Claim;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::exit::Failure;
use door::Allowance;
use guard::HEALTH;
use hub_client::{HubClient, Limits};
pub(super) use places::Places;
use problem::Problem;
use stats::Counted;
pub(super) use token::Token;

/// Most bytes of a request's body, or as many as a message may have where those are more. A longer one is answered with 413.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// Time for the workers to answer; well below the time for a request. Then that is answered with 503.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long requests under way have to be answered when all clients have gone and the program ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

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

/// Listens on the admin address, before there is a server whose clients would suffer if it cannot be.
pub(super) fn bind(address: SocketAddr) -> Result<std::net::TcpListener, Failure> {
    // Of servers that start at once, one has it and the others find it taken. Without the claim they might find each other.
    let _claim = (address.port() != 0).then(|| Claim::port(address.port(), CLAIM_PATIENCE));
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        Failure::Configuration(format!(
            "cannot listen on {address} for the admin port: {error}: give another address with --admin, or off"
        ))
    })
}

/// Waits for the requests under way, while [`run`] goes on. Who asks later finds nobody.
pub(super) async fn end(places: &Places) {
    // Who has sent half a request may never send the rest.
    let _ = timeout(LAST_ANSWERS, places.end()).await;
}

/// Serves the admin port for as long as it is polled.
pub(super) async fn run(
    listener: TcpListener,
    places: Arc<Places>,
    server: &Server,
    hub: Option<&Hub>,
    token: Option<Token>,
    max_message: usize,
) -> Result<Infallible, Failure> {
    let max_body = max_message.max(MAX_BODY);
    let limits = Limits { max_message, max_body, answer_timeout: ANSWER_TIMEOUT };
    let allowance = Allowance::new(max_body);
    // Nobody waits for a turn to hear that the program is well.
    let health = Router::new().route(HEALTH, get(health::health)).with_state(server.handle());
    let turns = from_fn_with_state(Arc::clone(&places), places::take_turn);
    let routes = Router::new()
        .route("/stats", get(stats::stats))
        .route("/metrics", get(stats::metrics))
        .with_state(Counted::new(server.handle(), hub.cloned()));
    let Some(hub) = hub else {
        let routes = guarded(routes.route_layer(turns).merge(health), token, max_body);
        return Ok(door::run(listener, routes, places, allowance).await);
    };
    let client = Arc::new(HubClient::new(hub.publisher(), server.bell(), limits));
    let routes = routes.merge(hub_routes(Arc::clone(&client))).route_layer(turns).merge(health);
    tokio::select! {
        never = door::run(listener, guarded(routes, token, max_body), places, allowance) => Ok(never),
        failed = client.deliver() => {
            let Err(error) = failed;
            Err(Failure::Runtime(format!("cannot hear of the workers' answers: {error}")))
        }
    }
}

fn hub_routes(client: Arc<HubClient>) -> Router {
    Router::new()
        .route("/publish/{*topic}", post(publish::one))
        .route("/publish", post(publish::batch))
        .route("/broadcast", post(publish::broadcast))
        .route("/slowest", get(slowest::slowest))
        .route("/topics/{*topic}", get(topics::one))
        .route("/topics", get(topics::list))
        .with_state(client)
}

/// The routes, with what holds for all of them: who may ask, how much, and that errors are JSON.
fn guarded(routes: Router, token: Option<Token>, max_body: usize) -> Router {
    routes
        .fallback(elsewhere)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(max_body))
        .layer(from_fn_with_state(token.map(Arc::new), guard::check))
        .layer(from_fn(body::close_where_unread))
        .layer(map_response(for_nobody_else))
}

/// What is answered where no route leads.
async fn elsewhere(request: Request) -> Response {
    // RFC 9110, section 9.3.7: what the server can do at all.
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, "GET, HEAD, POST, OPTIONS")]).into_response();
    }
    Problem::not_found("there is nothing at this path").into_response()
}

/// Keeps answers out of caches and of other origins' pages: they are for who has asked, now.
async fn for_nobody_else(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
