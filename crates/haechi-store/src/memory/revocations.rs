//! Revocations and their epoch, in memory.

use super::Memory;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Changes, Revocations, Revoked, Stored};

impl Revocations for Memory {
    fn epoch(&self) -> Stored<'_, u64> {
        self.answer(|facts| Ok(facts.log.epoch()))
    }

    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes> {
        self.answer(move |facts| Ok(facts.log.since(since, limit)))
    }

    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.log.add(Change::Revoked { what: what.clone(), until });
            Ok(())
        })
    }

    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(move |facts| Ok(facts.log.forget_expired(now)))
    }
}
