//! Tests that docs/CONFIGURATION.md lists every setting, as the command line does, and docs/METRICS.md every metric.

use std::fmt::Write;

use clap::{Arg, ArgAction};
use throng::Stats;
use throng::hub::HubStats;
use throng::metrics::{Kind, Snapshot};

use super::super::cli::{read, serve};
use super::super::environment::{Environment, variable};
use super::super::options;

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
const METRICS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
const BEGIN_SETTINGS: &str = "<!-- The table of settings. A test compares it with the command line's, and writes it if UPDATE_EXPECT is set. -->\n";
const BEGIN_METRICS: &str = "<!-- The table of metrics. A test compares it with the program's, and writes it if UPDATE_EXPECT is set. -->\n";
const END: &str = "<!-- The end of the table. -->\n";

/// Returns the table that the document must have.
fn settings() -> String {
    let mut text = String::from("| setting | default | |\n|---|---|---|\n");
    for arg in serve(&options::all()).get_arguments().filter(|arg| arg.get_long().is_some()) {
        let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if default.is_empty() { String::new() } else { format!(" `{}`", default.join(",")) };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let end = if help.ends_with('.') { "" } else { "." };
        let key = arg.get_long().unwrap_or_default();
        writeln!(text, "| `{key}` {} |{default} | {help}{end} |", values(arg)).unwrap();
    }
    text
}

/// Returns the possible values of a setting.
fn values(arg: &Arg) -> String {
    let possible = arg.get_possible_values();
    let names: Vec<_> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
    let placeholder = arg.get_value_names().unwrap_or_default().join(" ");
    let several = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
    if names.is_empty() { placeholder + several } else { names.join(", ") }
}

/// Returns the rows of the metrics of a snapshot, whose keys have a prefix in JSON.
fn metrics<S: Snapshot>(prefix: &str) -> String {
    let mut text = String::new();
    for metric in S::METRICS {
        let suffix = if metric.kind == Kind::Counter { "_total" } else { "" };
        let help = metric.help.split_whitespace().collect::<Vec<_>>().join(" ");
        let (key, name, kind) = (metric.key, metric.name, metric.kind.name());
        writeln!(text, "| `{prefix}{key}` | `{name}{suffix}` | {kind} | {help} |").unwrap();
    }
    text
}

/// Compares the table of a document with the expected one, or writes it.
fn check_table(path: &str, begin: &str, expected: &str) {
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(begin).expect("the table begins");
    let (listed, after) = rest.split_once(END).expect("the table ends");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, [before, begin, expected, END, after].concat()).unwrap();
        return;
    }
    assert!(
        listed == expected,
        "{path} is out of date: run this test with UPDATE_EXPECT=1, which writes the table:\n{expected}"
    );
}

#[test]
fn the_list_of_settings_is_the_command_lines() {
    check_table(CONFIGURATION, BEGIN_SETTINGS, &settings());
}

#[test]
fn the_list_of_metrics_is_the_programs() {
    let head = "| `/stats` | `/metrics` | kind | |\n|---|---|---|---|\n";
    check_table(
        METRICS,
        BEGIN_METRICS,
        &[head, &metrics::<Stats>(""), &metrics::<HubStats>("hub.")].concat(),
    );
}

#[test]
fn the_example_is_a_configuration() {
    let document = std::fs::read_to_string(CONFIGURATION).unwrap();
    let (_, rest) = document.split_once("```toml\n").expect("there is an example");
    let (example, _) = rest.split_once("```").expect("it ends");
    let path = std::env::temp_dir().join(format!("throng-{}-example.toml", std::process::id()));
    std::fs::write(&path, example).unwrap();
    let arguments = ["throng", "serve", "--config", path.to_str().unwrap()].map(Into::into);
    let read = read(&arguments, &Environment::default());
    std::fs::remove_file(&path).unwrap();
    let settings = read.expect("it can be served").settings;
    assert_eq!(settings.server.max_connections, Some(200_000));
    assert!(settings.hub.rules.keep_history());
    assert_eq!(variable("max-connections"), "THRONG_MAX_CONNECTIONS");
}

#[test]
fn no_help_text_has_what_is_printed_as_a_line_break() {
    for arg in serve(&options::all()).get_arguments() {
        let texts = [arg.get_help(), arg.get_long_help()].into_iter().flatten();
        // clap makes a line break of `{n}`: write it in other words.
        texts.for_each(|text| assert!(!text.to_string().contains("{n}"), "{text}"));
    }
}
