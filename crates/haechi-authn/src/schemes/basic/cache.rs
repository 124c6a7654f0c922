//! Credentials verified moments ago. Holds no password: entries are keyed by an HMAC under a key that never leaves the process.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use haechi_core::{Caller, Timestamp};
use quick_cache::unsync;
use std::sync::Arc;
use std::time::Duration;

const CAPACITY: usize = 1024;
const LASTS: Duration = Duration::from_secs(60);

/// HMAC-SHA-256 of a credential.
pub(super) type CacheKey = [u8; 32];

/// Makes keys from credentials.
pub(super) struct Keyed(hmac::Key);

impl Keyed {
    pub(super) fn new() -> Result<Self, Unspecified> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map(Self)
    }

    pub(super) fn key(&self, credential: &[u8]) -> CacheKey {
        let tag = hmac::sign(&self.0, credential);
        let mut key = [0; 32];
        key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        key
    }

    /// A number that stays the same for the same text and that nobody outside can foresee.
    pub(super) fn number(&self, text: &[u8]) -> u64 {
        self.key(text).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

pub(super) struct Cache(unsync::Cache<CacheKey, Entry>);

struct Entry {
    caller: Arc<Caller>,
    epoch: u64,
    until: Timestamp,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self(unsync::Cache::new(CAPACITY))
    }

    pub(super) fn caller(&self, key: &CacheKey, epoch: u64, now: Timestamp) -> Option<Arc<Caller>> {
        let entry = self.0.get(key)?;
        (entry.epoch == epoch && now < entry.until).then(|| entry.caller.clone())
    }

    pub(super) fn keep(&mut self, key: CacheKey, caller: Arc<Caller>, epoch: u64, now: Timestamp) {
        self.0.insert(key, Entry { caller, epoch, until: now.plus(LASTS) });
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, Cache, Keyed};
    use haechi_core::{Caller, Timestamp};
    use std::sync::Arc;

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = Cache::new();
        let caller = Arc::new(Caller::anonymous("x"));
        for number in 0..10 * CAPACITY {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            cache.keep(key, caller.clone(), 0, Timestamp::from_millis(0));
        }
        assert!(cache.0.len() <= CAPACITY);
    }

    #[test]
    fn keys_of_two_processes_differ() {
        let (a, b) = (Keyed::new().unwrap(), Keyed::new().unwrap());
        assert_ne!(a.key(b"x"), b.key(b"x"));
        assert_eq!(a.number(b"x"), a.number(b"x"));
    }
}
