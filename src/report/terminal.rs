//! Shows events on a terminal: a line at the bottom for each activity that goes on, and above them the lines that stay.
//!
//! While work goes on, this is the one owner of the terminal. Every other text makes room for itself, so that no line
//! is torn. When all work has ended, nothing of it stays on the screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::lines::line;
use crate::report::{Event, Meter, Reporter, Verbosity};

/// How often activities are drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// Draws on standard error, which is a terminal.
pub(crate) struct Terminal {
    verbosity: Verbosity,
    bars: MultiProgress,
    /// The bars, by the number of their activity.
    running: Mutex<BTreeMap<u64, ProgressBar>>,
}

impl Terminal {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20));
        Self { verbosity, bars, running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, activity: u64, text: String, meter: &Arc<Meter>) {
        let bar = self.bars.add(ProgressBar::no_length().with_style(style(meter)).with_message(text));
        bar.tick();
        bar.enable_steady_tick(TICK);
        self.running().insert(activity, bar);
    }

    fn say(&self, text: &str) {
        // Under the lock, so that what two threads say is one after the other.
        let _running = self.running();
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }
}

impl Reporter for Terminal {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Started { activity, kind, subject, meter } => {
                self.begin(activity, format!("{} {subject}", kind.verbs().0), meter);
            }
            Event::Ended { activity } => {
                if let Some(bar) = self.running().remove(&activity) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
            said => {
                if let Some((_, text)) = line(said).filter(|(wanted, _)| self.verbosity >= *wanted) {
                    self.say(&text);
                }
            }
        }
    }
}

/// The text for an activity, cut to the terminal's width, and how far it is.
fn style(meter: &Arc<Meter>) -> ProgressStyle {
    let (meter, started) = (Arc::clone(meter), Instant::now());
    let shown = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&far(meter.bytes(), meter.total(), started.elapsed()));
    };
    let style =
        ProgressStyle::with_template("{spinner} {wide_msg} {far}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.tick_chars("-\\|/-").with_key("far", shown)
}

/// Bytes, speed and time, as far as they are known.
fn far(bytes: u64, total: Option<u64>, elapsed: Duration) -> String {
    let mut text = String::new();
    if bytes > 0 {
        let _ = write!(text, "{}", DecimalBytes(bytes));
        // What comes compressed may be a little more than was told.
        if let Some(total) = total.filter(|total| *total >= bytes) {
            let _ = write!(text, " of {}", DecimalBytes(total));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "for a person to read"
        )]
        let speed = (bytes as f64 / elapsed.as_secs_f64().max(0.1)) as u64;
        let _ = write!(text, ", {}/s, ", DecimalBytes(speed));
    }
    let _ = write!(text, "{} s", elapsed.as_secs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is() {
        let seconds = Duration::from_secs;
        assert_eq!(far(0, None, seconds(0)), "0 s");
        assert_eq!(far(0, Some(5), seconds(3)), "3 s");
        assert_eq!(far(20_000_000, None, seconds(10)), "20.00 MB, 2.00 MB/s, 10 s");
        assert_eq!(far(20_000_000, Some(40_000_000), seconds(10)), "20.00 MB of 40.00 MB, 2.00 MB/s, 10 s");
        assert_eq!(far(50_000_000, Some(40_000_000), seconds(10)), "50.00 MB, 5.00 MB/s, 10 s");
    }
}
