//! `GET /health`: whether the server takes clients.

use axum::extract::State;
use axum::http::StatusCode;
use throng::Handle;

/// `GET /health`: 503 from the moment on that the server begins to end, so that a load balancer sends no new client here.
pub(super) async fn health(State(handle): State<Handle>) -> (StatusCode, &'static str) {
    if handle.is_ending() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
