//! Request ids: unique, cheap (no system call after a thread's first), and short enough to copy.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

/// 128 bits as 22 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId([u8; 22]);

thread_local! {
    /// A random prefix for this thread, and a counter that starts at a random place.
    static NEXT: Cell<(u64, u64)> = {
        let random = RandomState::new();
        Cell::new((random.hash_one(0u8), random.hash_one(1u8)))
    };
}

impl RequestId {
    pub(crate) fn next() -> RequestId {
        let (prefix, counter) = NEXT.get();
        NEXT.set((prefix, counter.wrapping_add(1)));
        RequestId::encode((u128::from(prefix) << 64) | u128::from(mix(counter)))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn encode(mut bits: u128) -> RequestId {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = [0; 22];
        for character in text.iter_mut().rev() {
            *character = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
        }
        RequestId(text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The finaliser of SplitMix64: a bijection, so that ids stay unique while consecutive ones look unrelated.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_within_and_between_threads() {
        let ids = || (0..10_000).map(|_| RequestId::next()).collect::<Vec<_>>();
        let mut all = ids();
        all.extend(std::thread::spawn(ids).join().unwrap());
        let distinct: std::collections::HashSet<_> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|id| id.as_str().len() == 22));
    }
}
