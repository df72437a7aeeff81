//! What a person sees while a run goes on: a moving line on a terminal, a line for each phase anywhere else. All of it goes
//! to standard error, so that the result on standard output can be piped.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the moving line is written.
const EVERY: Duration = Duration::from_millis(200);

/// Where progress is shown.
#[derive(Debug)]
pub struct Screen {
    moving: bool,
    phase: &'static str,
    shown: Option<Instant>,
}

impl Screen {
    /// Standard error; the line moves where that is a terminal.
    pub fn new() -> Self {
        Self { moving: std::io::stderr().is_terminal(), phase: "", shown: None }
    }

    /// Another phase begins.
    pub fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
        self.shown = None;
        if !self.moving {
            self.tell(phase);
        }
    }

    /// So many of so many are done.
    pub fn advance(&mut self, (done, all): (u64, u64), note: &str) {
        if !self.moving || self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
        write(&format!("\r\x1b[K{} {percent} % ({done} of {all}){note}", self.phase));
    }

    /// Something that stays on the screen.
    pub fn tell(&mut self, line: &str) {
        self.clear();
        write(&format!("{line}\n"));
    }

    /// Takes the moving line away.
    pub fn clear(&mut self) {
        if self.moving && self.shown.take().is_some() {
            write("\r\x1b[K");
        }
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

/// A closed standard error must not end the job.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()));
    drop(stderr.flush());
}
