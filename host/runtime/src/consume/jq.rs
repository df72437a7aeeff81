//! Expressions in the language of jq, run on one event after the other.

use jaq_core::compile::Undefined;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, load, unwrap_valr};
use jaq_json::{Val, read, write};

/// The most results that one event may have: an expression like `repeat(.)` has no end.
const RESULTS_MAX: usize = 100_000;

type Compiled = jaq_core::compile::Filter<jaq_core::Native<data::JustLut<Val>>>;

/// A compiled expression.
pub(super) struct Jq(Compiled);

impl Jq {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let program = File { code: text, path: () };
        let modules = Loader::new(defs).load(&arena, program).map_err(|errors| {
            let told = errors.into_iter().flat_map(|(file, error)| unloaded(file.code, error)).collect::<Vec<_>>();
            told.join("; ")
        })?;
        let compiled = Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
            let told = errors.into_iter().flat_map(|(file, list)| undefined(file.code, list)).collect::<Vec<_>>();
            told.join("; ")
        })?;
        Ok(Self(compiled))
    }

    /// What the expression makes of an event: its results as JSON, up to the first that fails.
    ///
    /// # Errors
    /// What failed. The results before it are in `results`.
    pub(super) fn run(&self, event: &[u8], results: &mut Vec<Vec<u8>>) -> Result<(), String> {
        let input = read::parse_single(event).map_err(|error| error.to_string())?;
        let ctx = Ctx::<data::JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        for (number, result) in self.0.id.run((ctx, input)).map(unwrap_valr).enumerate() {
            if number >= RESULTS_MAX {
                return Err(format!("it has more than {RESULTS_MAX} results"));
            }
            let value = result.map_err(|error| error.to_string())?;
            let mut text = Vec::new();
            write::write(&mut text, &write::Pp::default(), 0, &value).map_err(|error| error.to_string())?;
            results.push(text);
        }
        Ok(())
    }
}

/// What the loader has against a text.
fn unloaded(code: &str, error: load::Error<&str>) -> Vec<String> {
    match error {
        load::Error::Io(list) => list.into_iter().map(|(path, error)| format!("{path}: {error}")).collect(),
        load::Error::Lex(list) => list
            .into_iter()
            .map(|(expected, found)| format!("expected {} at {}", expected.as_str(), place(code, found)))
            .collect(),
        load::Error::Parse(list) => list
            .into_iter()
            .map(|(expected, found)| format!("expected {} at {}", expected.as_str(), place(code, found)))
            .collect(),
    }
}

/// What the compiler has against names.
fn undefined(code: &str, list: Vec<(&str, Undefined)>) -> Vec<String> {
    let told =
        |(name, kind): (&str, Undefined)| format!("there is no {} `{name}` ({})", kind.as_str(), place(code, name));
    list.into_iter().map(told).collect()
}

/// Where `part`, a piece of `code`, stands in it.
fn place(code: &str, part: &str) -> String {
    let offset = (part.as_ptr() as usize).saturating_sub(code.as_ptr() as usize);
    match code.get(..offset).filter(|_| offset < code.len()) {
        Some(before) => format!("character {}", before.chars().count() + 1),
        None => "the end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] = br#"{"page":{"page_title":"\u00c4 \"b\"","page_id":12345678901234567890},"list":[1,2.50]}"#;

    #[track_caller]
    fn check(expression: &str, expected: &[&str]) {
        let mut results = Vec::new();
        Jq::compile(expression).unwrap().run(EVENT, &mut results).unwrap();
        let results: Vec<String> = results.into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        assert_eq!(results, expected, "{expression}");
    }

    #[test]
    fn an_expression_makes_results_of_an_event() {
        check(".page.page_title", &[r#""Ä \"b\"""#]);
        check(".list[]", &["1", "2.50"]);
        check("select(.page.page_id == 1)", &[]);
        check("{id: .page.page_id}", &[r#"{"id":12345678901234567890}"#]);
        check(".nothing", &["null"]);
        check(".page.page_title | test(\"^Ä\")", &["true"]);
        check("\"2026-01-01T00:00:00Z\" | fromdate", &["1767225600"]);
    }

    #[track_caller]
    fn check_wrong(expression: &str, part: &str) {
        let Err(error) = Jq::compile(expression) else { panic!("{expression} compiles") };
        assert!(error.contains(part), "{expression}: {error}");
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_told_with_its_place() {
        check_wrong(".page |", "the end");
        check_wrong(".a | nosuch", "there is no filter `nosuch` (character 6)");
        check_wrong("$x", "`$x`");
        check_wrong("\"abc", "closing quote at the end");
        check_wrong(".a)", "character 3");
    }

    #[test]
    fn what_fails_on_an_event_leaves_the_results_before_it() {
        let mut results = Vec::new();
        let error = Jq::compile("1, error(\"broken\"), 2").unwrap().run(EVENT, &mut results).unwrap_err();
        assert_eq!(results, [b"1"]);
        assert!(error.contains("broken"), "{error}");
        let endless = Jq::compile("repeat(1)").unwrap().run(EVENT, &mut Vec::new()).unwrap_err();
        assert!(endless.contains("more than"), "{endless}");
    }
}
