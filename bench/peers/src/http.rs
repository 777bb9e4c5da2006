use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Serves requests by hyper, for a library whose handshake starts from one. `upgrade` answers a request, and starts the task that
/// has the connection afterwards; whatever is wrong with the request is answered with 400.
pub async fn serve_http<F, E>(stream: TcpStream, upgrade: F)
where
    F: Fn(Request<Incoming>) -> Result<Response<Empty<Bytes>>, E>,
{
    let service = service_fn(|request| {
        let response = upgrade(request).unwrap_or_else(|_| {
            let mut response = Response::new(Empty::new());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        });
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    // How a connection ends is the client's affair.
    let _ = connection.await;
}
