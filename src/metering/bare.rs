//! The least that a server can do on the measuring system: what is read is sent, and nobody looks at it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::kernel::Kernel;
use super::net::{Listener, Net, Socket, Woken};
use crate::budget::{EVENTS_PER_WAIT, READ_BUFFER};
use crate::worker::{Os, Ready, Token};

/// What the measuring itself costs: its figures are to be taken off a worker's to know the worker's own.
pub(super) struct Bare {
    net: Net,
    sockets: Vec<Socket>,
    ready: Vec<Ready>,
    buffer: Vec<u8>,
}

const LISTENER: Token = Token(u64::MAX);

impl Bare {
    pub(super) fn new(kernel: &Rc<RefCell<Kernel>>, woken: &Arc<Woken>, clients: usize) -> io::Result<Self> {
        let mut net = Net { kernel: Rc::clone(kernel), woken: Arc::clone(woken) };
        net.watch_listener(&Listener, LISTENER)?;
        let ready = Vec::with_capacity(EVENTS_PER_WAIT);
        Ok(Self { net, sockets: Vec::with_capacity(clients), ready, buffer: vec![0; READ_BUFFER] })
    }

    pub(super) fn iterate(&mut self) -> io::Result<bool> {
        let Self { net, sockets, ready, buffer } = self;
        net.wait(None, ready)?;
        for event in &*ready {
            if event.token == LISTENER {
                while let Ok(socket) = net.accept(&Listener) {
                    net.watch(&socket, Token(sockets.len() as u64))?;
                    sockets.push(socket);
                }
            } else if let Some(socket) = usize::try_from(event.token.0).ok().and_then(|at| sockets.get(at)) {
                while event.readable
                    && let Ok(len) = net.recv(socket, buffer)
                {
                    net.send(socket, &buffer[..len])?;
                    if len < buffer.len() {
                        break;
                    }
                }
            }
        }
        Ok(true)
    }
}
