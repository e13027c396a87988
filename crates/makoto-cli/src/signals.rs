//! Ctrl-C and friends while a command runs.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::emulate_default_handler;
use signal_hook::low_level::siginfo::Cause;

use crate::failure::Failure;

/// Signals that ask to stop.
pub(crate) const STOP: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Whether [`StopSignals`] decides what these signals do.
static ARE_CAUGHT: AtomicBool = AtomicBool::new(false);

/// Whether a child decides whether these signals end this process.
pub(crate) fn are_caught() -> bool {
    ARE_CAUGHT.load(Ordering::SeqCst)
}

/// Catches the signals that ask to stop, and hands them on to a child.
pub(crate) struct StopSignals(SignalsInfo<WithOrigin>);

impl StopSignals {
    /// Starts to catch. From here on these signals do not end this process.
    pub(crate) fn catch() -> Result<Self, Failure> {
        ARE_CAUGHT.store(true, Ordering::SeqCst);
        SignalsInfo::new(STOP)
            .map(Self)
            .map_err(|error| Failure::usage(format!("cannot catch signals: {error}")))
    }

    /// Waits for `child`. Returns its exit status and the signal that asked to stop, if one came.
    ///
    /// A Ctrl-C at the terminal reaches the whole foreground group, so the child has it already;
    /// a signal that was sent to this process alone is passed on.
    pub(crate) fn wait(self, child: &mut Child) -> std::io::Result<(ExitStatus, Option<i32>)> {
        let Self(mut signals) = self;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let last_signal = Arc::new(AtomicI32::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (seen, child_ended) = (Arc::clone(&last_signal), Arc::clone(&ended));
        // Lives as long as the process: a signal after the child's end is for us alone.
        thread::spawn(move || {
            for origin in signals.forever() {
                if child_ended.load(Ordering::SeqCst) {
                    let _ = emulate_default_handler(origin.signal);
                }
                seen.store(origin.signal, Ordering::SeqCst);
                let signal = Signal::from_named_raw(origin.signal);
                if let (false, Some(pid), Some(signal)) =
                    (matches!(origin.cause, Cause::Kernel), pid, signal)
                {
                    let _ = kill_process(pid, signal);
                }
            }
        });
        let status = child.wait()?;
        ended.store(true, Ordering::SeqCst);
        let signal = last_signal.load(Ordering::SeqCst);
        Ok((status, (signal != 0).then_some(signal)))
    }
}
