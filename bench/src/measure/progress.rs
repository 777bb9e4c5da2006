//! Progress bars on standard error, for people only.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Makes progress bars, or invisible ones where nobody watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bars {
    visible: bool,
}

impl Bars {
    /// Bars are shown on a terminal, or when `asked` for.
    pub(crate) fn new(asked: bool) -> Self {
        Self { visible: asked || std::io::stderr().is_terminal() }
    }

    /// A bar that counts up to `total` things.
    pub(crate) fn counting(self, title: &'static str, total: u64) -> ProgressBar {
        self.make(title, total, "{prefix:>8} {wide_bar} {human_pos}/{human_len} {per_sec} {msg}")
    }

    /// A bar for a time to pass, counted in milliseconds.
    pub(crate) fn waiting(self, title: &'static str, time: Duration) -> ProgressBar {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.make(title, millis, "{prefix:>8} {wide_bar} {elapsed} {msg}")
    }

    fn make(self, title: &'static str, total: u64, template: &str) -> ProgressBar {
        let target =
            if self.visible { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        // A template that does not parse would be a bug; the default bar is no worse than a crash.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(total), target).with_style(style).with_prefix(title)
    }
}
