//! The use of quotas, in memory.

use super::Memory;
use haechi_core::Timestamp;
use haechi_core::ports::{QuotaUse, Quotas, Stored};

impl Quotas for Memory {
    fn add<'a>(&'a self, uses: &'a [QuotaUse]) -> Stored<'a, Vec<u64>> {
        self.answer(move |facts| {
            let count = |used: &QuotaUse| {
                let window = (used.key.to_string(), used.window_start, used.window_end);
                let total = facts.quota_uses.entry(window).or_default();
                *total += u64::from(used.requests);
                *total
            };
            Ok(uses.iter().map(count).collect())
        })
    }

    fn forget(&self, before: Timestamp) -> Stored<'_, ()> {
        self.answer(move |facts| {
            facts.quota_uses.retain(|(_, _, end), _| *end >= before);
            Ok(())
        })
    }
}
