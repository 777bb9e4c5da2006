//! A ticker: a separate thread pushes to every client once a second. `cargo run --release --example ticker [ADDRESS]`.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use throng::{Accept, Conn, Connecting, Handle, Handler, Message, SendError, Server, Verdict};

/// Ignores messages of clients.
struct Audience;

impl Handler for Audience {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {}
}

/// Pushes until the server has ended.
fn tick(server: &Handle) {
    let start = Instant::now();
    for second in 0_u32.. {
        // Sleeping until a point in time, not for a time: the rate stays true however long a push takes.
        thread::sleep((start + Duration::from_secs(second.into())).saturating_duration_since(Instant::now()));
        match server.broadcast(Message::Text(&format!("tick {second}"))) {
            Ok(()) => {}
            Err(SendError::MailboxFull) => {
                eprintln!("a worker is behind, tick {second} did not reach its clients")
            }
            Err(_) => return,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let server = Server::builder().listen(address.parse()?).start(|_| Audience)?;
    println!("ticking on {:?}", server.addresses());
    let handle = server.handle();
    thread::spawn(move || tick(&handle));
    server.join()?;
    Ok(())
}
