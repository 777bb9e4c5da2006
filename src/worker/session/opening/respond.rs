//! HTTP responses, after which the next request may follow or the connection ends.

use super::routed::Routed;
use crate::http::{Persistence, Refusal, Request, Response, Status};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::session::sessions::{Flow, Sessions};
use crate::worker::table::ConnIndex;

/// The refusal at a limit of the server, or while the server ends.
pub(in crate::worker) const AT_LIMIT: Refusal =
    Refusal::new(Status::SERVICE_UNAVAILABLE, "the server is full or going down, try again later");
/// The response in place of one that is longer than the limit of an outbox.
const RESPONSE_TOO_LONG: Refusal =
    Refusal::new(Status::INTERNAL_SERVER_ERROR, "the response is longer than the outbox limit");

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Answers a request. Ends the connection after that if `must_end` is set, or if either side asks for it.
    pub(super) fn respond(
        &mut self,
        index: ConnIndex,
        request: &Request<'_>,
        response: Response,
        must_end: bool,
    ) -> Routed {
        if response.len() > self.limits.outbox {
            return self.answer_with_refusal(index, request, &RESPONSE_TOO_LONG.into());
        }
        // RFC 9112 section 9.3
        let wants_end = request.list("connection").any(|option| option.eq_ignore_ascii_case("close"));
        let wanted = if must_end || wants_end { Persistence::Close } else { Persistence::KeepAlive };
        let persistence = wanted.and(response.persistence());
        self.streams.counters.responses.add(1);
        self.write_response(request.method() == "HEAD", &response, persistence);
        match persistence {
            Persistence::KeepAlive => Routed::Answered,
            Persistence::Close => Routed::Ended,
        }
    }

    /// Answers a request with the handler's refusal, and ends the connection.
    pub(super) fn answer_with_refusal(
        &mut self,
        index: ConnIndex,
        request: &Request<'_>,
        response: &Response,
    ) -> Routed {
        self.count_refusal(index, response.status(), response.detail());
        self.write_response(request.method() == "HEAD", response, Persistence::Close);
        Routed::Ended
    }

    fn write_response(&mut self, is_head_method: bool, response: &Response, persistence: Persistence) {
        let bytes = &mut self.streams.receive_buffer.reply_mut().bytes;
        if is_head_method {
            response.write_head(persistence, bytes);
        } else {
            response.write(persistence, bytes);
        }
    }

    fn count_refusal(&mut self, index: ConnIndex, status: Status, detail: &'static str) {
        if status == Status::SERVICE_UNAVAILABLE {
            self.streams.counters.refused_at_limit.add(1);
        } else {
            self.streams.counters.refused_requests.add(1);
        }
        self.log_refusal(index, status, detail);
    }

    fn log_refusal(&self, index: ConnIndex, status: Status, detail: &'static str) {
        if let Some(record) = self.streams.table.get(index) {
            self.send_refusal_notice(&record.socket, status, detail);
        }
    }

    /// Answers with an error and ends the connection (RFC 6455-7.2.2-1). The answer to HEAD has no body.
    pub(in crate::worker) fn refuse(
        &mut self,
        index: ConnIndex,
        refusal: Refusal,
        is_head_method: bool,
    ) -> Flow {
        self.count_refusal(index, refusal.status(), refusal.detail());
        self.write_refusal(index, refusal, is_head_method)
    }

    /// Answers with a refusal that has a counter of its own, and ends the connection.
    pub(super) fn refuse_uncounted(
        &mut self,
        index: ConnIndex,
        refusal: Refusal,
        is_head_method: bool,
    ) -> Flow {
        self.log_refusal(index, refusal.status(), refusal.detail());
        self.write_refusal(index, refusal, is_head_method)
    }

    fn write_refusal(&mut self, index: ConnIndex, refusal: Refusal, is_head_method: bool) -> Flow {
        let bytes = &mut self.streams.receive_buffer.reply_mut().bytes;
        if is_head_method {
            refusal.write_head(bytes);
        } else {
            refusal.write(bytes);
        }
        self.end_after_reply(index)
    }
}
