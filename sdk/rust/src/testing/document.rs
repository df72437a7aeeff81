//! What the host does with documents, done with `serde_json::Value`: cut an event down to the declared fields, and apply
//! edits. Simple rather than fast, and apart from the host's own code, so that each can find the other's mistakes.

use serde_json::{Map, Value};

/// The document cut down to `fields`; all of it for `None`.
pub(super) fn project(document: &Value, fields: Option<&[String]>) -> Value {
    let Some(fields) = fields else { return document.clone() };
    let mut cut = Value::Object(Map::new());
    for field in fields {
        if let Some(value) = document.pointer(field)
            && let Some(place) = make(&mut cut, &names(field))
        {
            *place = value.clone();
        }
    }
    cut
}

/// Sets the value at `path`.
///
/// # Errors
/// A path that is empty, leads through a scalar or to no index of an array, or an object that `fields` had cut.
pub(super) fn set(document: &mut Value, path: &str, value: Value, fields: Option<&[String]>) -> Result<(), String> {
    let known = |field: &String| path == field || path.strip_prefix(field.as_str()).is_some_and(|r| r.starts_with('/'));
    let is_seen = fields.is_none_or(|fields| fields.iter().any(known));
    if !is_seen && document.pointer(path).is_some_and(Value::is_object) {
        return Err(format!("set {path}: an object of which the plugin does not see all: declare it in `fields`"));
    }
    let names = checked_names(path)?;
    let place = make(document, &names).ok_or_else(|| format!("set {path}: leads through a scalar or to no index"))?;
    *place = value;
    Ok(())
}

/// Removes what is at `path`, if anything is.
///
/// # Errors
/// A path that is empty.
pub(super) fn remove(document: &mut Value, path: &str) -> Result<(), String> {
    let names = checked_names(path)?;
    let Some(last) = names.last() else { return Ok(()) };
    let parent = path.rfind('/').and_then(|at| path.get(..at)).unwrap_or_default();
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(last)),
        Some(Value::Array(list)) => {
            if let Some(index) = last.parse().ok().filter(|index| *index < list.len()) {
                list.remove(index);
            }
        }
        _ => {}
    }
    Ok(())
}

fn checked_names(path: &str) -> Result<Vec<String>, String> {
    if path.starts_with('/') {
        Ok(names(path))
    } else {
        Err(format!("path {path:?} is no JSON Pointer below the root"))
    }
}

fn names(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
}

/// The place that `names` lead to, with missing parents made as objects.
fn make<'a>(value: &'a mut Value, names: &[String]) -> Option<&'a mut Value> {
    let Some((name, rest)) = names.split_first() else { return Some(value) };
    let next = match value {
        Value::Object(map) => map.entry(name.as_str()).or_insert(if rest.is_empty() { Value::Null } else { empty() }),
        Value::Array(list) => {
            if name == "-" {
                list.push(empty());
            }
            let index = if name == "-" { list.len() - 1 } else { name.parse().ok()? };
            list.get_mut(index)?
        }
        _ => return None,
    };
    make(next, rest)
}

fn empty() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_set(path: &str, fields: Option<&[&str]>, expected: Result<Value, &str>) {
        let mut document = json!({"a": {"b": 1, "c": {"d": 2}}, "l": [1, {"x": 1}], "s": "t"});
        let fields: Option<Vec<String>> = fields.map(|f| f.iter().map(|f| (*f).to_owned()).collect());
        let result = set(&mut document, path, json!(9), fields.as_deref()).map(|()| document);
        match (result, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{path}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{path}: {found}"),
            (found, expected) => panic!("{path}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_set_makes_its_parents_and_keeps_the_rest() {
        check_set("/a/b", None, Ok(json!({"a": {"b": 9, "c": {"d": 2}}, "l": [1, {"x": 1}], "s": "t"})));
        check_set("/n/m", None, Ok(json!({"a": {"b": 1, "c": {"d": 2}}, "l": [1, {"x": 1}], "s": "t", "n": {"m": 9}})));
        check_set("/l/-", None, Ok(json!({"a": {"b": 1, "c": {"d": 2}}, "l": [1, {"x": 1}, 9], "s": "t"})));
        check_set("/l/1/x", None, Ok(json!({"a": {"b": 1, "c": {"d": 2}}, "l": [1, {"x": 9}], "s": "t"})));
    }

    #[test]
    fn a_set_that_breaks_a_rule_is_an_error() {
        check_set("", None, Err("no JSON Pointer"));
        check_set("a", None, Err("no JSON Pointer"));
        check_set("/s/x", None, Err("scalar"));
        check_set("/l/2", None, Err("no index"));
        check_set("/a", Some(&["/a/b"]), Err("does not see all"));
        check_set("/a/c", Some(&["/a/b"]), Err("does not see all"));
        check_set("/a/b", Some(&["/s"]), Ok(json!({"a": {"b": 9, "c": {"d": 2}}, "l": [1, {"x": 1}], "s": "t"})));
        check_set("/a/c", Some(&["/a"]), Ok(json!({"a": {"b": 1, "c": 9}, "l": [1, {"x": 1}], "s": "t"})));
    }

    #[track_caller]
    fn check_remove(path: &str, expected: Value) {
        let mut document = json!({"a": {"b": 1}, "l": [1, 2]});
        remove(&mut document, path).unwrap();
        assert_eq!(document, expected, "{path}");
    }

    #[test]
    fn removing_what_is_not_there_does_nothing() {
        check_remove("/a/b", json!({"a": {}, "l": [1, 2]}));
        check_remove("/l/0", json!({"a": {"b": 1}, "l": [2]}));
        check_remove("/a/x", json!({"a": {"b": 1}, "l": [1, 2]}));
        check_remove("/x/y", json!({"a": {"b": 1}, "l": [1, 2]}));
        check_remove("/l/2", json!({"a": {"b": 1}, "l": [1, 2]}));
    }

    #[test]
    fn a_projection_keeps_the_declared_fields_only() {
        let document = json!({"a": {"b": 1, "c": {"d": 2}}, "s": "t"});
        let cut = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
            project(&document, Some(&fields))
        };
        assert_eq!(cut(&[]), json!({}));
        assert_eq!(cut(&["/a/c", "/x/y"]), json!({"a": {"c": {"d": 2}}}));
        assert_eq!(project(&document, None), document);
    }
}
