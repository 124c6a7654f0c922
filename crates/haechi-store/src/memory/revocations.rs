//! Revocations and their epoch, in memory.

use super::{Facts, Memory};
use haechi_core::Timestamp;
use haechi_core::ports::{Revocations, Revoked, Stored};

impl Revocations for Memory {
    fn epoch(&self) -> Stored<'_, u64> {
        self.answer(|facts| Ok(facts.epoch))
    }

    fn current(&self, now: Timestamp) -> Stored<'_, Vec<Revoked>> {
        self.answer(move |facts| {
            let kept = facts.revocations.iter().filter(|(_, until)| **until >= now);
            Ok(kept.map(|(what, _)| what.clone()).collect())
        })
    }

    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.revoke(what.clone(), until);
            Ok(())
        })
    }

    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(move |facts| {
            let before = facts.revocations.len();
            facts.revocations.retain(|_, until| *until >= now);
            Ok((before - facts.revocations.len()) as u64)
        })
    }
}

impl Facts {
    /// What is revoked twice stays as long as either asked.
    pub(super) fn revoke(&mut self, what: Revoked, until: Timestamp) {
        let kept = self.revocations.entry(what).or_insert(until);
        *kept = until.max(*kept);
        self.epoch += 1;
    }
}
