//! JSON Pointers (RFC 6901): the paths of edits, of projections and of message keys.

use std::borrow::Cow;
use std::fmt;

/// The most steps of a pointer: as many as a document may have levels.
pub const POINTER_STEPS_MAX: usize = 128;

/// A text is no JSON Pointer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It does not begin with a slash.
    #[error("{pointer:?} is no JSON Pointer: it must begin with `/`")]
    NoSlash {
        /// The text.
        pointer: String,
    },
    /// `~` is not followed by `0` or `1`.
    #[error("{pointer:?} is no JSON Pointer: `~` is written `~0`, and `/` inside of a key `~1`")]
    Escape {
        /// The text.
        pointer: String,
    },
    /// More steps than [`POINTER_STEPS_MAX`].
    #[error("a JSON Pointer of {steps} steps is deeper than any document, which has 128 levels at most")]
    TooDeep {
        /// How many it has.
        steps: usize,
    },
    /// The empty pointer where a field is meant.
    #[error("the empty JSON Pointer is the whole document; name a field of it")]
    Empty,
}

/// A checked JSON Pointer. The empty one is the whole document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer(Box<str>);

impl Pointer {
    /// Checks `text`: empty, or steps that each begin with `/`, with `~0` for `~` and `~1` for `/`.
    ///
    /// # Errors
    /// Anything else, and more than [`POINTER_STEPS_MAX`] steps.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() {
            check(text)?;
        }
        Ok(Self(text.into()))
    }

    /// The pointer to the field of `keys`, each inside the one before it, as they are (nothing in them is an escape).
    ///
    /// # Errors
    /// More than [`POINTER_STEPS_MAX`] keys.
    pub fn of_keys<'k>(keys: impl IntoIterator<Item = &'k str>) -> Result<Self, PointerError> {
        let text: String =
            keys.into_iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        Self::parse(&text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its steps, unescaped.
    pub(crate) fn tokens(&self) -> Tokens<'_> {
        Tokens::of(&self.0)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a pointer to a field and returns the number of its steps.
pub(crate) fn check(text: &str) -> Result<usize, PointerError> {
    if text.is_empty() {
        return Err(PointerError::Empty);
    }
    if !text.starts_with('/') {
        return Err(PointerError::NoSlash { pointer: shown(text) });
    }
    let bytes = text.as_bytes();
    let is_escape = |at: usize| matches!(bytes.get(at + 1), Some(b'0' | b'1'));
    if !memchr::memchr_iter(b'~', bytes).all(is_escape) {
        return Err(PointerError::Escape { pointer: shown(text) });
    }
    let steps = memchr::memchr_iter(b'/', bytes).count();
    if steps > POINTER_STEPS_MAX { Err(PointerError::TooDeep { steps }) } else { Ok(steps) }
}

/// Enough of a pointer to find it by.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// The steps of a pointer that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'a>(std::str::Split<'a, char>);

impl<'a> Tokens<'a> {
    pub(crate) fn of(checked: &'a str) -> Self {
        let mut steps = checked.split('/');
        // What stands before the first slash: nothing.
        steps.next();
        Self(steps)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.0.next()?;
        Some(if step.contains('~') {
            Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tokens(text: &str, expected: &[&str]) {
        let pointer = Pointer::parse(text).unwrap();
        assert_eq!(pointer.tokens().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_pointer_is_its_steps() {
        check_tokens("", &[]);
        check_tokens("/", &[""]);
        check_tokens("/a/b", &["a", "b"]);
        check_tokens("/a//b/", &["a", "", "b", ""]);
        check_tokens("/a~1b/m~0n/~01", &["a/b", "m~n", "~1"]);
        check_tokens("/$schema/-/0", &["$schema", "-", "0"]);
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert!(matches!(Pointer::parse("a"), Err(PointerError::NoSlash { .. })));
        assert!(matches!(Pointer::parse("/~"), Err(PointerError::Escape { .. })));
        assert!(matches!(Pointer::parse("/a~2"), Err(PointerError::Escape { .. })));
        assert_eq!(Pointer::parse(&"/a".repeat(129)), Err(PointerError::TooDeep { steps: 129 }));
        assert_eq!(check(""), Err(PointerError::Empty));
    }

    #[test]
    fn keys_become_a_pointer() {
        assert_eq!(Pointer::of_keys(["page", "a/b~"]).unwrap().as_str(), "/page/a~1b~0");
    }
}
