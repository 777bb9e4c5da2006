//! More connections than a descriptor table holds: workers with tables of their own.

use std::collections::HashSet;
use std::fs;

use super::client::{Client, Got, eventually};
use super::command::{Program, run};

/// Descriptors a table may hold, and connections that need several of them.
const LIMIT: u32 = 600;
const CONNECTIONS: usize = 2_000;

/// The sockets in the table of each thread, by inode, main thread first. That of the log has the main thread's table.
fn sockets_of_threads(process: u32) -> Vec<HashSet<String>> {
    let mut threads: Vec<u32> = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    threads.sort_unstable();
    let name = |thread: &u32| fs::read_to_string(format!("/proc/{process}/task/{thread}/comm")).unwrap();
    threads.retain(|thread| name(thread).trim() != "throng-log");
    let table = |thread: u32| {
        let descriptors = fs::read_dir(format!("/proc/{process}/task/{thread}/fd")).unwrap();
        let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        let targets: Vec<String> = targets.map(|target| target.to_string_lossy().into_owned()).collect();
        assert!(targets.len() <= LIMIT as usize);
        targets.into_iter().filter(|target| target.starts_with("socket:")).collect()
    };
    threads.into_iter().map(table).collect()
}

#[test]
fn more_connections_than_the_limit_get_tables_of_their_own() {
    let arguments = ["--max-connections", "2000", "--admin", "127.0.0.1:0"];
    let mut program = Program::echo(Some(LIMIT), &arguments);
    assert_eq!(program.ready["private_tables"], true);
    let workers = usize::try_from(program.ready["workers"].as_u64().unwrap()).unwrap();
    assert!(workers >= 5, "{workers}");

    let address = program.address;
    let mut clients: Vec<Client> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..CONNECTIONS / 4).map(|_| Client::open(address)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(program.count("open"), CONNECTIONS as u64);
    for (number, client) in clients.iter_mut().enumerate() {
        client.is_echoed(&number.to_string());
    }
    for _ in 0..20 {
        let response = Client::ask(program.address, "/", "").err().expect("there is no room");
        assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    }

    // No socket is in two tables: a copied listener would go on taking connections that nobody serves.
    let tables = sockets_of_threads(program.id());
    assert_eq!(tables.len(), 1 + workers, "no other threads");
    let all: HashSet<&String> = tables.iter().flatten().collect();
    assert_eq!(all.len(), tables.iter().map(HashSet::len).sum::<usize>());
    assert!(tables[0].len() < 16, "the main thread holds no connections: {}", tables[0].len());
    let held: usize = tables[1..].iter().map(HashSet::len).sum();
    assert!((CONNECTIONS + workers..=CONNECTIONS + workers + 20).contains(&held), "{held}");

    clients.truncate(100);
    eventually("most are gone", || program.count("open") == 100);
    program.signal("TERM");
    for client in &mut clients {
        assert_eq!(client.get(), Got::Close(1001));
        client.send_close(throng::CloseCode::GOING_AWAY);
        assert_eq!(client.get(), Got::End);
    }
    assert_eq!(program.exit_code(), 0);
}

#[test]
fn workers_that_are_too_few_for_the_limit_are_refused() {
    let arguments = ["--listen", "127.0.0.1:0", "--max-connections", "2000", "--workers", "2"];
    let (code, said) = run(Some(LIMIT), &arguments);
    assert_eq!(code, 78);
    assert!(said.contains("do not fit 2 workers under the descriptor limit"), "{said}");
}

#[test]
fn a_drained_server_with_private_tables_ends_though_nobody_came() {
    let mut program = Program::echo(Some(LIMIT), &["--max-connections", "2000"]);
    program.signal("TERM");
    assert_eq!(program.exit_code(), 0);
}

#[test]
fn all_workers_with_tables_of_their_own_share_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("throng-{}-private", std::process::id()));
    let listen = format!("unix:{}", path.display());
    let arguments = ["--max-connections", "1000", "--listen", &listen, "--admin", "127.0.0.1:0"];
    let mut program = Program::echo(Some(LIMIT), &arguments);
    assert_eq!(program.ready["private_tables"], true);
    let mut clients: Vec<_> = (0..100).map(|_| Client::open_unix(&path)).collect();
    clients.iter_mut().for_each(|client| client.is_echoed("hi"));
    let stats: serde_json::Value = serde_json::from_str(&program.get("/stats")).unwrap();
    let open: Vec<u64> =
        stats["workers"].as_array().unwrap().iter().map(|worker| worker["open"].as_u64().unwrap()).collect();
    assert_eq!(open.iter().sum::<u64>(), 100);
    // They take turns.
    assert!(open.len() > 1 && open.iter().all(|&open| open > 0), "{open:?}");
    program.signal("TERM");
    clients.clear();
    assert_eq!(program.exit_code(), 0);
    assert!(!path.exists());
}

#[test]
fn defaults_start_under_any_limit_and_with_any_number_of_workers() {
    // More workers than one table has room for: each has one, and all of them connections.
    let mut program = Program::echo(Some(256), &["--workers", "30"]);
    let ready = &program.ready;
    assert_eq!((&ready["private_tables"], &ready["workers"]), (&true.into(), &30.into()));
    assert!(ready["max_connections"].as_u64().unwrap() >= 300, "{ready}");
    Client::open(program.address).is_echoed("hi");
    program.signal("TERM");
    assert_eq!(program.exit_code(), 0);

    // The buffers of so many workers are more than what others have by default.
    let program = Program::hub(Some(2_000), &["--workers", "171"]);
    assert_eq!(program.ready["workers"], 171);

    // What one table has room for, and what cannot be.
    for (limit, workers, expected) in [(1_024, "8", 700..900), (1_024, "2", 750..900), (150, "1", 5..20)] {
        let (program, log) =
            Program::start_telling(&[], Some(limit), &["--app", "echo", "--workers", workers]);
        let connections = program.ready["max_connections"].as_u64().unwrap();
        assert!(expected.contains(&connections), "{limit}: {connections}");
        log.says("the descriptor limit leaves room for few connections: raise it");
        Client::open(program.address).is_echoed("hi");
    }
    for (limit, arguments, said) in [
        (130, &["--workers", "2"][..], "do not fit the descriptor limit of 130"),
        (1_024, &["--workers", "1024"], "workers at most, or raise the limit"),
        (1_024, &["--workers", "8", "--max-connections", "20000"], "do not fit 8 workers"),
    ] {
        let (code, told) =
            run(Some(limit), &[&["--listen", "127.0.0.1:0", "--app", "echo"], arguments].concat());
        assert_eq!(code, 78, "{limit}, {arguments:?}: {told}");
        assert!(told.contains(said), "{limit}, {arguments:?}: {told}");
    }
}

#[test]
fn clients_that_take_all_their_descriptors_leave_the_admin_port_its_own() {
    let program = Program::echo(Some(400), &["--workers", "2", "--admin", "127.0.0.1:0"]);
    let most = program.ready["max_connections"].as_u64().unwrap();
    assert!((200..300).contains(&most), "{most}");
    let clients: Vec<Client> = (0..most).map(|_| Client::open(program.address)).collect();
    let admins: Vec<_> = (0..64).map(|_| program.dial_admin()).collect();
    for _ in 0..20 {
        let response = Client::ask(program.address, "/", "").err().expect("there is no room");
        assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    }
    assert_eq!(program.get("/health"), "ok\n");
    // Nobody has met the limit of the system: that of the server comes first.
    assert_eq!((program.count("open"), program.count("accept_exhausted")), (most, 0));
    drop((clients, admins));
}
