//! A chat room: each message goes to all clients. `cargo run --release --example chat [ADDRESS]`, then connect to
//! `ws://127.0.0.1:9001/?name=ada` with any WebSocket client.

use std::error::Error;

use throng::http::{Refusal, Request, Status};
use throng::{Accept, Closed, Conn, ConnId, Connecting, Context, Handle, Handler, Message, Server, Verdict};

/// The longest name in bytes.
const MAX_NAME: usize = 16;

/// The handler of one worker. The handle sends messages to the clients of all workers.
struct Chat {
    room: Handle,
}

/// A name is kept inside the connection's record, as plain bytes: no allocation for each of many idle guests.
#[derive(Clone, Copy)]
struct Name {
    bytes: [u8; MAX_NAME],
    len: u8,
}

impl Name {
    fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; MAX_NAME];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self { bytes, len: u8::try_from(name.len()).ok()? })
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl Chat {
    /// Sends a line to all clients, and logs the error if some do not get it.
    fn say(&self, text: &str) {
        if let Err(error) = self.room.broadcast(Message::Text(text)) {
            eprintln!("not everybody heard: {error}");
        }
    }
}

impl Handler for Chat {
    type Data = Name;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Name> {
        let request = connecting.request();
        let name = request.query_pairs().find(|(key, _)| key == "name").map(|(_, name)| name);
        let name = name.filter(|name| !name.is_empty()).and_then(|name| Name::new(&name));
        let refusal = Refusal::new(Status::BAD_REQUEST, "connect to /?name=YOU, in 16 bytes at most");
        name.map(Accept::new).ok_or(refusal).into()
    }

    fn open(&mut self, conn: &mut Conn<'_, Name>, _: &Request<'_>) {
        self.say(&format!("* {} comes in", conn.data().as_str()));
    }

    fn message(&mut self, conn: &mut Conn<'_, Name>, message: Message<'_>) {
        if let Message::Text(text) = message {
            self.say(&format!("{}: {text}", conn.data().as_str()));
        }
    }

    fn close(&mut self, _: ConnId, name: Name, _: Closed<'_>) {
        self.say(&format!("* {} leaves", name.as_str()));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let chat = |worker: &Context<'_>| Chat { room: worker.handle().clone() };
    let server = Server::builder().listen(address.parse()?).max_message(4096).start(chat)?;
    println!("the room is open on {:?}", server.addresses());
    server.join()?;
    Ok(())
}
