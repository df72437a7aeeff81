//! Reads sections of the tree and documents them in the same breath: a key is declared once, in the function that reads
//! it, with its kind, default, bounds and sentence. Reading collects mistakes and goes on with a placeholder, so that
//! all of them are found; documenting runs the same functions over no file at all and collects what they declare.

use super::mistake::{Mistake, Position};
use super::tree::{Entry, Node, Value};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Where mistakes and declarations are collected.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// The folder of the file: what relative paths start from.
    pub(crate) folder: PathBuf,
    documenting: bool,
    mistakes: RefCell<Vec<Mistake>>,
    declarations: RefCell<Vec<Declaration>>,
}

/// What is known of a key: one line of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// The key's path, with `<name>` for a name of the operator's choice and `[]` for each item of a list.
    pub(crate) key: String,
    /// What its value must be.
    pub(crate) kind: String,
    /// What happens without it.
    pub(crate) presence: Presence,
    /// One or two sentences.
    pub(crate) doc: &'static str,
}

/// What happens when a key is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// A mistake.
    Required,
    /// This value is used.
    Default(String),
    /// What this sentence says.
    Optional(&'static str),
    /// A section: its keys speak for themselves.
    Section,
}

impl Desk {
    /// A desk for reading a file in `folder`.
    pub(crate) fn reading(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// A desk for documenting.
    pub(crate) fn documenting() -> Self {
        Self { documenting: true, ..Self::default() }
    }

    /// Takes a mistake down.
    pub(crate) fn mistake(&self, position: Position, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let (key, problem, remedy) = (key.to_owned(), problem.into(), remedy.into());
        self.mistakes.borrow_mut().push(Mistake { file: None, position, key, problem, remedy });
    }

    /// Takes a mistake down that stands in a file which this one names.
    pub(crate) fn mistake_elsewhere(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// What was found, in the order of the lines; that of other files comes last.
    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by(|one, other| (&one.file, one.position).cmp(&(&other.file, other.position)));
        mistakes
    }

    /// What was declared, in the order of reading.
    pub(crate) fn into_declarations(self) -> Vec<Declaration> {
        self.declarations.into_inner()
    }

    fn declare(&self, key: &str, kind: &str, presence: Presence, doc: &'static str) {
        if self.documenting {
            let declaration = Declaration { key: key.to_owned(), kind: kind.to_owned(), presence, doc };
            self.declarations.borrow_mut().push(declaration);
        }
    }
}

/// A key's name and the sentences that explain it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
}

/// Declares a key.
pub(crate) const fn key(name: &'static str, doc: &'static str) -> Key {
    Key { name, doc }
}

/// One section of the file: a mapping whose keys are asked for one by one.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// Where mistakes go.
    pub(crate) desk: &'a Desk,
    /// The section's path, empty for the root.
    pub(crate) path: String,
    /// Where the section begins: what a missing key is reported at.
    pub(crate) position: Position,
    entries: &'a [Entry],
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// Reads `node` as a section by `read`, then reports what nobody asked for.
    pub(crate) fn read<T>(desk: &'a Desk, path: String, node: Option<&'a Node>, read: impl FnOnce(&Self) -> T) -> T {
        Self::read_at(desk, path, (Position::default(), node), read)
    }

    /// The same with the position that counts where there is no node.
    fn read_at<T>(
        desk: &'a Desk,
        path: String,
        (otherwise, node): (Position, Option<&'a Node>),
        read: impl FnOnce(&Self) -> T,
    ) -> T {
        let position = node.map_or(otherwise, |node| node.position);
        if let Some(node) = node.filter(|node| !node.is_empty() && !matches!(node.value, Value::Mapping(_))) {
            let problem = format!("expected a section with keys, found {}", node.describe());
            desk.mistake(node.position, &path, problem, "write its keys below it, indented");
        }
        let entries = node.map_or(&[][..], Node::entries);
        let section = Self { desk, path, position, entries, asked: RefCell::default() };
        let value = read(&section);
        // What is no section at all has been reported; that its keys are missing goes without saying.
        section.report_duplicates();
        section.report_unknown();
        value
    }

    /// The path of one of the section's keys.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Where a key's value stands, or the section where the key is absent.
    pub(crate) fn position_of(&self, name: &str) -> Position {
        self.entry(name).map_or(self.position, |entry| entry.node.position)
    }

    /// Takes down a mistake about one of the section's keys.
    pub(crate) fn mistake(&self, name: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.desk.mistake(self.position_of(name), &self.path_of(name), problem, remedy);
    }

    /// Takes down a mistake about a key of a section below this one, which has been read.
    pub(crate) fn mistake_below(&self, names: [&str; 2], problem: impl Into<String>, remedy: impl Into<String>) {
        let [outer, inner] = names;
        let below = self.entry(outer).map_or(&[][..], |entry| entry.node.entries());
        let position = below.iter().find(|entry| entry.key == inner).map(|entry| entry.node.position);
        let path = format!("{}.{inner}", self.path_of(outer));
        self.desk.mistake(position.unwrap_or_else(|| self.position_of(outer)), &path, problem, remedy);
    }

    /// Takes down a mistake of pipeline `index`, at the deepest of the keys `names` that was written.
    pub(crate) fn pipeline_mistake(&self, index: usize, names: &[&str], problem: String, remedy: &str) {
        let pipelines = self.entry("pipelines").map(|entry| &entry.node.value);
        let mut node = match pipelines {
            Some(Value::List(items)) => items.get(index),
            _ => None,
        };
        let mut position = node.map_or(self.position, |node| node.position);
        for name in names {
            node =
                node.and_then(|node| node.entries().iter().find(|entry| entry.key == *name)).map(|entry| &entry.node);
            position = node.map_or(position, |node| node.position);
        }
        self.desk.mistake(position, &format!("pipelines[{index}].{}", names.join(".")), problem, remedy);
    }

    /// Whether the key was written.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// A key whose value `parse` understands; `kind` says what it must be.
    pub(crate) fn value<T>(
        &self,
        key: Key,
        kind: impl Into<String>,
        parse: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Found<'_, 'a, T> {
        self.asked.borrow_mut().push(key.name);
        let kind = kind.into();
        let entry = self.entry(key.name);
        let value = entry.and_then(|entry| {
            let parsed =
                if entry.node.is_empty() { Err(format!("has no value, expected {kind}")) } else { parse(&entry.node) };
            parsed.map_err(|problem| self.mistake(key.name, problem, "correct it, or remove the key")).ok()
        });
        Found { section: self, key, kind, written: entry.is_some(), value }
    }

    /// A section below this one. None where it is absent (never when documenting).
    pub(crate) fn section<T>(&self, key: Key, read: impl FnOnce(&Section<'a>) -> T) -> Option<T> {
        let node = self.child(key, "section");
        let wanted = node.is_some() || self.desk.documenting;
        wanted.then(|| Section::read(self.desk, self.path_of(key.name), node, read))
    }

    /// A section whose keys all have defaults: it is read even where it is absent.
    pub(crate) fn defaults<T>(&self, key: Key, read: impl FnOnce(&Section<'a>) -> T) -> T {
        let node = self.child(key, "section");
        Section::read_at(self.desk, self.path_of(key.name), (self.position, node), read)
    }

    /// A section whose keys are names of the operator's choice, each with a section of its own.
    pub(crate) fn named<T>(&self, key: Key, read: impl Fn(&str, &Section<'a>) -> T) -> Vec<(String, T)> {
        let node = self.child(key, "section of names");
        let path = self.path_of(key.name);
        if self.desk.documenting {
            let value = Section::read(self.desk, format!("{path}.<name>"), None, |section| read("", section));
            return vec![(String::new(), value)];
        }
        let Some(node) = node else { return Vec::new() };
        if !node.is_empty() && !matches!(node.value, Value::Mapping(_)) {
            let problem = format!("expected names with a section each, found {}", node.describe());
            self.mistake(key.name, problem, "write a name, a colon, and its keys indented below");
        }
        report_duplicates(self.desk, &path, node.entries());
        let read_one = |entry: &'a Entry| {
            let path = format!("{path}.{}", entry.key);
            (entry.key.clone(), Section::read(self.desk, path, Some(&entry.node), |section| read(&entry.key, section)))
        };
        node.entries().iter().map(read_one).collect()
    }

    /// A list of sections.
    pub(crate) fn list<T>(&self, key: Key, read: impl Fn(&Section<'a>) -> T) -> Vec<T> {
        let node = self.child(key, "list of sections");
        let path = self.path_of(key.name);
        if self.desk.documenting {
            return vec![Section::read(self.desk, format!("{path}[]"), None, read)];
        }
        let items: &[Node] = match node.map(|node| (&node.value, node)) {
            Some((Value::List(items), _)) => items,
            Some((_, node)) => {
                let problem = format!("expected a list, found {}", node.describe());
                self.mistake(key.name, problem, "begin each item with a dash");
                &[]
            }
            None => &[],
        };
        let read_one = |(index, item)| Section::read(self.desk, format!("{path}[{index}]"), Some(item), &read);
        items.iter().enumerate().map(read_one).collect()
    }

    /// Takes a key as asked for and declares it as something with keys of its own.
    fn child(&self, key: Key, kind: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key.name);
        self.desk.declare(&self.path_of(key.name), kind, Presence::Section, key.doc);
        self.entry(key.name).map(|entry| &entry.node)
    }

    /// The last of equal keys; the others are reported.
    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().rev().find(|entry| entry.key == name)
    }

    fn report_duplicates(&self) {
        report_duplicates(self.desk, &self.path, self.entries);
    }

    fn report_unknown(&self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str())) {
            let remedy = match nearest(&entry.key, &asked) {
                Some(name) => format!("did you mean `{name}`?"),
                None if asked.is_empty() => "this section has no keys: write `{}`".to_owned(),
                None => format!("the keys here are {}", asked.join(", ")),
            };
            self.desk.mistake(entry.position, &self.path_of(&entry.key), "this key is not known", remedy);
        }
    }
}

fn report_duplicates(desk: &Desk, path: &str, entries: &[Entry]) {
    for (index, entry) in entries.iter().enumerate() {
        let first = entries.iter().take(index).find(|earlier| earlier.key == entry.key);
        if let Some(first) = first {
            let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            let problem = format!("this key stands at line {} already", first.position.line);
            desk.mistake(entry.position, &key, problem, "remove one of the two");
        }
    }
}

/// A value that was looked for, before it is said what its absence means.
#[must_use = "say what the absence of the key means"]
#[derive(Debug)]
pub(crate) struct Found<'s, 'a, T> {
    section: &'s Section<'a>,
    key: Key,
    kind: String,
    written: bool,
    value: Option<T>,
}

impl<T> Found<'_, '_, T> {
    /// The key must be there. Where it is not, or is wrong, a placeholder stands in: the mistake keeps it from use.
    pub(crate) fn required(self) -> T
    where
        T: Default,
    {
        self.required_or(T::default())
    }

    /// The same for a type without a default of its own.
    pub(crate) fn required_or(self, placeholder: T) -> T {
        self.declare(Presence::Required);
        if !self.written && !self.section.desk.documenting {
            let problem = format!("this key is missing, expected {}", self.kind);
            self.section.desk.mistake(
                self.section.position,
                &self.section.path_of(self.key.name),
                problem,
                format!("add `{}: ...`", self.key.name),
            );
        }
        self.value.unwrap_or(placeholder)
    }

    /// Without the key `default` is used, which the reference shows as `shown`.
    pub(crate) fn or(self, default: T, shown: impl Into<String>) -> T {
        self.declare(Presence::Default(shown.into()));
        self.value.unwrap_or(default)
    }

    /// The key may be absent; `absent` says what that means.
    pub(crate) fn optional(self, absent: &'static str) -> Option<T> {
        self.declare(Presence::Optional(absent));
        self.value
    }

    fn declare(&self, presence: Presence) {
        self.section.desk.declare(&self.section.path_of(self.key.name), &self.kind, presence, self.key.doc);
    }
}

/// The known name that was most likely meant: at most two letters away, or three in a long one.
pub(crate) fn nearest<'n>(written: &str, known: &[&'n str]) -> Option<&'n str> {
    let tolerated = if written.chars().count() > 8 { 3 } else { 2 };
    let flat = |name: &str| name.to_lowercase().replace('-', "_");
    let best = known.iter().map(|name| (distance(&flat(written), &flat(name)), *name)).min();
    best.filter(|(distance, name)| *distance <= tolerated && *distance < name.len()).map(|(_, name)| name)
}

/// How many letters must be inserted, removed or replaced to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        let mut next = vec![before];
        for (right, above) in other.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = *above;
            before = replaced.min(above + 1).min(before + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
