//! Reports and their page, docs/RESULTS.md.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

/// Makes sure that every field of a report that has one of everything, more than `least`, is explained on the page.
pub(crate) fn check(report: &impl Serialize, least: usize) {
    let documented = include_str!("../../../docs/RESULTS.md");
    let mut fields = BTreeSet::new();
    names(&serde_json::to_value(report).unwrap(), &mut fields);
    assert!(fields.len() > least, "{fields:?}");
    let missing: Vec<_> = fields.iter().filter(|field| !documented.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "not in docs/RESULTS.md: {missing:?}");
}

fn names(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| names(value, into)),
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| *name != "sysctls") {
                into.insert(name.clone());
                names(value, into);
            }
        }
        _ => {}
    }
}
