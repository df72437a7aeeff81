//! The world: which revisions exist, to which page they belong, and what they say. Everything follows from the number
//! of a revision, so that events, the API and whoever checks the outputs agree without talking to each other.

use sha1::{Digest, Sha1};

/// Revisions of a page have the numbers `page * REVISIONS_PER_PAGE ..`.
pub const REVISIONS_PER_PAGE: u64 = 1000;
/// From here on (within a page) a revision's text is hidden.
const HIDDEN_FROM: u64 = 900;
/// From here on (within a page) a revision does not exist.
const MISSING_FROM: u64 = 800;

/// A text of the world, prepared once.
pub struct Text {
    /// The text itself.
    pub plain: String,
    /// The inside of a JSON string that says it.
    pub escaped: String,
    /// The base-36 SHA-1 of the text, 31 characters.
    pub sha1: String,
}

/// The state of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionState {
    /// It exists and is visible.
    Visible,
    /// It exists and its text is hidden.
    Hidden,
    /// The API does not know it.
    Missing,
}

/// A set of texts that revisions take turns with.
pub struct World {
    texts: Vec<Text>,
}

impl World {
    /// A world of `count` different texts of about `bytes` bytes each.
    pub fn new(count: usize, bytes: usize) -> Self {
        Self { texts: (0..count.max(1)).map(|number| text(number, bytes)).collect() }
    }

    /// The text of slot number `slot` (0 is `main`) of a revision.
    pub fn text(&self, rev_id: u64, slot: u64) -> &Text {
        let count = self.texts.len() as u64;
        let index = (rev_id.wrapping_mul(7) + slot * 3) % count;
        match self.texts.get(usize::try_from(index).unwrap_or(0)) {
            Some(text) => text,
            None => unreachable!("the index is a remainder of the length, and the world is never empty"),
        }
    }

    /// The page that a revision belongs to.
    pub fn page_of(rev_id: u64) -> u64 {
        rev_id / REVISIONS_PER_PAGE
    }

    /// The slots of a page: every tenth page is a file with structured data.
    pub fn slots_of(page_id: u64) -> &'static [Slot] {
        if page_id % 10 == 7 { &[MAIN, MEDIAINFO] } else { &[MAIN] }
    }

    /// Whether a revision exists and can be seen.
    pub fn state_of(rev_id: u64) -> RevisionState {
        match rev_id % REVISIONS_PER_PAGE {
            HIDDEN_FROM.. => RevisionState::Hidden,
            MISSING_FROM.. => RevisionState::Missing,
            _ => RevisionState::Visible,
        }
    }
}

/// A slot of a page.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Its number in the world.
    pub number: u64,
    /// Its role.
    pub role: &'static str,
    /// Its content model.
    pub model: &'static str,
    /// Its content format.
    pub format: &'static str,
}

const MAIN: Slot = Slot { number: 0, role: "main", model: "wikitext", format: "text/x-wiki" };
const MEDIAINFO: Slot = Slot { number: 1, role: "mediainfo", model: "wikibase-mediainfo", format: "application/json" };

/// Text number `number`: wikitext-like, with everything that JSON escapes and some of what UTF-8 needs.
fn text(number: usize, bytes: usize) -> Text {
    let mut plain =
        format!("== Section {number} ==\nA \"quoted\" line with a \\ and a tab\t, naïve Ünïcode: 水車 🌊.\n");
    let mut line = 0_usize;
    while plain.len() < bytes {
        line += 1;
        plain.push_str(&format!(
            "The mill race of [[Page {line}|page {line}]] carries water, {number} buckets of it, past wheel {}.\n",
            line * 31 % 97
        ));
    }
    let mut cut = bytes.max(64).min(plain.len());
    while !plain.is_char_boundary(cut) {
        cut += 1;
    }
    plain.truncate(cut);
    let quoted = serde_json::Value::String(plain.clone()).to_string();
    let escaped = quoted.trim_start_matches('"').to_owned();
    let escaped = escaped.strip_suffix('"').map(str::to_owned).unwrap_or(escaped);
    Text { sha1: sha1_base36(plain.as_bytes()), plain, escaped }
}

/// The base-36 SHA-1 of MediaWiki: 31 characters, zero padded.
pub fn sha1_base36(bytes: &[u8]) -> String {
    let mut number = Sha1::digest(bytes).to_vec();
    let mut digits = Vec::with_capacity(31);
    for _ in 0..31 {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 36).unwrap_or(0);
            remainder = value % 36;
        }
        digits.push(char::from_digit(remainder, 36).unwrap_or('0'));
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_is_what_mediawiki_says() {
        // `\Wikimedia\base_convert( sha1( '' ), 16, 36, 31 )`.
        assert_eq!(sha1_base36(b""), "phoiac9h4m842xq45sp7s6u21eteeq1");
    }

    #[test]
    fn escaped_text_is_the_text() {
        let world = World::new(3, 2000);
        let text = world.text(1001, 0);
        let read: String = serde_json::from_str(&format!("\"{}\"", text.escaped)).unwrap();
        assert_eq!(read, text.plain);
        assert!(text.plain.len() >= 2000);
    }
}
