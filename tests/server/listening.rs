//! Where a server listens, and when it does not start.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::channel;

use throng::sys::socket::{Sharing, listen, listen_tcp, local_address};
use throng::{Listen, Pinning, Server, StartError, Steering};

use super::app::{Running, start, start_at};
use super::client::{Client, PATIENCE};

/// A path for a socket, removed at the end of the test.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    fn listen(&self) -> Listen {
        Listen::Unix(self.0.clone())
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn builder() -> throng::Builder {
    Server::builder().pinning(Pinning::Off).workers(2)
}

fn start_error(builder: throng::Builder) -> StartError {
    builder.start(|_| super::app::App::silent()).expect_err("it started")
}

fn open_by_worker(running: &Running) -> Vec<u64> {
    running.server.handle().worker_stats().iter().map(|stats| stats.open).collect()
}

#[test]
fn ipv6_and_ipv4_stand_side_by_side() {
    let running = start(|builder| builder.listen("[::1]:0".parse().unwrap()));
    assert_eq!(running.server.addresses().len(), 2);
    for &address in running.server.addresses() {
        Client::open(address).is_echoed("hi");
        let mut client = Client::ask(address, "/address", "").unwrap();
        assert_eq!(client.get(), client.stream.local_addr().unwrap().to_string().as_str().into());
    }
}

#[test]
fn all_workers_share_the_port_that_the_first_one_found() {
    let running = start(|builder| builder.workers(4));
    let clients: Vec<Client> = (0..100).map(|_| Client::open(running.address)).collect();
    let open = open_by_worker(&running);
    assert_eq!(open.iter().sum::<u64>(), clients.len() as u64);
    assert!(open.iter().all(|&open| open > 0), "{open:?}");
}

#[test]
fn connections_are_steered_to_the_workers_on_their_cores() {
    let cores = core_affinity::get_core_ids().unwrap();
    let running =
        start(|builder| builder.pinning(Pinning::Even).steering(Steering::ByCore).workers(cores.len()));
    let address = running.address;
    let mut expected = vec![0; cores.len()];
    let mut clients = Vec::new();
    for (at, &core) in cores.iter().enumerate() {
        let opening = std::thread::spawn(move || {
            assert!(core_affinity::set_for_current(core));
            (0..20 + at).map(|_| Client::open(address)).collect::<Vec<_>>()
        });
        clients.extend(opening.join().unwrap());
        expected[at] = 20 + at as u64;
        assert_eq!(open_by_worker(&running), expected);
    }
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let path = SocketPath::new("served");
    let running = start_at(builder().listen(path.listen()));
    let mut client = Client::open_unix(&path.0);
    client.is_echoed("hi");
    drop(client);
    running.server.shutdown(PATIENCE).unwrap();
    assert!(!path.0.exists());
}

#[test]
fn all_workers_share_a_unix_socket() {
    let path = SocketPath::new("shared");
    let running = start_at(builder().workers(4).listen(path.listen()));
    let clients: Vec<_> = (0..100).map(|_| Client::open_unix(&path.0)).collect();
    let open = open_by_worker(&running);
    assert_eq!(open.iter().sum::<u64>(), clients.len() as u64);
    // They take turns; on a busy machine one may be passed over.
    assert!(open.iter().all(|&open| open >= 10), "{open:?}");
    running.server.drain(PATIENCE);
    drop(clients);
    running.server.join().unwrap();
    assert!(std::os::unix::net::UnixStream::connect(&path.0).is_err());
}

#[test]
fn who_may_connect_to_a_unix_socket_is_said() {
    use std::os::unix::fs::MetadataExt;
    let path = SocketPath::new("mode");
    for (mode, expected) in [(None, 0o660), (Some(0o600), 0o600), (Some(0o777), 0o777)] {
        let builder = builder().listen(path.listen());
        let builder = mode.into_iter().fold(builder, throng::Builder::unix_mode);
        let _running = start_at(builder);
        assert_eq!(std::fs::metadata(&path.0).unwrap().mode() & 0o7777, expected);
    }
    let own = std::fs::metadata("/proc/self").unwrap().gid();
    let _running = start_at(builder().listen(path.listen()).unix_group(Some(own)));
    assert_eq!(std::fs::metadata(&path.0).unwrap().gid(), own);
}

#[test]
fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let path = SocketPath::new("stale");
    drop(UnixListener::bind(&path.0).unwrap());
    assert!(path.0.exists());
    let running = start_at(builder().listen(path.listen()));
    let error = start_error(builder().listen(path.listen()));
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    Client::open_unix(&path.0).is_echoed("the first is unharmed");
    drop(running);
    assert!(!path.0.exists());
}

/// As of a server that is stopped: the kernel would have whoever connects wait for it.
#[test]
fn a_unix_socket_that_nobody_accepts_from_is_in_use_and_does_not_hold_up_a_start() {
    let path = SocketPath::new("stuck");
    let owner = throng::sys::unix::bind(&path.0).unwrap();
    listen(owner.as_fd(), 0).unwrap();
    let _waiting = std::os::unix::net::UnixStream::connect(&path.0).unwrap();
    let (told, outcome) = channel();
    let place = path.listen();
    std::thread::spawn(move || told.send(start_error(builder().listen(place)).to_string()));
    let error = outcome.recv_timeout(PATIENCE).expect("the start ends");
    assert!(error.contains("Address already in use"), "{error}");
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let path = SocketPath::new("file");
    std::fs::File::create(&path.0).unwrap().write_all(b"precious").unwrap();
    let error = start_error(builder().listen(path.listen()));
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert_eq!(std::fs::read(&path.0).unwrap(), b"precious");
}

#[test]
fn the_socket_of_a_successor_is_not_removed() {
    let path = SocketPath::new("successor");
    let first = start_at(builder().listen(path.listen()));
    // A client that does not answer holds the drain up; nobody listens meanwhile, so that another server may.
    let client = Client::open_unix(&path.0);
    first.server.drain(PATIENCE);
    super::client::eventually("nobody listens", || std::os::unix::net::UnixStream::connect(&path.0).is_err());
    let second = start_at(builder().listen(path.listen()));
    drop(client);
    first.server.join().unwrap();
    Client::open_unix(&path.0).is_echoed("still there");
    drop(second);
    assert!(!path.0.exists());
}

#[test]
fn a_failed_start_leaves_no_socket_file() {
    let (first, second) = (SocketPath::new("left"), SocketPath::new("taken"));
    let _live = UnixListener::bind(&second.0).unwrap();
    start_error(builder().listen(first.listen()).listen(second.listen()));
    assert!(!first.0.exists());
}

#[test]
fn an_address_in_use_is_found_though_its_owner_would_share_it() {
    let other = listen_tcp("127.0.0.1:0".parse().unwrap(), Sharing::Group, 16).unwrap();
    let address = local_address(other.as_fd()).unwrap();
    let error = start_error(builder().listen(address.into()));
    assert!(
        matches!(&error, StartError::Listen { listen: Listen::Tcp(at), .. } if *at == address),
        "{error}"
    );
    drop(other);
    start_at(builder().listen(address.into()));
}

#[test]
fn what_cannot_be_served_is_refused() {
    let error = start_error(builder());
    assert!(matches!(error, StartError::Config(_)), "{error}");
    let error = start_error(builder().listen("127.0.0.1:0".parse().unwrap()).max_connections(100_000_000));
    assert!(error.to_string().contains("100000000 connections do not fit"), "{error}");
}

#[test]
fn a_handler_that_cannot_be_made_is_an_error_and_not_a_hang() {
    for failing in [0, 1] {
        let (told, outcome) = channel();
        std::thread::spawn(move || {
            let builder = builder().listen("127.0.0.1:0".parse().unwrap());
            let started = builder.start(move |context| {
                assert_ne!(context.worker(), failing, "an application that cannot start");
                super::app::App::silent()
            });
            told.send(started.is_err()).unwrap();
        });
        assert_eq!(outcome.recv_timeout(PATIENCE), Ok(true), "worker {failing}");
    }
}

#[test]
fn overlapping_places_are_refused() {
    let error =
        start_error(builder().listen("127.0.0.1:1".parse().unwrap()).listen("0.0.0.0:1".parse().unwrap()));
    assert!(error.to_string().contains("127.0.0.1:1 and 0.0.0.0:1 are the same address"), "{error}");
}
