//! The one buffer of an answer, and the count of what such buffers pin in memory.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of answers that are held by slices of them. A buffer counts whole until its last slice is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct PinnedBytes(Arc<AtomicU64>);

impl PinnedBytes {
    /// The bytes pinned now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Hands `buffer` over to those who will slice it, and counts it until the last of them is gone.
    pub(crate) fn pin(&self, mut buffer: Vec<u8>) -> Bytes {
        // Room that was reserved and not used is pinned as well; a quarter is worth a copy.
        if buffer.capacity() - buffer.len() > buffer.len() / 4 {
            buffer.shrink_to_fit();
        }
        let counted = buffer.capacity() as u64;
        self.0.fetch_add(counted, Ordering::Relaxed);
        Bytes::from_owner(Owner { buffer, counted, pinned: self.clone() })
    }
}

struct Owner {
    buffer: Vec<u8>,
    counted: u64,
    pinned: PinnedBytes,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pinned.0.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_counts_until_its_last_slice_is_gone() {
        let pinned = PinnedBytes::default();
        let whole = pinned.pin(vec![1; 1_000]);
        let slice = whole.slice(10..20);
        assert_eq!(pinned.get(), 1_000);
        drop(whole);
        assert_eq!(pinned.get(), 1_000);
        drop(slice);
        assert_eq!(pinned.get(), 0);
    }

    #[test]
    fn unused_room_is_given_back() {
        let pinned = PinnedBytes::default();
        let mut buffer = Vec::with_capacity(1 << 20);
        buffer.extend_from_slice(b"small");
        let _whole = pinned.pin(buffer);
        assert!(pinned.get() < 100, "{}", pinned.get());
    }
}
