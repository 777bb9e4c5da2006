//! `GET /health`: whether the server accepts clients.

use axum::extract::State;
use axum::http::StatusCode;
use throng::Handle;

/// `GET /health`: answers 503 from the moment the server begins to end, so that a load balancer sends no new client here.
pub(super) async fn health(State(handle): State<Handle>) -> (StatusCode, &'static str) {
    if handle.is_ending() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
