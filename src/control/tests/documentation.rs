//! docs/CONFIGURATION.md lists every setting, as the command line does.

use std::fmt::Write;

use clap::{Arg, ArgAction};

use super::super::cli::table;
use super::super::sources::variable;

const DOCUMENTATION: &str = include_str!("../../../docs/CONFIGURATION.md");
const BEGIN: &str = "<!-- The table of settings: a test compares it with the command line's. -->\n";
const END: &str = "<!-- The end of the table. -->\n";

/// The table that the document must have.
fn settings() -> String {
    let mut text = String::from("| setting | default | |\n|---|---|---|\n");
    for arg in table().get_arguments().filter(|arg| arg.get_long().is_some()) {
        let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if default.is_empty() { String::new() } else { format!(" `{}`", default.join(",")) };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let end = if help.ends_with('.') { "" } else { "." };
        let key = arg.get_long().unwrap_or_default();
        writeln!(text, "| `{key}` {} |{default} | {help}{end} |", values(arg)).unwrap();
    }
    text
}

/// What a setting can be.
fn values(arg: &Arg) -> String {
    let possible = arg.get_possible_values();
    let names: Vec<_> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
    let placeholder = arg.get_value_names().unwrap_or_default().join(" ");
    let several = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
    if names.is_empty() { placeholder + several } else { names.join(", ") }
}

#[test]
fn the_list_of_settings_is_the_command_lines() {
    let (_, rest) = DOCUMENTATION.split_once(BEGIN).expect("the table begins");
    let (listed, _) = rest.split_once(END).expect("the table ends");
    let expected = settings();
    assert!(listed == expected, "docs/CONFIGURATION.md is out of date; the table must be:\n{expected}");
}

#[test]
fn the_example_is_a_configuration() {
    let (_, rest) = DOCUMENTATION.split_once("```toml\n").expect("there is an example");
    let (example, _) = rest.split_once("```").expect("it ends");
    let path = std::env::temp_dir().join(format!("throng-{}-example.toml", std::process::id()));
    std::fs::write(&path, example).unwrap();
    let arguments = ["throng", "serve", "--config", path.to_str().unwrap()].map(Into::into);
    let read = super::super::cli::read(&arguments, &super::super::sources::Environment::default());
    std::fs::remove_file(&path).unwrap();
    let serve = read.expect("it can be served");
    assert_eq!(serve.settings.max_connections, Some(200_000));
    assert!(serve.rules.keep_history());
    assert_eq!(variable("max-connections"), "THRONG_MAX_CONNECTIONS");
}

#[test]
fn no_help_text_has_what_is_printed_as_a_line_break() {
    for arg in table().get_arguments() {
        let texts = [arg.get_help(), arg.get_long_help()].into_iter().flatten();
        // clap makes a line break of `{n}`: write it in other words.
        texts.for_each(|text| assert!(!text.to_string().contains("{n}"), "{text}"));
    }
}
