//! What a person sees while a long job runs: a moving line on a terminal, plain lines anywhere else.
//!
//! Everything goes to stderr, so that what a command prints on stdout can be piped.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the moving line is redrawn.
const TICK: Duration = Duration::from_millis(120);

/// Prints one line on stderr.
pub(crate) fn say(line: &str) {
    // A closed stderr must not end the job.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// One job that a person waits for; dropping it clears the moving line.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A job of `total` pieces, told apart by [`Progress::advance`].
    pub(crate) fn of(what: &str, total: u64) -> Self {
        Self::with(what, ProgressBar::new(total), "{spinner} {msg} {bar:30} {pos}/{len} {elapsed}")
    }

    fn with(what: &str, bar: ProgressBar, template: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            say(what);
            return Self { bar: None };
        }
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar) }
    }

    /// Says what is being done now.
    #[expect(dead_code, reason = "the demo and the benches tell their phases with it")]
    pub(crate) fn tell(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => say(what),
        }
    }

    /// Says how many pieces are done by now; silent where there is no terminal.
    pub(crate) fn advance(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
