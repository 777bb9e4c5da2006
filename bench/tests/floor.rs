//! `floor` as a whole, few and short.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

#[test]
fn sockets_pings_and_echoes_are_measured() {
    let directory = std::env::temp_dir().join(format!("throng-bench-floor-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    // Asked only for its number of workers.
    let server = directory.join("server");
    fs::write(&server, format!("#!/bin/sh\nexec {PROGRAM} floor-server --mode accept -n 100 --workers 1\n"))
        .unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["floor", "-n", "50", "--ping-interval", "1s", "--cycles", "1", "--probe-time", "0s"]);
    command.args(["--echo-time", "300ms", "--workers", "1", "--json", "-", "--server-bin"]).arg(&server);
    let output = command.output().unwrap();
    fs::remove_dir_all(&directory).unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for part in ["accept", "ping"] {
        let measured = &report[part];
        assert_eq!(measured["opened"], 50, "{part}: {measured:#}");
        assert!(measured["problems"].as_array().unwrap().is_empty(), "{part}: {measured:#}");
    }
    assert!(
        report["ping"]["hold"]["min_pings_per_connection"].as_u64() >= Some(1),
        "{:#}",
        report["ping"]["hold"]
    );
    let depths = report["echo"].as_array().unwrap().iter().map(|floor| {
        assert!(floor["echo"]["received"].as_u64() > Some(0), "{floor:#}");
        assert!(floor["cpu_us_per_echo"].as_f64() > Some(0.0), "{floor:#}");
        floor["echo"]["depth"].as_u64().unwrap()
    });
    assert_eq!(depths.collect::<Vec<_>>(), [1, 16]);
}
