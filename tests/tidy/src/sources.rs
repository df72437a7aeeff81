//! How files look: their size, their opening words, what they must not say or call. One table of rules.

use crate::Breach;
use crate::tree::File;

/// Lines of a file with code, tests included.
const LINES_MAX: usize = 600;
/// `SAFETY:` stands at most so many lines above its `unsafe`.
const SAFETY_WITHIN: usize = 8;

/// One rule about files.
struct Rule {
    /// Which files it is about.
    applies: fn(&File) -> bool,
    /// The numbers of the lines that break it, from 1 (0: the file as a whole).
    broken_at: fn(&File) -> Vec<usize>,
    /// What to do.
    says: &'static str,
}

const RULES: [Rule; 9] = [
    Rule { applies: File::is_code, broken_at: too_long, says: "a file has at most 600 lines: split it by nouns" },
    Rule {
        applies: File::is_rust,
        broken_at: no_opening,
        says: "a file opens with `//!`: what lives here, what does not",
    },
    Rule { applies: File::is_rust, broken_at: is_mod_rs, says: "`foo.rs` beside `foo/`, no mod.rs" },
    Rule { applies: may_not_be_unsafe, broken_at: has_unsafe, says: "`unsafe` only in host/plugin and host/kafka" },
    Rule {
        applies: File::is_rust,
        broken_at: unexplained_unsafe,
        says: "a `SAFETY:` comment stands above each `unsafe`",
    },
    Rule { applies: File::is_rust, broken_at: is_ignored, says: "no ignored tests: fix it or delete it" },
    Rule {
        applies: holds_tests,
        broken_at: sleeps,
        says: "tests do not sleep: pause or step the time, or wait for a fact",
    },
    Rule { applies: is_text, broken_at: open_todo, says: "a to-do names an issue: `TODO(#12): ...`" },
    Rule {
        applies: is_text,
        broken_at: foreign_words,
        says: "no paths of one machine and no hosts of package registries",
    },
];

/// Every broken rule.
#[must_use]
pub fn check(files: &[File]) -> Vec<Breach> {
    let mut found = Vec::new();
    for file in files {
        for rule in RULES.iter().filter(|rule| (rule.applies)(file)) {
            for line in (rule.broken_at)(file) {
                let place = if line == 0 { file.path.clone() } else { format!("{}:{line}", file.path) };
                found.push(Breach::new(place, rule.says));
            }
        }
    }
    found
}

/// Locks are written by programs, and the licence is not ours to word.
fn is_text(file: &File) -> bool {
    !file.path.ends_with(".lock") && file.path != "LICENSE"
}

fn may_not_be_unsafe(file: &File) -> bool {
    file.is_rust() && !["host/plugin/", "host/kafka/"].iter().any(|folder| file.path.starts_with(folder))
}

/// Test code, but for what waits for real processes or stands in for slow ones, so that the tests themselves need not.
fn holds_tests(file: &File) -> bool {
    let waits_for_processes = ["tests/services/", "tests/bed/", "tests/chaos/src/", "tests/it/src/"];
    file.is_rust() && !waits_for_processes.iter().any(|folder| file.path.starts_with(folder))
}

fn too_long(file: &File) -> Vec<usize> {
    let lines = file.text.lines().count();
    if lines > LINES_MAX { vec![0] } else { Vec::new() }
}

fn no_opening(file: &File) -> Vec<usize> {
    if file.text.starts_with("//! ") { Vec::new() } else { vec![1] }
}

fn is_mod_rs(file: &File) -> Vec<usize> {
    if file.path.ends_with("/mod.rs") { vec![0] } else { Vec::new() }
}

/// Code without its comments and without what stands in quotes: enough to find words, not a parser.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let line = line.replace("\\\"", "");
    let mut parts = line.split('"');
    code.extend(parts.next());
    code.extend(parts.skip(1).step_by(2));
    code.split("//").next().unwrap_or_default().to_owned()
}

fn lines_where(file: &File, breaks: impl Fn(&str) -> bool) -> Vec<usize> {
    let numbered = file.text.lines().enumerate();
    numbered.filter(|(_, line)| breaks(line)).map(|(index, _)| index + 1).collect()
}

fn is_unsafe(line: &str) -> bool {
    let code = code_of(line);
    code.split(|character: char| !(character.is_alphanumeric() || character == '_')).any(|word| word == "unsafe")
}

fn has_unsafe(file: &File) -> Vec<usize> {
    lines_where(file, is_unsafe)
}

fn unexplained_unsafe(file: &File) -> Vec<usize> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_explained = |line: usize| {
        let above = lines.get(line.saturating_sub(1 + SAFETY_WITHIN)..line).unwrap_or_default();
        above.iter().any(|text| text.contains("SAFETY:"))
    };
    // `unsafe fn` states what its caller has to explain; a block and an implementation explain themselves.
    let promises = lines_where(file, |line| is_unsafe(line) && !code_of(line).contains("fn "));
    promises.into_iter().filter(|line| !is_explained(*line)).collect()
}

fn is_ignored(file: &File) -> Vec<usize> {
    lines_where(file, |line| code_of(line).trim_start().starts_with("#[ignore"))
}

/// Whole files below `tests/` and in `tests.rs`, and what follows `#[cfg(test)]` in others.
fn sleeps(file: &File) -> Vec<usize> {
    let is_test_file = file.path.split('/').any(|part| part == "tests" || part == "tests.rs");
    let begin = if is_test_file {
        1
    } else {
        lines_where(file, |line| line.trim() == "#[cfg(test)]").first().copied().unwrap_or(usize::MAX)
    };
    let sleeping = lines_where(file, |line| {
        let code = code_of(line);
        code.contains("thread::sleep(") || code.contains("time::sleep(")
    });
    sleeping.into_iter().filter(|line| *line >= begin).collect()
}

fn open_todo(file: &File) -> Vec<usize> {
    // Joined, so that this file does not break the rule itself.
    let word = concat!("TO", "DO");
    let names_no_issue = |rest: &str| !rest.starts_with("(#") && !rest.starts_with("(https://");
    lines_where(file, |line| line.split(word).skip(1).any(names_no_issue) && !line.contains("`TODO(#12)"))
}

/// Places that exist on one machine only, and hosts that `cargo`, `mvn` and the like know by themselves.
const FOREIGN: [&str; 12] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tmp/", "brief"),
    concat!("crates", ".io"),
    concat!("py", "pi.org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("maven.", "org"),
    concat!("maven.apache", ".org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
];

fn foreign_words(file: &File) -> Vec<usize> {
    lines_where(file, |line| FOREIGN.iter().any(|word| line.contains(word)))
}

#[cfg(test)]
mod tests;
