//! Clients on the real kernel.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use super::connection::Ending;

/// A client on the real kernel.
pub(super) struct Peer {
    pub(super) stream: Option<TcpStream>,
    pub(super) got: Vec<u8>,
    pub(super) ending: Ending,
}

impl Peer {
    /// Reads all available bytes.
    pub(super) fn read(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let mut buffer = [0; 16 * 1024];
        while self.ending == Ending::Open {
            match stream.read(&mut buffer) {
                Ok(0) => self.ending = Ending::Clean,
                Ok(len) => self.got.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ending = Ending::Reset,
                Err(_) => return,
            }
        }
    }
}
