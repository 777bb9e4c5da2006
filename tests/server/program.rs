//! The program: its ready line, its admin port, its exit codes.

use std::io::Write;
use std::os::fd::AsFd;

use throng::CloseCode;
use throng::sys::socket::{Sharing, listen_tcp, local_address};

use super::client::{Client, Got, dial, eventually};
use super::command::{Program, run};

#[test]
fn the_ready_line_says_what_runs() {
    let program = Program::echo(None, &["--listen", "[::1]:0", "--workers", "3", "--max-connections", "1k"]);
    let ready = &program.ready;
    assert_eq!((&ready["ready"], &ready["private_tables"]), (&true.into(), &false.into()));
    assert_eq!((&ready["workers"], &ready["max_connections"]), (&3.into(), &1_000.into()));
    assert!(ready["admin"].is_null());
    let listen = ready["listen"].as_array().unwrap();
    assert_eq!(listen.len(), 2);
    for address in listen {
        Client::open(address.as_str().unwrap().parse().unwrap()).is_echoed("hi");
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_2() {
    for arguments in [
        &[][..],
        &["--listen", "localhost:80"],
        &["--listen", "127.0.0.1:0", "--ping-interval", "30"],
        &["--listen", "127.0.0.1:0", "--no-such-thing"],
    ] {
        let (code, said) = run(None, arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
    }
}

#[test]
fn a_configuration_that_cannot_be_served_is_78() {
    let other = listen_tcp("127.0.0.1:0".parse().unwrap(), Sharing::Group, 16).unwrap();
    let taken = local_address(other.as_fd()).unwrap().to_string();
    let listen = ["--listen", "127.0.0.1:0"];
    for (arguments, reason) in [
        (&["--listen", &taken][..], "cannot listen on"),
        (&["--listen", "192.0.2.1:80"], "cannot listen on"),
        (&[&listen[..], &["--max-connections", "100M"]].concat(), "descriptor limit"),
        (&[&listen[..], &["--ping-interval", "1ms"]].concat(), "ping-interval must be"),
        (&[&listen[..], &["--app", "echo", "--outbox-limit", "1MiB"]].concat(), "outbox-limit must be"),
        (
            &[&listen[..], &["--app", "echo", "--max-message", "18446744073709551615"]].concat(),
            "outbox-limit must be",
        ),
        (&[&listen[..], &["--queue-limit", "4194303"]].concat(), "at least 4 times max-message, 4194304"),
        (&[&listen[..], &["--message-timeout", "1ms"]].concat(), "message-timeout must be"),
        (&[&listen[..], &["--compression-level", "10"]].concat(), "compression-level must be from 1 to 9"),
        (
            &[&listen[..], &["--compression-window", "3KiB"]].concat(),
            "compression-window must be a power of two",
        ),
        (
            &[&listen[..], &["--admin", "0.0.0.0:0"]].concat(),
            "set admin-token-file or THRONG_ADMIN_TOKEN, or give a loopback",
        ),
        (&[&listen[..], &["--admin", &taken]].concat(), "admin port"),
    ] {
        let (code, said) = run(Some(1_000), arguments);
        assert_eq!(code, 78, "{arguments:?}: {said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
}

#[test]
fn the_admin_port_counts() {
    let program = Program::echo(None, &["--admin", "127.0.0.1:0", "--workers", "2"]);
    let clients: Vec<Client> = (0..10).map(|_| Client::open(program.address)).collect();
    assert_eq!(program.get("/health"), "ok\n");
    assert_eq!((program.count("open"), program.count("opened")), (10, 10));
    drop(clients);
    eventually("all are gone", || program.count("open") == 0 && program.count("lost") == 10);
    assert_eq!(program.count("bugs"), 0);
}

#[test]
fn the_sink_takes_everything_and_says_nothing() {
    let program = Program::start(None, &["--app", "sink", "--admin", "127.0.0.1:0"]);
    let mut client = Client::open(program.address);
    for _ in 0..10 {
        client.say("hello?");
    }
    client.send_close(CloseCode::NORMAL);
    assert_eq!([client.get(), client.get()], [Got::Close(1000), Got::End]);
    assert_eq!(program.count("messages_in"), 10);
}

#[test]
fn memory_comes_back_after_a_spike_that_lasted_no_second() {
    let program = Program::echo(None, &["--workers", "1", "--admin", "127.0.0.1:0"]);
    Client::open(program.address).is_echoed("hi");
    let before = program.memory();
    for _ in 0..3 {
        // Requests without an end, each of which takes a buffer of 16 KiB.
        let request = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(8_000));
        let held: Vec<_> = (0..1_000)
            .map(|_| {
                let mut stream = dial(program.address);
                stream.write_all(request.as_bytes()).unwrap();
                stream
            })
            .collect();
        drop(held);
        eventually("memory is back", || program.memory() <= before + 2 * 1024);
    }
}

#[test]
fn a_standard_error_that_nobody_reads_ends_nothing() {
    let mut program = Program::start_unheard(&[("THRONG_LOG", "trace")], &["--app", "echo"]);
    // It has logged its start by now.
    Client::open(program.address).is_echoed("hi");
    program.signal("TERM");
    assert_eq!(program.exit_code(), 0);
}
