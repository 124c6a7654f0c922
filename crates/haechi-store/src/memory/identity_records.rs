//! What the embedded identity provider keeps beside users, clients and sessions, in memory.

use super::Memory;
use haechi_core::Timestamp;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, Stored};

impl IdentityRecords for Memory {
    fn get<'a>(&'a self, kind: RecordKind, id: &'a str, now: Timestamp) -> Stored<'a, Option<(String, u64)>> {
        self.answer(move |facts| {
            let found = facts.identity_records.get(&(kind, id.to_owned()));
            let living = found.filter(|(record, _)| is_there(record, now));
            Ok(living.map(|(record, version)| (record.value.clone(), *version)))
        })
    }

    fn put<'a>(
        &'a self,
        record: &'a IdentityRecord,
        version: Option<u64>,
        now: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(move |facts| {
            facts.identity_records.retain(|_, (record, _)| is_there(record, now));
            let key = (record.kind, record.id.clone());
            let next = match (facts.identity_records.get(&key), version) {
                (None, None) => 0,
                (Some((_, kept)), Some(version)) if *kept == version => version + 1,
                _ => return Ok(false),
            };
            facts.identity_records.insert(key, (record.clone(), next));
            Ok(true)
        })
    }

    fn delete<'a>(&'a self, kind: RecordKind, id: &'a str) -> Stored<'a, bool> {
        self.answer(move |facts| Ok(facts.identity_records.remove(&(kind, id.to_owned())).is_some()))
    }

    fn owned_by<'a>(
        &'a self,
        kind: RecordKind,
        owner: &'a str,
        now: Timestamp,
    ) -> Stored<'a, Vec<(String, String)>> {
        self.answer(move |facts| {
            let records = facts.identity_records.values().map(|(record, _)| record);
            let theirs = records
                .filter(|record| record.kind == kind && record.owner == owner && is_there(record, now));
            Ok(theirs.map(|record| (record.id.clone(), record.value.clone())).collect())
        })
    }
}

fn is_there(record: &IdentityRecord, now: Timestamp) -> bool {
    record.kept_until.is_none_or(|until| until > now)
}
