//! From the first byte to the upgrade.

use std::ops::Range;

use super::sessions::{Flow, Sessions};
use crate::budget::{HEAD_PER_WORK, WORK_OF_HANDSHAKE};
use crate::http::{HeadBuffer, Refusal, Request, Status, is_head, parse_head};
use crate::worker::app::conn::{Conn, SocketPeer};
use crate::worker::app::handler::{Accept, Handler};
use crate::worker::os::Os;
use crate::worker::stream::compression::Outgoing;
use crate::worker::table::{Flags, Protocol, State};
use crate::ws::Buffers;
use crate::ws::deflate::{Agreement, DeflateParams};
use crate::ws::handshake::{Upgrade, is_token};

/// What a connection over a limit is told.
pub(in crate::worker) const AT_LIMIT: Refusal =
    Refusal::new(Status::SERVICE_UNAVAILABLE, "the server is full or going down, try again later");

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Takes in bytes of a request head, that part of the receive buffer. Behind its end there may be frames already.
    pub(in crate::worker) fn take_head(&mut self, index: u32, part: Range<usize>, drained: bool) -> Flow {
        let kept =
            self.streams.table.side_mut(index).map(|side| std::mem::take(&mut side.head)).unwrap_or_default();
        if kept.is_empty() {
            // The common case: the whole head is in the worker's own buffer.
            return self.judge(index, None, part, drained);
        }
        let old_len = kept.len();
        let mut head = kept;
        let input = self.streams.receive.bytes(part.clone());
        let most = self.limits.head.bytes;
        let fresh = &input[..input.len().min(most.saturating_sub(old_len))];
        if !self.streams.pool.reserve(&mut head, fresh.len()) {
            let is_head = is_head(&head);
            self.streams.pool.recycle(head);
            return self.refuse(index, AT_LIMIT, is_head);
        }
        head.extend_from_slice(fresh);
        // A head ends with a line: until one ends there is nothing new to learn, and each byte is parsed a few times at most.
        if !fresh.contains(&b'\n') && head.len() < most {
            self.streams.table.side_or_new(index).head = head;
            return Flow::Alive;
        }
        self.judge(index, Some((head, old_len)), part, drained)
    }

    /// Parses the head, which is at the start of the part or, with that many bytes kept from before, in a buffer of its own.
    fn judge(
        &mut self,
        index: u32,
        kept: Option<(Vec<u8>, usize)>,
        part: Range<usize>,
        drained: bool,
    ) -> Flow {
        // The handler is lent the request while it can send.
        let memory = self.streams.receive.take_memory();
        let seen = kept.as_ref().map_or(part.len(), |(head, _)| head.len());
        self.visits.meter.charge(seen.min(self.limits.head.bytes) / HEAD_PER_WORK);
        let outcome = {
            let mut fields = HeadBuffer::new(self.limits.head);
            let bytes = kept.as_ref().map_or(&memory.bytes()[part.clone()], |(head, _)| head);
            match parse_head(bytes, &mut fields) {
                Ok(Some((request, len))) => self.upgrade(index, &request).map(|()| Some(len)),
                Ok(None) => Ok(None),
                Err(refusal) => Err(refusal),
            }
            .map_err(|refusal| (refusal, is_head(bytes)))
        };
        self.streams.receive.put_memory_back(memory);
        match outcome {
            Ok(None) => self.keep_head(index, kept, part),
            Ok(Some(len)) => {
                let taken = len - kept.as_ref().map_or(0, |(_, old_len)| *old_len);
                self.recycle_head(kept);
                self.take_frames(index, part.start + taken..part.end, drained)
            }
            Err((refusal, is_head)) => {
                self.recycle_head(kept);
                self.refuse(index, refusal, is_head)
            }
        }
    }

    fn keep_head(&mut self, index: u32, kept: Option<(Vec<u8>, usize)>, part: Range<usize>) -> Flow {
        let head = match kept {
            Some((head, _)) => head,
            None => {
                let mut head = Vec::new();
                if !self.streams.pool.reserve(&mut head, part.len()) {
                    let is_head = is_head(self.streams.receive.bytes(part));
                    return self.refuse(index, AT_LIMIT, is_head);
                }
                head.extend_from_slice(self.streams.receive.bytes(part));
                head
            }
        };
        self.streams.table.side_or_new(index).head = head;
        Flow::Alive
    }

    fn recycle_head(&mut self, kept: Option<(Vec<u8>, usize)>) {
        if let Some((head, _)) = kept {
            self.streams.pool.recycle(head);
        }
    }

    /// Opens the WebSocket that the request asks for: the 101 and what the handler sends at once are in the reply then.
    fn upgrade(&mut self, index: u32, request: &Request<'_>) -> Result<(), Refusal> {
        self.visits.meter.charge(WORK_OF_HANDSHAKE);
        let upgrade = Upgrade::of(request)?;
        if self.streams.table.record_mut(index).flags.has(Flags::REFUSED) || self.is_draining {
            return Err(AT_LIMIT);
        }
        // RFC 6455-4.2.2-3 and 6455-4.2.2-5: origins and resources are the handler's to refuse.
        let Some(handler) = &mut self.app.handler else { return Err(AT_LIMIT) };
        let Accept { data, subprotocol, compression, enveloped } = handler.upgrade(request)?;
        // RFC 6455-4.2.2-6
        let offered =
            |name: &&str| is_token(name.as_bytes()) && request.subprotocols().any(|offer| offer == *name);
        let deflation = self.limits.deflation.filter(|_| compression);
        let agreement = deflation.and_then(|deflation| Agreement::of(request, deflation.context));
        let subprotocol = subprotocol.as_deref().filter(offered);
        upgrade.accept(subprotocol, agreement.as_ref(), &mut self.streams.receive.reply_mut().bytes);
        self.streams.counters.opened.add(1);
        self.streams.counters.open.add(1);
        let record = self.streams.table.record_mut(index);
        // RFC 6455-4.2.2-1
        record.set_state(State::Open);
        record.set_protocol(Protocol::WebSocket);
        record.data = Some(data);
        let params = agreement.map_or(DeflateParams::NONE, DeflateParams::from);
        debug_assert!(H::ENVELOPES || !enveloped, "a handler envelopes without having said so");
        record.params = if enveloped { params.enveloped() } else { params };
        self.schedule_first_ping(index);
        self.call(index, |handler, conn| handler.open(conn, request));
        Ok(())
    }

    /// Calls the handler about a connection whose input is not being dealt with. What it sends is in the reply then.
    pub(in crate::worker) fn call(&mut self, index: u32, act: impl FnOnce(&mut H, &mut Conn<'_, H::Data>)) {
        let (id, queued) = (self.streams.table.id(index), self.streams.queued(index));
        if self.streams.table.get(index).is_none_or(|record| record.data.is_none()) {
            return;
        }
        let mut contexts = self.streams.table.side_mut(index).and_then(|side| side.contexts.take());
        let Some(record) = self.streams.table.get_mut(index) else { return };
        let (Some(data), Some(handler)) = (&mut record.data, &mut self.app.handler) else { return };
        let peer = SocketPeer { os: &self.streams.os, socket: &record.socket };
        let outgoing = Outgoing {
            compressor: &mut self.codec.compressor,
            params: record.params,
            contexts: &mut contexts,
            counters: &self.streams.counters,
            meter: &mut self.visits.meter,
        };
        let mut conn = Conn::new(
            id,
            data,
            self.streams.receive.reply_mut(),
            queued,
            self.limits.outbox,
            outgoing,
            &peer,
        );
        act(handler, &mut conn);
        if contexts.is_some() {
            self.streams.table.side_or_new(index).contexts = contexts;
        }
    }

    /// Answers with an error and ends the connection (RFC 6455-7.2.2-1). The answer to HEAD has no body.
    pub(in crate::worker) fn refuse(&mut self, index: u32, refusal: Refusal, is_head: bool) -> Flow {
        if refusal.status() == Status::SERVICE_UNAVAILABLE {
            self.streams.counters.refused_at_limit.add(1);
        } else {
            self.streams.counters.refused_requests.add(1);
        }
        if let Some(record) = self.streams.table.get(index) {
            self.tell_refused(&record.socket, refusal.status(), refusal.detail());
        }
        self.streams.receive.reply_mut().bytes.clear();
        if is_head {
            refusal.write_head(&mut self.streams.receive.reply_mut().bytes);
        } else {
            refusal.write(&mut self.streams.receive.reply_mut().bytes);
        }
        self.finish(index)
    }
}
