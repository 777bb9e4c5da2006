//! Tests of the OpenMetrics text.

use super::super::{Counters, Exposition, Kind, Snapshot, Stats};
use super::parser::parse;
use crate::base::histogram::Histogram;

#[test]
fn the_servers_metrics_are_openmetrics() {
    let counters = Counters::default();
    counters.open.set(3);
    counters.bytes_in.add(u64::MAX);
    [0, 63, 64, 1_000, 100_000_000, u64::MAX].iter().for_each(|&micros| counters.loop_us.record(micros));
    let mut exposition = Exposition::default();
    exposition.add(&counters.snapshot());
    #[cfg(feature = "hub")]
    exposition.add(&crate::metrics::HubStats { queued_bytes: 7, ..Default::default() });
    let families = parse(&exposition.finish()).unwrap();
    assert_eq!(families["throng_open"].samples, [("throng_open".into(), [].into(), 3.0)]);
    let received = &families["throng_received_bytes"];
    assert_eq!((received.kind.as_str(), received.unit.as_str()), ("counter", "bytes"));
    assert_eq!(received.samples[0].0, "throng_received_bytes_total");
    assert_eq!(received.help, "Bytes read from sockets.");
    let loops: Vec<f64> = families["throng_loop_seconds"].samples.iter().map(|sample| sample.2).collect();
    let bounds = families["throng_loop_seconds"].samples.iter().map(|sample| sample.1["le"].as_str());
    assert_eq!(bounds.take(2).collect::<Vec<_>>(), ["0.000063", "0.000127"]);
    assert_eq!((loops[0], loops[1], loops[4], loops[20], loops[21]), (2.0, 3.0, 4.0, 4.0, 6.0));
    #[cfg(feature = "hub")]
    assert_eq!(families["throng_hub_queued_bytes"].samples[0].2, 7.0);
}

#[test]
fn texts_are_escaped() {
    let mut exposition = Exposition::default();
    let labels = [("version", "1\\2\"3\n4"), ("of", "")];
    exposition.add_info("build", "a \"b\" \\ c", &labels);
    let text = exposition.finish();
    assert!(text.contains(r#"build_info{version="1\\2\"3\n4",of=""} 1"#), "{text}");
    let build = parse(&text).unwrap().remove("build").unwrap();
    assert_eq!((build.kind.as_str(), build.help.as_str()), ("info", "a \"b\" \\ c"));
    assert_eq!(build.samples[0].1["version"], "1\\2\"3\n4");
}

/// Each bound in the text is also a bound between two buckets of the histogram in memory.
#[test]
fn no_bucket_has_to_be_split() {
    for bound in super::super::openmetrics::BOUNDS {
        let histogram = Histogram::default();
        histogram.record((1 << bound) - 1);
        histogram.record(1 << bound);
        let buckets = histogram.snapshot();
        assert_eq!((buckets.len(), buckets[0].0), (2, (1 << bound) - 1));
    }
}

#[test]
fn each_key_and_name_is_there_once() {
    fn check<S: Snapshot>() {
        for (at, metric) in S::METRICS.iter().enumerate() {
            let others = || S::METRICS.iter().skip(at + 1);
            assert!(others().all(|other| other.key != metric.key && other.name != metric.name), "{metric:?}");
            assert!(metric.unit.is_some() || metric.kind != Kind::Histogram, "{metric:?}");
        }
    }
    check::<Stats>();
    #[cfg(feature = "hub")]
    check::<crate::metrics::HubStats>();
}
