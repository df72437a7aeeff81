//! Copies of what was fetched, in a folder of the operator's choice: what a server said last outlives it, and this
//! process.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The most bytes that are read from a file: what may be fetched, and a schema or a stream configuration is far smaller.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads a file that must not be larger than anything that belongs there.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The same, where a file that is not there is no error.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        // A schema may be asked for below a file.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file in one step: a reader sees the old one or the new one, whole, whatever ends this process.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Two hosts may share the folder.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut file = std::fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// A file's name for what comes from `address`: readable, and another for another address.
pub(super) fn name_of(address: &str) -> PathBuf {
    /// Below what file systems take.
    const NAME_CHARS_MAX: usize = 200;
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    address.chars().map(plain).take(NAME_CHARS_MAX).collect::<String>().into()
}
