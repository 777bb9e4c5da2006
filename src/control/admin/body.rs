//! The body of a request to publish.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body as AnyBody, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use throng::Message;

use super::content::{BodyKind, kind};
use super::hub_client::HubClient;
use super::problem::Problem;

/// A request's body, as the kind of message that its header fields declare.
pub(super) struct Body {
    bytes: Bytes,
    kind: BodyKind,
}

impl Body {
    #[cfg(test)]
    pub(super) fn of_text(text: String) -> Self {
        Self { bytes: text.into(), kind: BodyKind::Text }
    }

    /// Returns the message.
    pub(super) fn message(&self) -> Result<Message<'_>, Problem> {
        match self.kind {
            BodyKind::Binary => Ok(Message::Binary(&self.bytes)),
            BodyKind::Text => std::str::from_utf8(&self.bytes).map(Message::Text).map_err(|_| {
                Problem::bad_request(
                    "the body is not UTF-8: say Content-Type: application/octet-stream for a binary message",
                )
            }),
        }
    }

    /// Returns the JSON of a batch.
    pub(super) fn json(&self) -> Result<&[u8], Problem> {
        match self.kind {
            BodyKind::Text => Ok(&self.bytes),
            BodyKind::Binary => {
                Err(Problem::unsupported_type("a batch is JSON: say Content-Type: application/json"))
            }
        }
    }
}

impl FromRequest<Arc<HubClient>> for Body {
    type Rejection = Problem;

    /// Checks the header fields before it reads the body, so that a client that expects 100-continue does not send it in vain.
    async fn from_request(request: Request, hub: &Arc<HubClient>) -> Result<Self, Problem> {
        let kind = kind(request.headers())?;
        let most = hub.limits().max_body;
        if request.body().size_hint().lower() > most as u64 {
            return Err(Problem::body_too_large(most));
        }
        let bytes = Bytes::from_request(request, hub).await.map_err(|rejection| unread(&rejection, most))?;
        Ok(Self { bytes, kind })
    }
}

fn unread(rejection: &BytesRejection, most: usize) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::body_too_large(most);
    }
    Problem::bad_request(rejection.body_text())
}

/// Whether the whole request has arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrived(Arc<AtomicBool>);

impl Arrived {
    pub(super) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that notes when it was read to its end.
struct Watched {
    inner: AnyBody,
    arrived: Arrived,
}

/// Announces that the connection ends after the response to a request whose body was not read to its end: what follows is no request.
pub(super) async fn close_where_unread(request: Request, next: Next) -> Response {
    let arrived = request.extensions().get::<Arrived>().cloned().unwrap_or_default();
    arrived.0.store(request.body().is_end_stream(), Ordering::Relaxed);
    let watch = |inner| AnyBody::new(Watched { inner, arrived: arrived.clone() });
    let mut response = next.run(request.map(watch)).await;
    if !arrived.is_whole() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if frame.is_none() || self.inner.is_end_stream() {
            self.arrived.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
