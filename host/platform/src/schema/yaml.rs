//! YAML as JSON, by the core schema of YAML 1.2: a plain scalar is null, a boolean, a number or text. There are no dates
//! in it, so `2020-04-02T19:11:20Z` stays the text that it is. Made from parse events, without recursion, so that nested
//! brackets and aliases of aliases are stopped before they hurt.

use super::load::{LEVELS_MAX, Mistake, levels};
use super::shown;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// The most that a text may come to once its aliases are expanded, counted by [`weight`].
const WEIGHT_MAX: usize = 16 << 20;

/// Reads the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Value, Mistake> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| mistake(error.marker(), error.info().to_owned()))?;
        builder.take(event).map_err(|problem| mistake(&span.start, problem))?;
    }
    builder.root.ok_or_else(|| Mistake { line: 1, column: 1, problem: "the text is empty".to_owned() })
}

fn mistake(at: &Marker, problem: String) -> Mistake {
    Mistake { line: at.line(), column: at.col() + 1, problem }
}

/// A collection that is being filled.
enum Open {
    List(Vec<Value>),
    /// With the key that waits for its value.
    Mapping(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    /// With the number of its anchor, 0 for none.
    stack: Vec<(Open, usize)>,
    anchors: HashMap<usize, Value>,
    weight: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref()),
            Event::SequenceStart(anchor, tag) => {
                collection_tag(tag.as_deref(), "seq")?;
                self.open(Open::List(Vec::new()), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                collection_tag(tag.as_deref(), "map")?;
                self.open(Open::Mapping(Map::new(), None), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some((Open::List(values), anchor)) => self.add(Value::Array(values), anchor),
                Some((Open::Mapping(members, _), anchor)) => self.add(Value::Object(members), anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or_else(|| "the alias stands inside of what it names".to_owned())?;
                // An alias weighs as much as what it stands for.
                self.weigh(weight(&value))?;
                self.look_at_levels(levels(&value))?;
                self.add(value, 0)
            }
            Event::DocumentStart(_) if self.root.is_some() => Err("a second YAML document begins here".to_owned()),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), String> {
        if let Some((Open::Mapping(members, key @ None), _)) = self.stack.last_mut() {
            // A key is text whatever it looks like: JSON knows no others.
            if text == "<<" && style == ScalarStyle::Plain {
                return Err("merge keys have no place in a materialised schema".to_owned());
            }
            if members.contains_key(&*text) {
                return Err(format!("the key `{}` is already there", shown(&text)));
            }
            *key = Some(text.into_owned());
            return Ok(());
        }
        let is_plain = style == ScalarStyle::Plain;
        let value = match tag {
            None if is_plain => plain(&text)?,
            None => Value::from(text),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Value::from(text),
            Some(tag) => return Err(format!("the tag {tag} has no place in a schema")),
        };
        self.add(value, anchor)
    }

    fn open(&mut self, open: Open, anchor: usize) -> Result<(), String> {
        self.look_at_levels(1)?;
        if let Some((Open::Mapping(_, None), _)) = self.stack.last() {
            return Err("a key must be text".to_owned());
        }
        self.stack.push((open, anchor));
        Ok(())
    }

    /// Whether a value of so many levels may stand here.
    fn look_at_levels(&self, more: usize) -> Result<(), String> {
        let is_too_deep = self.stack.len() + more > LEVELS_MAX;
        if is_too_deep { Err(format!("nested deeper than {LEVELS_MAX} levels")) } else { Ok(()) }
    }

    fn weigh(&mut self, weight: usize) -> Result<(), String> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > WEIGHT_MAX { Err("too large once its aliases are expanded".to_owned()) } else { Ok(()) }
    }

    /// Puts a finished value into the collection around it.
    fn add(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            self.weigh(weight(&value))?;
            self.anchors.insert(anchor, value.clone());
        }
        match self.stack.last_mut() {
            Some((Open::List(values), _)) => values.push(value),
            Some((Open::Mapping(members, key), _)) => match key.take() {
                Some(key) => drop(members.insert(key, value)),
                None => return Err("a key must be text".to_owned()),
            },
            None => self.root = Some(value),
        }
        Ok(())
    }
}

/// Roughly the memory that a value takes.
fn weight(value: &Value) -> usize {
    const EACH: usize = 32;
    EACH + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| EACH + key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn collection_tag(tag: Option<&Tag>, expected: &str) -> Result<(), String> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => {
            Err(format!("the tag {tag} has no place in a schema"))
        }
        _ => Ok(()),
    }
}

/// The meaning of a scalar without quotes (YAML 1.2.2 §10.3.2).
fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text)? {
            Some(number) => Value::Number(number),
            None => Value::from(text),
        },
    })
}

/// The number that `text` is, with its digits as they are; none where it is text.
fn number(text: &str) -> Result<Option<Number>, String> {
    let unsigned = text.trim_start_matches(['-', '+']);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err(format!("{text} is no number of JSON"));
    }
    let radix = |prefix, radix| text.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok());
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Ok(Some(number.into()));
    }
    let is_number = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        return Ok(None);
    }
    if let Ok(number) = serde_json::from_str(text) {
        return Ok(Some(number));
    }
    // What YAML writes otherwise than JSON: `+1`, `007`, `.5`, `5.`. A version such as `1.2.0` is text.
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => Ok(Some(number.into())),
        (Err(_), Ok(number)) => Ok(Number::from_f64(number)),
        (Err(_), Err(_)) => Ok(None),
    }
}
