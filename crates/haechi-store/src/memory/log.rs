//! The log of changes, in memory.

use haechi_core::Timestamp;
use haechi_core::ports::{CHANGES_KEPT, Change, Changes};
use std::collections::{BTreeMap, HashMap};

/// At most one entry for each subject.
#[derive(Default)]
pub(super) struct Log {
    entries: BTreeMap<u64, Entry>,
    epochs: HashMap<(&'static str, String), u64>,
    epoch: u64,
    forgotten: u64,
}

struct Entry {
    change: Change,
    kept_until: Option<Timestamp>,
}

impl Log {
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Adds a change. What is revoked twice stays as long as either asked.
    pub(super) fn add(&mut self, mut change: Change) {
        self.epoch += 1;
        let (kind, id) = change.subject();
        let earlier = self.epochs.insert((kind, id.to_owned()), self.epoch);
        let earlier = earlier.and_then(|epoch| self.entries.remove(&epoch));
        if let (Change::Revoked { until, .. }, Some(earlier)) = (&mut change, earlier) {
            *until = earlier.change.until().map_or(*until, |other| other.max(*until));
        }
        let kept_until = change.until();
        self.entries.insert(self.epoch, Entry { change, kept_until });
    }

    pub(super) fn since(&self, since: u64, limit: usize) -> Changes {
        let after = self.entries.range(since.saturating_add(1)..);
        let page: Vec<_> = after.take(limit.max(1)).collect();
        let last = page.last().filter(|_| page.len() >= limit.max(1)).map(|(epoch, _)| **epoch);
        Changes {
            changes: page.into_iter().map(|(_, entry)| entry.change.clone()).collect(),
            epoch: last.unwrap_or(self.epoch),
            newest: self.epoch,
            forgotten: self.forgotten,
        }
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) -> u64 {
        let before = self.entries.len();
        for (epoch, entry) in
            self.entries.extract_if(.., |_, entry| entry.kept_until.is_some_and(|end| end < now))
        {
            let (kind, id) = entry.change.subject();
            self.epochs.remove(&(kind, id.to_owned()));
            if entry.change.until().is_none() {
                self.forgotten = self.forgotten.max(epoch);
            }
        }
        for entry in self.entries.values_mut() {
            entry.kept_until.get_or_insert(now.plus(CHANGES_KEPT));
        }
        (before - self.entries.len()) as u64
    }
}
