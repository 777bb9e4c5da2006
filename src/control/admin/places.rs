//! Places for connections to the admin port, and turns for requests that make work: who has one, and who gives way to a newcomer.
//!
//! Whoever comes gets a place at once, so that `GET /health` is answered whatever others hold: a connection that asks for nothing
//! gives way, and at last a request that waits for its turn, which is told so. There are fewer turns than places; so one of the two
//! is always there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use throng::budget::DESCRIPTOR_RESERVE;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot, watch};
use tokio::time::timeout;

use super::problem::Problem;
use super::seat::{Doing, Seat, lock};

/// Most connections at a time: each takes a descriptor of those that are set aside for other things than clients.
const MAX_CONNECTIONS: usize = 64;
/// Most requests that are worked on at a time. More wait for their turn.
const MAX_TURNS: usize = 48;
/// How long they wait, at most. Then they are answered with 503.
const PATIENCE: Duration = Duration::from_secs(5);

const _: () = assert!(MAX_TURNS < MAX_CONNECTIONS, "there must be somebody who can give way");
// The rest is for standard streams, the runtime, the log and what the program reads.
const _: () =
    assert!(MAX_CONNECTIONS + 32 <= DESCRIPTOR_RESERVE, "the admin port's descriptors are set aside");

/// All places and turns.
#[derive(Debug)]
pub(crate) struct Places {
    seats: Mutex<Vec<Arc<Seat>>>,
    turns: Semaphore,
    /// Somebody has left, or has become one who can give way.
    changed: Notify,
    /// Whether the program ends.
    ending: watch::Sender<bool>,
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
        let (turns, changed, ending) = (Semaphore::new(MAX_TURNS), Notify::new(), watch::Sender::new(false));
        Self { seats, turns, changed, ending }
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

    /// Lets nobody in any more and has each connection end after the request under way. Returns when there is none.
    pub(super) async fn end(&self) {
        self.ending.send_replace(true);
        while lock(&self.seats).iter().any(|seat| seat.is_busy()) {
            self.changed.notified().await;
        }
    }

    /// Waits until the program ends.
    pub(super) async fn is_ending(&self) {
        // The sender lives as long as this.
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
    }

    fn try_admit(self: &Arc<Self>) -> Option<Place> {
        let mut seats = lock(&self.seats);
        if seats.len() == MAX_CONNECTIONS {
            return None;
        }
        let (end, ended) = oneshot::channel();
        let seat = Arc::new(Seat::new(end));
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
            // First this: a newcomer waits for the place.
            _ = displaced => {}
            permit = timeout(PATIENCE, self.turns.acquire()) => {
                // It is never closed.
                if let Ok(Ok(permit)) = permit {
                    turn.permit = Some(permit);
                    seat.change(Doing::Working);
                    return Ok(turn);
                }
            }
        }
        Err(Problem::no_turn(MAX_TURNS))
    }
}

impl Place {
    pub(super) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places)
    }

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

#[cfg(test)]
mod tests {
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    fn run<T>(what: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
    }

    /// A connection, as the door has it: its place, which it leaves when it is told.
    fn connect(places: &Arc<Places>) -> JoinHandle<Arc<Seat>> {
        let places = Arc::clone(places);
        tokio::spawn(async move { sit(places.admit().await) })
    }

    fn sit(mut place: Place) -> Arc<Seat> {
        let seat = place.seat();
        tokio::spawn(async move { place.is_taken_away().await });
        seat
    }

    fn holds(places: &Places, seat: &Arc<Seat>) -> bool {
        lock(&places.seats).iter().any(|other| Arc::ptr_eq(other, seat))
    }

    /// A request that works for ever, once it has its turn; what it is told if it gets none.
    fn ask(places: &Arc<Places>, seat: &Arc<Seat>) -> JoinHandle<Option<Problem>> {
        let (places, seat) = (Arc::clone(places), Arc::clone(seat));
        tokio::spawn(async move {
            match places.turn(&seat).await {
                Ok(_turn) => std::future::pending().await,
                Err(problem) => Some(problem),
            }
        })
    }

    #[test]
    fn strangers_give_way_before_others_and_the_longest_idle_first() {
        run(async {
            let places = Arc::<Places>::default();
            let mut seats = Vec::new();
            for at in 0..MAX_CONNECTIONS {
                let seat = connect(&places).await.unwrap();
                if at != 40 && at != 50 {
                    seat.recognize();
                }
                seats.push(seat);
            }
            let mut gone = Vec::new();
            for _ in 0..4 {
                connect(&places).await.unwrap().recognize();
                assert_eq!(lock(&places.seats).len(), MAX_CONNECTIONS);
                let has_gone = |at: &usize| !gone.contains(at) && !holds(&places, &seats[*at]);
                let at: Vec<usize> = (0..MAX_CONNECTIONS).filter(has_gone).collect();
                gone.extend(at);
            }
            assert_eq!(gone, [40, 50, 0, 1]);
        });
    }

    #[test]
    fn a_request_that_waits_gives_way_when_nobody_is_idle_and_one_that_works_never() {
        run(async {
            let places = Arc::<Places>::default();
            let mut asked = Vec::new();
            for _ in 0..MAX_CONNECTIONS {
                let seat = connect(&places).await.unwrap();
                seat.recognize();
                asked.push((ask(&places, &seat), seat));
                yield_now().await;
            }
            let (first, seat) = asked.remove(MAX_TURNS);
            let newcomer = connect(&places).await.unwrap();
            assert_eq!(first.await.unwrap(), Some(Problem::no_turn(MAX_TURNS)));
            assert!(!holds(&places, &seat) && holds(&places, &newcomer));
            assert!(asked.iter().all(|(request, seat)| !request.is_finished() && holds(&places, seat)));
            // A turn that becomes free is that of who waits the longest.
            asked[0].0.abort();
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(lock(&asked[0].1.0).doing, Doing::Idle);
            assert_eq!(lock(&asked[MAX_TURNS].1.0).doing, Doing::Working);
        });
    }
}
