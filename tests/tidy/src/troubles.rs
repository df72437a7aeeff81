//! The troubles with an API and the table that tells of them are the same: a new one is a file and a line.

use std::collections::BTreeSet;

use crate::Breach;
use crate::tree::File;

/// Where the troubles are.
const FOLDER: &str = "tests/it/troubles/";
/// Where the table is, and the line above it.
const README: &str = "tests/README.md";
const ABOVE: &str = "| trouble | what happens | what becomes of it |";

/// Troubles without their line, and lines without their trouble.
#[must_use]
pub fn check(files: &[File]) -> Vec<Breach> {
    let readme = files.iter().find(|file| file.path == README).map(|file| file.text.as_str()).unwrap_or_default();
    let rows = readme.lines().skip_while(|line| *line != ABOVE).skip(2).take_while(|line| line.starts_with('|'));
    let mut rows: BTreeSet<&str> = rows.collect();
    let mut found = Vec::new();
    for file in files {
        let Some(name) = file.path.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".json")) else { continue };
        match row(name, &file.text) {
            Some(row) if rows.remove(row.as_str()) => {}
            Some(row) => found.push(Breach::new(&file.path, format!("{README} has another line for it: `{row}`"))),
            None => found.push(Breach::new(&file.path, "a trouble says `trouble` and `result`")),
        }
    }
    found.extend(rows.into_iter().map(|row| Breach::new(README, format!("no trouble in {FOLDER} says this: `{row}`"))));
    found
}

/// The line of a trouble.
fn row(name: &str, text: &str) -> Option<String> {
    let trouble: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(format!("| `{name}` | {} | {} |", trouble.get("trouble")?.as_str()?, trouble.get("result")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_table(row: &str, trouble: &str, expected: &[&str]) {
        let table = format!("# Tests\n\n{ABOVE}\n|---|---|---|\n{row}\n\n| other | table |\n");
        let files = [File::new(README, &table), File::new("tests/it/troubles/lags.json", trouble)];
        let places: Vec<String> = check(&files).into_iter().map(|breach| breach.place).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn table_and_troubles_belong_together() {
        let trouble = r#"{"trouble":"`maxlag`","result":"waits","expected":{}}"#;
        check_table("| `lags` | `maxlag` | waits |", trouble, &[]);
        check_table("| `lags` | `maxlag` | fails |", trouble, &["tests/it/troubles/lags.json", README]);
        check_table("| `lags` | `maxlag` | waits |\n| `gone` | a | b |", trouble, &[README]);
        check_table("", trouble, &["tests/it/troubles/lags.json"]);
        check_table("", "{}", &["tests/it/troubles/lags.json"]);
    }
}
