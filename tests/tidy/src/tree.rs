//! The text files of the repository, read once for all rules. What is built or downloaded is left out.

use std::fs;
use std::path::Path;

/// One text file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl File {
    /// A file, as rules see it.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is code in one of the languages here.
    #[must_use]
    pub fn is_code(&self) -> bool {
        [".rs", ".c", ".h", ".go"].iter().any(|ending| self.path.ends_with(ending))
    }

    /// Whether it is Rust.
    #[must_use]
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// What holds nothing written by hand: folders, and `.git`, which is a file in a second working tree.
const SKIPPED: [&str; 7] = ["target", ".git", "node_modules", "__pycache__", ".venv", ".mypy_cache", ".ruff_cache"];

/// Reads every text file below `root`. Files that are not UTF-8 are test inputs or pictures and are left out.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn read(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = fs::read_dir(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let inner = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            // Links are not followed: what they point to is read where it is.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(inner),
                Ok(kind) if kind.is_file() => files.extend(read_file(root, inner)?),
                _ => {}
            }
        }
    }
    files.sort_by(|one, two| one.path.cmp(&two.path));
    Ok(files)
}

fn read_file(root: &Path, path: String) -> Result<Option<File>, String> {
    let bytes = fs::read(root.join(&path)).map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(String::from_utf8(bytes).ok().map(|text| File { path, text }))
}
