//! The terminal while something is typed that nobody shall see.

use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::signals::{STOP, are_caught};

/// The terminal, and how it was before it stopped to show what is typed; `None` when it shows it.
static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks for a line at the terminal, which does not show it.
///
/// Whoever ends this meanwhile, by Ctrl-C or from elsewhere, finds the terminal as it was: the
/// shell shows again what is typed.
pub(crate) fn ask_unseen(text: &str) -> io::Result<String> {
    restore_when_stopped()?;
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    keep(Some((terminal, before)));
    let typed = rpassword::prompt_password(text);
    keep(None);
    if typed
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
    {
        // Ctrl-C is no signal here, but a character; it means the same.
        emulate_default_handler(SIGINT)?;
    }
    typed
}

fn keep(before: Option<(File, Termios)>) {
    match BEFORE.lock() {
        Ok(mut kept) => *kept = before,
        Err(poisoned) => *poisoned.into_inner() = before,
    }
}

/// From here on, signals that ask to stop end this process as they did, but by way of the
/// terminal. Once a signal is caught, nothing makes it end the process by itself again.
fn restore_when_stopped() -> io::Result<()> {
    static IS_WATCHED: Mutex<bool> = Mutex::new(false);
    let Ok(mut is_watched) = IS_WATCHED.lock() else {
        return Ok(());
    };
    if *is_watched {
        return Ok(());
    }
    let mut signals = Signals::new(STOP)?;
    *is_watched = true;
    thread::spawn(move || {
        for signal in signals.forever() {
            if are_caught() {
                continue;
            }
            if let Ok(Some((terminal, before))) = BEFORE.lock().as_deref() {
                let _ = tcsetattr(terminal, OptionalActions::Now, before);
            }
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}
