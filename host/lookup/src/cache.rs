//! Answers that are kept for those who ask the same soon after: bounded in bytes and in time, and only content that
//! everybody may read. What is missing, hidden in an error or failed is never kept. Whether an answer was forgotten
//! since is `forgotten`'s business.

use crate::question::ShareKey;
use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::lookup::Reply;
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Entries;
use std::sync::Arc;
use std::time::Duration;

/// What an entry weighs besides its answer: key, books and allocations, in bytes.
const ENTRY_OVERHEAD: usize = 512;

/// Answers above this share of the cache are not kept: one would drive out all the others.
const LARGEST_SHARE: u64 = 16;

/// The kept answers.
pub(crate) struct Cache {
    entries: Option<Entries<CacheKey, Kept>>,
    ttl_ms: u64,
    bytes_max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CacheKey {
    target: Arc<str>,
    key: ShareKey,
}

/// A kept answer.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) reply: Arc<Reply>,
    pub(crate) page_id: u64,
    /// The serial of forgettings when its call left.
    pub(crate) serial: u64,
    /// When its call left, in milliseconds.
    pub(crate) asked_ms: u64,
}

impl Cache {
    /// A cache of `bytes_max`, in which answers stay for `ttl_ms`. 0 of either turns it off.
    pub(crate) fn new(bytes_max: u64, ttl_ms: u64) -> Self {
        let entries = (bytes_max > 0 && ttl_ms > 0).then(|| {
            Entries::builder()
                .max_capacity(bytes_max)
                .weigher(|_: &CacheKey, kept: &Kept| weight(&kept.reply))
                .time_to_live(Duration::from_millis(ttl_ms))
                // Whoever asks the same does so soon: what came last is what counts, not what is asked often.
                .eviction_policy(EvictionPolicy::lru())
                .build()
        });
        Self { entries, ttl_ms, bytes_max }
    }

    /// Whether answers are kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.entries.is_some()
    }

    /// The kept answer to a question, if it is young enough.
    pub(crate) fn get(&self, target: &Arc<str>, key: &ShareKey, now_ms: u64) -> Option<Kept> {
        let kept = self.entries.as_ref()?.get(&CacheKey { target: Arc::clone(target), key: key.clone() })?;
        (now_ms.saturating_sub(kept.asked_ms) < self.ttl_ms).then_some(kept)
    }

    /// Keeps an answer. Its bodies are copied out, so that it pins no more than itself.
    pub(crate) fn keep(&self, target: &Arc<str>, key: &ShareKey, kept: Kept) {
        let Some(entries) = &self.entries else { return };
        if u64::from(weight(&kept.reply)) > self.bytes_max / LARGEST_SHARE {
            return;
        }
        let own =
            Reply { document: kept.reply.document.clone(), blobs: kept.reply.blobs.iter().map(own_copy).collect() };
        entries
            .insert(CacheKey { target: Arc::clone(target), key: key.clone() }, Kept { reply: Arc::new(own), ..kept });
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.entries.as_ref().map_or(0, Entries::weighted_size)
    }
}

fn weight(reply: &Reply) -> u32 {
    u32::try_from(reply.held() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
}

/// The same blob in memory of its own.
fn own_copy(blob: &Blob) -> Blob {
    let mut quoted = Vec::with_capacity(blob.json_string_bound());
    match blob.write_json_string(&mut quoted) {
        Ok(()) => {
            let inside = 1..quoted.len().saturating_sub(1);
            Blob::escaped(Bytes::from(quoted).slice(inside), blob.size())
        }
        Err(_) => Blob::plain(Bytes::copy_from_slice(&blob.read())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{RevisionQuestion, Shared, Slots};

    fn key(rev_id: u64, class: &str) -> ShareKey {
        ShareKey { what: Shared::Revision(RevisionQuestion { rev_id, slots: Slots::Main }), class: class.into() }
    }

    fn kept(body: &Bytes, asked_ms: u64) -> Kept {
        let blobs = vec![Blob::escaped(body.clone(), body.len() as u64)];
        let reply = Arc::new(Reply { document: Bytes::from_static(b"{}"), blobs });
        Kept { reply, page_id: 1, serial: 0, asked_ms }
    }

    #[test]
    fn an_answer_is_kept_for_its_time_only() {
        let (cache, wiki) = (Cache::new(1 << 20, 1_000), Arc::from("a.org"));
        cache.keep(&wiki, &key(1, "c"), kept(&Bytes::from_static(b"text"), 500));
        assert!(cache.get(&wiki, &key(1, "c"), 1_499).is_some());
        assert!(cache.get(&wiki, &key(1, "c"), 1_500).is_none());
    }

    #[test]
    fn other_grants_and_other_wikis_do_not_see_it() {
        let (cache, wiki) = (Cache::new(1 << 20, 1_000), Arc::from("a.org"));
        cache.keep(&wiki, &key(1, "c"), kept(&Bytes::from_static(b"text"), 0));
        assert!(cache.get(&wiki, &key(1, "d"), 0).is_none());
        assert!(cache.get(&Arc::from("b.org"), &key(1, "c"), 0).is_none());
    }

    #[test]
    fn a_kept_body_does_not_pin_the_answer_it_came_in() {
        let pinned = crate::answer_buffer::PinnedBytes::default();
        let whole = pinned.pin(vec![b'x'; 100_000]);
        let (cache, wiki) = (Cache::new(1 << 20, 1_000), Arc::from("a.org"));
        cache.keep(&wiki, &key(1, "c"), kept(&whole.slice(5..15), 0));
        drop(whole);
        assert_eq!(pinned.get(), 0);
        let again = cache.get(&wiki, &key(1, "c"), 0).unwrap();
        assert_eq!(&*again.reply.blobs[0].read(), b"xxxxxxxxxx");
    }

    #[test]
    fn an_answer_that_would_drive_out_all_others_is_not_kept() {
        let (cache, wiki) = (Cache::new(1 << 20, 1_000), Arc::from("a.org"));
        cache.keep(&wiki, &key(1, "c"), kept(&Bytes::from(vec![b'x'; 100_000]), 0));
        assert!(cache.get(&wiki, &key(1, "c"), 0).is_none());
    }

    #[test]
    fn no_bytes_mean_no_cache() {
        let (cache, wiki) = (Cache::new(0, 1_000), Arc::from("a.org"));
        cache.keep(&wiki, &key(1, "c"), kept(&Bytes::from_static(b"text"), 0));
        assert!(!cache.is_on());
        assert!(cache.get(&wiki, &key(1, "c"), 0).is_none());
    }
}
