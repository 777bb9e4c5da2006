//! The minimal server on the counting system: it sends back the bytes that it reads, without decoding them.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::kernel::CountingKernel;
use super::os::{CountingOs, Listener, Socket, WakeFlag};
use crate::budget::{EVENTS_PER_WAIT, READ_BUFFER};
use crate::worker::{Os, Ready, Token};

/// A server that measures the cost of the measurement itself: a worker's own cost is its figure less this server's.
pub(super) struct BareServer {
    os: CountingOs,
    sockets: Vec<Socket>,
    ready: Vec<Ready>,
    buffer: Vec<u8>,
}

const LISTENER: Token = Token(u64::MAX);

impl BareServer {
    pub(super) fn new(
        kernel: &Rc<RefCell<CountingKernel>>,
        woken: &Arc<WakeFlag>,
        clients: usize,
    ) -> io::Result<Self> {
        let mut os = CountingOs { kernel: Rc::clone(kernel), woken: Arc::clone(woken) };
        os.watch_listener(&Listener, LISTENER)?;
        let ready = Vec::with_capacity(EVENTS_PER_WAIT);
        Ok(Self { os, sockets: Vec::with_capacity(clients), ready, buffer: vec![0; READ_BUFFER] })
    }

    pub(super) fn iterate(&mut self) -> io::Result<bool> {
        let Self { os, sockets, ready, buffer } = self;
        os.wait(None, ready)?;
        for event in &*ready {
            if event.token == LISTENER {
                while let Ok(socket) = os.accept(&Listener) {
                    os.watch(&socket, Token(sockets.len() as u64))?;
                    sockets.push(socket);
                }
            } else if let Some(socket) = usize::try_from(event.token.0).ok().and_then(|at| sockets.get(at)) {
                while event.readable
                    && let Ok(len) = os.recv(socket, buffer)
                {
                    os.send(socket, &buffer[..len])?;
                    if len < buffer.len() {
                        break;
                    }
                }
            }
        }
        Ok(true)
    }
}
