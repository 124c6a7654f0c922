//! Changes that wait for a second person, in memory.

use super::Memory;
use crate::records::undecidable;
use haechi_core::Timestamp;
use haechi_core::ports::{Approval, ApprovalState, Approvals, Author, StoreError, Stored};

impl Approvals for Memory {
    fn page<'a>(&'a self, before: Option<&'a str>, limit: usize) -> Stored<'a, Vec<Approval>> {
        self.answer(move |facts| {
            let all = facts.approvals.values().rev();
            let earlier = all.filter(|one| before.is_none_or(|before| one.id.as_str() < before));
            Ok(earlier.take(limit).cloned().collect())
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<Approval>> {
        self.answer(move |facts| Ok(facts.approvals.get(id).cloned()))
    }

    fn add<'a>(&'a self, approval: &'a Approval) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.approvals.contains_key(&approval.id) {
                return Err(StoreError::Exists(format!("approval `{}`", approval.id)));
            }
            facts.approvals.insert(approval.id.clone(), approval.clone());
            Ok(())
        })
    }

    fn decide<'a>(
        &'a self,
        id: &'a str,
        (from, to): (ApprovalState, ApprovalState),
        by: Option<&'a Author>,
        at: Timestamp,
    ) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let found = facts.approvals.get_mut(id).ok_or_else(|| undecidable(id, false))?;
            if found.state != from {
                return Err(undecidable(id, true));
            }
            (found.state, found.decided_by, found.decided_at) = (to, by.cloned(), Some(at));
            found.content = "{}".to_owned();
            Ok(())
        })
    }

    fn expire(&self, now: Timestamp) -> Stored<'_, Vec<Approval>> {
        self.answer(move |facts| {
            let mut expired = Vec::new();
            for one in facts.approvals.values_mut() {
                if one.state == ApprovalState::Pending && one.expires_at <= now {
                    (one.state, one.decided_at) = (ApprovalState::Expired, Some(now));
                    one.content = "{}".to_owned();
                    expired.push(one.clone());
                }
            }
            Ok(expired)
        })
    }
}
