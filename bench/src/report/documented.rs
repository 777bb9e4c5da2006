//! Reports and their page, docs/RESULTS.md.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/RESULTS.md");
/// Objects whose keys are data, or somebody else's.
const FREE: [&str; 4] = ["sysctls", "counters", "figures", "winners"];

/// Makes sure that every field of a report that has one of everything is explained on the page, and that the tables of fields in
/// the command's section have no other.
pub(crate) fn check(report: &impl Serialize, command: &str) {
    let mut fields = BTreeSet::new();
    names(&serde_json::to_value(report).unwrap(), &mut fields);
    let missing: Vec<_> = fields.iter().filter(|field| !PAGE.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "not in docs/RESULTS.md: {missing:?}");
    let stale: Vec<_> = listed(command).filter(|field| !fields.contains(*field)).collect();
    assert!(stale.is_empty(), "docs/RESULTS.md has fields that {command} has not: {stale:?}");
}

/// Fields in the first cells of the tables in a command's section. That of c1m is all before the others.
fn listed(command: &str) -> impl Iterator<Item = &str> {
    let mut sections = PAGE.split("\n## What `");
    let c1m = sections.next().unwrap();
    let section = if command == "c1m" { Some(c1m) } else { sections.find(|text| text.starts_with(command)) };
    let tables = section.unwrap().split("\n\n").filter(|text| text.starts_with("| field"));
    let cells: Vec<&str> =
        tables.flat_map(|table| table.lines().skip(2)).filter_map(|row| row.split('|').nth(1)).collect();
    assert!(!cells.is_empty(), "docs/RESULTS.md has no fields of {command}");
    cells.into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2))
}

fn names(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| names(value, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                into.insert(name.clone());
                if !FREE.contains(&&name[..]) {
                    names(value, into);
                }
            }
        }
        _ => {}
    }
}
