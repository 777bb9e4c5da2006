//! Sends every message back: `cargo run --release --example echo [ADDRESS]`.

use std::error::Error;

use throng::{Accept, CloseReason, Conn, Connecting, Handler, Message, Server, Verdict};

struct Echo;

impl Handler for Echo {
    /// A connection has no data, so its record has 32 bytes.
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        if conn.send(message).is_err() {
            conn.close(CloseReason::Policy, "read what you are sent");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let server = Server::builder().listen(address.parse()?).start(|_| Echo)?;
    println!("echoing on {:?}, {} workers", server.addresses(), server.workers());
    server.join()?;
    Ok(())
}
