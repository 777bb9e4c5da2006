//! Two servers that start at once on one place: exactly one lives.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::client::{Client, eventually};

/// A port that nobody listens on, below those that the system chooses for connections.
fn free_port(attempt: u16) -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap() * 2 + attempt % 3_000;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    (first..32_768).find(is_free).expect("a free port")
}

/// A server that starts, whose standard output says when it is ready.
fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.args(["serve", "--app", "echo", "--no-pin", "--workers", "2"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until one of two has ended, which must be for the place's sake, and sees that the other one lives. Returns it.
fn survivor(pair: [Child; 2], what: &str) -> Child {
    let mut pair = pair;
    let mut ended = [None; 2];
    eventually(&format!("one of them ends: {what}"), || {
        ended = [0, 1].map(|at: usize| pair[at].try_wait().unwrap());
        ended.iter().any(Option::is_some)
    });
    // Time for the other one to do what it must not.
    std::thread::sleep(Duration::from_millis(20));
    ended = [0, 1].map(|at: usize| pair[at].try_wait().unwrap());
    let codes = ended.map(|status| status.map(|status| status.code()));
    let lives = ended.iter().position(Option::is_none);
    let [one, other] = pair;
    let (lives, died) = match lives {
        Some(0) => (one, codes[1]),
        Some(_) => (other, codes[0]),
        None => panic!("neither lives: {what}, {codes:?}"),
    };
    assert_eq!(died, Some(Some(78)), "{what}");
    lives
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts pairs on places made of a port, again and again.
fn exactly_one_lives(rounds: u16, places: impl Fn(u16) -> [Vec<String>; 2]) {
    for round in 0..rounds {
        let port = free_port(round);
        let places = places(port);
        let arguments = places
            .each_ref()
            .map(|places| places.iter().flat_map(|place| ["--listen", place.as_str()]).collect::<Vec<_>>());
        let pair = arguments.each_ref().map(|arguments| start(arguments));
        let lives = survivor(pair, &format!("round {round}, {places:?}"));
        // Whoever lives serves; a kill leaves nothing that a restart at once would stumble over.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        eventually("it serves", || TcpListener::bind(address).is_err());
        let mut client = Client::open(address);
        client.is_echoed("hi");
        kill(lives);
        let again = start(&arguments[0]);
        drop(client);
        eventually("it serves again", || std::net::TcpStream::connect(address).is_ok());
        Client::open(address).is_echoed("hi again");
        kill(again);
    }
}

#[test]
fn of_two_servers_at_once_on_one_port_exactly_one_lives() {
    exactly_one_lives(30, |port| [0, 1].map(|_| vec![format!("127.0.0.1:{port}")]));
}

#[test]
fn of_two_servers_at_once_on_an_address_and_on_all_exactly_one_lives() {
    exactly_one_lives(15, |port| [vec![format!("127.0.0.1:{port}")], vec![format!("0.0.0.0:{port}")]]);
}

#[test]
fn of_two_servers_at_once_with_places_in_another_order_exactly_one_lives() {
    exactly_one_lives(15, |port| {
        let (one, other) = (format!("127.0.0.1:{port}"), format!("[::1]:{port}"));
        [vec![one.clone(), other.clone()], vec![other, one]]
    });
}

#[test]
fn of_two_servers_at_once_on_one_path_exactly_one_lives() {
    let path = std::env::temp_dir().join(format!("throng-{}-pair", std::process::id()));
    let place = format!("unix:{}", path.display());
    for round in 0..30 {
        // Every other time there is a file that a dead server left.
        let pair = [0, 1].map(|_| start(&["--listen", &place]));
        let lives = survivor(pair, &format!("round {round}"));
        eventually("it serves", || std::os::unix::net::UnixStream::connect(&path).is_ok());
        Client::open_unix(&path).is_echoed("hi");
        if round % 2 == 0 {
            kill(lives);
        } else {
            end(lives);
            assert!(!path.exists());
        }
    }
}

#[test]
fn of_two_servers_at_once_with_one_admin_port_exactly_one_lives() {
    for round in 0..20 {
        let admin = format!("127.0.0.1:{}", free_port(round));
        let pair = [0, 1].map(|_| start(&["--listen", "127.0.0.1:0", "--admin", &admin]));
        kill(survivor(pair, &format!("round {round}")));
    }
}

/// Has a server end in order.
fn end(mut child: Child) {
    let sent = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    eventually("the end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
