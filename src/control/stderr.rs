//! Standard error, which may have no reader: the program writes lines to it, and does not wait for a reader for long.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use throng::sys::stderr::write_within;

/// The time that a line waits for the reader of standard error. After that the line is lost, and so is each later one for which there is no
/// room at once: a hanging log collector must not block the admin port, or the end of the program.
const READER_TIMEOUT: Duration = Duration::from_millis(500);

/// Whether the last line was taken, and how many were lost.
static READER: Mutex<Reader> = Mutex::new(Reader { is_stuck: false, lost: 0 });

/// The reader of standard error.
#[derive(Debug)]
struct Reader {
    is_stuck: bool,
    /// Lines that were lost, and that the reader has not been notified of.
    lost: u64,
}

/// Standard error as a writer that gets one line per call.
#[derive(Debug)]
pub(super) struct Lines;

/// Writes a line to standard error. The line is lost if no reader takes it in time.
pub(super) fn write_line(line: &str) {
    write_line_by(&READER, line.as_bytes(), write_within);
}

fn write_line_by(reader: &Mutex<Reader>, line: &[u8], write: impl Fn(&[u8], Duration) -> io::Result<()>) {
    let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
    let timeout = if reader.is_stuck { Duration::ZERO } else { READER_TIMEOUT };
    let told = if reader.lost == 0 {
        write(line, timeout)
    } else {
        let lost = format!("throng: {} lines are missing here, which nobody has read in time\n", reader.lost);
        write(&[lost.as_bytes(), line].concat(), timeout)
    };
    match told {
        Ok(()) => *reader = Reader { is_stuck: false, lost: 0 },
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            *reader = Reader { is_stuck: true, lost: reader.lost + 1 };
        }
        // Standard error is closed.
        Err(_) => {}
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write_line_by(&READER, line, write_within);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn lines_that_nobody_reads_are_lost_and_told_of_and_only_the_first_waits() {
        let reader = Mutex::new(Reader { is_stuck: false, lost: 0 });
        let (waited, written) = (RefCell::new(Vec::new()), RefCell::new(String::new()));
        let say = |line: &str, is_read: bool| {
            write_line_by(&reader, line.as_bytes(), |bytes, timeout| {
                waited.borrow_mut().push(timeout);
                written.borrow_mut().push_str(if is_read { std::str::from_utf8(bytes).unwrap() } else { "" });
                if is_read { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
            });
        };
        for (line, is_read) in
            [("a\n", true), ("b\n", false), ("c\n", false), ("d\n", true), ("e\n", false), ("f\n", true)]
        {
            say(line, is_read);
        }
        let none = Duration::ZERO;
        assert_eq!(*waited.borrow(), [READER_TIMEOUT, READER_TIMEOUT, none, none, READER_TIMEOUT, none]);
        let missing =
            |count| format!("throng: {count} lines are missing here, which nobody has read in time\n");
        assert_eq!(*written.borrow(), format!("a\n{}d\n{}f\n", missing(2), missing(1)));
    }
}
