//! Places for connections to the admin port, and turns for requests that make work: who has one, and who gives way to a newcomer.
//!
//! Whoever comes gets a place at once, so that `GET /health` is answered whatever others hold: a connection that asks for nothing
//! gives way, and at last a request that waits for its turn, which is told so. There are fewer turns than places; so one of the two
//! is always there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use tokio::time::timeout;

use super::problem::Problem;

/// Most connections at a time: each takes a descriptor of those that are set aside for other things than clients.
const MAX_CONNECTIONS: usize = 64;
/// Most requests that are worked on at a time. More wait for their turn.
const MAX_TURNS: usize = 48;
/// How long they wait, at most. Then they are answered with 503.
const PATIENCE: Duration = Duration::from_secs(5);

const _: () = assert!(MAX_TURNS < MAX_CONNECTIONS, "there must be somebody who can give way");

/// All places and turns.
#[derive(Debug)]
pub(super) struct Places {
    seats: Mutex<Vec<Arc<Seat>>>,
    turns: Semaphore,
    /// Somebody has left, or has become one who can give way.
    changed: Notify,
}

/// One connection's place, for its requests.
#[derive(Debug)]
pub(super) struct Seat(Mutex<Sitter>);

#[derive(Debug)]
struct Sitter {
    doing: Doing,
    /// Whether it has shown that it may use the port.
    is_known: bool,
    since: Instant,
    /// Tells the connection to end; `None` once it was told.
    end: Option<oneshot::Sender<()>>,
    /// Tells a request that waits for its turn to give up.
    give_up: Option<oneshot::Sender<()>>,
}

/// What a connection is doing. Those that are less give way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// Nothing that is known of: it is silent, sends a head, reads an answer, or sends on after one.
    Idle,
    /// It has a request that waits for its turn.
    Waiting,
    /// A request of it has its turn. It does not give way.
    Working,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    seat: Arc<Seat>,
    ended: oneshot::Receiver<()>,
}

/// A turn, or the wait for one.
struct Turn<'a> {
    places: &'a Places,
    seat: &'a Seat,
    permit: Option<SemaphorePermit<'a>>,
}

/// Has requests wait for their turns.
pub(super) async fn take_turn(
    State(places): State<Arc<Places>>,
    Extension(seat): Extension<Arc<Seat>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let turn = places.turn(&seat).await?;
    let response = next.run(request).await;
    drop(turn);
    Ok(response)
}

impl Default for Places {
    fn default() -> Self {
        let seats = Mutex::new(Vec::with_capacity(MAX_CONNECTIONS));
        Self { seats, turns: Semaphore::new(MAX_TURNS), changed: Notify::new() }
    }
}

impl Places {
    /// A place for a newcomer, as soon as somebody has given way.
    pub(super) async fn admit(self: &Arc<Self>) -> Place {
        loop {
            if let Some(place) = self.try_admit() {
                return place;
            }
            self.displace();
            self.changed.notified().await;
        }
    }

    fn try_admit(self: &Arc<Self>) -> Option<Place> {
        let mut seats = lock(&self.seats);
        if seats.len() == MAX_CONNECTIONS {
            return None;
        }
        let (end, ended) = oneshot::channel();
        let seat = Arc::new(Seat(Mutex::new(Sitter {
            doing: Doing::Idle,
            is_known: false,
            since: Instant::now(),
            end: Some(end),
            give_up: None,
        })));
        seats.push(Arc::clone(&seat));
        Some(Place { places: Arc::clone(self), seat, ended })
    }

    /// Has one connection give way, unless one does already: of the idle ones, who has not shown that it may use the port before who
    /// has, and who has been idle the longest first; then the request that has waited for its turn the longest.
    pub(super) fn displace(&self) {
        let seats = lock(&self.seats);
        if seats.iter().any(|seat| seat.is_leaving()) {
            return;
        }
        let may_leave = seats.iter().filter_map(|seat| Some((seat.rank()?, seat)));
        if let Some((_, seat)) = may_leave.min_by_key(|&(rank, _)| rank) {
            seat.give_way();
        }
    }

    /// A turn, once there is one.
    async fn turn<'a>(&'a self, seat: &'a Seat) -> Result<Turn<'a>, Problem> {
        let displaced = seat.wait();
        let mut turn = Turn { places: self, seat, permit: None };
        tokio::select! {
            biased;
            permit = timeout(PATIENCE, self.turns.acquire()) => {
                // It is never closed.
                if let Ok(Ok(permit)) = permit {
                    turn.permit = Some(permit);
                    seat.change(Doing::Working);
                    return Ok(turn);
                }
            }
            _ = displaced => {}
        }
        Err(Problem::no_turn(MAX_TURNS))
    }
}

impl Seat {
    /// Notes that the connection has shown that it may use the port.
    pub(super) fn recognize(&self) {
        lock(&self.0).is_known = true;
    }

    /// Who is less gives way first; `None` for who does not.
    fn rank(&self) -> Option<(Doing, bool, Instant)> {
        let sitter = lock(&self.0);
        (sitter.doing != Doing::Working).then_some((sitter.doing, sitter.is_known, sitter.since))
    }

    fn is_leaving(&self) -> bool {
        let sitter = lock(&self.0);
        match sitter.doing {
            Doing::Idle => sitter.end.is_none(),
            Doing::Waiting => sitter.give_up.is_none(),
            Doing::Working => false,
        }
    }

    fn give_way(&self) {
        let mut sitter = lock(&self.0);
        let told = match sitter.doing {
            Doing::Idle => sitter.end.take(),
            Doing::Waiting => sitter.give_up.take(),
            Doing::Working => None,
        };
        // Who does not hear it has gone.
        let _ = told.map(|told| told.send(()));
    }

    /// A request of it waits. What is returned says that it has to give up.
    fn wait(&self) -> oneshot::Receiver<()> {
        let (give_up, displaced) = oneshot::channel();
        self.change(Doing::Waiting);
        lock(&self.0).give_up = Some(give_up);
        displaced
    }

    fn change(&self, doing: Doing) {
        let mut sitter = lock(&self.0);
        sitter.doing = doing;
        sitter.since = Instant::now();
        sitter.give_up = None;
    }
}

impl Place {
    pub(super) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.seat)
    }

    /// Waits until it must be left for a newcomer.
    pub(super) async fn is_taken_away(&mut self) {
        // The other end is in the seat.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.seats).retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        self.places.changed.notify_one();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.permit = None;
        self.seat.change(Doing::Idle);
        self.places.changed.notify_one();
    }
}

/// Locked for moments, on the control thread alone.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
