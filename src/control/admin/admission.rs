//! Admission to the admin port: permits for connections, and for requests that make work.
//!
//! A new connection is admitted at once, so that `GET /health` is answered whatever other clients do. At the limit another client is
//! evicted: an idle one, or else one whose request waits for a permit; that request is answered with 503. There are fewer permits for requests
//! than for connections, so that one of the two always exists.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use throng::budget::DESCRIPTOR_RESERVE;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot, watch};
use tokio::time::timeout;

use super::client::{Activity, Client, lock};
use super::problem::Problem;

/// The most connections at a time. Each takes a descriptor of the reserve, which is not for WebSockets.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// The most requests that are handled at a time. More wait for a permit.
const MAX_REQUESTS: usize = 48;
/// The time that a request waits for a permit. After that it is answered with 503.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

const _: () = assert!(MAX_REQUESTS < MAX_CONNECTIONS, "a client can be evicted");
// The remaining descriptors are for standard streams, the runtime, the log and files that the program reads.
const _: () =
    assert!(MAX_CONNECTIONS + 32 <= DESCRIPTOR_RESERVE, "the admin port's descriptors are reserved");

/// The clients of the admin port, and the permits of their requests.
#[derive(Debug)]
pub(crate) struct Admission {
    clients: Mutex<Vec<Arc<Client>>>,
    requests: Semaphore,
    /// Notified when a client has disconnected, or may be evicted from now on.
    changed: Notify,
    port: watch::Sender<Port>,
}

/// Whether new connections are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// There is no listener, or none any more.
    Closed,
    Open,
    /// Only connections in the listener's queue are still accepted.
    Ending,
}

/// The permit of a connection. Dropping it makes room for another one.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    admission: Arc<Admission>,
    client: Arc<Client>,
    /// Resolves when the client is evicted.
    ended: oneshot::Receiver<()>,
}

/// The permit of a request. Dropping it makes room for another request.
struct RequestPermit<'a> {
    admission: &'a Admission,
    client: &'a Client,
    permit: Option<SemaphorePermit<'a>>,
}

/// Makes a request wait for its permit, and holds the permit until the response is made.
pub(super) async fn admit_request(
    State(admission): State<Arc<Admission>>,
    Extension(client): Extension<Arc<Client>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let permit = admission.request_permit(&client).await?;
    let response = next.run(request).await;
    drop(permit);
    Ok(response)
}

impl Default for Admission {
    fn default() -> Self {
        let clients = Mutex::new(Vec::with_capacity(MAX_CONNECTIONS));
        let (requests, changed, port) =
            (Semaphore::new(MAX_REQUESTS), Notify::new(), watch::Sender::new(Port::Closed));
        Self { clients, requests, changed, port }
    }
}

impl Admission {
    /// Admits a new connection as soon as there is room.
    pub(super) async fn admit(self: &Arc<Self>) -> ConnectionPermit {
        loop {
            if let Some(permit) = self.try_admit() {
                return permit;
            }
            self.make_room();
            self.changed.notified().await;
        }
    }

    /// Notes that a listener accepts connections.
    pub(super) fn open(&self) {
        self.port.send_replace(Port::Open);
    }

    /// Notes that the listener is closed.
    pub(super) fn close(&self) {
        self.port.send_replace(Port::Closed);
    }

    /// Ends the port: no connection is admitted any more, and each ends after the current request. Returns when no request is left.
    pub(super) async fn end(&self) {
        self.port.send_if_modified(|port| {
            let is_open = *port == Port::Open;
            if is_open {
                *port = Port::Ending;
            }
            is_open
        });
        // The sender lives as long as `self`.
        let _ = self.port.subscribe().wait_for(|port| *port == Port::Closed).await;
        while lock(&self.clients).iter().any(|client| client.is_busy()) {
            self.changed.notified().await;
        }
    }

    /// Waits until the port ends.
    pub(super) async fn ending(&self) {
        // The sender lives as long as `self`.
        let _ = self.port.subscribe().wait_for(|port| *port != Port::Open).await;
    }

    fn try_admit(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let mut clients = lock(&self.clients);
        if clients.len() == MAX_CONNECTIONS {
            return None;
        }
        let (end, ended) = oneshot::channel();
        let client = Arc::new(Client::new(end));
        clients.push(Arc::clone(&client));
        Some(ConnectionPermit { admission: Arc::clone(self), client, ended })
    }

    /// Evicts one client, unless an eviction is under way. Idle clients come first: unauthenticated ones before the others, and of each
    /// kind the one that has been idle the longest. Then comes the client whose request has waited the longest.
    pub(super) fn make_room(&self) {
        let clients = lock(&self.clients);
        if clients.iter().any(|client| client.is_being_evicted()) {
            return;
        }
        let candidates = clients.iter().filter_map(|client| Some((client.rank()?, client)));
        if let Some((_, client)) = candidates.min_by_key(|&(rank, _)| rank) {
            client.evict();
        }
    }

    /// Waits for the permit of a request.
    async fn request_permit<'a>(&'a self, client: &'a Client) -> Result<RequestPermit<'a>, Problem> {
        let cancelled = client.wait();
        // Dropping it marks the client as idle again, whatever becomes of the wait.
        let mut request = RequestPermit { admission: self, client, permit: None };
        tokio::select! {
            biased;
            // A new connection needs the room.
            _ = cancelled => {}
            permit = timeout(PERMIT_TIMEOUT, self.requests.acquire()) => {
                // The semaphore is never closed.
                if let Ok(Ok(permit)) = permit {
                    request.permit = Some(permit);
                    client.change(Activity::Working);
                    return Ok(request);
                }
            }
        }
        Err(Problem::no_permit(MAX_REQUESTS))
    }
}

impl ConnectionPermit {
    pub(super) fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.admission)
    }

    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Waits until the client is evicted.
    pub(super) async fn evicted(&mut self) {
        // `client` has the sender.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        lock(&self.admission.clients).retain(|client| !Arc::ptr_eq(client, &self.client));
        self.admission.changed.notify_one();
    }
}

impl Drop for RequestPermit<'_> {
    fn drop(&mut self) {
        self.permit = None;
        self.client.change(Activity::Idle);
        self.admission.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    fn run<T>(what: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
    }

    /// Admits a connection that ends when it is evicted.
    fn connect(admission: &Arc<Admission>) -> JoinHandle<Arc<Client>> {
        let admission = Arc::clone(admission);
        tokio::spawn(async move { sit(admission.admit().await) })
    }

    fn sit(mut permit: ConnectionPermit) -> Arc<Client> {
        let client = permit.client();
        tokio::spawn(async move { permit.evicted().await });
        client
    }

    fn holds(admission: &Admission, client: &Arc<Client>) -> bool {
        lock(&admission.clients).iter().any(|other| Arc::ptr_eq(other, client))
    }

    /// Makes a request that works for ever once it has its permit. Returns the problem if it gets none.
    fn ask(admission: &Arc<Admission>, client: &Arc<Client>) -> JoinHandle<Option<Problem>> {
        let (admission, client) = (Arc::clone(admission), Arc::clone(client));
        tokio::spawn(async move {
            match admission.request_permit(&client).await {
                Ok(_turn) => std::future::pending().await,
                Err(problem) => Some(problem),
            }
        })
    }

    #[test]
    fn unauthenticated_clients_are_evicted_first_and_of_each_kind_the_longest_idle() {
        run(async {
            let admission = Arc::<Admission>::default();
            let mut clients = Vec::new();
            for at in 0..MAX_CONNECTIONS {
                let client = connect(&admission).await.unwrap();
                if at != 40 && at != 50 {
                    client.authenticate();
                }
                clients.push(client);
            }
            let mut gone = Vec::new();
            for _ in 0..4 {
                connect(&admission).await.unwrap().authenticate();
                assert_eq!(lock(&admission.clients).len(), MAX_CONNECTIONS);
                let has_gone = |at: &usize| !gone.contains(at) && !holds(&admission, &clients[*at]);
                let at: Vec<usize> = (0..MAX_CONNECTIONS).filter(has_gone).collect();
                gone.extend(at);
            }
            assert_eq!(gone, [40, 50, 0, 1]);
        });
    }

    #[test]
    fn a_waiting_request_is_evicted_when_no_client_is_idle_and_a_working_one_never() {
        run(async {
            let admission = Arc::<Admission>::default();
            let mut asked = Vec::new();
            for _ in 0..MAX_CONNECTIONS {
                let client = connect(&admission).await.unwrap();
                client.authenticate();
                asked.push((ask(&admission, &client), client));
                yield_now().await;
            }
            let (first, client) = asked.remove(MAX_REQUESTS);
            let newcomer = connect(&admission).await.unwrap();
            assert_eq!(first.await.unwrap(), Some(Problem::no_permit(MAX_REQUESTS)));
            assert!(!holds(&admission, &client) && holds(&admission, &newcomer));
            assert!(
                asked.iter().all(|(request, client)| !request.is_finished() && holds(&admission, client))
            );
            // A permit that becomes free goes to the request that has waited the longest.
            asked[0].0.abort();
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(asked[0].1.activity(), Activity::Idle);
            assert_eq!(asked[MAX_REQUESTS].1.activity(), Activity::Working);
        });
    }
}
