//! Where the program takes its settings from: the command line, the environment, a file.

use std::path::PathBuf;

use super::client::{Client, Got};
use super::command::{Program, run, run_in};

/// A file that is removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_is_enough_and_others_come_before_it() {
    let text = "app = 'echo'\nlisten = ['127.0.0.1:0', '[::1]:0']\nno-pin = true\nworkers = 3\nmax-connections = '2k'";
    let file = Scratch::new("enough.toml", text);
    let program = Program::start_in(&[], None, &["--config", file.path()]);
    assert_eq!((&program.ready["workers"], &program.ready["max_connections"]), (&3.into(), &2_000.into()));
    assert_eq!(program.ready["listen"].as_array().unwrap().len(), 2);
    Client::open(program.address).is_echoed("hi");

    let variables =
        [("THRONG_CONFIG", file.path()), ("THRONG_WORKERS", "2"), ("THRONG_MAX_CONNECTIONS", "1k")];
    let program = Program::start_in(&variables, None, &["--workers", "1"]);
    assert_eq!((&program.ready["workers"], &program.ready["max_connections"]), (&1.into(), &1_000.into()));
}

#[test]
fn the_environment_is_enough() {
    let variables =
        [("THRONG_LISTEN", "127.0.0.1:0,[::1]:0"), ("THRONG_APP", "sink"), ("THRONG_WORKERS", "")];
    let program = Program::start_in(&variables, None, &["--no-pin"]);
    assert_eq!(program.ready["listen"].as_array().unwrap().len(), 2);
    assert!(program.ready["admin"].is_null());
}

#[test]
fn what_cannot_be_configured_is_78_and_says_where() {
    let unknown = Scratch::new("unknown.toml", "workers = 1\n\nworker = 1\n");
    let listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let (code, said) = run(None, &[&listen[..], &["--config", unknown.path()]].concat());
    assert_eq!(code, 78, "{said}");
    assert!(said.contains(&format!("{}:3: unknown key `worker`", unknown.path())), "{said}");

    let rules = Scratch::new("rules.toml", "[[topics]]\nprefix = 'a'\nslow = 'never'\n");
    let (code, said) = run(None, &[&listen[..], &["--config", rules.path()]].concat());
    assert_eq!(code, 78, "{said}");
    assert!(said.contains(&format!("{}:3: unknown variant `never`", rules.path())), "{said}");

    let (code, said) = run(None, &[&listen[..], &["--config", "/nowhere.toml"]].concat());
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("cannot read the configuration /nowhere.toml"), "{said}");

    let (code, said) = run_in(&[("THRONG_PING_INTERVAL", "30")], None, &listen);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("THRONG_PING_INTERVAL: invalid value '30'"), "{said}");

    for filter in ["verbose", "info,throng=loud"] {
        let (code, said) = run_in(&[("THRONG_LOG", filter)], None, &listen);
        assert_eq!(code, 78, "{said}");
        assert!(said.contains("is no level: write off, error, warn, info, debug or trace"), "{said}");
    }

    let places = "127.0.0.1:0,".repeat(17);
    let (code, said) = run_in(&[("THRONG_LISTEN", places.trim_end_matches(','))], None, &[]);
    assert_eq!(code, 78, "{said}");
    assert!(
        said.contains("there are 17 addresses to listen on and 16 are the most: leave out some"),
        "{said}"
    );

    let (code, said) = run_in(&[("THRONG_ADMIN_TOKEN", "too short")], None, &listen);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("THRONG_ADMIN_TOKEN: the admin token must be 16"), "{said}");
    assert!(!said.contains("too short"), "{said}");
}

#[test]
fn rules_for_topics_come_from_the_file() {
    let text = "
        [[topics]]
        prefix = 'open/'
        publish = 'anyone'
        history = { messages = 1, bytes = '1KiB', age = '1h' }

        [[topics]]
        prefix = 'open/secret/'
        subscribe = 'nobody'
    ";
    let file = Scratch::new("topics.toml", text);
    let program = Program::hub(None, &["--config", file.path()]);
    let refused = Client::ask(program.address, "/topics/open/secret/a", "").err().expect("nobody may");
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let mut client = Client::ask(program.address, "/", "throng.v1").unwrap();
    assert!(
        matches!(client.get_answering(), Got::Text(welcome) if welcome.contains(r#""max_message":1048576"#))
    );
    client.say(r#"{"type":"publish","topic":"open/a","data":"x","id":1}"#);
    client.say(r#"{"type":"publish","topic":"a","data":"x"}"#);
    let mut answers = [client.get_answering(), client.get_answering()].map(|got| match got {
        Got::Text(text) => text,
        got => panic!("{got:?}"),
    });
    answers.sort();
    assert!(answers[0].contains(r#""code":"forbidden""#), "{answers:?}");
    assert!(answers[1].contains(r#""type":"published""#), "{answers:?}");
    let topic: serde_json::Value = serde_json::from_str(&program.get("/topics/open/a")).unwrap();
    assert_eq!(topic["history"], serde_json::json!({ "messages": 1, "bytes": 1 }));
}

#[test]
fn a_log_filter_that_is_empty_or_has_blanks_silences_nothing() {
    for filter in ["", " ", "info ", "INFO"] {
        let (_program, log) = Program::start_telling(&[("THRONG_LOG", filter)], None, &["--app", "sink"]);
        log.says("ready");
    }
}

#[test]
fn what_may_not_be_meant_is_told_at_the_start() {
    let file = Scratch::new("doubts.toml", "\n[[topics]]\nprefix = 'a/*'\n");
    let variables = [("THRONG_LOG", "thron=info,warn"), ("THRONG_MAX_CONNECTION", "1")];
    let arguments = ["--config", file.path(), "--admin", "127.0.0.1:0"];
    let (_program, log) = Program::start_telling(&variables, None, &arguments);
    log.says("THRONG_LOG: nothing is logged as `thron`");
    log.says("THRONG_MAX_CONNECTION: a variable that looks like a setting and is none");
    log.says(&format!("{}:2: prefix \"a/*\" is taken as it is", file.path()));
}
