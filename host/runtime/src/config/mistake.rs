//! Mistakes: what is wrong in a configuration, where it stands, and what to do about it. Finding them is the business
//! of the readers; what a mistake says never holds a secret.

use millrace_flow::display::drives_display;
use std::fmt;
use std::path::PathBuf;

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1; 0 where the mistake is about the file as a whole.
    pub line: usize,
    /// The column, from 1; 0 where the mistake is about the file as a whole.
    pub column: usize,
}

/// One mistake of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file that it stands in, where that is not the configuration itself but one that it names.
    pub file: Option<PathBuf>,
    /// The line and column of the value, or of the section that lacks one.
    pub position: Position,
    /// The path of the key, like `pipelines[0].limits.event_bytes`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.position.line > 0 {
            write!(f, "{}:{}: ", self.position.line, self.position.column)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", printable(&self.problem), printable(&self.remedy))
    }
}

/// Everything that is wrong with one file, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// The mistakes.
    pub list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.list {
            let separator = if mistake.position.line > 0 { ":" } else { ": " };
            let file = mistake.file.as_ref().unwrap_or(&self.file).display();
            writeln!(f, "{file}{separator}{mistake}")?;
        }
        let file = self.file.display();
        let others =
            if self.list.iter().any(|mistake| mistake.file.is_some()) { " and the files that it names" } else { "" };
        match self.list.len() {
            1 => write!(f, "1 mistake in {file}{others}"),
            count => write!(f, "{count} mistakes in {file}{others}"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// Text from a file or a plugin as it may stand on a terminal: control characters are escaped, so that nothing in it
/// can move the cursor, change colours or pretend to be another line.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if drives_display(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}
