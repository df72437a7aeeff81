//! The kinds of values that keys have: texts, words of a list, sizes, durations, counts, files. Each is read from one
//! node and says in the same words what it expects, in a mistake and in the reference.

use super::quantity::{parse_duration, parse_size, show_duration, show_size};
use super::reader::{Found, Key, Section, nearest};
use super::registry::without_password;
use super::tree::{Node, Value};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

impl<'a> Section<'a> {
    /// Any text.
    pub(crate) fn text(&self, key: Key) -> Found<'_, 'a, String> {
        self.value(key, "text", |node| text_of(node, "text"))
    }

    /// Text that `parse` understands.
    pub(crate) fn parsed<T>(
        &self,
        key: Key,
        kind: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Found<'_, 'a, T> {
        self.value(key, kind, |node| {
            let text = text_of(node, kind)?;
            parse(&text).map_err(|problem| format!("{problem}, found `{}`", without_password(&text)))
        })
    }

    /// A list of texts, each of which `check` accepts.
    pub(crate) fn texts(
        &self,
        key: Key,
        kind: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Found<'_, 'a, Vec<String>> {
        self.value(key, kind, |node| {
            let Value::List(items) = &node.value else {
                return Err(format!("expected {kind}, found {}", node.describe()));
            };
            let one = |item| {
                let text = text_of(item, kind)?;
                check(&text).map_err(|problem| format!("{problem}, found `{}`", without_password(&text)))?;
                Ok(text)
            };
            items.iter().map(one).collect()
        })
    }

    /// A size between two bounds, in bytes.
    pub(crate) fn size(&self, key: Key, bounds: RangeInclusive<u64>) -> Found<'_, 'a, u64> {
        let kind = format!("size, {} to {}", show_size(*bounds.start()), show_size(*bounds.end()));
        self.value(key, kind.clone(), |node| {
            let bytes = parse_size(&quantity_of(node)).map_err(|expected| found(&expected, node))?;
            if bounds.contains(&bytes) { Ok(bytes) } else { Err(outside(&kind, node)) }
        })
    }

    /// A duration between two bounds.
    pub(crate) fn duration(&self, key: Key, bounds: RangeInclusive<Duration>) -> Found<'_, 'a, Duration> {
        let kind = format!("duration, {} to {}", show_duration(*bounds.start()), show_duration(*bounds.end()));
        self.value(key, kind.clone(), |node| {
            let duration = parse_duration(&quantity_of(node)).map_err(|expected| found(&expected, node))?;
            if bounds.contains(&duration) { Ok(duration) } else { Err(outside(&kind, node)) }
        })
    }

    /// A whole number between two bounds.
    pub(crate) fn count(&self, key: Key, bounds: RangeInclusive<u64>) -> Found<'_, 'a, u64> {
        let kind = format!("whole number, {} to {}", bounds.start(), bounds.end());
        self.value(key, kind.clone(), |node| match &node.value {
            Value::Plain(text) => match text.parse::<u64>() {
                Ok(number) if bounds.contains(&number) => Ok(number),
                _ => Err(outside(&kind, node)),
            },
            _ => Err(outside(&kind, node)),
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: Key) -> Found<'_, 'a, bool> {
        self.value(key, "true or false", |node| match &node.value {
            Value::Plain(text) if text == "true" => Ok(true),
            Value::Plain(text) if text == "false" => Ok(false),
            _ => Err(format!("expected true or false, found {}", node.describe())),
        })
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: Key, words: &'static [(&'static str, T)]) -> Found<'_, 'a, T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let kind = names.join(" | ");
        self.value(key, kind.clone(), |node| {
            let (Value::Plain(text) | Value::Quoted(text)) = &node.value else {
                return Err(format!("expected {kind}, found {}", node.describe()));
            };
            let known = words.iter().find(|(name, _)| name == text).map(|(_, value)| *value);
            known.ok_or_else(|| {
                let meant = nearest(text, &names).map(|name| format!(", did you mean `{name}`?")).unwrap_or_default();
                format!("expected {kind}, found {}{meant}", node.describe())
            })
        })
    }

    /// A path; a relative one starts from the folder of the file.
    pub(crate) fn path(&self, key: Key, kind: &'static str) -> Found<'_, 'a, PathBuf> {
        self.value(key, kind, |node| Ok(self.desk.folder.join(text_of(node, kind)?)))
    }

    /// A file that can be read.
    pub(crate) fn file(&self, key: Key) -> Found<'_, 'a, PathBuf> {
        const KIND: &str = "path of a file";
        self.value(key, KIND, |node| {
            let path = self.desk.folder.join(text_of(node, KIND)?);
            readable(&path)?;
            Ok(path)
        })
    }

    /// A file that holds a secret: readable for us, not for everybody, and not empty. Its content is not kept.
    pub(crate) fn secret_file(&self, key: Key) -> Found<'_, 'a, PathBuf> {
        const KIND: &str = "path of a file that not everybody may read";
        self.value(key, KIND, |node| {
            let path = self.desk.folder.join(text_of(node, KIND)?);
            let metadata = readable(&path)?;
            private(&path, &metadata)?;
            Ok(path)
        })
    }
}

/// The file is there, is a file, and opens.
fn readable(path: &std::path::Path) -> Result<std::fs::Metadata, String> {
    let failed = |error: std::io::Error| format!("the file {} cannot be read: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    std::fs::File::open(path).map_err(failed)?;
    Ok(metadata)
}

/// Nobody but owner and group may read it.
fn private(path: &std::path::Path, metadata: &std::fs::Metadata) -> Result<(), String> {
    /// The permission bits of everybody else.
    const OTHERS: u32 = 0o007;
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(format!("everybody may read the secret in {}: run chmod o= on it", path.display()));
    }
    if metadata.len() == 0 {
        return Err(format!("the secret file {} is empty", path.display()));
    }
    Ok(())
}

/// A text; a plain number or `true` is none, because YAML's readers disagree about those.
pub(crate) fn text_of(node: &Node, expected: &str) -> Result<String, String> {
    match &node.value {
        Value::Quoted(text) => Ok(text.clone()),
        Value::Plain(text) if is_number_or_flag(text) => {
            Err(format!("expected {expected}, found `{text}`: put it in quotes if it is meant as text"))
        }
        Value::Plain(text) => Ok(text.clone()),
        Value::List(_) | Value::Mapping(_) => Err(format!("expected {expected}, found {}", node.describe())),
    }
}

fn is_number_or_flag(text: &str) -> bool {
    matches!(text, "true" | "false") || text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn quantity_of(node: &Node) -> String {
    match &node.value {
        Value::Plain(text) | Value::Quoted(text) => text.clone(),
        Value::List(_) | Value::Mapping(_) => String::new(),
    }
}

fn found(expected: &str, node: &Node) -> String {
    format!("{expected}, found {}", node.describe())
}

fn outside(kind: &str, node: &Node) -> String {
    format!("expected a {kind}, found {}", node.describe())
}
