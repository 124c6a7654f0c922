//! What the embedded identity provider keeps of users, whose changes are written to the trail first.

use super::Audited;
use haechi_core::Timestamp;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, Stored};

impl IdentityRecords for Audited<dyn IdentityRecords> {
    fn get<'a>(&'a self, kind: RecordKind, id: &'a str, now: Timestamp) -> Stored<'a, Option<(String, u64)>> {
        self.store.get(kind, id, now)
    }
    fn put<'a>(
        &'a self,
        record: &'a IdentityRecord,
        version: Option<u64>,
        now: Timestamp,
    ) -> Stored<'a, bool> {
        self.write(Some(&record.owner), self.store.put(record, version, now))
    }
    fn delete<'a>(&'a self, kind: RecordKind, id: &'a str) -> Stored<'a, bool> {
        self.write(None, self.store.delete(kind, id))
    }
    fn owned_by<'a>(
        &'a self,
        kind: RecordKind,
        owner: &'a str,
        now: Timestamp,
    ) -> Stored<'a, Vec<(String, String)>> {
        self.store.owned_by(kind, owner, now)
    }
}
