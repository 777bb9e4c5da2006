//! `throng-guard SCENARIO COUNT` repeats a scenario `COUNT` times and prints the cost (docs/TESTING.md).
//!
//! The cost of an operation is the difference between a run of `COUNT` and one of twice as many, divided by the difference of their
//! `operations`. `scripts/guard` makes these runs, under valgrind to count instructions and copied bytes, and compares the costs with the
//! budgets.
#![forbid(unsafe_code)]

#[path = "../app/mod.rs"]
mod app;
mod scenarios;

use std::process::ExitCode;

use scenarios::SCENARIOS;
use throng::budget::MAPPED_BLOCK;
use throng::sys::counting::Counting;
use throng::sys::memory;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const USAGE: &str = "usage: throng-guard SCENARIO COUNT    run a scenario
       throng-guard --list            the scenarios as JSON, one a line";

/// The exit code for a usage error.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    // The `throng` program does this too.
    memory::map_large_blocks(MAPPED_BLOCK);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--list"] => {
            SCENARIOS.iter().for_each(|scenario| println!("{}", scenario.describe()));
            ExitCode::SUCCESS
        }
        [name, count] => run(name, count),
        _ => misused(""),
    }
}

fn run(name: &str, count: &str) -> ExitCode {
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        return misused(&format!("there is no scenario {name}\n"));
    };
    let Some(count) = count.parse().ok().filter(|&count| count > 0) else {
        return misused(&format!("{count} is no count: give a number from 1 on\n"));
    };
    match scenario.run(count) {
        Ok(figures) => {
            println!("{}", figures.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("throng-guard: {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn misused(what: &str) -> ExitCode {
    eprintln!("{what}{USAGE}");
    ExitCode::from(USAGE_ERROR)
}

#[cfg(test)]
mod tests {
    use super::SCENARIOS;

    /// Runs each scenario, which checks the bytes that its clients receive. Allocations are not compared, because the test harness's
    /// threads allocate too.
    #[test]
    fn every_scenario_does_what_it_should_and_the_same_each_time() {
        for scenario in SCENARIOS {
            let run = || {
                let figures = scenario.run(1).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
                figures.to_json()
            };
            let (first, second) = (run(), run());
            assert_eq!(first["calls"], second["calls"], "{}", scenario.name);
            assert_eq!(first["operations"], second["operations"], "{}", scenario.name);
            assert!(first["operations"].as_u64() > Some(0), "{}", scenario.name);
        }
    }

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
