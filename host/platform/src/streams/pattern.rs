//! Names that are regular expressions, `/^mediawiki\.job\..+/`: written for PHP, matched here by an engine whose time is
//! linear in the text.

use regex::{Regex, RegexBuilder};

/// The most bytes that a compiled expression may take: a name is a line, not a program.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A regular expression between slashes.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Whether `name` is meant as a pattern.
    pub(super) fn is_meant(name: &str) -> bool {
        name.starts_with('/')
    }

    /// Compiles `/expression/` or, without regard to case, `/expression/i`. What is wrong otherwise.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (expression, flags) = text
            .strip_prefix('/')
            .and_then(|rest| rest.rsplit_once('/'))
            .ok_or("a regular expression stands between two slashes")?;
        if !matches!(flags, "" | "i") {
            return Err(format!("`{flags}` behind the regular expression is not known"));
        }
        // `\/` is how a slash is written between slashes.
        let mut builder = RegexBuilder::new(&expression.replace("\\/", "/"));
        let compiled = builder.case_insensitive(flags == "i").size_limit(COMPILED_BYTES_MAX).build();
        let regex = compiled.map_err(|error| format!("not a regular expression: {}", one_line(&error.to_string())))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether it matches, anywhere in `text` unless it says otherwise.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The text of the pattern that matches what this one does, behind one of `prefixes`.
    pub(super) fn behind(&self, prefixes: &[String]) -> String {
        if prefixes.is_empty() {
            return self.text.clone();
        }
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| regex::escape(prefix)).collect();
        let rest = self.text.strip_prefix("/^").or_else(|| self.text.strip_prefix('/')).unwrap_or(&self.text);
        format!("/^({}){rest}", prefixes.join("|"))
    }
}

/// The last line of an error of several lines: the others draw an arrow.
fn one_line(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
