//! Notes SIGINT, SIGTERM and SIGHUP. Code that waits or works asks for them and ends, so that everything half done is
//! removed before the program ends by the signal.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

/// The last signal that asked the program to end; 0 if there was none.
static PENDING: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Starts noting signals. SIGXFSZ, for a file that becomes larger than `ulimit -f` allows, does not end the program:
/// the write fails, and its error is shown. (The signal is handled and not ignored, so that tools start with its
/// default.) If the program was started with SIGHUP ignored, as `nohup` does, it keeps ignoring it.
pub(crate) fn install() -> io::Result<()> {
    let pending = PENDING.get_or_init(Arc::default);
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal != SIGHUP || !is_ignored(signal) {
            signal_hook::flag::register_usize(
                signal,
                Arc::clone(pending),
                usize::try_from(signal).unwrap_or_default(),
            )?;
        }
    }
    Ok(())
}

/// The signal that asked the program to end, if one did.
pub(crate) fn pending() -> Option<i32> {
    let signal = PENDING.get()?.load(Ordering::Relaxed);
    i32::try_from(signal).ok().filter(|signal| *signal != 0)
}

/// Forgets the signal that asked the program to end: an attached child was meant, and has received it.
pub(crate) fn forget() {
    if let Some(pending) = PENDING.get() {
        pending.store(0, Ordering::Relaxed);
    }
}

/// Ends the program by the signal, once everything is cleaned up.
pub(crate) fn die_of(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

/// Whether the program was started with this signal ignored.
pub(crate) fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction is plain data, for which zeros are a valid value.
    let mut current: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null new action only asks; `current` outlives the call.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut current) };
    asked == 0 && current.sa_sigaction == libc::SIG_IGN
}
