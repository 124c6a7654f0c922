//! What is known of API keys, in memory.

use super::edit::edited;
use crate::edits::Kind;
use haechi_core::Timestamp;
use haechi_core::ports::{ApiKeyRecord, Edit, KeyState, PreviousSecret, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The keys, found at once however many there are.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) by_id: BTreeMap<String, ApiKeyRecord>,
    /// The ids of all secrets, those before the last rotation too.
    pub(super) by_secret: HashMap<[u8; 32], String>,
    /// Oldest first.
    pub(super) by_creation: BTreeSet<(Timestamp, String)>,
}

impl Keys {
    pub(super) fn add(&mut self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        let secrets =
            || [Some(key.sha256), key.previous.map(|previous| previous.sha256)].into_iter().flatten();
        if self.by_id.contains_key(&key.id) || secrets().any(|secret| self.by_secret.contains_key(&secret)) {
            return Err(StoreError::Exists(named(&key.id)));
        }
        self.by_secret.extend(secrets().map(|secret| (secret, key.id.clone())));
        self.by_creation.insert((key.created_at, key.id.clone()));
        self.by_id.insert(key.id.clone(), key.clone());
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &ApiKeyRecord) {
        self.by_secret.remove(&key.sha256);
        if let Some(previous) = key.previous {
            self.by_secret.remove(&previous.sha256);
        }
        self.by_creation.remove(&(key.created_at, key.id.clone()));
        self.by_id.remove(&key.id);
    }

    pub(super) fn rotate(
        &mut self,
        edit: Edit<'_>,
        sha256: &[u8; 32],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let id = edit.of;
        let taken = self.by_secret.contains_key(sha256);
        if taken && self.by_id.get(id).is_some_and(|key| key.state == KeyState::Active) {
            return Err(StoreError::Exists(named(id)));
        }
        let key = self.by_id.get_mut(id).filter(|key| key.state == KeyState::Active);
        let key = edited(Kind::ApiKey, edit, key)?;
        let gone = key.previous.replace(PreviousSecret { sha256: key.sha256, until });
        key.sha256 = *sha256;
        if let Some(gone) = gone {
            self.by_secret.remove(&gone.sha256);
        }
        self.by_secret.insert(*sha256, id.to_owned());
        Ok(())
    }

    pub(super) fn known(&self, id: &str) -> Result<&ApiKeyRecord, StoreError> {
        self.by_id.get(id).ok_or_else(|| missing(id))
    }

    pub(super) fn edited(&mut self, edit: Edit<'_>) -> Result<&mut ApiKeyRecord, StoreError> {
        edited(Kind::ApiKey, edit, self.by_id.get_mut(edit.of))
    }
}

fn missing(id: &str) -> StoreError {
    StoreError::Missing(named(id))
}

fn named(id: &str) -> String {
    Kind::ApiKey.named(id)
}
