//! Numbers for people.

/// A whole number with its thousands told apart: `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with so many digits behind the point, its thousands told apart: `1,234.5`.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, fraction) =
        text.split_once('.').map_or((&text[..], None), |(whole, rest)| (whole, Some(rest)));
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    fraction.map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}"))
}

/// A figure with as many digits as tell something.
pub(crate) fn plain(value: f64) -> String {
    let digits = match value.abs() {
        1_000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    };
    number(value, digits)
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1_u32 << 20)
}

/// Microseconds in milliseconds.
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(["999", "1,000", "1,234,567"], [999, 1_000, 1_234_567].map(thousands)[..]);
        let shown = [(1_234_567.0, 0), (33.94, 1), (0.483, 3), (-0.5, 1), (-12_345.67, 1), (f64::NAN, 1)];
        let shown = shown.map(|(value, digits)| number(value, digits));
        assert_eq!(shown, ["1,234,567", "33.9", "0.483", "-0.5", "-12,345.7", "NaN"]);
    }
}
