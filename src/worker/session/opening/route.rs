//! Routing: what a request asks for, and the handler's verdict on it.

use super::respond::AT_LIMIT;
use super::routed::Routed;
use crate::budget::WORK_OF_HANDSHAKE;
use crate::http::{Refusal, Request, Status};
use crate::worker::app::application::App;
use crate::worker::app::conn::SocketPeer;
use crate::worker::app::connecting::{Connecting, MayDecideLater};
use crate::worker::app::decision::DecisionValue;
use crate::worker::app::handler::Handler;
use crate::worker::app::verdict::{Later, Verdict};
use crate::worker::os::Os;
use crate::worker::session::sessions::Sessions;
use crate::worker::table::{ConnIndex, Flags};
use crate::ws::handshake::RequestKind;

/// The refusal where the handler accepts enveloped messages without having announced them: the buffers have no room for messages that long.
const NO_MEMORY_FOR_ENVELOPES: Refusal = Refusal::new(
    Status::INTERNAL_SERVER_ERROR,
    "the server's handler accepts enveloped messages, and its Handler::ENVELOPES is not set",
);

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Asks the handler to decide on a request. `decided` is the value that an earlier decision on this request was resolved with.
    ///
    /// # Errors
    /// The refusal of a request that the handler is not asked about.
    pub(super) fn route(
        &mut self,
        index: ConnIndex,
        request: &Request<'_>,
        decided: Option<DecisionValue>,
    ) -> Result<Routed, Refusal> {
        self.visits.meter.charge(WORK_OF_HANDSHAKE);
        let kind = RequestKind::of(request)?;
        let id = self.streams.table.id(index);
        let Some(record) = self.streams.table.get(index) else { return Err(AT_LIMIT) };
        let is_refused = record.flags.has(Flags::REFUSED) || self.is_draining;
        let App { handler: Some(handler), decisions, .. } = &mut self.app else { return Err(AT_LIMIT) };
        let later = match decided {
            _ if is_refused => MayDecideLater::NotNow,
            Some(_) => MayDecideLater::NotAgain,
            None => MayDecideLater::Yes(id, decisions),
        };
        let peer = SocketPeer { os: &self.streams.os, socket: &record.socket };
        let mut connecting = Connecting::new(*request, &peer, record.listener(), decided, later);
        let verdict = match kind {
            RequestKind::WebSocket(_) if is_refused => return Err(AT_LIMIT),
            // RFC 6455-4.2.2-3 and 6455-4.2.2-5: refusing origins and resources is up to the handler.
            RequestKind::WebSocket(upgrade) => match handler.upgrade(&mut connecting) {
                Verdict::Accept(accept) if accept.enveloped && !H::ENVELOPES => {
                    return Err(NO_MEMORY_FOR_ENVELOPES);
                }
                Verdict::Accept(accept) => {
                    self.open_websocket(index, request, &upgrade, accept);
                    return Ok(Routed::WebSocket);
                }
                Verdict::Respond(response) => Verdict::Respond(response),
                Verdict::Refuse(response) => Verdict::Refuse(response),
                Verdict::Later(later) => Verdict::Later(later),
            },
            RequestKind::Http => handler.request(&mut connecting),
        };
        Ok(match verdict {
            Verdict::Accept(never) => match never.data {},
            Verdict::Respond(response) => self.respond(index, request, response, is_refused),
            Verdict::Refuse(response) => self.answer_with_refusal(index, request, &response),
            Verdict::Later(Later(pending)) => Routed::Later(pending),
        })
    }
}
