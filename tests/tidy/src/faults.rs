//! The fault matrix in `tests/README.md` has a line for each fault, and the tests that it names are there.

use crate::Breach;
use crate::tree::File;

/// Where the matrix is, and the line above it.
const README: &str = "tests/README.md";
const ABOVE: &str = "| fault | what happens | shown by, or why not |";

/// How many faults there are, numbered from 1.
const FAULTS: usize = 83;

/// Faults without their line, and lines that name a test which is not there.
#[must_use]
pub fn check(files: &[File]) -> Vec<Breach> {
    let readme = files.iter().find(|file| file.path == README).map(|file| file.text.as_str()).unwrap_or_default();
    let rows = readme.lines().skip_while(|line| *line != ABOVE).skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.collect();
    let mut found = Vec::new();
    for number in 1..=FAULTS {
        let begin = format!("| F{number} | ");
        if !rows.get(number - 1).is_some_and(|row| row.starts_with(&begin)) {
            found.push(Breach::new(README, format!("line {number} of the fault matrix is about F{number}")));
        }
    }
    for row in &rows {
        for name in row.split('`').skip(1).step_by(2) {
            let Some((path, test)) = name.split_once(".rs::") else { continue };
            let (path, test) = (format!("{path}.rs"), format!("fn {test}("));
            if !files.iter().any(|file| file.path == path && file.text.contains(&test)) {
                found.push(Breach::new(README, format!("the fault matrix names a test that is not there: {name}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_matrix(change: impl FnOnce(&mut Vec<String>), expected: &[&str]) {
        let mut rows: Vec<String> =
            (1..=FAULTS).map(|number| format!("| F{number} | it | `a/b.rs::shows` |")).collect();
        change(&mut rows);
        let readme = format!("# Tests\n\n{ABOVE}\n|---|---|---|\n{}\n\nMore.\n", rows.join("\n"));
        let files = [File::new(README, &readme), File::new("a/b.rs", "//! A.\nfn shows() {}\n")];
        let rules: Vec<String> = check(&files).into_iter().map(|breach| breach.rule).collect();
        assert_eq!(rules, expected);
    }

    #[test]
    fn every_fault_has_its_line_and_every_test_is_there() {
        check_matrix(|_| {}, &[]);
        check_matrix(|rows| drop(rows.pop()), &["line 83 of the fault matrix is about F83"]);
        let gone = "the fault matrix names a test that is not there: a/c.rs::shows";
        check_matrix(|rows| rows[4] = "| F5 | it | `a/c.rs::shows` |".to_owned(), &[gone]);
        let renamed = "the fault matrix names a test that is not there: a/b.rs::show";
        check_matrix(|rows| rows[4] = "| F5 | it | no file `x`, but `a/b.rs::show` |".to_owned(), &[renamed]);
    }
}
