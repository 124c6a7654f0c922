//! The tokens that one worker has verified, by the token itself.

use super::verify::{Verified, is_revoked};
use crate::RevocationWatch;
use crate::keys::KeySet;
use haechi_core::{Caller, Timestamp};
use quick_cache::unsync;
use std::cell::Cell;
use std::sync::Arc;

/// Longer tokens are verified each time, in bytes: a few of them must not push out the others' memory.
const MAX_TOKEN: usize = 4 * 1024;

/// Bounded. Keyed by all bytes of the token with a hash seeded per worker; only whoever holds valid tokens can add entries.
pub(super) struct Cache(unsync::Cache<Box<[u8]>, Entry>);

struct Entry {
    caller: Arc<Caller>,
    /// The first instant at which the token is no longer accepted.
    ends: Timestamp,
    /// Of the key set that verified it.
    generation: u64,
    /// Not revoked as of this epoch; 0 where nothing can be revoked.
    epoch: Cell<u64>,
}

/// What is known of a token.
pub(super) enum Found {
    /// It holds.
    Holds(Arc<Caller>),
    /// It would hold, but revocations are not known recently enough.
    Stale,
    /// It was revoked.
    Revoked,
}

impl Cache {
    pub(super) fn new(entries: usize) -> Self {
        Self(unsync::Cache::new(entries))
    }

    /// `None` when the token must be verified: it is not known, has ended, or the keys have changed, ended or gone.
    pub(super) fn find(
        &mut self,
        token: &[u8],
        keys: &KeySet,
        revocations: Option<&RevocationWatch>,
        now: Timestamp,
    ) -> Option<Found> {
        let entry = self.0.get(token)?;
        if now >= entry.ends || entry.generation != keys.generation() || keys.keys(now).is_none() {
            self.0.remove(token);
            return None;
        }
        let found = match revocations {
            None => Found::Holds(entry.caller.clone()),
            Some(watch) => entry.unless_revoked(watch, now),
        };
        if let Found::Revoked = found {
            self.0.remove(token);
        }
        Some(found)
    }

    pub(super) fn remember(&mut self, token: &[u8], verified: Verified, generation: u64) {
        if token.len() <= MAX_TOKEN {
            let Verified { caller, ends, epoch } = verified;
            self.0.insert(token.into(), Entry { caller, ends, generation, epoch: Cell::new(epoch) });
        }
    }
}

impl Entry {
    /// Within the epoch that was checked nothing new is revoked; in another, looking it up is enough: its signature still stands.
    fn unless_revoked(&self, watch: &RevocationWatch, now: Timestamp) -> Found {
        let view = watch.view();
        if !view.is_fresh(now) {
            return Found::Stale;
        }
        if view.epoch != self.epoch.get() {
            if is_revoked(&view, &self.caller) {
                return Found::Revoked;
            }
            self.epoch.set(view.epoch);
        }
        Found::Holds(self.caller.clone())
    }
}
