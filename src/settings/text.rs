//! Setting values as text: sizes, counts and times with units, names and numbers.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

use crate::sys::unix;

/// Reads a value of a type with `FromStr`.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Reads a time. A number without a unit is refused: seconds and milliseconds are too easily confused.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}: write a number and a unit, as in 30s or 500ms"))
}

/// Reads a time over which clients reconnect: no client waits longer than an hour after a restart.
pub(super) fn time_to_return(text: &str) -> Result<Duration, String> {
    let time = time(text)?;
    if time > Duration::from_secs(3600) { Err("must be at most 60 minutes".into()) } else { Ok(time) }
}

/// Reads a time, or `off`.
pub(super) fn time_or_off(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" { Ok(None) } else { time(text).map(Some) }
}

/// Writes a time.
pub(super) fn show_time(&time: &Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// Writes a time, or `off`.
pub(super) fn show_time_or_off(time: &Option<Duration>) -> String {
    time.as_ref().map_or("off".into(), show_time)
}

/// Reads a size.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let size: ByteSize =
        text.parse().map_err(|error| format!("{error}: write a number and a unit, as in 64KiB or 1MiB"))?;
    usize::try_from(size.as_u64()).map_err(|_| format!("{text} is more than this machine can address"))
}

/// Writes a size.
pub(super) fn show_size(&bytes: &usize) -> String {
    with_suffix(bytes, [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")])
}

/// Reads a count.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let plain = text.replace('_', "");
    let (digits, factor) = match plain.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => plain.strip_suffix('M').map_or((plain.as_str(), 1), |digits| (digits, 1_000_000)),
    };
    let number: Option<usize> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is no count: write digits, as in 20000, 200k or 1M"))
}

/// Reads a count that fits a smaller type.
pub(super) fn small_count<T: TryFrom<usize>>(text: &str) -> Result<T, String> {
    T::try_from(count(text)?).map_err(|_| format!("`{text}` is too large"))
}

/// Writes a count.
pub(super) fn show_count(&number: &usize) -> String {
    with_suffix(number, [(1_000_000, "M"), (1_000, "k"), (1, "")])
}

/// Writes a number as a multiple of the largest factor that divides it, with that factor's suffix. Factors are in descending order.
fn with_suffix<const N: usize>(number: usize, factors: [(usize, &str); N]) -> String {
    let fits = |&(factor, _): &(usize, _)| factor == 1 || (number > 0 && number.is_multiple_of(factor));
    let found = factors.into_iter().find(fits);
    found.map_or_else(String::new, |(factor, suffix)| format!("{}{suffix}", number / factor))
}

/// Reads a numeric TCP address, or `off`.
pub(super) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    let wrong = |_| "write an IP address and a port, as in 127.0.0.1:9190, or off".into();
    if text == "off" { Ok(None) } else { text.parse().map(Some).map_err(wrong) }
}

/// Writes an address, or `off`.
pub(super) fn show_address_or_off(address: &Option<SocketAddr>) -> String {
    address.map_or("off".into(), |address| address.to_string())
}

/// Reads a path.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("write the path of a file".into()) } else { Ok(text.into()) }
}

/// Reads permissions. The leading 0 is required: a number without it, or a TOML number, which is decimal by then, is ambiguous.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits =
        text.strip_prefix("0o").or_else(|| text.strip_prefix('0')).filter(|digits| digits.len() == 3);
    digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| u32::from_str_radix(digits, 8).ok())
        .ok_or_else(|| format!("`{text}` is no mode: write three octal digits behind a 0, as in \"0660\""))
}

/// Reads a group by its number or its name, which must exist.
pub(super) fn group(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let found = unix::group(text.as_ref()).map_err(|error| format!("cannot look up the group: {error}"))?;
    found.ok_or_else(|| format!("there is no group `{text}`: give the name of one or its number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(time_or_off("off"), Ok(None));
        for wrong in ["30", "", "s", "-1s", "1 parsec"] {
            time(wrong).unwrap_err();
        }
        assert_eq!(time_to_return("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(time_to_return("0s"), Ok(Duration::ZERO));
        time_to_return("3601s").unwrap_err();
    }

    #[test]
    fn addresses_are_numbers() {
        assert_eq!(address_or_off("127.0.0.1:9190"), Ok(Some(([127, 0, 0, 1], 9190).into())));
        assert_eq!(address_or_off("off"), Ok(None));
        for wrong in ["", "localhost:80", "127.0.0.1", "on"] {
            address_or_off(wrong).unwrap_err();
        }
    }

    #[test]
    fn sizes_have_units_or_are_bytes() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1MB"), Ok(1_000_000));
        assert_eq!(size("125"), Ok(125));
        for wrong in ["", "KiB", "-1", "1 hogshead"] {
            size(wrong).unwrap_err();
        }
    }

    #[test]
    fn modes_are_octal_beyond_doubt() {
        for (text, number) in [("0660", 0o660), ("0o666", 0o666), ("0000", 0)] {
            assert_eq!(mode(text), Ok(number));
        }
        // 432 is the decimal value of 0o660 in a TOML file.
        for wrong in ["", "660", "432", "0668", "066", "01660", "0o1660", "0+60", "rw"] {
            mode(wrong).unwrap_err();
        }
    }

    #[test]
    fn groups_are_names_or_numbers() {
        assert_eq!([group("root"), group("4000000000")], [Ok(0), Ok(4_000_000_000)]);
        for wrong in ["", "no such group", "-1"] {
            group(wrong).unwrap_err();
        }
    }

    #[test]
    fn counts_may_have_suffixes() {
        for (text, number) in [("7", 7), ("1_000_000", 1_000_000), ("200k", 200_000), ("1M", 1_000_000)] {
            assert_eq!(count(text), Ok(number));
        }
        for wrong in ["", "k", "-1", "1.5M", "99999999999999999999", "99999999999999999M"] {
            count(wrong).unwrap_err();
        }
        assert_eq!([small_count::<u8>("255"), small_count("1k")], [Ok(255), Err("`1k` is too large".into())]);
    }

    #[test]
    fn what_is_written_reads_back() {
        for (bytes, text) in [(0, "0B"), (256, "256B"), (2048, "2KiB"), (1 << 20, "1MiB"), (3 << 30, "3GiB")]
        {
            assert_eq!((show_size(&bytes), size(text)), (text.into(), Ok(bytes)));
        }
        for (number, text) in [(0, "0"), (128, "128"), (1_000, "1k"), (4096, "4096"), (2_000_000, "2M")] {
            assert_eq!((show_count(&number), count(text)), (text.into(), Ok(number)));
        }
        for (millis, text) in [(0, "0s"), (60_000, "1m"), (1_500, "1s 500ms")] {
            let duration = Duration::from_millis(millis);
            assert_eq!((show_time(&duration), time(text)), (text.into(), Ok(duration)));
        }
    }
}
