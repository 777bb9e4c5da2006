//! A report as a directory of files: for people, for programs, and for the eye.
//!
//! `summary.md` is read by people, `summary.json` by programs (its fields are those of [`C1mReport`]), `*.hgrm` by
//! HdrHistogram's plotter, `timeline-*.json` by whoever wants to draw for himself, `*.svg` by everybody.

use std::path::Path;

use super::document::Markdown;
use super::figures::LATENCIES;
use super::pictures;
use super::report::{C1mReport, Measurement};
use super::text::Text;
use crate::args::ResultsArgs;
use crate::plot::Timeline;
use crate::report::files::{directory, say_where, write};
use crate::report::json;

/// A report, and what is drawn but not told in it.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    /// The report.
    pub(crate) report: C1mReport,
    /// What each measurement looked like over time, in the report's order; none for a report of several machines.
    pub(crate) timelines: Vec<Timeline>,
}

impl Findings {
    /// Puts the report where it is wanted: as JSON into a file, as text on standard output unless that is where the JSON goes, and
    /// with pictures into a new directory under `results`.
    pub(crate) fn publish(&self, json: Option<&Path>, results: &ResultsArgs) -> anyhow::Result<()> {
        json::deliver(json, &self.report, Text(&self.report))?;
        let Some(directory) = directory(results, &self.report.date)? else { return Ok(()) };
        self.write(&directory)?;
        say_where(&directory);
        Ok(())
    }

    /// Writes all files into a directory.
    fn write(&self, directory: &Path) -> anyhow::Result<()> {
        json::write_json(&directory.join("summary.json"), &self.report)?;
        for (measurement, timeline) in self.report.measurements().zip(&self.timelines) {
            let file = format!("timeline-{}.json", label(measurement));
            json::write_json(&directory.join(file), timeline)?;
        }
        for measurement in self.report.measurements() {
            write_histograms(directory, measurement)?;
        }
        let pictures = pictures::draw(self)?;
        for (name, svg) in &pictures {
            write(&directory.join(name), svg)?;
        }
        let names: Vec<&str> = pictures.iter().map(|(name, _)| &name[..]).collect();
        write(&directory.join("summary.md"), &Markdown { report: &self.report, pictures: &names }.to_string())
    }
}

/// What a measurement's files are called by: the server and the number of connections.
pub(crate) fn label(measurement: &Measurement) -> String {
    format!("{}-{}", measurement.server, measurement.connections)
}

fn write_histograms(directory: &Path, measurement: &Measurement) -> anyhow::Result<()> {
    for (what, _, of) in LATENCIES {
        if let Some(latency) = of(measurement) {
            write(&directory.join(format!("{}-{what}.hgrm", label(measurement))), &latency.hgrm())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::c1m::figures::{Growth, Ratios};
    use crate::c1m::report::{Hold, RunReport, SCHEMA};
    use crate::c1m::rounds::{Costs, Round};
    use crate::engine::Echoed;
    use crate::measure::account::{CgroupCheck, SumOfParts};
    use crate::measure::cgroup::Charges;
    use crate::measure::distribution::Distribution;
    use crate::measure::environment::Environment;
    use crate::measure::kernel::{CacheGrowth, KernelMemory, Side};
    use crate::plot::{Phase, Sample};

    fn measurement(server: &str, connections: u64) -> Measurement {
        let mut latency = Distribution::default();
        (1..1_000).for_each(|us| latency.record(Duration::from_micros(us)));
        let cache = CacheGrowth {
            name: "TCP".to_owned(),
            merged_with: vec!["other".to_owned()],
            side: Side::Both,
            objects: 200,
            bytes: 500_000,
            server_bytes_per_connection: 2_500.0,
        };
        Measurement {
            server: server.to_owned(),
            connections,
            handshake_us: latency.clone(),
            hold: Some(Hold { ping_rtt_us: latency.clone(), cpu_us_per_ping_cycle: 14.0, ..Hold::default() }),
            probe: Some(Echoed { latency_us: latency, ..Echoed::default() }),
            kernel: Some(KernelMemory {
                server_bytes_per_connection: 2_500.0,
                total_bytes: 500_000,
                caches: vec![cache],
            }),
            cgroup: Some(CgroupCheck {
                charges: Charges::AllButSockets,
                bytes_per_connection: 1.0,
                slab_bytes_per_connection: 1.0,
                ratio: 1.0,
            }),
            sum: Some(SumOfParts {
                user: 1.0,
                kernel: 1.0,
                sum: 2.0,
                available_fell: 1.0,
                reclaimable_grew: 1.0,
                free_fell: 1.0,
                explained: 1.0,
            }),
            ..Measurement::default()
        }
    }

    fn findings() -> Findings {
        let run = |connections| {
            let (throng, floor) = (measurement("throng", connections), measurement("floor", connections));
            let ratios = Some(Ratios::of(&throng, &floor));
            let costs = Costs { ping_cycle_us: Some(14.0), ..Costs::default() };
            let round = Round { throng: costs, floor: Some(costs), throng_first: true };
            RunReport { connections, floor: Some(floor), throng, ratios, rounds: vec![round.clone(), round] }
        };
        let timeline = Timeline {
            title: "throng".to_owned(),
            phases: vec![Phase { name: "ramp".to_owned(), from: 0.0, to: 2.0 }],
            samples: [0.0, 1.0].map(|seconds| Sample { seconds, ..Sample::default() }).to_vec(),
        };
        let runs = vec![run(100), run(10_000)];
        let report = C1mReport {
            schema: SCHEMA,
            date: "2026-01-31".to_owned(),
            environment: Environment::read(),
            part: None,
            other_environments: Vec::new(),
            server_environment: None,
            sharing_kernel: 1,
            growth: Growth::of(&runs),
            runs,
        };
        Findings { report, timelines: vec![timeline; 4] }
    }

    #[test]
    fn a_report_is_written_with_all_its_files_and_never_over_another() {
        let parent = std::env::temp_dir().join(format!("throng-bench-results-{}", std::process::id()));
        let findings = findings();
        let results = ResultsArgs { results: Some(parent.clone()), name: Some("here".to_owned()) };
        let [directory, again] = [(); 2].map(|()| directory(&results, "today").unwrap().unwrap());
        findings.write(&directory).unwrap();
        let mut files: Vec<String> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort_unstable();
        let summary = fs::read_to_string(directory.join("summary.md")).unwrap();
        let json = fs::read_to_string(directory.join("summary.json")).unwrap();
        fs::remove_dir_all(&parent).unwrap();
        assert_eq!((&directory, &again), (&parent.join("here"), &parent.join("here-2")));
        for file in ["throng-10000-echo.hgrm", "floor-100-ping.hgrm", "timeline-throng-100.json"] {
            assert!(files.iter().any(|name| name == file), "{files:?}");
        }
        for picture in files.iter().filter(|name| name.ends_with(".svg")) {
            assert!(summary.contains(&format!("({picture})")), "{picture} is in no text");
        }
        assert_eq!(files.iter().filter(|name| name.ends_with(".svg")).count(), 8, "{files:?}");
        let read: C1mReport = serde_json::from_str(&json).unwrap();
        assert_eq!(read.runs[1].throng.handshake_us, findings.report.runs[1].throng.handshake_us);
    }

    #[test]
    fn every_field_of_the_report_is_documented() {
        crate::report::documented::check(&findings().report, 60);
    }
}
