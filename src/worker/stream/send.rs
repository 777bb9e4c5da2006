//! System calls that write, counted.

use std::io::{self, IoSlice};

use crate::budget::{UNSENT_IN_KERNEL, UNSENT_OF_LARGE};
use crate::metrics::Counters;
use crate::worker::os::Os;
use crate::worker::table::{Flags, Record};

/// One system call for bytes that are in one place.
#[inline]
pub(in crate::worker) fn send_bytes<O: Os, D>(
    os: &mut O,
    record: &mut Record<O::Socket, D>,
    counters: &Counters,
    bytes: &[u8],
) -> io::Result<usize> {
    let is_large = bytes.len() > UNSENT_IN_KERNEL as usize;
    send_with(os, record, counters, bytes.len(), is_large, |os, socket| os.send(socket, bytes))
}

/// One system call for bytes that are in several.
pub(in crate::worker) fn send_slices<O: Os, D>(
    os: &mut O,
    record: &mut Record<O::Socket, D>,
    counters: &Counters,
    slices: &[IoSlice<'_>],
) -> io::Result<usize> {
    if let [only] = slices {
        return send_bytes(os, record, counters, only);
    }
    let offered: usize = slices.iter().map(|slice| slice.len()).sum();
    let limit = UNSENT_IN_KERNEL as usize;
    let is_large = offered > limit && slices.iter().any(|slice| slice.len() > limit);
    send_with(os, record, counters, offered, is_large, |os, socket| os.send_vectored(socket, slices))
}

#[inline]
fn send_with<O: Os, D>(
    os: &mut O,
    record: &mut Record<O::Socket, D>,
    counters: &Counters,
    offered: usize,
    is_large: bool,
    send: impl FnOnce(&mut O, &O::Socket) -> io::Result<usize>,
) -> io::Result<usize> {
    counters.writes.add(1);
    if is_large {
        os.limit_unsent(&record.socket, UNSENT_OF_LARGE);
    }
    let sent = send(os, &record.socket);
    if is_large {
        os.limit_unsent(&record.socket, UNSENT_IN_KERNEL);
    }
    let written = none_if_blocked(sent)?;
    counters.bytes_out.add(written as u64);
    if written < offered {
        record.flags.set(Flags::BLOCKED);
    }
    Ok(written)
}

/// What was written, with "would block" as nothing.
fn none_if_blocked(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
