//! Errors of the admin port: a status, and JSON with a code for programs and a text for people.

use std::fmt::Display;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use throng::hub::PublishError;

/// The code for bodies with a content coding.
const ENCODED: &str = "unsupported-encoding";

/// An error of a request. The codes are those of docs/HUB.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self { status, code, message: message.to_string() }
    }

    #[cfg(test)]
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn bad_request(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub(super) fn bad_topic(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-topic", message)
    }

    pub(super) fn unauthorized(message: impl Display) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn forbidden(message: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn not_found(message: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(super) fn unsupported_type(message: impl Display) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-type", message)
    }

    /// Makes the error for a body with a content coding.
    pub(super) fn encoded(message: impl Display) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ENCODED, message)
    }

    pub(super) fn not_implemented(message: impl Display) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "the field Allow says what is")
    }

    pub(super) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long to arrive")
    }

    pub(super) fn too_large(message: impl Display) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
    }

    pub(super) fn body_too_large(most: usize) -> Self {
        Self::too_large(format!(
            "the body is longer than it may be: {most} bytes, which is 2 MiB or max-message"
        ))
    }

    /// Makes the error for a request that gets no permit, because the most requests are being handled.
    pub(super) fn no_permit(most: usize) -> Self {
        let message = format!(
            "{most} requests are being worked on, and this one has waited as long as it may: try again"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// Makes the error for a list while the most lists are being made or wait.
    pub(super) fn too_many_lists(most: usize) -> Self {
        let message = format!("{most} lists of topics are being made or wait for it: try again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// Makes the error for a broadcast for which some workers had no room.
    pub(super) fn partly(connections: u64) -> Self {
        let message = format!(
            "{connections} connections get it, those of busy workers do not: if it is sent again, the others get it twice"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// Makes the error for the rest of a batch whose first messages took too long.
    pub(super) fn not_begun() -> Self {
        let message = "the messages before it took too long, and this one was not published: try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// Makes the error for a worker that has not answered in time.
    pub(super) fn unanswered() -> Self {
        let message = "a worker has not answered in time: what was asked for may have been done or not";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }
}

/// Why a request was refused, for the log.
#[derive(Debug, Clone)]
pub(super) struct Reason {
    pub(super) code: &'static str,
    pub(super) message: Arc<str>,
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Name(_) => Self::bad_topic(error),
            PublishError::TooLarge => Self::too_large(error),
            PublishError::TooManyTopics => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-topics", error)
            }
            PublishError::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error),
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a Problem,
        }

        let mut response = (self.status, Json(Body { error: &self })).into_response();
        response.extensions_mut().insert(Reason { code: self.code, message: self.message.clone().into() });
        let headers = response.headers_mut();
        // RFC 9110, section 12.5.3: only for a 415 with this reason.
        if self.code == ENCODED {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"throng\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_hub_have_a_status_and_a_code() {
        for (error, status, code) in [
            (PublishError::TooLarge, 413, "too-large"),
            (PublishError::TooManyTopics, 503, "too-many-topics"),
            (PublishError::Busy, 503, "busy"),
            (PublishError::NotRunning, 503, "busy"),
            (PublishError::Unavailable, 503, "unavailable"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{error}");
        }
    }
}
