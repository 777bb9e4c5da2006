//! Compression for a worker's connections. All of them share one compressor and one decompressor.
//!
//! A connection keeps its [`DeflateParams`] in its record. With context takeover it also keeps two [`Windows`] in its side record, from the
//! first compressed message on.

use crate::base::meter::Meter;
use crate::budget::{WORK_OF_DEFLATING, WORK_PER_DEFLATED};
use crate::metrics::Counters;
use crate::worker::limits::Deflation;
use crate::ws::deflate::{ContextTakeover, DeflateParams, Deflater, Inflater, Windows};
use crate::ws::{Message, Opcode, ProtocolError, encode};

/// The largest LZ77 window, as a power of two (RFC 7692, section 7.1.2).
pub(in crate::worker) const MOST_BITS: u8 = 15;

/// The LZ77 windows of both directions of a connection; allocated when first needed.
pub(in crate::worker) type LazyWindows = Option<Box<Windows>>;

/// Compressor and decompressor of all connections of a worker that negotiated compression.
#[derive(Debug)]
pub(in crate::worker) struct Codec {
    pub(in crate::worker) compressor: Compressor,
    pub(in crate::worker) decompressor: Decompressor,
}

impl Codec {
    pub(in crate::worker) fn new(deflation: Option<Deflation>) -> Self {
        Self { compressor: Compressor::new(deflation), decompressor: Decompressor::new(deflation) }
    }

    /// Returns whether either has memory that it can free.
    pub(in crate::worker) fn can_trim(&self) -> bool {
        self.compressor.can_trim() || self.decompressor.can_trim()
    }

    /// Frees memory that was not needed since the last call.
    pub(in crate::worker) fn trim(&mut self) {
        self.compressor.trim();
        self.decompressor.trim();
    }
}

/// The compressor of a worker.
#[derive(Debug)]
pub(in crate::worker) struct Compressor {
    /// `None` when the server never agrees on compression.
    deflation: Option<Deflation>,
    /// Allocated when first needed, because it is large.
    deflater: Option<Deflater>,
}

impl Compressor {
    pub(in crate::worker) const fn new(deflation: Option<Deflation>) -> Self {
        Self { deflation, deflater: None }
    }

    /// Compresses a message for a connection. Returns `None` where the message should be sent uncompressed.
    fn compress(&mut self, payload: &[u8], params: DeflateParams, windows: &LazyWindows) -> Option<&[u8]> {
        // RFC 7692-7.2.1-6 and 7692-7.2.1-8
        let context = windows.as_ref().filter(|_| params.server_context_takeover());
        self.compress_if_smaller(
            payload,
            params.server_window_bits(),
            context.map_or(&[], |windows| windows.sent.bytes()),
        )
    }

    /// Compresses a message without context, for many connections. Returns `None` where the message should be sent uncompressed.
    pub(in crate::worker) fn compress_for_many(&mut self, payload: &[u8]) -> Option<&[u8]> {
        self.compress_if_smaller(payload, MOST_BITS, &[])
    }

    /// Adds a message that was sent compressed to the window, if later messages may refer to it.
    pub(in crate::worker) fn add_to_window(
        &self,
        payload: &[u8],
        params: DeflateParams,
        windows: &mut LazyWindows,
        counters: &Counters,
    ) {
        if let Some(ContextTakeover::Window(bits)) = self.deflation.map(|deflation| deflation.context)
            && params.server_context_takeover()
        {
            let windows = windows.get_or_insert_default();
            let before = windows.capacity();
            windows.sent.push(payload, bits.min(params.server_window_bits()));
            update_window_bytes(counters, before, windows.capacity());
        }
    }

    fn compress_if_smaller(&mut self, payload: &[u8], bits: u8, context: &[u8]) -> Option<&[u8]> {
        let deflation = self.deflation.filter(|deflation| payload.len() >= deflation.threshold)?;
        let deflater = self.deflater.get_or_insert_with(|| Deflater::new(deflation.level));
        let compressed = deflater.compress(payload, bits, context);
        (compressed.len() < payload.len()).then_some(compressed)
    }

    /// Returns the work of compressing so many bytes. With context takeover every byte of the window in `windows` adds to it.
    pub(in crate::worker) fn work(&self, len: usize, params: DeflateParams, windows: &LazyWindows) -> usize {
        let known = windows.as_ref().filter(|_| params.server_context_takeover());
        let known = known.map_or(0, |windows| windows.sent.bytes().len());
        let deflation = self.deflation.filter(|deflation| len >= deflation.threshold);
        deflation.map_or(0, |deflation| {
            let level = usize::try_from(deflation.level).unwrap_or_default();
            WORK_OF_DEFLATING + known + len.saturating_mul(WORK_PER_DEFLATED + level)
        })
    }

    pub(in crate::worker) fn can_trim(&self) -> bool {
        self.deflater.as_ref().is_some_and(Deflater::can_trim)
    }

    pub(in crate::worker) fn trim(&mut self) {
        self.deflater.as_mut().into_iter().for_each(Deflater::trim);
    }
}

/// Writes the messages of one connection, compressed where the connection negotiated compression and a message gets smaller.
pub(in crate::worker) struct MessageWriter<'a> {
    pub(in crate::worker) compressor: &'a mut Compressor,
    pub(in crate::worker) params: DeflateParams,
    pub(in crate::worker) windows: &'a mut LazyWindows,
    pub(in crate::worker) counters: &'a Counters,
    pub(in crate::worker) meter: &'a mut Meter,
}

impl MessageWriter<'_> {
    /// Lends this writer for a shorter time.
    #[inline]
    pub(in crate::worker) const fn reborrow(&mut self) -> MessageWriter<'_> {
        MessageWriter {
            compressor: self.compressor,
            params: self.params,
            windows: self.windows,
            counters: self.counters,
            meter: self.meter,
        }
    }

    /// Appends a message to `out`. Returns `false`, and appends nothing, when its frame has more than `room` bytes.
    #[inline(always)]
    pub(in crate::worker) fn write(
        &mut self,
        out: &mut Vec<u8>,
        opcode: Opcode,
        payload: &[u8],
        room: usize,
    ) -> bool {
        if self.params.is_negotiated() {
            return self.write_negotiated(out, opcode, payload, room);
        }
        // RFC 7692-6.1-2 and 7692-7.2.3.2-1
        let fits = encode::frame_len(payload.len()) <= room;
        if fits {
            encode::message(out, opcode, payload);
        }
        fits
    }

    /// Appends a message of a connection that negotiated compression, like [`write`](Self::write).
    #[inline(never)]
    fn write_negotiated(&mut self, out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], room: usize) -> bool {
        let Self { compressor, params, windows, counters, meter } = self;
        meter.charge(compressor.work(payload.len(), *params, windows));
        let compressed = compressor.compress(payload, *params, windows);
        let len = compressed.map_or(payload.len(), <[u8]>::len);
        if encode::frame_len(len) > room {
            return false;
        }
        match compressed {
            Some(compressed) => {
                // RFC 6455-6.1-4, 6455-6.1-5 and RFC 7692-6.1-1
                encode::compressed_frame(out, opcode, compressed, None);
                counters.compressed_out.add(1);
                compressor.add_to_window(payload, *params, windows, counters);
            }
            // RFC 7692-6.1-2 and 7692-7.2.3.2-1
            None => encode::message(out, opcode, payload),
        }
        true
    }
}

/// Returns whether a client with these parameters can decompress what [`Compressor::compress_for_many`] makes of a message of `len` bytes:
/// back-references reach no further than the start of the message, or the largest window.
pub(in crate::worker) const fn can_share_compressed(len: usize, params: DeflateParams) -> bool {
    params.is_negotiated()
        && (params.server_window_bits() == MOST_BITS || len <= 1 << params.server_window_bits())
}

/// Updates the count of bytes that all windows take: one connection's windows changed from `before` to `after`.
pub(in crate::worker) fn update_window_bytes(counters: &Counters, before: usize, after: usize) {
    let others = counters.context_bytes.get().wrapping_sub(before as u64);
    counters.context_bytes.set(others.wrapping_add(after as u64));
}

/// The decompressor of a worker.
#[derive(Debug)]
pub(in crate::worker) struct Decompressor {
    /// The window of clients with context takeover, as a power of two. The handshake allowed each client this window or a smaller one.
    bits: u8,
    /// Allocated when first needed.
    inflater: Option<Inflater>,
}

impl Decompressor {
    pub(in crate::worker) fn new(deflation: Option<Deflation>) -> Self {
        let bits = match deflation.map(|deflation| deflation.context) {
            Some(ContextTakeover::Window(bits)) => bits,
            Some(ContextTakeover::Off) | None => MOST_BITS,
        };
        Self { bits, inflater: None }
    }

    /// Decompresses a message to at most `max_message` bytes, and charges the work of that.
    pub(in crate::worker) fn decompress(
        &mut self,
        opcode: Opcode,
        compressed: &[u8],
        max_message: usize,
        writer: &mut MessageWriter<'_>,
    ) -> Result<Message<'_>, ProtocolError> {
        let MessageWriter { params, windows, counters, meter, .. } = writer;
        // RFC 7692-7.2.2-3 and 7692-7.2.2-4: what was negotiated counts, whatever was offered.
        let context = windows.as_ref().filter(|_| params.client_context_takeover());
        let context = context.map_or(&[][..], |windows| windows.received.bytes());
        let inflater = self.inflater.get_or_insert_default();
        let outcome = inflater.decompress(compressed, max_message, context).map(<[u8]>::len);
        meter.charge(inflater.work());
        let payload = inflater.output(outcome?);
        if params.client_context_takeover() {
            let windows = windows.get_or_insert_default();
            let before = windows.capacity();
            windows.received.push(payload, self.bits);
            // Adding to the window moves its bytes.
            meter.charge(windows.received.bytes().len());
            update_window_bytes(counters, before, windows.capacity());
        }
        counters.compressed_in.add(1);
        Message::new(opcode, payload)
    }

    pub(in crate::worker) fn can_trim(&self) -> bool {
        self.inflater.as_ref().is_some_and(Inflater::can_trim)
    }

    pub(in crate::worker) fn trim(&mut self) {
        self.inflater.as_mut().into_iter().for_each(Inflater::trim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::meter::Allowance;
    use crate::ws::deflate::{Agreement, Direction};

    /// With a window of 32 KiB, compressing a message of 300 bytes takes eight times as long as without a window.
    #[test]
    fn compressing_with_a_window_is_charged_more() {
        const LEN: usize = 300;
        let (alone, window) = (WORK_OF_DEFLATING + LEN * (WORK_PER_DEFLATED + 1), 1 << 15);
        let direction = |takeover| Direction { takeover, window_bits: None };
        for (takeover, work) in [(false, alone), (true, alone + window)] {
            let params =
                DeflateParams::from(Agreement { server: direction(takeover), client: direction(false) });
            let deflation = Deflation { context: ContextTakeover::Window(15), level: 1, threshold: 0 };
            let mut compressor = Compressor::new(Some(deflation));
            let (mut windows, counters, mut out) = (None, Counters::default(), Vec::new());
            compressor.add_to_window(&vec![7; 2 * window], params, &mut windows, &counters);
            for (visit, is_spent) in [(work, true), (work + 1, false)] {
                let mut meter = Meter::new(Allowance { first: 0, visit, iteration: 1 << 20 });
                meter.begin_iteration();
                meter.begin_visit();
                let meter = &mut meter;
                let (compressor, windows) = (&mut compressor, &mut windows);
                let mut writer = MessageWriter { compressor, params, windows, counters: &counters, meter };
                assert!(writer.write(&mut out, Opcode::Binary, &[8; LEN], usize::MAX));
                assert_eq!(writer.meter.is_visit_spent(), is_spent, "{takeover}, {visit}");
            }
        }
    }
}
