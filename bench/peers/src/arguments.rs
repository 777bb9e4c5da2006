use std::process::exit;
use std::time::Duration;

const USAGE: &str = "usage: --port P [--compression] [--ping-interval SECONDS]";

/// The command line that every peer has.
#[derive(Clone, Debug)]
pub struct Arguments {
    pub port: u16,
    pub compression: bool,
    pub ping_interval: Option<Duration>,
    /// Options of one peer alone, those of them that were given.
    own: Vec<String>,
}

impl Arguments {
    /// Ends the program with code 2 and a sentence where something is wrong. `own` are options without a value that only this
    /// peer has.
    pub fn from_command_line(own: &[&str]) -> Arguments {
        let mut port = None;
        let mut arguments = Arguments { port: 0, compression: false, ping_interval: None, own: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--port" => port = Some(number::<u16>(&word, words.next(), 1)),
                "--compression" => arguments.compression = true,
                "--ping-interval" => {
                    let seconds = number::<u16>(&word, words.next(), 1);
                    arguments.ping_interval = Some(Duration::from_secs(seconds.into()));
                }
                known if own.contains(&known) => arguments.own.push(word),
                _ => refuse(&format!("unknown argument {word}; {USAGE}")),
            }
        }
        arguments.port = port.unwrap_or_else(|| refuse(&format!("--port is missing; {USAGE}")));
        arguments
    }

    pub fn has(&self, own: &str) -> bool {
        self.own.iter().any(|option| option == own)
    }

    /// For a library without permessage-deflate.
    pub fn no_compression(self, library: &str) -> Arguments {
        if self.compression {
            refuse(&format!("--compression: {library} has no permessage-deflate"));
        }
        self
    }
}

fn number<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    option: &str,
    text: Option<String>,
    least: N,
) -> N {
    match text.and_then(|text| text.parse().ok()) {
        Some(value) if value >= least => value,
        _ => refuse(&format!("{option} needs a number from {least} to 65535")),
    }
}

fn refuse(why: &str) -> ! {
    eprintln!("{why}");
    exit(2)
}
