//! The job itself: parse, look up, hash, insert, wrap.

use serde::Deserialize;
use sha1::{Digest, Sha1};
use std::collections::HashMap;

pub struct Event {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

pub struct Output {
    pub value: Vec<u8>,
    pub timestamp_ms: i64,
    pub source: String,
}

/// The slots of one revision, by role.
pub type Answer = HashMap<String, Slot>;

#[derive(Deserialize)]
pub struct Slot {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    query: Query,
}
#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    pages: Vec<Page>,
}
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    revisions: Vec<Revision>,
}
#[derive(Deserialize)]
struct Revision {
    revid: u64,
    slots: Answer,
}

/// The revisions of an API answer.
pub fn answers(bytes: &[u8]) -> HashMap<u64, Answer> {
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else { return HashMap::new() };
    document
        .query
        .pages
        .into_iter()
        .flat_map(|page| page.revisions)
        .map(|revision| (revision.revid, revision.slots))
        .collect()
}

/// The enriched event.
pub fn enrich(event: &Event, mut value: serde_json::Value, answer: Option<&Answer>, stream: &str) -> Output {
    if let (Some(answer), Some(slots)) = (answer, value["revision"]["content_slots"].as_object_mut()) {
        for (role, slot) in slots {
            let Some(content) = answer.get(role).and_then(|slot| slot.content.as_ref()) else { continue };
            let sha1 = base36(&Sha1::digest(content.as_bytes()));
            if slot["content_sha1"].as_str() != Some(&sha1) {
                eprintln!("sha1 mismatch");
            }
            slot["content_body"] = serde_json::Value::String(content.clone());
        }
    }
    let source = format!("cluster/{stream}/{}/{}", event.partition, event.offset);
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, source.as_bytes());
    value["$schema"] = serde_json::Value::String("/mediawiki/page/change/1.2.0".to_owned());
    value["meta"]["stream"] = serde_json::Value::String(stream.to_owned());
    value["meta"]["id"] = serde_json::Value::String(id.to_string());
    let now = jiff::Timestamp::now();
    value["meta"]["dt"] = serde_json::Value::String(format!("{now:.3}"));
    let timestamp_ms = value["dt"]
        .as_str()
        .and_then(|dt| dt.parse::<jiff::Timestamp>().ok())
        .map_or(event.timestamp_ms, |dt| dt.as_millisecond());
    Output { value: serde_json::to_vec(&value).unwrap_or_default(), timestamp_ms, source }
}

fn base36(hash: &[u8]) -> String {
    let mut number = hash.to_vec();
    let mut digits = vec!['0'; 31];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 36).unwrap_or(0);
            remainder = value % 36;
        }
        *digit = char::from_digit(remainder, 36).unwrap_or('0');
    }
    digits.into_iter().collect()
}
