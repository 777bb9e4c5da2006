//! Tests of what a table entry defines, with a table of the tests' own.

use super::super::table::metrics;
use super::super::{Exposition, Kind, Snapshot, Unit, Value};
use super::parser::parse;

metrics! {
    /// The counters of the test.
    #[derive(Debug, Default)]
    struct Counters;

    /// The values of the test's counters.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    struct Stats, "test_";

    /// Apples that were
    /// eaten.
    apples: counter;
    /// Bytes there are.
    kept: gauge(bytes) as "kept_bytes";
    /// Apples on the tree, which the tree counts.
    left: gauge in tree;
    /// Times of meals.
    meals_us: histogram(seconds) as "meals_seconds";
}

#[test]
fn one_entry_gives_counter_snapshot_sum_description_and_text() {
    let (here, there) = (Counters::default(), Counters::default());
    here.apples.add(2);
    there.apples.add(3);
    there.kept.set(5);
    there.meals_us.record(1_000);
    let mut total = here.snapshot();
    total.merge(&there.snapshot());
    let () = here.left;
    total.left += 7;
    assert_eq!(total.values()[..3], [Value::Number(5), Value::Number(5), Value::Number(7)]);
    let described = Stats::METRICS.iter().map(|metric| (metric.key, metric.name, metric.kind, metric.unit));
    let expected = [
        ("apples", "test_apples", Kind::Counter, None),
        ("kept", "test_kept_bytes", Kind::Gauge, Some(Unit::Bytes)),
        ("left", "test_left", Kind::Gauge, None),
        ("meals_us", "test_meals_seconds", Kind::Histogram, Some(Unit::Seconds)),
    ];
    assert_eq!(described.collect::<Vec<_>>(), expected);
    let mut exposition = Exposition::default();
    exposition.add(&total);
    let families = parse(&exposition.finish()).unwrap();
    assert_eq!(families["test_apples"].help, "Apples that were eaten.");
    assert_eq!(families["test_meals_seconds"].samples.last().unwrap().2, 1.0);
}

#[cfg(feature = "serde")]
#[test]
fn keys_are_those_of_the_table() {
    let json = serde_json::to_value(Stats { apples: 1, ..Stats::default() }).unwrap();
    assert_eq!(json, serde_json::json!({ "apples": 1, "kept": 0, "left": 0, "meals_us": [] }));
}
