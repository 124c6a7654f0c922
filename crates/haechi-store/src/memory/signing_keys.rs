//! Signing keys, in memory.

use super::{Facts, Memory};
use haechi_core::Timestamp;
use haechi_core::ports::{SigningKeyRecord, SigningKeys, StoreError, Stored};

impl SigningKeys for Memory {
    fn list(&self) -> Stored<'_, Vec<SigningKeyRecord>> {
        self.answer(|facts| {
            let mut all = facts.signing_keys.clone();
            all.sort_by_key(|key| key.created_at);
            Ok(all)
        })
    }

    fn add_first<'a>(&'a self, key: &'a SigningKeyRecord) -> Stored<'a, SigningKeyRecord> {
        self.answer(move |facts| {
            let is_latest =
                |other: &&SigningKeyRecord| other.algorithm == key.algorithm && other.retired_at.is_none();
            if let Some(first) = facts.signing_keys.iter().find(is_latest) {
                return Ok(first.clone());
            }
            facts.add_signing_key(key)?;
            Ok(key.clone())
        })
    }

    fn rotate<'a>(&'a self, next: &'a SigningKeyRecord, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.add_signing_key(next)?;
            // A key whose retirement lies ahead is in force too.
            let in_force = facts.signing_keys.iter_mut().filter(|key| {
                key.id != next.id
                    && key.algorithm == next.algorithm
                    && key.retired_at.is_none_or(|at| at > next.active_from)
            });
            for key in in_force {
                key.retired_at = Some(next.active_from);
                key.published_until = Some(published_until);
            }
            Ok(())
        })
    }

    fn forget_unpublished(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(move |facts| {
            let before = facts.signing_keys.len();
            facts.signing_keys.retain(|key| key.published_until.is_none_or(|until| until > now));
            Ok((before - facts.signing_keys.len()) as u64)
        })
    }
}

impl Facts {
    fn add_signing_key(&mut self, key: &SigningKeyRecord) -> Result<(), StoreError> {
        if self.signing_keys.iter().any(|other| other.id == key.id) {
            return Err(StoreError::Exists(format!("signing key `{}`", key.id)));
        }
        self.signing_keys.push(key.clone());
        Ok(())
    }
}
