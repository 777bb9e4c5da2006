//! Counts of a worker's system calls.

/// System calls of a worker by kind, and the bytes that went through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// epoll_wait(2).
    pub wait: u64,
    /// accept4(2), including calls that found no connection.
    pub accept: u64,
    /// epoll_ctl(2).
    pub watch: u64,
    /// recv(2), including calls that found no data.
    pub recv: u64,
    /// send(2).
    pub send: u64,
    /// sendmsg(2).
    pub sendmsg: u64,
    /// setsockopt(2).
    pub setsockopt: u64,
    /// ioctl(2).
    pub ioctl: u64,
    /// shutdown(2).
    pub shutdown: u64,
    /// close(2).
    pub close: u64,
    /// Reads of the clock, which are not system calls with a vDSO (vdso(7)).
    pub clock: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl Calls {
    /// Returns the counts less those of `earlier`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            wait: self.wait - earlier.wait,
            accept: self.accept - earlier.accept,
            watch: self.watch - earlier.watch,
            recv: self.recv - earlier.recv,
            send: self.send - earlier.send,
            sendmsg: self.sendmsg - earlier.sendmsg,
            setsockopt: self.setsockopt - earlier.setsockopt,
            ioctl: self.ioctl - earlier.ioctl,
            shutdown: self.shutdown - earlier.shutdown,
            close: self.close - earlier.close,
            clock: self.clock - earlier.clock,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
        }
    }

    /// Returns every count with its name.
    pub fn entries(&self) -> [(&'static str, u64); 13] {
        let Self {
            wait,
            accept,
            watch,
            recv,
            send,
            sendmsg,
            setsockopt,
            ioctl,
            shutdown,
            close,
            clock,
            bytes_in,
            bytes_out,
        } = *self;
        [
            ("wait", wait),
            ("accept", accept),
            ("watch", watch),
            ("recv", recv),
            ("send", send),
            ("sendmsg", sendmsg),
            ("setsockopt", setsockopt),
            ("ioctl", ioctl),
            ("shutdown", shutdown),
            ("close", close),
            ("clock", clock),
            ("bytes_in", bytes_in),
            ("bytes_out", bytes_out),
        ]
    }
}

/// Adds one to a counter.
pub(super) fn count(counter: &mut u64) {
    *counter += 1;
}
