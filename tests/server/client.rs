//! A client of the tests: blocking, with a generous timeout on everything.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use throng::ws::client::{check_response, encode_key, request};
use throng::ws::{Decoder, DecoderConfig, Event, Heap, Opcode, Role, encode};
use throng::{CloseCode, Message};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
    /// The end of the stream.
    End,
    /// The connection was reset.
    Reset,
}

impl From<&str> for Got {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    input: Vec<u8>,
    /// Bytes of the input that are dealt with.
    done: usize,
    decoder: Decoder,
    /// The head of the response.
    pub(crate) response: String,
}

pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::ask(address, "/", "").unwrap()
    }

    /// Asks to open a WebSocket; the whole response when that is refused.
    pub(crate) fn ask(address: SocketAddr, target: &str, subprotocols: &str) -> Result<Self, String> {
        Client::over(dial(address), target, subprotocols)
    }
}

impl Client<UnixStream> {
    pub(crate) fn open_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::over(stream, "/", "").unwrap()
    }
}

impl<S: Read + Write> Client<S> {
    fn over(mut stream: S, target: &str, subprotocols: &str) -> Result<Self, String> {
        let key = encode_key(*b"a nonce of tests");
        let mut asked = Vec::new();
        request(&mut asked, "localhost", target, &key, subprotocols);
        stream.write_all(&asked).unwrap();
        let mut input = Vec::new();
        let head = loop {
            match check_response(&input, &key) {
                Ok(Some(len)) => break len,
                Ok(None) => {}
                Err(_) => {
                    // Refused: the response must be readable to its end.
                    stream.read_to_end(&mut input).unwrap();
                    return Err(String::from_utf8(input).unwrap());
                }
            }
            let mut buffer = [0; 4096];
            let len = stream.read(&mut buffer).unwrap();
            assert!(len > 0, "no response: {:?}", String::from_utf8_lossy(&input));
            input.extend_from_slice(&buffer[..len]);
        };
        let response = String::from_utf8(input[..head].to_vec()).unwrap();
        Ok(Self { stream, input, done: head, decoder: Decoder::default(), response })
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode::fragment(&mut bytes, fin.into(), opcode, payload, Some([9, 8, 7, 6]));
        self.raw(&bytes);
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.frame(true, Opcode::Text, text.as_bytes());
    }

    pub(crate) fn send_close(&mut self, code: CloseCode) {
        self.frame(true, Opcode::Close, &code.get().to_be_bytes());
    }

    /// Puts bytes in front of what it reads next: they were read in another way.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next thing that comes.
    pub(crate) fn get(&mut self) -> Got {
        let config =
            DecoderConfig { role: Role::Client, max_message: 1 << 26, max_frames: 1, deflate: false };
        loop {
            let decoded = self.decoder.decode(&mut self.input[self.done..], &config, &mut Heap).unwrap();
            self.done += decoded.consumed;
            match decoded.event {
                Some(Event::Message(Message::Text(text))) => return Got::Text(text.into()),
                Some(Event::Message(Message::Binary(bytes))) => return Got::Binary(bytes.into()),
                Some(Event::Compressed { .. }) => panic!("nothing was agreed on"),
                Some(Event::Ping(payload)) => return Got::Ping(payload.into()),
                Some(Event::Pong(payload)) => return Got::Pong(payload.into()),
                Some(Event::Close(frame)) => return Got::Close(frame.code.map_or(1005, CloseCode::get)),
                None => {}
            }
            self.input.resize(64 * 1024, 0);
            self.done = 0;
            match self.stream.read(&mut self.input) {
                Ok(0) => return Got::End,
                Ok(len) => self.input.truncate(len),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Got::Reset,
                Err(error) => panic!("nothing comes: {error}"),
            }
        }
    }

    /// The next thing but Pings, which are answered.
    pub(crate) fn get_answering(&mut self) -> Got {
        loop {
            match self.get() {
                Got::Ping(payload) => self.frame(true, Opcode::Pong, &payload),
                got => return got,
            }
        }
    }

    pub(crate) fn is_echoed(&mut self, text: &str) {
        self.say(text);
        assert_eq!(self.get_answering(), text.into());
    }
}

/// Waits until something is the case.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A well-behaved client that is served all along, whatever the others do.
pub(crate) struct Bystander {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Bystander {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let mut client = Client::open(address);
        let ends = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            // Once more when it is to end, so that it is served at the end, too, however late the thread comes to run.
            let mut is_last = false;
            while !is_last {
                is_last = until.load(Ordering::Relaxed);
                client.is_echoed("and me?");
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { ends, thread }
    }

    /// Ends it; it must have been served until now.
    pub(crate) fn was_served(self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().expect("it was not served");
    }
}
