//! A set of changes of which many versions can be alive at once.

use super::fingerprint::Fingerprint;
use haechi_core::Timestamp;
use haechi_core::ports::Change;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many parts the set has. With a million entries each has about a thousand.
const SHARDS: usize = 1024;

/// The version of what is revoked for good: later than that of anything verified.
const FOR_GOOD: u64 = u64::MAX;

/// What was changed, by fingerprint. A clone shares all shards, and a change to it copies those that it touches: of a million entries one new one
/// copies about a thousand (32 bytes each, and a list of 1024 pointers), and a thousand new ones copy at most two thirds of everything. Memory: 40 to 80 bytes for each entry.
#[derive(Clone, Debug)]
pub(super) struct ChangeSet {
    shards: Vec<Arc<Shard>>,
}

type Shard = HashMap<Fingerprint, ChangeMark>;

#[derive(Clone, Copy, Debug)]
struct ChangeMark {
    /// The view's version that learned of it, or [`FOR_GOOD`].
    version: u64,
    /// When it no longer matters, in milliseconds: of the wall clock for what is revoked for good, of the uptime for the rest.
    until: i64,
}

/// What is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpiryHorizon {
    /// Whatever is revoked for good and expired by itself before then.
    pub(super) expired_before: Timestamp,
    /// Other changes that were to be remembered until then (see [`haechi_core::Clock::uptime`]).
    pub(super) uptime: Duration,
}

impl ExpiryHorizon {
    fn has(self, mark: &ChangeMark) -> bool {
        match mark.version {
            FOR_GOOD => mark.until < self.expired_before.as_millis(),
            _ => mark.until < millis(self.uptime),
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Default for ChangeSet {
    fn default() -> Self {
        Self { shards: vec![Arc::default(); SHARDS] }
    }
}

impl ChangeSet {
    /// Adds a change that the view of this version learned of. One that does not say how long it matters is remembered until `remembered`.
    pub(super) fn add(&mut self, change: &Change, version: u64, remembered: Duration) {
        let subject = Fingerprint::of(change.subject());
        let mark = match change.until() {
            Some(until) => ChangeMark { version: FOR_GOOD, until: until.as_millis() },
            None => ChangeMark { version, until: millis(remembered) },
        };
        if let Some(shard) = self.shards.get_mut(place(subject)) {
            Arc::make_mut(shard).insert(subject, mark);
        }
    }

    /// Whether the subject was changed after the view of this version, or revoked at any time.
    pub(super) fn changed_after(&self, version: u64, subject: Fingerprint) -> bool {
        self.mark(subject).is_some_and(|mark| mark.version > version)
    }

    /// Whether the subject was revoked for good.
    pub(super) fn is_revoked(&self, subject: Fingerprint) -> bool {
        self.mark(subject).is_some_and(|mark| mark.version == FOR_GOOD)
    }

    /// Whether anything no longer matters.
    pub(super) fn has_expired(&self, past: ExpiryHorizon) -> bool {
        self.shards.iter().any(|shard| has_expired(shard, past))
    }

    /// Forgets what no longer matters. Returns the latest version of a change to something that was not revoked for good.
    pub(super) fn prune(&mut self, past: ExpiryHorizon) -> u64 {
        let mut latest = 0;
        for shard in self.shards.iter_mut().filter(|shard| has_expired(shard, past)) {
            for (_, mark) in Arc::make_mut(shard).extract_if(|_, mark| past.has(mark)) {
                if mark.version != FOR_GOOD {
                    latest = latest.max(mark.version);
                }
            }
        }
        latest
    }

    fn mark(&self, subject: Fingerprint) -> Option<&ChangeMark> {
        self.shards.get(place(subject))?.get(&subject)
    }
}

fn has_expired(shard: &Shard, past: ExpiryHorizon) -> bool {
    shard.values().any(|mark| past.has(mark))
}

fn place(subject: Fingerprint) -> usize {
    usize::try_from(subject.number() % SHARDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{ChangeSet, ExpiryHorizon, SHARDS};
    use haechi_core::Timestamp;
    use haechi_core::ports::{Change, Revoked};
    use std::sync::Arc;
    use std::time::Duration;

    fn token(n: usize) -> Change {
        Change::Revoked { what: Revoked::Token(format!("token {n}")), until: Timestamp::MAX }
    }

    #[test]
    fn one_more_copies_one_shard_of_many() {
        let mut before = ChangeSet::default();
        for n in 0..100 * SHARDS {
            before.add(&token(n), 1, Duration::MAX);
        }
        let largest = before.shards.iter().map(|shard| shard.len()).max().unwrap();
        assert!(largest < 200, "{largest} of {} stand in one shard", 100 * SHARDS);
        let mut after = before.clone();
        after.add(&token(100 * SHARDS), 2, Duration::MAX);
        let copied = before.shards.iter().zip(&after.shards).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(copied, 1);
        assert!(!after.has_expired(ExpiryHorizon { expired_before: Timestamp::MAX, uptime: Duration::MAX }));
    }
}
