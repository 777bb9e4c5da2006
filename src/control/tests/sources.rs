//! Tests of the sources of settings, and of errors in them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use throng::hub::HubConfig;
use throng::{Config, DescriptorTables, Pinning};

use super::super::cli::{CliError, Serve, program, read, serve};
use super::super::config_file::ConfigFile;
use super::super::environment::{Environment, variable};
use super::super::options;
use super::super::settings::Settings;

/// A file of this test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect()
}

fn read_with(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Serve, CliError> {
    let arguments: Vec<OsString> = ["throng", "serve"].iter().chain(arguments).map(Into::into).collect();
    read(&arguments, &environment(variables))
}

fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Settings {
    read_with(arguments, variables).unwrap().settings
}

/// Returns the error for a file, without its path.
fn complaint(text: &str) -> String {
    let file = Scratch::new(&format!("{:?}", std::thread::current().id()).replace(['(', ')'], ""), text);
    match read_with(&["--config", file.path(), "--listen", "127.0.0.1:0"], &[]) {
        Err(CliError::Configuration(error)) => {
            let said = error.to_string();
            said.strip_prefix(file.path()).expect("it names the file").to_owned()
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    program(serve(&options::all())).debug_assert();
}

#[test]
fn the_defaults_are_the_librarys() {
    let settings = settings(&["--listen", "127.0.0.1:0"], &[]);
    let mut library = Config::default();
    library.listen.clone_from(&settings.server.listen);
    // The program owns its process, so that it may do by default what a library does on request only.
    library.descriptor_tables = DescriptorTables::PrivateIfNeeded;
    assert_eq!(format!("{:?}", settings.server), format!("{library:?}"));
    assert_eq!(format!("{:?}", settings.hub), format!("{:?}", HubConfig::default()));
}

#[test]
fn the_queue_has_room_for_four_of_the_longest_messages_unless_it_is_set() {
    let queue =
        |arguments: &[&str]| settings(&[&["--listen=127.0.0.1:0"], arguments].concat(), &[]).hub.queue_limit;
    assert_eq!(queue(&["--max-message", "16MiB"]), 64 << 20);
    assert_eq!(queue(&["--max-message", "17MiB"]), 4 * (17 << 20));
    assert_eq!(queue(&["--max-message", "17MiB", "--queue-limit", "64MiB"]), 64 << 20);
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let file = Scratch::new("precedence", "listen = '127.0.0.1:0'\nworkers = 3\nno-pin = true");
    let server = |arguments: &[&str], variables: &[(&str, &str)]| settings(arguments, variables).server;
    let path = file.path();
    assert_eq!(server(&["--listen", "127.0.0.1:0"], &[]).workers, None);
    assert_eq!(server(&["--config", path], &[]).workers, Some(3));
    assert_eq!(server(&["--config", path], &[("THRONG_WORKERS", "4")]).workers, Some(4));
    assert_eq!(server(&["--config", path], &[("THRONG_WORKERS", "")]).workers, Some(3));
    let all = server(&["--config", path, "--workers", "5"], &[("THRONG_WORKERS", "4")]);
    assert_eq!((all.workers, all.pinning), (Some(5), Pinning::Off));
    assert_eq!(server(&["--config", path, "--no-pin=false"], &[]).pinning, Pinning::Even);
    assert_eq!(server(&["--config", path], &[("THRONG_NO_PIN", "false")]).pinning, Pinning::Even);
    assert_eq!(server(&["--listen", "127.0.0.1:0", "--no-pin"], &[]).pinning, Pinning::Off);
}

#[test]
fn lists_are_replaced_as_a_whole() {
    let file = Scratch::new("lists", "listen = ['127.0.0.1:1', 'unix:/a,b']");
    let listen = |arguments: &[&str], variables: &[(&str, &str)]| {
        let listen = settings(arguments, variables).server.listen;
        listen.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let config = ["--config", file.path()];
    assert_eq!(listen(&config, &[]), ["127.0.0.1:1", "unix:/a,b"]);
    let variable = ("THRONG_LISTEN", "127.0.0.1:2, [::1]:3");
    assert_eq!(listen(&config, &[variable]), ["127.0.0.1:2", "[::1]:3"]);
    let arguments = [&config[..], &["--listen", "127.0.0.1:4"]].concat();
    assert_eq!(listen(&arguments, &[variable]), ["127.0.0.1:4"]);
}

#[test]
fn every_option_can_be_set_everywhere() {
    let token = Scratch::new("token", "0123456789abcdef");
    let quoted = format!("'{}'", token.path());
    // A value that is not the default, as text and in TOML.
    let values = [
        ("listen", "127.0.0.1:7", "['127.0.0.1:7']"),
        ("unix-mode", "0666", "'0666'"),
        ("unix-group", "7", "7"),
        ("workers", "3", "3"),
        ("no-pin", "true", "true"),
        ("steer", "true", "true"),
        ("max-connections", "200k", "200_000"),
        ("ping-interval", "off", "'off'"),
        ("ping", "always", "'always'"),
        ("pong-timeout", "7s", "'7s'"),
        ("handshake-timeout", "7s", "'7s'"),
        ("decision-timeout", "4s", "'4s'"),
        ("message-timeout", "7s", "'7s'"),
        ("close-timeout", "7s", "'7s'"),
        ("max-head", "8KiB", "8192"),
        ("max-head-fields", "64", "64"),
        ("max-message", "2KiB", "2048"),
        ("max-frames-per-message", "16", "0x10"),
        ("compression", "shared", "'shared'"),
        ("compression-threshold", "7B", "7"),
        ("compression-level", "2", "2"),
        ("compression-window", "4KiB", "'4KiB'"),
        ("outbox-limit", "3MiB", "'3MiB'"),
        ("buffer-limit", "1GiB", "'1GiB'"),
        ("backlog-limit", "1GiB", "'1GiB'"),
        ("max-topics", "1M", "1_000_000"),
        ("max-client-topics", "7", "7"),
        ("max-subscriptions", "7", "7"),
        ("queue-limit", "1GiB", "'1GiB'"),
        ("history-limit", "1GiB", "'1GiB'"),
        ("topics-path", "/t/", "'/t/'"),
        ("reconnect-within", "7s", "'7s'"),
        ("app", "sink", "'sink'"),
        ("admin", "127.0.0.1:9", "'127.0.0.1:9'"),
        ("admin-token-file", token.path(), &quoted),
        ("drain-timeout", "7s", "'7s'"),
    ];
    let options: Vec<_> = options::all().iter().map(|option| option.name).collect();
    assert_eq!(options, values.iter().map(|&(name, ..)| name).collect::<Vec<_>>());

    let listen = "--listen=127.0.0.1:0";
    let defaults = format!("{:?}", settings(&[listen], &[]));
    for (name, value, _) in &values[1..] {
        let set = format!("{:?}", settings(&[listen, &format!("--{name}={value}")], &[]));
        assert_ne!(set, defaults, "{name}");
    }

    let mut arguments = Vec::new();
    let mut variables = Vec::new();
    let mut text = String::new();
    for (key, plain, toml) in values {
        arguments.push(format!("--{key}={plain}"));
        variables.push((variable(key), plain));
        text += &format!("{key} = {toml}\n");
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let file = Scratch::new("everywhere", &text);
    let expected = format!("{:?}", settings(&arguments, &[]));
    assert_eq!(format!("{:?}", settings(&[], &variables)), expected);
    assert_eq!(format!("{:?}", settings(&["--config", file.path()], &[])), expected);
}

#[test]
fn the_environment_can_name_the_file() {
    let file = Scratch::new("named", "listen = '127.0.0.1:0'\nping-interval = '7s'");
    let settings = settings(&[], &[("THRONG_CONFIG", file.path())]);
    assert_eq!(settings.server.ping_interval, Some(std::time::Duration::from_secs(7)));
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_line() {
    for (text, said) in [
        ("\nworker = 3", ":2: unknown key `worker`: the keys are the names of the options"),
        ("max_connections = 3", ":1: unknown key `max_connections`: write `max-connections`"),
        ("config = 'b.toml'", ":1: unknown key `config`: a file cannot name another one"),
        ("[server]\nlisten = 'x'", ":1: server must be text in quotes"),
        ("workers = 1\nworkers = 2", ":2: duplicate key"),
        (
            "workers = 1\n\nping-interval = 30",
            ":3: invalid value '30' for '--ping-interval <TIME>': time unit needed",
        ),
        ("ping = 'never'", ":1: invalid value 'never' for '--ping <PING>' [possible values: idle, always]"),
        ("no-pin = 'perhaps'", ":1: invalid value 'perhaps' for '--no-pin"),
        ("workers = 1.5", ":1: workers must be text in quotes, a whole number, true or false, not a float"),
        ("workers = -1", ":1: invalid value '-1' for '--workers <N>'"),
        ("workers = [1]", ":1: workers takes one value, not a list: take the brackets away"),
        ("workers = 99999999999999999999", ":1: workers: the number is too large"),
        ("listen = 'localhost:80'", ":1: invalid value 'localhost:80' for '--listen <ADDRESS>'"),
        ("listen = [['127.0.0.1:0']]", ":1: listen must be text in quotes"),
        ("workers 3", ":1: "),
    ] {
        let complaint = complaint(text);
        assert!(complaint.starts_with(said), "{text}: {complaint}");
    }
}

#[test]
fn what_is_wrong_in_the_environment_is_said_with_the_variable() {
    let listen = ["--listen", "127.0.0.1:0"];
    let wrong = ("THRONG_PING_INTERVAL", "30");
    // The error is reported even where the command line takes precedence.
    for arguments in [&listen[..], &[&listen[..], &["--ping-interval", "1s"]].concat()] {
        let Err(CliError::Configuration(error)) = read_with(arguments, &[wrong]) else { panic!() };
        let said = error.to_string();
        assert!(said.starts_with("THRONG_PING_INTERVAL: invalid value '30'"), "{said}");
        assert!(said.ends_with("as in 30s or 500ms"), "{said}");
    }
    let serve = read_with(&listen, &[("THRONG_WORKER", "3"), ("THRONG_LOG", "debug"), ("WORKERS", "x")]);
    let warnings = serve.unwrap().warnings;
    assert_eq!(warnings, ["THRONG_WORKER: a variable that looks like a setting and is none"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for path in ["/nowhere/throng.toml", "/", "/dev/zero"] {
        let Err(CliError::Configuration(error)) = read_with(&["--config", path], &[]) else { panic!() };
        assert!(error.to_string().starts_with(&format!("cannot read the configuration {path}: ")), "{error}");
    }
    let long = Scratch::new("long", &" ".repeat((1 << 20) + 1));
    let Err(CliError::Configuration(error)) = read_with(&["--config", long.path()], &[]) else { panic!() };
    assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
    assert!(ConfigFile::read(Path::new(Scratch::new("edge", &" ".repeat(1 << 20)).path())).is_ok());
}

#[test]
fn nowhere_to_listen_is_an_error_of_the_command_line() {
    let Err(CliError::CommandLine(error)) = read_with(&[], &[]) else { panic!() };
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--listen <ADDRESS>"), "{error}");
}
