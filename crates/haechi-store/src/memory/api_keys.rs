//! API keys, in memory.

use super::{Facts, Memory};
use crate::times::to_the_minute;
use haechi_core::Timestamp;
use haechi_core::ports::{ApiKeyRecord, ApiKeys, Change, KeyState, StoreError, Stored};
use std::cmp::Reverse;

impl ApiKeys for Memory {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(move |facts| Ok(facts.api_keys.iter().find(|key| key.sha256 == *sha256).cloned()))
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(move |facts| Ok(facts.api_keys.iter().find(|key| key.id == id).cloned()))
    }

    fn list(&self) -> Stored<'_, Vec<ApiKeyRecord>> {
        self.answer(|facts| {
            let mut all: Vec<ApiKeyRecord> = facts.api_keys.iter().rev().cloned().collect();
            all.sort_by_key(|key| Reverse(key.created_at));
            Ok(all)
        })
    }

    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.api_keys.iter().any(|other| other.id == key.id || other.sha256 == key.sha256) {
                return Err(StoreError::Exists(named(&key.id)));
            }
            facts.api_keys.push(key.clone());
            Ok(())
        })
    }

    fn revoke<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.api_key(id)?.state = KeyState::Revoked;
            facts.log.add(Change::ApiKey(id.to_owned()));
            Ok(())
        })
    }

    fn used<'a>(&'a self, id: &'a str, now: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let key = facts.api_key(id)?;
            key.last_used_at = key.last_used_at.max(Some(to_the_minute(now)));
            Ok(())
        })
    }
}

impl Facts {
    fn api_key(&mut self, id: &str) -> Result<&mut ApiKeyRecord, StoreError> {
        let found = self.api_keys.iter_mut().find(|key| key.id == id);
        found.ok_or_else(|| StoreError::Missing(named(id)))
    }
}

fn named(id: &str) -> String {
    format!("API key `{id}`")
}
