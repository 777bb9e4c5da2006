//! A strict parser of the OpenMetrics text format 1.0.0, without timestamps and exemplars.

use std::collections::{BTreeMap, BTreeSet};

/// A metric family.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) unit: String,
    pub(super) help: String,
    /// Names, labels and values of the samples.
    pub(super) samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Parses a text.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the text ends with # EOF and a line feed")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        if line.contains('\r') || line.is_empty() {
            return Err(format!("an empty line, or a carriage return: {line:?}"));
        }
        if let Some(metadata) = line.strip_prefix("# ") {
            let mut parts = metadata.splitn(3, ' ');
            let (Some(what), Some(name), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(format!("metadata without a name or a text: {line}"));
            };
            check_name(name, ":_")?;
            if current != name {
                if families.contains_key(name) {
                    return Err(format!("the lines of {name} do not stand together"));
                }
                current = name.to_owned();
                families.insert(current.clone(), Family::default());
            }
            let Some(family) = families.get_mut(&current) else { return Err("no family".into()) };
            if !family.samples.is_empty() {
                return Err(format!("metadata behind samples: {line}"));
            }
            let field = match what {
                "TYPE" => &mut family.kind,
                "UNIT" => &mut family.unit,
                "HELP" => &mut family.help,
                _ => return Err(format!("a comment that is none of TYPE, UNIT, HELP and EOF: {line}")),
            };
            if !field.is_empty() {
                return Err(format!("metadata twice: {line}"));
            }
            *field = unescape(rest)?;
        } else {
            let sample = read_sample(line)?;
            let family =
                families.get_mut(&current).ok_or_else(|| format!("a sample of no family: {line}"))?;
            check_sample(&current, family, &sample)?;
            family.samples.push(sample);
        }
    }
    check_families(&families)?;
    Ok(families)
}

fn check_name(name: &str, others: &str) -> Result<(), String> {
    let is_right = |(at, char): (usize, char)| {
        char.is_ascii_alphabetic() || others.contains(char) || (at > 0 && char.is_ascii_digit())
    };
    if !name.is_empty() && name.char_indices().all(is_right) {
        Ok(())
    } else {
        Err(format!("no name: {name:?}"))
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let (mut plain, mut chars) = (String::new(), text.chars());
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(escaped @ ('\\' | '"')) => escaped,
                other => return Err(format!("no escape: {other:?} in {text}")),
            },
            '"' => return Err(format!("a quotation mark that is not escaped: {text}")),
            other => other,
        });
    }
    Ok(plain)
}

fn read_sample(line: &str) -> Result<(String, BTreeMap<String, String>, f64), String> {
    let end = line.find(['{', ' ']).ok_or_else(|| format!("a sample without a value: {line}"))?;
    let (name, mut rest) = line.split_at(end);
    check_name(name, ":_")?;
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, behind) = rest.split_once("=\"").ok_or_else(|| format!("no label: {line}"))?;
            check_name(label, "_")?;
            let mut is_escaped = false;
            let end = behind.find(|char| {
                let ends = char == '"' && !is_escaped;
                is_escaped = char == '\\' && !is_escaped;
                ends
            });
            let (value, behind) = behind.split_at(end.ok_or_else(|| format!("an endless label: {line}"))?);
            if labels.insert(label.to_owned(), unescape(value)?).is_some() {
                return Err(format!("a label twice: {line}"));
            }
            match behind.as_bytes() {
                [b'"', b',', ..] => rest = &behind[2..],
                [b'"', b'}', ..] => {
                    rest = &behind[2..];
                    break;
                }
                _ => return Err(format!("no end of the labels: {line}")),
            }
        }
    }
    let value = rest.strip_prefix(' ').filter(|value| !value.contains(' '));
    let value = value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("no value: {line}"))?;
    Ok((name.to_owned(), labels, value))
}

fn check_sample(
    family: &str,
    Family { kind, .. }: &Family,
    (name, labels, value): &(String, BTreeMap<String, String>, f64),
) -> Result<(), String> {
    let suffix = name.strip_prefix(family).ok_or_else(|| format!("{name} is none of {family}"))?;
    let suffixes: &[&str] = match kind.as_str() {
        "counter" => &["_total", "_created"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum", "_created"],
        "info" => &["_info"],
        _ => return Err(format!("{family} is of no kind that is known: {kind}")),
    };
    if !suffixes.contains(&suffix) {
        return Err(format!("{name} is no sample of a {kind}"));
    }
    if (suffix == "_bucket") != labels.contains_key("le") {
        return Err(format!("{name}: buckets, and nothing else, have the label le"));
    }
    let is_possible = match kind.as_str() {
        "gauge" => true,
        "info" => *value == 1.0,
        _ => value.is_finite() && *value >= 0.0,
    };
    if is_possible { Ok(()) } else { Err(format!("{name} cannot be {value}")) }
}

fn check_families(families: &BTreeMap<String, Family>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for (name, family) in families {
        if !family.unit.is_empty() && !name.ends_with(&format!("_{}", family.unit)) {
            return Err(format!("{name} does not end with its unit"));
        }
        let reserved = ["_total", "_created", "_count", "_sum", "_bucket", "_info"];
        if reserved.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(format!("{name} ends like a sample"));
        }
        if family.samples.is_empty() {
            return Err(format!("{name} has no sample"));
        }
        for (sample, labels, _) in &family.samples {
            if !names.insert((sample, labels)) {
                return Err(format!("{sample} is there twice"));
            }
        }
        if family.kind == "histogram" {
            check_buckets(name, family)?;
        }
    }
    Ok(())
}

fn check_buckets(name: &str, family: &Family) -> Result<(), String> {
    let buckets = family.samples.iter().filter_map(|(_, labels, count)| Some((labels.get("le")?, *count)));
    let buckets: Option<Vec<(f64, f64)>> =
        buckets.map(|(bound, count)| Some((bound.parse().ok()?, count))).collect();
    let buckets = buckets.ok_or_else(|| format!("{name}: a bound that is no number"))?;
    let rises = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
    if !buckets.windows(2).all(rises) {
        return Err(format!("{name}: bounds rise, and counts do not fall"));
    }
    if buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
        return Err(format!("{name}: the last bound is +Inf"));
    }
    let has = |suffix: &str| family.samples.iter().any(|(sample, ..)| sample.ends_with(suffix));
    if has("_count") != has("_sum") {
        return Err(format!("{name}: there is a count if and only if there is a sum"));
    }
    Ok(())
}

#[test]
fn the_parser_refuses_what_is_no_openmetrics() {
    let good = "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds b\\\\\n\
                a_seconds_bucket{le=\"0.5\"} 1\na_seconds_bucket{le=\"+Inf\"} 2\n\
                # TYPE c counter\nc_total{d=\"\\\"\\n\"} 3\n# EOF\n";
    let families = parse(good).unwrap();
    assert_eq!(families["a_seconds"].help, "b\\");
    assert_eq!(families["c"].samples[0].1["d"], "\"\n");
    for (from, to) in [
        ("# EOF\n", "# EOF"),
        ("# EOF\n", ""),
        ("# TYPE c", "\n# TYPE c"),
        ("# TYPE c counter", "# TYPE a_seconds counter"),
        ("# TYPE c counter", "# TYPE c meter"),
        ("# TYPE c counter\n", ""),
        ("c_total", "c"),
        ("c_total{", "c_total {"),
        ("} 3", "} three"),
        ("} 3", "} -3"),
        ("} 3", "}"),
        ("} 3", "} 3\nc_total{d=\"\\\"\\n\"} 3"),
        ("seconds seconds", "seconds bytes"),
        ("UNIT", "NOTE"),
        ("b\\\\", "b\\"),
        ("b\\\\", "\""),
        ("+Inf", "1"),
        ("0.5\"} 1", "0.5\"} 9"),
        ("le=\"0.5\"", "lt=\"0.5\""),
        ("# TYPE c", "a_seconds_count 2\n# TYPE c"),
        ("# TYPE c", "# HELP a_seconds x\n# TYPE c"),
        ("{d=\"\\\"\\n\"}", "{d=\"\\\"\\n\",d=\"\"}"),
    ] {
        assert!(good.contains(from), "{from}");
        parse(&good.replacen(from, to, 1)).expect_err(to);
    }
}
