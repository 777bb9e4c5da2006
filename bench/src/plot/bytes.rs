//! Where the bytes of one connection are: a field of little squares, each a few bytes, so that what is small looks small.

use std::collections::BTreeMap;

use anyhow::ensure;
use plotters::prelude::*;

use super::sheet::{Anchor, Area, INK, MARGIN, MUTED, SMALL, TEXT, THRONG, bold, sheet, text};
use crate::report::units::number;

/// Bytes of one square.
const SQUARE_BYTES: f64 = 8.0;
/// Squares beside each other, and the pixels from one to the next.
const COLUMNS: usize = 25;
const STEP: i32 = 15;
const GAP: i32 = 2;
/// Where the list of parts begins, from the left.
const LIST: i32 = 430;
/// Parts below so many bytes are one line, "other".
const LEAST: f64 = 20.0;

/// Colours of the kernel's parts, from the largest on: pale, so that what is not the kernel's stands out, and apart by lightness
/// for every kind of colour vision.
const PARTS: [RGBColor; 8] = [
    RGBColor(0xa3, 0xad, 0xb9),
    RGBColor(0xd0, 0xd6, 0xdd),
    RGBColor(0xd9, 0x9c, 0x52),
    RGBColor(0xf0, 0xd3, 0xa1),
    RGBColor(0x6f, 0x9e, 0x8c),
    RGBColor(0xb5, 0xd8, 0xc9),
    RGBColor(0xa3, 0x81, 0xae),
    RGBColor(0xdd, 0xca, 0xe3),
];

/// What one connection costs the server, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Bytes {
    /// What is shown, for people.
    pub(crate) title: String,
    /// Slab caches of the kernel and their bytes per connection; those below 0 (noise) do not count.
    pub(crate) parts: Vec<(String, f64)>,
    /// User memory of the server per connection.
    pub(crate) own: f64,
    /// The server's name.
    pub(crate) own_name: String,
    /// What another server costs in all, and its name.
    pub(crate) compare: Option<(String, f64)>,
}

/// Draws where the bytes of one connection are.
pub(crate) fn bytes(bytes: &Bytes) -> anyhow::Result<String> {
    let all = bytes.parts.iter().map(|part| part.1).chain([bytes.own]);
    ensure!(all.clone().all(f64::is_finite), "a part's bytes are not finite: {:?}", bytes.parts);
    let total: f64 = all.filter(|&part| part > 0.0).sum();
    ensure!(total >= SQUARE_BYTES, "a connection of {total} bytes has no part that could be drawn");
    ensure!(total <= 100_000.0, "a connection of {} bytes does not fit a picture", number(total, 0));
    let shares = shares(bytes);
    let rows = i32::try_from(squares(&shares).len().div_ceil(COLUMNS))?;
    let list = i32::try_from(shares.len())? * 25 + 80;
    let height = 68 + (rows * STEP).max(list) + MARGIN;
    let subtitle = format!("{} bytes in all. Each square is {SQUARE_BYTES} of them.", number(total, 0));
    sheet(height.unsigned_abs(), &bytes.title, &subtitle, |area| {
        draw_squares(area, &shares)?;
        draw_list(area, &shares, bytes, total)
    })
}

/// A part as it is drawn.
struct Share {
    name: String,
    bytes: f64,
    colour: RGBColor,
}

/// The server's own bytes first, then the kernel's from the largest part on.
fn shares(bytes: &Bytes) -> Vec<Share> {
    let mut named: BTreeMap<&str, f64> = BTreeMap::new();
    for (cache, bytes) in bytes.parts.iter().filter(|part| part.1 > 0.0) {
        *named.entry(plain(cache)).or_default() += bytes;
    }
    let mut parts: Vec<_> = named.into_iter().collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let small = parts.iter().position(|part| part.1 < LEAST).unwrap_or(parts.len());
    let rest: f64 = parts.split_off(small.min(PARTS.len() - 1)).iter().map(|part| part.1).sum();
    if rest > 0.0 {
        parts.push(("other small things", rest));
    }
    let own = Share { name: format!("{} itself", bytes.own_name), bytes: bytes.own.max(0.0), colour: THRONG };
    let kernel = parts.into_iter().zip(PARTS);
    let kernel = kernel.map(|((name, bytes), colour)| Share { name: name.to_owned(), bytes, colour });
    std::iter::once(own).chain(kernel).collect()
}

/// A slab cache in the words of people who do not read kernels. Names of Linux 6.
fn plain(cache: &str) -> &str {
    match cache {
        "TCP" | "TCPv6" => "the kernel's TCP socket",
        "sock_inode_cache" => "its inode: a socket is a file",
        "filp" => "the open file",
        "dentry" => "the name of that file",
        "eventpoll_epi" => "its entry in epoll",
        "eventpoll_pwq" | "anon_vma_chain" => "epoll's place in the wait queue",
        "lsm_inode_cache" | "lsm_file_cache" => "the security module's records",
        "ep_head" => "epoll's list of the file",
        other => other,
    }
}

/// The colour of each square. A part ends at the square that its bytes and those before it come to, so no rounding adds up; what
/// is at least half a square has one.
fn squares(shares: &[Share]) -> Vec<RGBColor> {
    let mut squares = Vec::new();
    let mut bytes = 0.0;
    for share in shares {
        bytes += share.bytes;
        while f64::from(u32::try_from(squares.len()).unwrap_or(u32::MAX)) + 0.5 <= bytes / SQUARE_BYTES {
            squares.push(share.colour);
        }
    }
    squares
}

fn draw_squares(area: &Area, shares: &[Share]) -> anyhow::Result<()> {
    for (at, colour) in squares(shares).into_iter().enumerate() {
        let (left, top) = (i32::try_from(at % COLUMNS)? * STEP + MARGIN, i32::try_from(at / COLUMNS)? * STEP);
        let square = [(left, top), (left + STEP - GAP, top + STEP - GAP)];
        area.draw(&Rectangle::new(square, colour.filled()))?;
    }
    Ok(())
}

fn draw_list(area: &Area, shares: &[Share], bytes: &Bytes, total: f64) -> anyhow::Result<()> {
    let mut y = 8;
    for (at, share) in shares.iter().enumerate() {
        area.draw(&Rectangle::new([(LIST, y - 7), (LIST + 14, y + 7)], share.colour.filled()))?;
        let (value, name_at) = (number(share.bytes, usize::from(share.bytes < 100.0)), (LIST + 84, y));
        if at == 0 {
            bold(area, (LIST + 72, y), &value, TEXT, THRONG, Anchor::Right)?;
            bold(area, name_at, &share.name, TEXT, THRONG, Anchor::Left)?;
        } else {
            text(area, (LIST + 72, y), &value, TEXT, INK, Anchor::Right)?;
            text(area, name_at, &share.name, TEXT, INK, Anchor::Left)?;
        }
        y += 25;
    }
    let share = format!("{} is {} % of the whole;", bytes.own_name, number(100.0 * bytes.own / total, 1));
    text(area, (LIST, y + 8), &share, SMALL, MUTED, Anchor::Left)?;
    text(area, (LIST, y + 28), "the rest is the kernel's, for any server.", SMALL, MUTED, Anchor::Left)?;
    if let Some((name, total)) = &bytes.compare {
        let line = format!("{name}, without WebSocket code: {} bytes", number(*total, 0));
        text(area, (LIST, y + 48), &line, SMALL, MUTED, Anchor::Left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Bytes {
        let part = |name: &str, bytes| (name.to_owned(), bytes);
        Bytes {
            title: "Where the bytes of one of 1,000,000 connections are".to_owned(),
            parts: vec![
                part("filp", 195.0),
                part("TCP", 2_520.9),
                part("ep_head", 16.0),
                part("tw_sock_TCP", -16.0),
            ],
            own: 33.8,
            own_name: "throng".to_owned(),
            compare: Some(("the floor".to_owned(), 4_130.0)),
        }
    }

    #[test]
    fn parts_have_plain_names_and_their_bytes() {
        let svg = bytes(&connection()).unwrap();
        let expected = [
            "throng itself",
            "33.8",
            "the kernel's TCP socket",
            "2,521",
            "the open file",
            "other small things",
        ];
        crate::plot::tests::check(&svg, &expected);
        assert!(svg.contains("the floor, without WebSocket code: 4,130 bytes"), "{svg}");
    }

    #[test]
    fn squares_are_to_scale() {
        let squares = squares(&shares(&connection()));
        assert_eq!(squares.len(), 346, "2,765.7 bytes");
        assert_eq!(squares.iter().filter(|colour| **colour == THRONG).count(), 4, "33.8 bytes");
    }

    #[test]
    fn nothing_and_too_much_are_no_picture() {
        let with = |own| bytes(&Bytes { own, parts: vec![], ..connection() });
        assert!(with(0.0).is_err() && with(f64::NAN).is_err() && with(1e6).is_err() && with(64.0).is_ok());
    }
}
