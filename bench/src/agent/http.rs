//! The agent's door: HTTP in threads of its own, which hand each request to the desk.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use throng::sys::signals;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::desk::{Outcome, Reply};
use super::wire::{Answer, Request};

/// Whoever has got no answer after so long is told to ask again, so that an interrupted load machine ends at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where an answer goes: to a load machine that may have been told to ask again meanwhile.
pub(super) struct Caller(oneshot::Sender<Outcome>);

impl Reply for Caller {
    fn send(self, outcome: Outcome) {
        // Who has been told to ask again will.
        let _ = self.0.send(outcome);
    }
}

/// A request with its caller.
pub(super) type Call = (Request, Caller);

/// Listens from now on. Returns the address and what comes in.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<(SocketAddr, Receiver<Call>)> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let listener = runtime
        .block_on(TcpListener::bind(address))
        .with_context(|| format!("cannot listen on {address}: give another --listen"))?;
    let address = listener.local_addr()?;
    let (calls, receiver) = mpsc::channel();
    let router = Router::new().route("/", post(answer)).with_state(calls);
    let serve = move || {
        // Signals are the main thread's business.
        let _ = signals::block_all();
        runtime.block_on(async { axum::serve(listener, router).await })
    };
    thread::Builder::new().name("http".to_owned()).spawn(serve).context("cannot start a thread")?;
    Ok((address, receiver))
}

async fn answer(
    State(calls): State<Sender<Call>>,
    Json(request): Json<Request>,
) -> Result<Json<Answer>, (StatusCode, String)> {
    let (caller, outcome) = oneshot::channel();
    let gone = || (StatusCode::SERVICE_UNAVAILABLE, "the agent has ended".to_owned());
    calls.send((request, Caller(caller))).map_err(|_| gone())?;
    match tokio::time::timeout(PATIENCE, outcome).await {
        Err(_) => Ok(Json(Answer::Wait)),
        Ok(Err(_)) => Err(gone()),
        Ok(Ok(outcome)) => outcome.map(Json).map_err(|text| (StatusCode::CONFLICT, text)),
    }
}
