//! Cuts a stream of Server-Sent Events into frames, by the rules of the HTML standard (§9.2.6, "Interpreting an event
//! stream"). What a frame means for reconnecting is known in `event_source.rs`.

use bytes::Bytes;

/// What stood between two empty lines. Half a frame at the end of a connection is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The field `event`.
    pub(crate) kind: Option<String>,
    /// The field `id`, where this frame has one. An empty one takes the last id back.
    pub(crate) id: Option<String>,
    /// The lines of `data`, joined. None: the frame has no such line, and is no event.
    pub(crate) data: Option<Bytes>,
    /// The field `retry`: how long to wait before connecting again, in milliseconds.
    pub(crate) retry_ms: Option<u64>,
}

/// A frame is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTooLarge;

/// Reads the frames of one connection. Holds at most one of them.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes_max: usize,
    line: Vec<u8>,
    /// Whether the line before ended in a carriage return, so that a line feed that follows belongs to it.
    after_return: bool,
    is_first_line: bool,
    data: Vec<u8>,
    has_data: bool,
    frame: Frame,
}

impl Frames {
    /// Frames of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            line: Vec::new(),
            after_return: false,
            is_first_line: true,
            data: Vec::new(),
            has_data: false,
            frame: Frame::default(),
        }
    }

    /// Takes bytes off the front of `chunk` up to the end of the next frame. None: all of it is taken, and more is needed.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Frame>, FrameTooLarge> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_return) && chunk.first() == Some(&b'\n') {
                drop(chunk.split_to(1));
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', chunk);
            let part = chunk.split_to(end.unwrap_or(chunk.len()));
            if self.line.len() + self.data.len() + part.len() > self.bytes_max {
                return Err(FrameTooLarge);
            }
            self.line.extend_from_slice(&part);
            if end.is_some() {
                self.after_return = chunk.split_to(1).first() == Some(&b'\r');
                if let Some(frame) = self.end_line() {
                    return Ok(Some(frame));
                }
            }
        }
        Ok(None)
    }

    /// Reads the line that is complete now. An empty one ends the frame, if there is anything in it.
    fn end_line(&mut self) -> Option<Frame> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_first_line) && line.starts_with(b"\xef\xbb\xbf") {
            drop(line.drain(..3));
        }
        if !line.is_empty() {
            self.read_field(&line);
            return None;
        }
        let mut frame = std::mem::take(&mut self.frame);
        if std::mem::take(&mut self.has_data) {
            frame.data = Some(std::mem::take(&mut self.data).into());
        }
        (frame != Frame::default()).then_some(frame)
    }

    /// A field that is not known, a comment among them, means nothing.
    fn read_field(&mut self, line: &[u8]) {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => line.split_at(colon),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.frame.kind = Some(text()),
            // The standard ignores an id with a NUL: no header could carry it back.
            b"id" if !value.contains(&0) => self.frame.id = Some(text()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.frame.retry_ms = Some(text().parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read must not depend on where the connection cuts it.
    #[track_caller]
    fn check(text: &str, expected: &[Frame]) {
        for size in [1, 2, 3, 7, text.len().max(1)] {
            let (mut frames, mut found) = (Frames::new(1_000), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                let mut chunk = Bytes::copy_from_slice(chunk);
                while let Some(frame) = frames.next(&mut chunk).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, expected, "{text:?} in pieces of {size}");
        }
    }

    fn data(text: &str) -> Frame {
        Frame { data: Some(Bytes::copy_from_slice(text.as_bytes())), ..Frame::default() }
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        check("data: a\n\ndata: b\n\n", &[data("a"), data("b")]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &[data("a"), data("b")]);
        check("data: a\r\rdata: b\r\r", &[data("a"), data("b")]);
        check("\n\n\ndata: a\n\n\n\n", &[data("a")]);
        check("\u{feff}data: a\n\n", &[data("a")]);
    }

    #[test]
    fn half_an_event_is_none() {
        for text in ["", "data: a", "data: a\n", "data: a\nid: 7\n", "data: a\r\n", ":ok"] {
            check(text, &[]);
        }
    }

    #[test]
    fn fields_are_read_by_the_standard() {
        check("data:a\n\n", &[data("a")]);
        check("data:  a\n\n", &[data(" a")]);
        check("data: a: b\n\n", &[data("a: b")]);
        check("data\n\n", &[data("")]);
        check("data\ndata\n\n", &[data("\n")]);
        check("data: a\ndata: b\n\n", &[data("a\nb")]);
        check("datum: a\n Data: b\n: data\n:\n\n", &[]);
        let full = Frame { kind: Some("message".into()), id: Some("[1]".into()), retry_ms: Some(50), ..data("é") };
        check("event: message\nid: [1]\nretry: 50\ndata: é\n\n", &[full]);
    }

    #[test]
    fn an_id_without_data_is_kept_and_one_with_a_nul_is_not() {
        check("id: 7\n\n", &[Frame { id: Some("7".into()), ..Frame::default() }]);
        check("id\n\n", &[Frame { id: Some(String::new()), ..Frame::default() }]);
        check("id: a\0b\n\n", &[]);
    }

    #[test]
    fn a_wait_is_a_number() {
        for bad in ["retry: soon\n\n", "retry: -1\n\n", "retry: 1.5\n\n", "retry:\n\n"] {
            check(bad, &[]);
        }
        let endless = Frame { retry_ms: Some(u64::MAX), ..Frame::default() };
        check("retry: 99999999999999999999999\n\n", &[endless]);
    }

    #[test]
    fn comments_keep_a_connection_alive_and_say_nothing() {
        check(":ok\n\n:\n\n: still here\n\ndata: a\n\n", &[data("a")]);
    }

    #[test]
    fn what_is_too_large_is_refused_wherever_it_is() {
        for text in ["data: 123456789012\n\n", "data: 123\ndata: 456\ndata: 789\n\n", ":1234567890123456"] {
            let mut frames = Frames::new(12);
            let mut chunk = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(frames.next(&mut chunk), Err(FrameTooLarge), "{text:?}");
        }
        let mut frames = Frames::new(12);
        let mut chunk = Bytes::from_static(b"data: 123456\n\ndata: 123456\n\n");
        assert_eq!(frames.next(&mut chunk), Ok(Some(data("123456"))));
        assert_eq!(frames.next(&mut chunk), Ok(Some(data("123456"))), "each has the whole room");
    }
}
