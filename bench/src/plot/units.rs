//! Figures as an axis shows them: three digits and a unit.

use crate::report::units::number;

const KIB: f64 = 1024.0;

/// Three digits, no more: `4,080`, `33.9`, `6.34`, `0.5`.
pub(super) fn figure(figure: f64) -> String {
    let digits = match figure.abs() {
        99.95.. => return number(figure, 0),
        9.995.. => number(figure, 1),
        _ => number(figure, 2),
    };
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    if digits == "-0" { "0".to_owned() } else { digits.to_owned() }
}

/// A number of things: `1M`, `250k`, `750`.
pub(super) fn count(count: f64) -> String {
    match count.abs() {
        999_500.0.. => format!("{}M", figure(count / 1e6)),
        1_000.0.. => format!("{}k", figure(count / 1e3)),
        _ => figure(count),
    }
}

/// The binary unit that suits so many bytes: by what to divide them, and its name.
pub(super) fn byte_unit(bytes: f64) -> (f64, &'static str) {
    match bytes.abs() {
        bytes if bytes >= KIB * KIB * KIB => (KIB * KIB * KIB, "GiB"),
        bytes if bytes >= KIB * KIB => (KIB * KIB, "MiB"),
        bytes if bytes >= KIB => (KIB, "KiB"),
        _ => (1.0, "bytes"),
    }
}

/// Microseconds in the unit that suits them.
pub(super) fn micros(micros: f64) -> String {
    match micros {
        1e6.. => format!("{} s", figure(micros / 1e6)),
        1e3.. => format!("{} ms", figure(micros / 1e3)),
        _ => format!("{} µs", figure(micros)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let shown = [0.0, 0.5, 6.339, 33.94, 99.96, 4_079.6, -0.001, 12.0].map(figure);
        assert_eq!(shown, ["0", "0.5", "6.34", "33.9", "100", "4,080", "0", "12"]);
        assert_eq!(
            [750.0, 1_000.0, 250_000.0, 1e6, 1_250_000.0].map(count),
            ["750", "1k", "250k", "1M", "1.25M"]
        );
        assert_eq!([0.5, 700.0, 2_300.0, 1.5e6].map(micros), ["0.5 µs", "700 µs", "2.3 ms", "1.5 s"]);
    }

    #[test]
    fn bytes_have_the_unit_that_suits_them() {
        let units = [0.0, 1023.0, 1024.0, 3e6, -5e9].map(|bytes| byte_unit(bytes).1);
        assert_eq!(units, ["bytes", "bytes", "KiB", "MiB", "GiB"]);
    }
}
