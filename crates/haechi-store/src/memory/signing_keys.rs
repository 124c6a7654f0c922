//! Signing keys, in memory.

use super::{Facts, Memory};
use haechi_core::ports::{SigningKeyRecord, SigningKeys, StoreError, Stored};
use haechi_core::{Secret, Timestamp};

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
        self.answer(move |facts| facts.replace_signing_key(next, published_until))
    }

    fn rotate_from<'a>(
        &'a self,
        from: &'a str,
        next: &'a SigningKeyRecord,
        published_until: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(move |facts| {
            let is_latest = |key: &&SigningKeyRecord| {
                key.id == from && key.algorithm == next.algorithm && key.retired_at.is_none()
            };
            if !facts.signing_keys.iter().any(|key| is_latest(&key)) {
                return Ok(false);
            }
            facts.replace_signing_key(next, published_until)?;
            Ok(true)
        })
    }

    fn unpublish<'a>(&'a self, id: &'a str, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let mut keys = facts.signing_keys.iter_mut();
            let retired = keys.find(|key| key.id == id && key.retired_at.is_some());
            let missing = || StoreError::Missing(format!("retired signing key `{id}`"));
            retired.ok_or_else(missing)?.published_until = Some(published_until);
            Ok(())
        })
    }

    fn reseal<'a>(
        &'a self,
        id: &'a str,
        from: &'a Secret<Vec<u8>>,
        to: &'a Secret<Vec<u8>>,
    ) -> Stored<'a, bool> {
        self.answer(move |facts| {
            let found = facts.signing_keys.iter_mut().find(|key| key.id == id && key.pkcs8 == *from);
            Ok(found.map(|key| key.pkcs8 = to.clone()).is_some())
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
    fn replace_signing_key(
        &mut self,
        next: &SigningKeyRecord,
        published_until: Timestamp,
    ) -> Result<(), StoreError> {
        self.add_signing_key(next)?;
        // A key whose retirement lies ahead is in force too.
        let in_force = self.signing_keys.iter_mut().filter(|key| {
            key.id != next.id
                && key.algorithm == next.algorithm
                && key.retired_at.is_none_or(|at| at > next.active_from)
        });
        for key in in_force {
            key.retired_at = Some(next.active_from);
            key.published_until = Some(published_until);
        }
        Ok(())
    }

    fn add_signing_key(&mut self, key: &SigningKeyRecord) -> Result<(), StoreError> {
        if self.signing_keys.iter().any(|other| other.id == key.id) {
            return Err(StoreError::Exists(format!("signing key `{}`", key.id)));
        }
        self.signing_keys.push(key.clone());
        Ok(())
    }
}
