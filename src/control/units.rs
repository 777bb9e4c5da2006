//! Durations and sizes with units, and whatever may be `off`, as the command line takes them.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use throng::sys::unix;

/// Reads a duration such as `30s`, `1500ms` or `2m`. A bare number is refused: seconds and milliseconds are too easily
/// confused.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}: write a number and a unit, as in 30s or 500ms"))
}

/// The longest time over which clients come back: who waits longer is not waiting for a restart.
const LONGEST_RETURN: Duration = Duration::from_secs(3600);

/// Reads the time over which clients come back.
pub(super) fn reconnect(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > LONGEST_RETURN {
        return Err(format!("must be at most {} minutes", LONGEST_RETURN.as_secs() / 60));
    }
    Ok(time)
}

/// Reads a duration, or `off`.
pub(super) fn duration_or_off(text: &str) -> Result<MaybeDuration, String> {
    if text == "off" { Ok(MaybeDuration(None)) } else { duration(text).map(|time| MaybeDuration(Some(time))) }
}

/// A duration that may be `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaybeDuration(pub(super) Option<Duration>);

/// Reads an address such as `127.0.0.1:9190`, or `off`.
pub(super) fn address_or_off(text: &str) -> Result<MaybeAddress, String> {
    if text == "off" {
        return Ok(MaybeAddress(None));
    }
    let address = text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:9190, or off")?;
    Ok(MaybeAddress(Some(address)))
}

/// An address that may be `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaybeAddress(pub(super) Option<SocketAddr>);

/// Reads a size in bytes such as `65536`, `64KiB` or `1MB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let size: ByteSize =
        text.parse().map_err(|error| format!("{error}: write a number and a unit, as in 64KiB or 1MiB"))?;
    usize::try_from(size.as_u64()).map_err(|_| format!("{text} is more than this machine can address"))
}

/// Reads permissions such as `0660`. The 0 must be there: a number without it, or one of a file, which is decimal by then, could be
/// meant in either way.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits =
        text.strip_prefix("0o").or_else(|| text.strip_prefix('0')).filter(|digits| digits.len() == 3);
    digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| u32::from_str_radix(digits, 8).ok())
        .ok_or_else(|| format!("`{text}` is no mode: write three octal digits behind a 0, as in \"0660\""))
}

/// Reads a group by its number or its name, which must be one.
pub(super) fn group(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let found = unix::group(text.as_ref()).map_err(|error| format!("cannot look up the group: {error}"))?;
    found.ok_or_else(|| format!("there is no group `{text}`: give the name of one or its number"))
}

/// Reads a count such as `1000000`, `1_000_000`, `200k` or `1M`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration_or_off("off"), Ok(MaybeDuration(None)));
        for wrong in ["30", "", "s", "-1s", "1 parsec"] {
            duration(wrong).unwrap_err();
        }
        assert_eq!(reconnect("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(reconnect("0s"), Ok(Duration::ZERO));
        reconnect("3601s").unwrap_err();
    }

    #[test]
    fn addresses_are_numbers() {
        let address = Some(([127, 0, 0, 1], 9190).into());
        assert_eq!(address_or_off("127.0.0.1:9190"), Ok(MaybeAddress(address)));
        assert_eq!(address_or_off("off"), Ok(MaybeAddress(None)));
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
        // 432 is what a file's 0o660 has become.
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
    }
}
