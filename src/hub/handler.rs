//! The handler of a server with a hub.

use std::fmt;

use super::broker::local::LocalBroker;
use super::core::client_state::ClientState;
use super::core::worker_hub::WorkerHub;
use crate::http::Request;
use crate::worker::{Closed, Conn, ConnId, Connecting, Connections, Handler, Turn, Verdict};
use crate::ws::Message;

/// The handler of a [`Hub`](super::Hub)'s worker.
///
/// By default, no client may publish over its connection ([`Access::Nobody`](super::Access::Nobody)). [`Rules`](super::Rules) can allow it.
///
/// A program can wrap it in its own handler, which decides which clients may connect and keeps its own data beside the hub's. The wrapper
/// passes `upgrade`, `open`, `message`, `going_away`, `close` and `turn` on, and repeats `ENVELOPES`. Without `turn` no message is
/// delivered. The hub has no `request`, `tick` and `tick_interval` of its own: the wrapper may use them freely.
///
/// `upgrade` reads the topics in the URL and ignores other parameters, such as a token. The [module](super) says which statuses it refuses
/// a request with. `going_away` sends a client of `throng.v1` the time within which it reconnects, as its last message. The wrapper may
/// send messages of its own to any client, before that one; a client of `throng.v1` expects an object of JSON with a `type`.
///
/// ```
/// use std::thread;
///
/// use throng::http::{Request, Response, Status};
/// use throng::hub::HubHandler;
/// use throng::{Closed, Conn, ConnId, Connecting, Connections, Decision, Handler, Message, Turn, Verdict};
///
/// struct Guarded {
///     hub: HubHandler,
/// }
///
/// struct Member {
///     hub: <HubHandler as Handler>::Data,
///     user: u32,
/// }
///
/// /// Finds the user of a token in a database, which is slow.
/// fn look_up(token: &str) -> Option<u32> {
///     token.parse().ok()
/// }
///
/// impl Handler for Guarded {
///     type Data = Member;
///
///     const ENVELOPES: bool = HubHandler::ENVELOPES;
///
///     fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Member> {
///         match connecting.take_resolved::<Option<u32>>() {
///             None => {
///                 let token = connecting.request().query_pairs().find(|(name, _)| name == "token");
///                 let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
///                 connecting.later(|decision: Decision<Option<u32>>| {
///                     thread::spawn(move || decision.resolve(look_up(&token)));
///                 })
///             }
///             Some(Some(user)) => self.hub.upgrade(connecting).map(|hub| Member { hub, user }),
///             Some(None) => {
///                 let body = r#"{"error":"unknown token"}"#;
///                 Verdict::Refuse(Response::new(Status::UNAUTHORIZED).body("application/json", body))
///             }
///         }
///     }
///
///     fn open(&mut self, conn: &mut Conn<'_, Member>, request: &Request<'_>) {
///         self.hub.open(&mut conn.map(|member| &mut member.hub), request);
///     }
///
///     fn message(&mut self, conn: &mut Conn<'_, Member>, message: Message<'_>) {
///         self.hub.message(&mut conn.map(|member| &mut member.hub), message);
///     }
///
///     fn going_away(&mut self, conn: &mut Conn<'_, Member>) {
///         self.hub.going_away(&mut conn.map(|member| &mut member.hub));
///     }
///
///     fn close(&mut self, id: ConnId, member: Member, reason: Closed<'_>) {
///         self.hub.close(id, member.hub, reason);
///     }
///
///     fn turn(&mut self, connections: &mut Connections<'_, Member>) -> Turn {
///         connections.map(|member| &mut member.hub, |connections| self.hub.turn(connections))
///     }
/// }
/// ```
///
/// `Builder::start(move |context| Guarded { hub: make_hub(context) })` starts such a server, where `make_hub` is the function that
/// [`Hub::handler`](super::Hub::handler) returns. `examples/identity.rs` is the whole program.
pub struct HubHandler {
    hub: WorkerHub<LocalBroker>,
}

impl HubHandler {
    pub(super) const fn new(hub: WorkerHub<LocalBroker>) -> Self {
        Self { hub }
    }

    /// Returns the contents of the worker's hub.
    #[cfg(feature = "simulation")]
    pub(crate) fn inventory(&self) -> super::inspect::Inventory {
        self.hub.inventory(self.hub.broker().inventory())
    }
}

impl Handler for HubHandler {
    type Data = ClientState;

    const ENVELOPES: bool = true;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<ClientState> {
        self.hub.upgrade(connecting)
    }

    fn open(&mut self, conn: &mut Conn<'_, ClientState>, request: &Request<'_>) {
        self.hub.open(conn, request);
    }

    fn message(&mut self, conn: &mut Conn<'_, ClientState>, message: Message<'_>) {
        self.hub.message(conn, message);
    }

    fn going_away(&mut self, conn: &mut Conn<'_, ClientState>) {
        self.hub.going_away(conn);
    }

    fn close(&mut self, id: ConnId, data: ClientState, how: Closed<'_>) {
        self.hub.close(id, data, how);
    }

    fn turn(&mut self, connections: &mut Connections<'_, ClientState>) -> Turn {
        self.hub.turn(connections)
    }
}

const _: () = assert!(HubHandler::ENVELOPES == <WorkerHub<LocalBroker> as Handler>::ENVELOPES);

impl fmt::Debug for HubHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubHandler").field("hub", &self.hub).finish()
    }
}
