//! Policies of the store, and changes that wait for a second person, recorded before they change.

use super::Audited;
use haechi_core::Timestamp;
use haechi_core::ports::{
    Approval, ApprovalState, Approvals, Author, Policies, PoliciesInForce, PolicyVersion, Stored,
};

impl Policies for Audited<dyn Policies> {
    fn in_force(&self) -> Stored<'_, PoliciesInForce> {
        self.store.in_force()
    }
    fn serial(&self) -> Stored<'_, i64> {
        self.store.serial()
    }
    fn versions<'a>(
        &'a self,
        name: &'a str,
        before: Option<i64>,
        limit: usize,
    ) -> Stored<'a, Vec<PolicyVersion>> {
        self.store.versions(name, before, limit)
    }
    fn version<'a>(&'a self, name: &'a str, version: i64) -> Stored<'a, Option<PolicyVersion>> {
        self.store.version(name, version)
    }
    fn add<'a>(&'a self, version: &'a PolicyVersion) -> Stored<'a, ()> {
        self.write_to(format!("policy {}", version.name), self.store.add(version))
    }
}

impl Approvals for Audited<dyn Approvals> {
    fn page<'a>(&'a self, before: Option<&'a str>, limit: usize) -> Stored<'a, Vec<Approval>> {
        self.store.page(before, limit)
    }
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<Approval>> {
        self.store.by_id(id)
    }
    fn add<'a>(&'a self, approval: &'a Approval) -> Stored<'a, ()> {
        self.write_to(approval.target.clone(), self.store.add(approval))
    }
    fn decide<'a>(
        &'a self,
        id: &'a str,
        states: (ApprovalState, ApprovalState),
        by: Option<&'a Author>,
        at: Timestamp,
    ) -> Stored<'a, ()> {
        self.write_to(format!("approval {id}"), self.store.decide(id, states, by, at))
    }
    fn expire(&self, now: Timestamp) -> Stored<'_, Vec<Approval>> {
        self.write(None, self.store.expire(now))
    }
}
