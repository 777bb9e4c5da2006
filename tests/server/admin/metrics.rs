//! `GET /metrics`: the counters as text.

use super::super::client::Client;
use super::Program;

#[test]
fn metrics_are_openmetrics_and_agree_with_stats() {
    let program = Program::hub(None, &["--workers", "2"]);
    let clients = [(); 3].map(|()| Client::ask(program.address, "/topics/a", "").unwrap());
    assert_eq!(program.ask("POST /publish/a", "", b"x").status, 200);
    let answered = program.ask("GET /metrics", "", b"");
    assert_eq!(answered.status, 200, "{answered:?}");
    let head = answered.head.to_lowercase();
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(media_type) && head.contains("cache-control: no-store"), "{head}");
    let text = answered.body;
    for line in [
        concat!("throng_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "# TYPE throng_open gauge",
        "throng_open 3",
        "# TYPE throng_opened counter",
        "# HELP throng_opened Connections upgraded to WebSockets.",
        "throng_opened_total 3",
        "# UNIT throng_received_bytes bytes",
        "# TYPE throng_ping_rtt_seconds histogram",
        "throng_ping_rtt_seconds_bucket{le=\"+Inf\"} 0",
        "throng_hub_published_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    drop(clients);
}

#[test]
fn without_a_hub_there_are_the_servers_metrics_alone() {
    let program = Program::echo(None, &["--admin", "127.0.0.1:0"]);
    let text = program.get("/metrics");
    assert!(text.contains("\nthrong_open 0\n") && !text.contains("throng_hub_"), "{text}");
    let answered = program.ask("POST /metrics", "", b"");
    assert_eq!((answered.status, &*answered.code()), (405, "method-not-allowed"));
}
