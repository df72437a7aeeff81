//! The YAML text as a tree in which every key and value knows its position. Nothing here knows any key by name.
//!
//! The tree is made from parse events, because ready-made loaders stop at the first duplicate key, and all mistakes are
//! to be reported at once.

use super::mistake::{Mistake, Position};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, SpannedEventReceiver};
use std::collections::HashMap;

/// The most bytes that a configuration may have: far beyond fifty pipelines, far below what would hurt.
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The most nodes that a configuration may have once its aliases are expanded, so that a few nested aliases cannot fill
/// the memory.
const NODES_MAX: usize = 100_000;

/// The deepest nesting; the readers and the parser's recursion stay far from the end of the stack.
const DEPTH_MAX: usize = 64;

/// A value with its position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where the value begins.
    pub(crate) position: Position,
    /// The value itself.
    pub(crate) value: Value,
}

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A scalar without quotes: its meaning depends on who reads it.
    Plain(String),
    /// A scalar in quotes or as a block: always text.
    Quoted(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file; duplicate keys are still in it.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) position: Position,
    /// The value.
    pub(crate) node: Node,
}

impl Node {
    /// Whether nothing was written: `key:` or `key: ~`.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Plain(text) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// What this is, for a message.
    pub(crate) fn describe(&self) -> String {
        /// Longer texts are cut: the operator has the position.
        const SHOWN_CHARS_MAX: usize = 60;
        match &self.value {
            Value::Plain(_) if self.is_empty() => "nothing".to_owned(),
            Value::Plain(text) | Value::Quoted(text) => {
                let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
                if shown.len() < text.len() {
                    shown.push_str("...");
                }
                format!("`{shown}`")
            }
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a section with keys".to_owned(),
        }
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }
}

/// Parses the one document of `text`. An empty file is an empty mapping.
pub(crate) fn parse(text: &str) -> Result<Node, Mistake> {
    let mut builder = Builder::default();
    let parsed = Parser::new_from_str(text).load(&mut builder, true);
    if let Some(mistake) = builder.mistake {
        return Err(mistake);
    }
    if let Err(error) = parsed {
        let position = Position { line: error.marker().line(), column: error.marker().col() + 1 };
        return Err(syntax(position, format!("this is not valid YAML: {}", error.info())));
    }
    let empty = || Node { position: Position { line: 1, column: 1 }, value: Value::Mapping(Vec::new()) };
    Ok(builder.root.filter(|root| !root.is_empty()).unwrap_or_else(empty))
}

fn syntax(position: Position, problem: String) -> Mistake {
    let remedy = "correct the line or the one before it".to_owned();
    Mistake { file: None, position, key: String::new(), problem, remedy }
}

/// A collection that is being filled.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, in a mapping.
    key: Option<(String, Position)>,
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    mistake: Option<Mistake>,
}

impl SpannedEventReceiver<'_> for Builder {
    fn on_event(&mut self, event: Event<'_>, span: Span) {
        if self.mistake.is_some() {
            return;
        }
        let position = Position { line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let text = text.into_owned();
                let value = if style == ScalarStyle::Plain { Value::Plain(text) } else { Value::Quoted(text) };
                self.add(Node { position, value }, anchor);
            }
            Event::SequenceStart(anchor, _) => self.open(position, Value::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.open(position, Value::Mapping(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.stack.pop() {
                    self.add(open.node, open.anchor);
                }
            }
            Event::Alias(anchor) => self.alias(position, anchor),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }
}

impl Builder {
    fn open(&mut self, position: Position, value: Value, anchor: usize) {
        if self.stack.len() >= DEPTH_MAX {
            self.mistake = Some(syntax(position, format!("nested deeper than {DEPTH_MAX} levels")));
            return;
        }
        self.stack.push(Open { node: Node { position, value }, anchor, key: None });
    }

    fn alias(&mut self, position: Position, anchor: usize) {
        match self.anchors.get(&anchor) {
            Some(node) => {
                self.nodes += count(node);
                let node = node.clone();
                self.add(node, 0);
            }
            None => self.mistake = Some(syntax(position, "the alias stands inside of what it names".to_owned())),
        }
    }

    /// Puts a finished node into the collection around it.
    fn add(&mut self, node: Node, anchor: usize) {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.mistake = Some(syntax(node.position, format!("more than {NODES_MAX} values, aliases included")));
            return;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            if self.root.is_some() {
                self.mistake = Some(syntax(node.position, "a second YAML document begins here".to_owned()));
            }
            self.root.get_or_insert(node);
            return;
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Mapping(entries), Some((key, position))) => entries.push(Entry { key, position, node }),
            (Value::Mapping(_), None) => match node.value {
                Value::Plain(key) | Value::Quoted(key) => open.key = Some((key, node.position)),
                _ => self.mistake = Some(syntax(node.position, "a key must be a word".to_owned())),
            },
            _ => {}
        }
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Plain(_) | Value::Quoted(_) => 1,
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| 1 + count(&entry.node)).sum::<usize>(),
    }
}
