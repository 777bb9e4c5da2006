//! Reading a request head, from its first byte to its last.

use std::ops::Range;

use super::respond::AT_LIMIT;
use super::routed::Routed;
use crate::base::ticks::deadline;
use crate::budget::HEAD_PER_WORK;
use crate::http::{HeadBuffer, Refusal, is_head_method, parse_head};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::session::sessions::{Flow, Sessions};
use crate::worker::table::{ConnIndex, Flags, State};
use crate::ws::Buffers;

/// What follows a request head, or a part of one, in the input.
enum AfterHead {
    /// Nothing is left to handle.
    Done(Flow),
    /// Frames, in this range of the receive buffer.
    Frames(Range<usize>),
    /// Another request, in this range of the receive buffer.
    Request(Range<usize>),
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Handles bytes of request heads, which are in this range of the receive buffer. Frames or another request may follow a head.
    pub(in crate::worker) fn handle_heads(
        &mut self,
        index: ConnIndex,
        part: Range<usize>,
        drained: bool,
    ) -> Flow {
        let mut part = part;
        loop {
            match self.handle_head(index, part) {
                AfterHead::Done(flow) => return flow,
                AfterHead::Frames(rest) => return self.handle_frames(index, rest, drained),
                AfterHead::Request(rest) => {
                    if let Some(flow) = self.await_request(index, &rest) {
                        return flow;
                    }
                    part = rest;
                }
            }
        }
    }

    /// Handles the first bytes of another request, on a connection that has had a response.
    pub(in crate::worker) fn handle_next_heads(
        &mut self,
        index: ConnIndex,
        part: Range<usize>,
        drained: bool,
    ) -> Flow {
        self.start_head_deadline(index);
        self.handle_heads(index, part, drained)
    }

    /// Keeps a connection alive after a response, when the input behind the request has not been read: the deadline of the next request
    /// starts now.
    pub(super) fn keep_alive_after_response(&mut self, index: ConnIndex) {
        self.start_head_deadline(index);
        self.streams.table.record_mut(index).set_state(State::KeptAlive);
    }

    /// Starts to wait for a request head, and its deadline.
    fn start_head_deadline(&mut self, index: ConnIndex) {
        self.streams.table.record_mut(index).set_state(State::Handshaking);
        self.streams.table.arm(index, deadline(self.streams.os.now(), self.limits.handshake_timeout));
        self.streams.forget_late_close(index);
    }

    /// Prepares for another request after a response, with the input in this range of the receive buffer. Returns `None` when that input
    /// may be handled now.
    fn await_request(&mut self, index: ConnIndex, rest: &Range<usize>) -> Option<Flow> {
        if self.streams.receive_buffer.reply().is_full() && self.flush_reply(index) == Flow::Gone {
            return Some(Flow::Gone);
        }
        if rest.is_empty() {
            self.keep_alive_after_response(index);
            return Some(Flow::Alive);
        }
        self.start_head_deadline(index);
        let is_paused = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
        if !is_paused && !self.visits.meter.is_visit_spent() {
            return None;
        }
        // The connection waits for its next visit, or for its client to read the response first.
        if self.keep_unhandled(index, rest.clone()) {
            return Some(Flow::Alive);
        }
        Some(self.refuse_at_limit(index, rest.clone()))
    }

    fn handle_head(&mut self, index: ConnIndex, part: Range<usize>) -> AfterHead {
        let kept =
            self.streams.table.side_mut(index).map(|side| std::mem::take(&mut side.head)).unwrap_or_default();
        if kept.is_empty() {
            // The common case: the whole head is in the worker's receive buffer.
            return self.parse_and_route(index, None, part);
        }
        let old_len = kept.len();
        let mut head = kept;
        let input = self.streams.receive_buffer.bytes(part.clone());
        let most = self.limits.head.bytes;
        let fresh = &input[..input.len().min(most.saturating_sub(old_len))];
        if !self.streams.pool.reserve(&mut head, fresh.len()) {
            return AfterHead::Done(self.refuse_kept_at_limit(index, head));
        }
        head.extend_from_slice(fresh);
        // A head ends with a line feed. So it is not parsed again until another one arrives, which bounds how often each byte is parsed.
        if !fresh.contains(&b'\n') && head.len() < most {
            self.streams.table.side_or_new(index).head = head;
            return AfterHead::Done(Flow::Alive);
        }
        self.parse_and_route(index, Some((head, old_len)), part)
    }

    /// Parses a head, and answers the request once the head is complete. `kept` is the buffer that holds the head, and how many of its bytes
    /// came from earlier reads. If it is `None`, the head is at the start of the range `part` of the receive buffer.
    fn parse_and_route(
        &mut self,
        index: ConnIndex,
        kept: Option<(Vec<u8>, usize)>,
        part: Range<usize>,
    ) -> AfterHead {
        // The receive buffer lends the request to the handler, which writes to the reply meanwhile.
        let memory = self.streams.receive_buffer.take_memory();
        let seen = kept.as_ref().map_or(part.len(), |(head, _)| head.len());
        self.visits.meter.charge(seen.min(self.limits.head.bytes) / HEAD_PER_WORK);
        let outcome = {
            let mut fields = HeadBuffer::new(self.limits.head);
            let bytes = kept.as_ref().map_or(&memory.bytes()[part.clone()], |(head, _)| head);
            match parse_head(bytes, &mut fields) {
                Ok(Some((request, len))) => {
                    self.route(index, &request, None).map(|routed| Some((routed, len)))
                }
                Ok(None) => Ok(None),
                Err(refusal) => Err(refusal),
            }
            .map_err(|refusal| (refusal, is_head_method(bytes)))
        };
        self.streams.receive_buffer.put_memory_back(memory);
        match outcome {
            Ok(None) => AfterHead::Done(self.keep_head(index, kept, part)),
            Ok(Some((routed, len))) => {
                let taken = len - kept.as_ref().map_or(0, |(_, old_len)| *old_len);
                let rest = part.start + taken..part.end;
                if let Routed::Later(decision) = routed {
                    let head = kept.map(|(head, _)| head).or_else(|| self.copy_head(part.start..rest.start));
                    let Some(mut head) = head else {
                        return AfterHead::Done(self.refuse_at_limit(index, part));
                    };
                    head.truncate(len);
                    return AfterHead::Done(self.await_decision(index, decision, head, rest));
                }
                self.recycle_head(kept);
                match routed {
                    Routed::WebSocket => AfterHead::Frames(rest),
                    Routed::Answered => AfterHead::Request(rest),
                    Routed::Ended | Routed::Later(_) => AfterHead::Done(self.end_after_reply(index)),
                }
            }
            Err((refusal, is_head_method)) => {
                AfterHead::Done(self.refuse_kept(index, kept, refusal, is_head_method))
            }
        }
    }

    fn refuse_kept(
        &mut self,
        index: ConnIndex,
        kept: Option<(Vec<u8>, usize)>,
        refusal: Refusal,
        is_head_method: bool,
    ) -> Flow {
        self.recycle_head(kept);
        self.refuse(index, refusal, is_head_method)
    }

    /// Refuses a request as one beyond a limit of the server. Its head begins in this range of the receive buffer.
    fn refuse_at_limit(&mut self, index: ConnIndex, part: Range<usize>) -> Flow {
        let is_head_method = is_head_method(self.streams.receive_buffer.bytes(part));
        self.refuse(index, AT_LIMIT, is_head_method)
    }

    /// Refuses a request as one beyond a limit of the server, and recycles the buffer of its head.
    pub(super) fn refuse_kept_at_limit(&mut self, index: ConnIndex, head: Vec<u8>) -> Flow {
        let is_head_method = is_head_method(&head);
        self.streams.pool.recycle(head);
        self.refuse(index, AT_LIMIT, is_head_method)
    }

    fn keep_head(&mut self, index: ConnIndex, kept: Option<(Vec<u8>, usize)>, part: Range<usize>) -> Flow {
        let head = kept.map(|(head, _)| head).or_else(|| self.copy_head(part.clone()));
        let Some(head) = head else {
            return self.refuse_at_limit(index, part);
        };
        self.streams.table.side_or_new(index).head = head;
        Flow::Alive
    }

    /// Copies this range of the receive buffer. Returns `None` when the pool has no buffer for it.
    fn copy_head(&mut self, part: Range<usize>) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        if !self.streams.pool.reserve(&mut head, part.len()) {
            return None;
        }
        head.extend_from_slice(self.streams.receive_buffer.bytes(part));
        Some(head)
    }

    fn recycle_head(&mut self, kept: Option<(Vec<u8>, usize)>) {
        if let Some((head, _)) = kept {
            self.streams.pool.recycle(head);
        }
    }
}
