//! The admin port: the server's state, and publishing, over HTTP.
//!
//! - `connections`: connections and their limits. `admission`, `client`: how many there may be, and which is evicted for another one.
//! - `auth`, `token`, `origin`: authentication.
//! - `publish`, `batch`, `topics`, `slowest`, `stats`, `health`: the routes. `problem`: their errors.
//! - `body`, `content`: a request's body, and its kind.
//! - `hub_client`: questions to the hub's workers, which answer from their threads.

mod admission;
mod auth;
mod batch;
mod body;
mod client;
mod connections;
mod content;
mod health;
mod hub_client;
mod origin;
mod problem;
mod publish;

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

use super::error::ExitError;
pub(super) use admission::Admission;
use auth::HEALTH;
use connections::ConnectionLimits;
use hub_client::{AdminLimits, HubClient};
use problem::Problem;
use stats::Counted;
pub(super) use token::AdminToken;

/// The most bytes of a request's body, unless a message may be longer. A longer body is answered with 413.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// The time for workers to answer, well below the time for a request. After that the request is answered with 503.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for current requests after the workers have ended.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Refuses an address that other machines can reach if there is no token.
pub(super) fn check(address: SocketAddr, token: Option<&AdminToken>) -> Result<(), ExitError> {
    if address.ip().is_loopback() || token.is_some() {
        return Ok(());
    }
    Err(ExitError::Configuration(format!(
        "the admin port at {address} could be used by anybody: set admin-token-file or THRONG_ADMIN_TOKEN, or give a loopback \
         address"
    )))
}

/// Listens on the admin address. It is called before the server starts, so that a failure affects no client.
pub(super) fn bind(address: SocketAddr) -> Result<std::net::TcpListener, ExitError> {
    // If several servers start at once, one gets the address, and the others find it in use.
    let _claim = (address.port() != 0).then(|| Claim::port(address.port(), CLAIM_PATIENCE));
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        ExitError::Configuration(format!(
            "cannot listen on {address} for the admin port: {error}: give another address with --admin, or off"
        ))
    })
}

/// Waits for the current requests, while [`run`] continues. No connection is accepted any more.
pub(super) async fn end(admission: &Admission) {
    // A client that has sent half a request may never send the rest.
    let _ = timeout(LAST_ANSWERS_TIMEOUT, admission.end()).await;
}

/// Serves the admin port for as long as it is polled.
pub(super) async fn run(
    listener: TcpListener,
    admission: Arc<Admission>,
    server: &Server,
    hub: Option<&Hub>,
    token: Option<AdminToken>,
    max_message: usize,
) -> Result<Infallible, ExitError> {
    let max_body = max_message.max(MAX_BODY);
    let limits = AdminLimits { max_message, max_body, answer_timeout: ANSWER_TIMEOUT };
    let connection_limits = ConnectionLimits::new(max_body);
    // A request for `/health` needs no permit.
    let health = Router::new().route(HEALTH, get(health::health)).with_state(server.handle());
    let permits = from_fn_with_state(Arc::clone(&admission), admission::admit_request);
    let routes = Router::new()
        .route("/stats", get(stats::stats))
        .route("/metrics", get(stats::metrics))
        .with_state(Counted::new(server.handle(), hub.cloned()));
    let Some(hub) = hub else {
        let routes = with_common_layers(routes.route_layer(permits).merge(health), token, max_body);
        return Ok(connections::run(listener, routes, admission, connection_limits).await);
    };
    let client = Arc::new(HubClient::new(hub.publisher(), server.loop_waker(), limits));
    let routes = routes.merge(hub_routes(Arc::clone(&client))).route_layer(permits).merge(health);
    tokio::select! {
        never = connections::run(listener, with_common_layers(routes, token, max_body), admission, connection_limits) => Ok(never),
        failed = client.deliver() => {
            let Err(error) = failed;
            Err(ExitError::Runtime(format!("cannot hear of the workers' answers: {error}")))
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

/// Adds the layers that all routes have: authentication, the longest body, errors as JSON.
fn with_common_layers(routes: Router, token: Option<AdminToken>, max_body: usize) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(max_body))
        .layer(from_fn_with_state(token.map(Arc::new), auth::check))
        .layer(from_fn(body::close_where_unread))
        .layer(map_response(keep_private))
}

/// Answers a request for an unknown path.
async fn not_found(request: Request) -> Response {
    // RFC 9110, section 9.3.7: what the server supports in general.
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, "GET, HEAD, POST, OPTIONS")]).into_response();
    }
    Problem::not_found("there is nothing at this path").into_response()
}

/// Keeps answers out of caches, and out of pages of other origins.
async fn keep_private(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
