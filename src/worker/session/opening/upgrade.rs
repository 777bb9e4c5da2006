//! Opening the WebSocket that a request asks for.

use crate::http::Request;
use crate::worker::app::conn::{Conn, SocketPeer};
use crate::worker::app::handler::Handler;
use crate::worker::app::verdict::Accept;
use crate::worker::os::Os;
use crate::worker::session::sessions::Sessions;
use crate::worker::stream::compression::MessageWriter;
use crate::worker::table::{ConnIndex, Protocol, State};
use crate::ws::deflate::{Agreement, DeflateParams};
use crate::ws::handshake::{Upgrade, is_token};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Opens the WebSocket that the request asks for. Writes the 101 response and the handler's first messages to the reply buffer.
    pub(super) fn open_websocket(
        &mut self,
        index: ConnIndex,
        request: &Request<'_>,
        upgrade: &Upgrade,
        accept: Accept<H::Data>,
    ) {
        let Accept { data, subprotocol, compression, enveloped } = accept;
        // RFC 6455-4.2.2-6
        let offered =
            |name: &&str| is_token(name.as_bytes()) && request.subprotocols().any(|offer| offer == *name);
        let deflation = self.limits.deflation.filter(|_| compression);
        let agreement = deflation.and_then(|deflation| Agreement::of(request, deflation.context));
        let subprotocol = subprotocol.as_deref().filter(offered);
        upgrade.accept(subprotocol, agreement.as_ref(), &mut self.streams.receive_buffer.reply_mut().bytes);
        self.streams.counters.opened.add(1);
        self.streams.counters.open.add(1);
        let record = self.streams.table.record_mut(index);
        // RFC 6455-4.2.2-1
        record.set_state(State::Open);
        record.set_protocol(Protocol::WebSocket);
        record.data = Some(data);
        let params = agreement.map_or(DeflateParams::NONE, DeflateParams::from);
        record.params = if enveloped { params.enveloped() } else { params };
        self.schedule_first_ping(index);
        self.call_handler(index, |handler, conn| handler.open(conn, request));
    }

    /// Calls the handler about a connection outside the handling of its input. Messages that the handler sends are in the reply buffer
    /// then.
    pub(in crate::worker) fn call_handler(
        &mut self,
        index: ConnIndex,
        act: impl FnOnce(&mut H, &mut Conn<'_, H::Data>),
    ) {
        let (id, outbox_len) = (self.streams.table.id(index), self.streams.outbox_len(index));
        if self.streams.table.get(index).is_none_or(|record| record.data.is_none()) {
            return;
        }
        let mut windows = self.streams.table.side_mut(index).and_then(|side| side.windows.take());
        let Some(record) = self.streams.table.get_mut(index) else { return };
        let (Some(data), Some(handler)) = (&mut record.data, &mut self.app.handler) else { return };
        let peer = SocketPeer { os: &self.streams.os, socket: &record.socket };
        let writer = MessageWriter {
            compressor: &mut self.codec.compressor,
            params: record.params,
            windows: &mut windows,
            counters: &self.streams.counters,
            meter: &mut self.visits.meter,
        };
        let mut conn = Conn::new(
            id,
            data,
            self.streams.receive_buffer.reply_mut(),
            outbox_len,
            self.limits.outbox,
            writer,
            &peer,
        );
        act(handler, &mut conn);
        if windows.is_some() {
            self.streams.table.side_or_new(index).windows = windows;
        }
    }
}
