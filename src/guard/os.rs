//! The worker's access to the counting system.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::calls::count;
use super::kernel::CountingKernel;
use crate::base::notifier::Wake;
use crate::budget::EVENTS_PER_WAIT;
use crate::worker::{Os, OutputStatus, PeerEnd, Ready, Token};

/// The time by which each wait advances the clock.
const ITERATION: Duration = Duration::from_micros(50);

/// The worker's socket of a connection; its number is one more than the stream's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket(NonZeroU32);

/// The only listener.
pub(crate) struct Listener;

impl Socket {
    fn of(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    const fn number(self) -> u32 {
        self.0.get() - 1
    }
}

/// The [`Os`] of a worker on the counting system.
pub(crate) struct CountingOs {
    pub(super) kernel: Rc<RefCell<CountingKernel>>,
    pub(super) woken: Arc<WakeFlag>,
}

/// A flag that a wake-up sets and the worker's next wait clears.
#[derive(Debug, Default)]
pub(super) struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl WakeFlag {
    /// Returns whether a wake-up has not ended a wait yet.
    pub(super) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Os for CountingOs {
    type Socket = Socket;
    type Listener = Listener;

    fn now(&self) -> Duration {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.clock);
        kernel.now
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.wait);
        kernel.now += ITERATION;
        ready.clear();
        let count = kernel.ready.len().min(EVENTS_PER_WAIT);
        ready.extend(kernel.ready.drain(..count));
        let woken = self.woken.0.swap(false, Ordering::Relaxed);
        kernel.is_idle = count == 0 && !woken && timeout != Some(Duration::ZERO);
        if let Some(end) = kernel.wakes_at.filter(|_| kernel.is_idle) {
            let due = timeout.map_or(end, |timeout| kernel.now.saturating_add(timeout));
            kernel.now = due.min(end).max(kernel.now);
        }
        Ok(())
    }

    fn watch_listener(&mut self, _: &Listener, token: Token) -> io::Result<()> {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.watch);
        kernel.listener = Some(token);
        Ok(())
    }

    fn watch(&mut self, socket: &Socket, token: Token) -> io::Result<()> {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.watch);
        let number = socket.number();
        let readable = kernel.unread(number) > 0;
        kernel.streams[number as usize].token = Some(token);
        kernel.ready.push_back(Ready { token, readable, writable: true, read_closed: false });
        Ok(())
    }

    fn listen(&mut self, _: SocketAddr) -> io::Result<Listener> {
        Ok(Listener)
    }

    fn close_listener(&mut self, _: Listener) {}

    fn accept(&mut self, _: &Listener) -> io::Result<Socket> {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.accept);
        kernel.backlog.pop_front().map(Socket::of).ok_or(io::ErrorKind::WouldBlock.into())
    }

    fn release_reserve(&mut self) -> bool {
        false
    }

    fn refill_reserve(&mut self) {}

    fn recv(&mut self, socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        self.kernel.borrow_mut().recv(socket.number(), buffer)
    }

    fn unread(&mut self, socket: &Socket) -> usize {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.ioctl);
        kernel.unread(socket.number())
    }

    fn peer_end(&self, _: &Socket) -> PeerEnd {
        PeerEnd::Nothing
    }

    fn send(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.send);
        kernel.send(socket.number(), bytes);
        Ok(bytes.len())
    }

    fn send_vectored(&mut self, socket: &Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.sendmsg);
        slices.iter().for_each(|bytes| kernel.send(socket.number(), bytes));
        Ok(slices.iter().map(|bytes| bytes.len()).sum())
    }

    fn limit_unsent(&mut self, _: &Socket, _: u32) {
        count(&mut self.kernel.borrow_mut().calls.setsockopt);
    }

    fn output_status(&self, _: &Socket) -> Option<OutputStatus> {
        None
    }

    fn shutdown_write(&mut self, _: &Socket) -> io::Result<()> {
        count(&mut self.kernel.borrow_mut().calls.shutdown);
        Ok(())
    }

    fn close(&mut self, socket: Socket) {
        let mut kernel = self.kernel.borrow_mut();
        count(&mut kernel.calls.close);
        kernel.streams[socket.number() as usize].token = None;
        kernel.free.push(socket.number());
    }

    fn peer_address(&self, _: &Socket) -> Option<SocketAddr> {
        None
    }

    /// Draws from SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): every run gets the same
    /// numbers.
    fn random(&mut self) -> u64 {
        let mut kernel = self.kernel.borrow_mut();
        kernel.drawn = kernel.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = kernel.drawn;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
