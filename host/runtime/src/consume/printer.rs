//! Writes events for people and for other programs: on one line or indented, with or without colours. Key order and the
//! spelling of numbers stay as they came.

use std::io::{Result, Write};

/// How events look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// One line, or many.
    pub(super) shape: Shape,
    /// Whether the parts of an event have colours.
    pub(super) paint: Paint,
}

/// How much room an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One line.
    Line,
    /// One line for each value, indented.
    Indented,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// None, for programs and files.
    Plain,
    /// None, for a terminal: characters that could steer it are escaped.
    Terminal,
    /// Colours, for a terminal.
    Coloured,
}

const RESET: &str = "\x1b[0m";
const KEY: &str = "\x1b[34m";
const TEXT: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const WORD: &str = "\x1b[35m";
const INDENT: &str = "  ";

/// Writes JSON in a style, and the end of the line. `json` is one value; what is none comes out as it is.
pub(super) fn write_json(out: &mut impl Write, json: &[u8], style: Style) -> Result<()> {
    let mut writer = JsonWriter { out, style, depth: 0, rest: json };
    writer.value()?;
    writer.out.write_all(b"\n")
}

/// Writes the text of a JSON string without its quotes; other values as they are.
pub(super) fn write_text(out: &mut impl Write, json: &[u8], style: Style) -> Result<()> {
    match serde_json::from_slice::<String>(json) {
        Ok(text) => {
            match style.paint {
                Paint::Plain => out.write_all(text.as_bytes())?,
                Paint::Terminal | Paint::Coloured => out.write_all(crate::config::printable(&text).as_bytes())?,
            }
            out.write_all(b"\n")
        }
        Err(_no_string) => write_json(out, json, style),
    }
}

struct JsonWriter<'w, 'j, W> {
    out: &'w mut W,
    style: Style,
    depth: usize,
    rest: &'j [u8],
}

impl<'j, W: Write> JsonWriter<'_, 'j, W> {
    /// Writes token after token; nesting is only counted, so the deepest document is no danger.
    fn value(&mut self) -> Result<()> {
        while let Some(&first) = self.rest.first() {
            match first {
                b' ' | b'\t' | b'\n' | b'\r' => drop(self.take(1)),
                b'{' | b'[' => self.open()?,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.new_line()?;
                    self.plain(1)?;
                }
                b',' => {
                    self.plain(1)?;
                    self.new_line()?;
                }
                b':' => {
                    self.plain(1)?;
                    if self.style.shape == Shape::Indented {
                        self.out.write_all(b" ")?;
                    }
                }
                b'"' => self.string()?,
                b't' | b'f' | b'n' => self.word(WORD)?,
                _ => self.word(NUMBER)?,
            }
        }
        Ok(())
    }

    /// An empty object or list stays on its line.
    fn open(&mut self) -> Result<()> {
        let inside = self.rest.get(1..).unwrap_or_default();
        let blank = inside.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.plain(1)?;
        if matches!(inside.get(blank), Some(b'}' | b']')) {
            self.take(blank);
            return self.plain(1);
        }
        self.depth += 1;
        self.new_line()
    }

    fn string(&mut self) -> Result<()> {
        let mut length = 1;
        while let Some(byte) = self.rest.get(length) {
            length += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        let text = self.take(length);
        let after = self.rest.iter().find(|byte| !byte.is_ascii_whitespace());
        self.painted(text, if after == Some(&b':') { KEY } else { TEXT })
    }

    fn word(&mut self, colour: &str) -> Result<()> {
        let is_end =
            |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"');
        let length = self.rest.iter().position(is_end).unwrap_or(self.rest.len()).max(1);
        let text = self.take(length);
        self.painted(text, colour)
    }

    fn take(&mut self, length: usize) -> &'j [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn plain(&mut self, length: usize) -> Result<()> {
        let text = self.take(length);
        self.out.write_all(text)
    }

    fn painted(&mut self, text: &[u8], colour: &str) -> Result<()> {
        match self.style.paint {
            Paint::Plain => self.out.write_all(text),
            Paint::Terminal => self.out.write_all(&tame(text)),
            Paint::Coloured => {
                self.out.write_all(colour.as_bytes())?;
                self.out.write_all(&tame(text))?;
                self.out.write_all(RESET.as_bytes())
            }
        }
    }

    fn new_line(&mut self) -> Result<()> {
        if self.style.shape == Shape::Line {
            return Ok(());
        }
        self.out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| self.out.write_all(INDENT.as_bytes()))
    }
}

/// JSON escapes of what JSON lets stand and a terminal obeys: DEL, the C1 controls, and marks that turn the direction.
fn tame(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let steers = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match std::str::from_utf8(text) {
        Ok(text) if text.contains(steers) => {
            let mut tamed = String::with_capacity(text.len() + 16);
            for letter in text.chars() {
                if steers(letter) {
                    tamed.push_str(&format!("\\u{:04x}", u32::from(letter)))
                } else {
                    tamed.push(letter)
                }
            }
            tamed.into_bytes().into()
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#" {"b": [1.50, true,null ,{}, [ ]], "a":{"é\"":"x: {,"}} "#;

    #[track_caller]
    fn check(json: &str, shape: Shape, paint: Paint, expected: &str) {
        let mut out = Vec::new();
        write_json(&mut out, json.as_bytes(), Style { shape, paint }).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn one_line_is_the_event_without_blank_space() {
        check(EVENT, Shape::Line, Paint::Plain, "{\"b\":[1.50,true,null,{},[]],\"a\":{\"é\\\"\":\"x: {,\"}}\n");
        check("\"a b\"", Shape::Line, Paint::Plain, "\"a b\"\n");
        check("17", Shape::Line, Paint::Plain, "17\n");
    }

    #[test]
    fn an_indented_event_has_a_line_for_each_value() {
        let expected = "{\n  \"b\": [\n    1.50,\n    true,\n    null,\n    {},\n    []\n  ],\n  \"a\": {\n    \"é\\\"\": \"x: {,\"\n  }\n}\n";
        check(EVENT, Shape::Indented, Paint::Plain, expected);
    }

    #[test]
    fn colours_tell_keys_from_values() {
        let expected = "{\u{1b}[34m\"a\"\u{1b}[0m:\u{1b}[32m\"b\"\u{1b}[0m,\u{1b}[34m\"c\"\u{1b}[0m:\u{1b}[36m1\u{1b}[0m,\u{1b}[34m\"d\"\u{1b}[0m:\u{1b}[35mtrue\u{1b}[0m}\n";
        check(r#"{"a":"b","c":1,"d":true}"#, Shape::Line, Paint::Coloured, expected);
    }

    #[test]
    fn nothing_in_an_event_steers_a_terminal() {
        let steering = "\"a\u{9b}2J\u{7f}\u{202e}b\"";
        check(steering, Shape::Line, Paint::Terminal, "\"a\\u009b2J\\u007f\\u202eb\"\n");
        check(steering, Shape::Line, Paint::Plain, &format!("{steering}\n"));
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for text in ["", "\"", "\"a\\", "]]}}", "{\"a\"", "\u{1b}[2J", ":,:"] {
            for shape in [Shape::Line, Shape::Indented] {
                write_json(&mut Vec::new(), text.as_bytes(), Style { shape, paint: Paint::Coloured }).unwrap();
            }
        }
    }

    #[test]
    fn raw_text_has_no_quotes() {
        let write = |json: &str, paint| {
            let mut out = Vec::new();
            write_text(&mut out, json.as_bytes(), Style { shape: Shape::Line, paint }).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(write(r#""a \"b\" \u00e9""#, Paint::Plain), "a \"b\" é\n");
        assert_eq!(write("[1, 2]", Paint::Plain), "[1,2]\n");
        assert!(!write(r#""\u001b[2J""#, Paint::Terminal).contains('\u{1b}'));
    }
}
