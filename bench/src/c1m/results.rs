//! A report as a directory of files: for people, for programs, and for the eye.
//!
//! `summary.md` is read by people, `summary.json` by programs (its fields are those of [`C1mReport`]), `*.hgrm` by
//! HdrHistogram's plotter, `timeline-*.json` by whoever wants to draw for himself, `*.svg` by everybody.

use serde::Serialize;

use super::figures::{LATENCIES, label};
use super::report::C1mReport;
use super::{page, pictures};
use crate::plot::Timeline;
use crate::report::page::Page;
use crate::report::{File, Report, json};

/// A report, and what is drawn but not told in it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Findings {
    #[serde(flatten)]
    pub(crate) report: C1mReport,
    /// What each measurement looked like over time, in the report's order; none for a report of several machines.
    #[serde(skip)]
    pub(crate) timelines: Vec<Timeline>,
}

impl Report for Findings {
    fn is_clean(&self) -> bool {
        self.report.is_clean()
    }

    fn page(&self) -> Page {
        page::page(&self.report)
    }

    fn document(&self, pictures: &[String]) -> Page {
        page::document(&self.report, pictures)
    }

    fn name(&self) -> String {
        self.report.date.clone()
    }

    fn files(&self) -> anyhow::Result<Vec<File>> {
        let mut files = pictures::draw(&self.report, &self.timelines)?;
        for (measurement, timeline) in self.report.measurements().zip(&self.timelines) {
            files.push((format!("timeline-{}.json", label(measurement)), json::pretty(timeline)?));
        }
        for measurement in self.report.measurements() {
            let latencies = LATENCIES.iter().filter_map(|(what, _, of)| Some((what, of(measurement)?)));
            files.extend(
                latencies
                    .map(|(what, latency)| (format!("{}-{what}.hgrm", label(measurement)), latency.hgrm())),
            );
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::args::ResultsArgs;
    use crate::c1m::report::{Costs, Growth, Hold, Measurement, Ratios, Round, RunReport};
    use crate::engine::Echoed;
    use crate::measure::account::{CgroupCheck, SumOfParts};
    use crate::measure::distribution::Distribution;
    use crate::measure::environment::Environment;
    use crate::measure::kernel::{CacheGrowth, KernelMemory};
    use crate::plot::{Phase, Sample};
    use crate::report::files::{directory, write_all};

    fn measurement(server: &str, connections: u64) -> Measurement {
        let mut latency = Distribution::default();
        (1..1_000).for_each(|us| latency.record(Duration::from_micros(us)));
        let cache = CacheGrowth { server_bytes_per_connection: 2_500.0, ..CacheGrowth::default() };
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
            cgroup: Some(CgroupCheck::default()),
            sum: Some(SumOfParts::default()),
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
            environment: Environment::read(),
            growth: Growth::of(&runs),
            runs,
            ..C1mReport::default()
        };
        Findings { report, timelines: vec![timeline; 4] }
    }

    #[test]
    fn a_report_is_written_with_all_its_files_and_never_over_another() {
        let parent = std::env::temp_dir().join(format!("throng-bench-results-{}", std::process::id()));
        let findings = findings();
        let results = ResultsArgs { results: Some(parent.clone()), name: Some("here".to_owned()) };
        let [directory, again] = [(); 2].map(|()| directory(&results, "today").unwrap().unwrap());
        write_all(&findings, &directory).unwrap();
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
        crate::report::documented::check(&findings(), "c1m");
    }
}
