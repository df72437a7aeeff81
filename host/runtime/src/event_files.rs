//! Reads events from files: one JSON document a line, plain or compressed (gzip, Zstandard), which the first bytes tell.
//! What a line holds is not looked at.

use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name that stands for standard input.
pub const STANDARD_INPUT: &str = "-";
/// What is read of a file at once.
const BUFFER_BYTES: usize = 128 << 10;
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTANDARD: &[u8] = b"\x28\xb5\x2f\xfd";

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: Arc<Path>,
    /// The number of the file among all, from 0.
    pub file_number: usize,
    /// The number of the line in its file, from 1.
    pub number: u64,
    /// What it holds, without its end. Never empty.
    pub text: Bytes,
}

/// A file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum EventFileError {
    /// The system, or the compression, says so.
    #[error("{} cannot be read beyond line {line}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// How many lines were read.
        line: u64,
        /// Why.
        #[source]
        source: Error,
    },
    /// A line is longer than it may be.
    #[error("{}: line {line} has more than {bytes_max} bytes; is there one JSON document on each line?", .file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The line's number.
        line: u64,
        /// How long one may be.
        bytes_max: usize,
    },
}

/// Reads files one after the other.
pub struct EventFiles {
    waiting: VecDeque<PathBuf>,
    open: Option<OpenFile>,
    opened: usize,
    bytes_max: usize,
}

struct OpenFile {
    path: Arc<Path>,
    number: usize,
    lines: u64,
    reader: Box<dyn BufRead + Send>,
}

impl EventFiles {
    /// Nothing is opened yet. `bytes_max` bounds a line.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, bytes_max: usize) -> Self {
        Self { waiting: paths.into_iter().collect(), open: None, opened: 0, bytes_max }
    }

    /// The next line that is not empty; none after the last one of the last file. Blocks.
    ///
    /// # Errors
    /// See [`EventFileError`].
    pub fn next_line(&mut self) -> Result<Option<Line>, EventFileError> {
        loop {
            let Some(file) = &mut self.open else {
                let Some(path) = self.waiting.pop_front() else { return Ok(None) };
                self.open = Some(OpenFile::open(path, self.opened)?);
                self.opened += 1;
                continue;
            };
            match file.line(self.bytes_max)? {
                None => self.open = None,
                Some(text) if text.iter().all(u8::is_ascii_whitespace) => {}
                Some(text) => {
                    let (path, number) = (Arc::clone(&file.path), file.lines);
                    return Ok(Some(Line { file: path, file_number: file.number, number, text: text.into() }));
                }
            }
        }
    }
}

impl OpenFile {
    fn open(path: PathBuf, number: usize) -> Result<Self, EventFileError> {
        let reader = reader(&path);
        let reader = reader.map_err(|source| EventFileError::Read { file: path.clone(), line: 0, source })?;
        Ok(Self { path: path.into(), number, lines: 0, reader })
    }

    /// The next line without its end.
    fn line(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, EventFileError> {
        let mut text = Vec::new();
        // One byte more than is taken tells a line that is too long.
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(2);
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut text);
        let file = || self.path.to_path_buf();
        match read {
            Err(source) => return Err(EventFileError::Read { file: file(), line: self.lines, source }),
            Ok(0) => return Ok(None),
            Ok(_) => self.lines += 1,
        }
        for end in [b'\n', b'\r'] {
            if text.last() == Some(&end) {
                text.pop();
            }
        }
        if text.len() > bytes_max {
            return Err(EventFileError::TooLong { file: file(), line: self.lines, bytes_max });
        }
        Ok(Some(text))
    }
}

/// What is in a file, decompressed.
fn reader(path: &Path) -> Result<Box<dyn BufRead + Send>, Error> {
    let input: Box<dyn Read + Send> =
        if path.as_os_str() == STANDARD_INPUT { Box::new(std::io::stdin()) } else { Box::new(File::open(path)?) };
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    let begin = input.fill_buf()?;
    if begin.starts_with(GZIP) {
        let inflated = flate2::bufread::MultiGzDecoder::new(input);
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, inflated)));
    }
    if begin.starts_with(ZSTANDARD) {
        let inflated = zstd::stream::read::Decoder::with_buffer(input)?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, inflated)));
    }
    Ok(Box::new(input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(contents: &[&[u8]]) -> Result<Vec<(usize, u64, String)>, EventFileError> {
        let folder = tempfile::tempdir().unwrap();
        let paths = contents.iter().enumerate().map(|(number, content)| {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, content).unwrap();
            path
        });
        let mut files = EventFiles::new(paths.collect::<Vec<_>>(), 10);
        let mut lines = Vec::new();
        while let Some(line) = files.next_line()? {
            lines.push((line.file_number, line.number, String::from_utf8(line.text.to_vec()).unwrap()));
        }
        Ok(lines)
    }

    #[track_caller]
    fn check(contents: &[&[u8]], expected: &[(usize, u64, &str)]) {
        let lines = read(contents).unwrap();
        let lines: Vec<(usize, u64, &str)> = lines.iter().map(|(file, line, text)| (*file, *line, &**text)).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn each_line_is_an_event() {
        check(&[b"{}\n[1]\n"], &[(0, 1, "{}"), (0, 2, "[1]")]);
        check(&[b"{}\r\n\n \n[1]"], &[(0, 1, "{}"), (0, 4, "[1]")]);
        check(&[b"", b"a\n", b"b"], &[(1, 1, "a"), (2, 1, "b")]);
        check(&[b"1234567890\n"], &[(0, 1, "1234567890")]);
    }

    #[test]
    fn compression_is_known_by_the_first_bytes() {
        check(&[&gzip(b"a\nb\n")], &[(0, 1, "a"), (0, 2, "b")]);
        let zstandard = zstd::encode_all(&b"a\nb\n"[..], 1).unwrap();
        check(&[&zstandard], &[(0, 1, "a"), (0, 2, "b")]);
    }

    #[test]
    fn compressed_files_that_were_put_together_are_read_to_their_end() {
        check(&[&[gzip(b"a\n"), gzip(b"b\n")].concat()], &[(0, 1, "a"), (0, 2, "b")]);
        let part = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        check(&[&[part(b"a\n"), part(b"b\n")].concat()], &[(0, 1, "a"), (0, 2, "b")]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let long = read(&[b"{}\n12345678901\n"]).unwrap_err();
        assert!(matches!(long, EventFileError::TooLong { line: 2, bytes_max: 10, .. }), "{long}");
        let bomb = read(&[&gzip(&[b'a'; 1 << 20])]).unwrap_err();
        assert!(matches!(bomb, EventFileError::TooLong { line: 1, .. }), "{bomb}");
        let whole = gzip(b"a\nb\n");
        let cut = read(&[&whole[..whole.len() - 6]]).unwrap_err();
        assert!(matches!(cut, EventFileError::Read { .. }), "{cut}");
        let mut files = EventFiles::new([PathBuf::from("/nowhere/at/all")], 10);
        assert!(files.next_line().unwrap_err().to_string().contains("/nowhere/at/all"));
    }
}
