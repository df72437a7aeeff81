//! A trouble with the API, as data: what the calls of one wiki meet, one after another, and what must become of its
//! events. How the replies are put on the wire is `troubled.rs`'s business.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// One trouble; its name is that of its file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// What happens, for people.
    pub trouble: String,
    /// What becomes of it, for people.
    pub result: String,
    /// Where it happens.
    #[serde(default)]
    pub door: Door,
    /// How many events the wiki has.
    #[serde(default = "six")]
    pub events: u64,
    /// What the first calls meet.
    #[serde(default)]
    pub replies: Vec<Reply>,
    /// What the calls after them meet.
    #[serde(default)]
    pub then: Then,
    /// What must become of the events.
    pub expected: Expected,
}

fn six() -> u64 {
    6
}

/// Where a trouble happens.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// In the calls of one wiki.
    #[default]
    Call,
    /// Nobody listens at the address of all wikis.
    Closed,
    /// Somebody listens there who does not speak TLS.
    Garbled,
}

/// What the calls meet once the replies have been given.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Right answers.
    #[default]
    Well,
    /// The last reply, for ever.
    Same,
}

/// What must become of the events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// All of them.
    pub events: Fate,
    /// How often a body must be repeated that comes out; once where it is not said.
    #[serde(default = "one")]
    pub times: usize,
    /// After the first call no other may come for so long, in milliseconds. It goes with one event: more may ask at once.
    #[serde(default)]
    pub quiet_ms: u64,
    /// So many calls may come at most, until everything is well.
    pub calls_max: Option<usize>,
}

fn one() -> usize {
    1
}

/// What becomes of an event.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It comes out with its body.
    Enriched,
    /// It waits until the trouble is over, and comes out then.
    Waits,
    /// It becomes an error event of this type.
    Failed(String),
}

/// What one call meets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// The wait before anything is sent, in milliseconds.
    pub wait_ms: u64,
    /// Sent in place of everything below.
    pub raw: Option<String>,
    /// The status.
    pub status: u16,
    /// Further headers. `{in N s}` in a value is the date so many seconds from now.
    pub headers: BTreeMap<String, String>,
    /// Whether the headers never end.
    pub endless_headers: bool,
    /// The body.
    pub body: Body,
    /// Of the body, only so many hundredths are sent.
    pub percent: usize,
    /// The body goes byte by byte, with so many milliseconds in between.
    pub byte_every_ms: Option<u64>,
    /// How the connection ends.
    pub end: End,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            wait_ms: 0,
            raw: None,
            status: 200,
            headers: BTreeMap::new(),
            endless_headers: false,
            body: Body::default(),
            percent: 100,
            byte_every_ms: None,
            end: End::default(),
        }
    }
}

/// A body.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The right answer, with changes.
    Right(Changes),
    /// This JSON.
    Json(Value),
    /// This text.
    Text(String),
    /// This text, again and again, without an end.
    Endless(String),
}

impl Default for Body {
    fn default() -> Self {
        Self::Right(Changes::default())
    }
}

/// What is wrong with a right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Pages and revisions stand in the opposite order.
    pub reversed: bool,
    /// Every revision has another number than was asked for.
    pub other_revisions: bool,
    /// Contents are so many times as long.
    pub times: usize,
    /// Revisions that would pass this size are left out, and `continue` names the first of them, as MediaWiki does.
    pub bytes_max: usize,
    /// Further members of the answer.
    pub members: BTreeMap<String, Value>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { reversed: false, other_revisions: false, times: 1, bytes_max: usize::MAX, members: BTreeMap::new() }
    }
}

/// How a connection ends after a reply.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It is kept for the next call.
    #[default]
    Kept,
    /// It is closed.
    Closed,
    /// It is reset.
    Reset,
    /// It is kept, and nothing comes any more.
    Silent,
}

/// Reads every `NAME.json` of a folder, by name.
///
/// # Errors
/// A file that is no trouble.
pub fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, Trouble>> {
    let mut troubles = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a file without a name")?.to_owned();
        let text = std::fs::read_to_string(&path)?;
        let trouble = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        troubles.insert(name, trouble);
    }
    Ok(troubles)
}
