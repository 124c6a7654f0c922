//! Passkeys (Web Authentication Level 2) of the store's users: a small document for each, found by the hash of its credential id.

pub(super) mod ceremony;
mod kept;
pub(super) mod options;

use crate::random;
use ceremony::{Assertion, Expected, NewKey, PasskeyFault, RelyingParty};
use haechi_core::Timestamp;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, StoreError};
use kept::Kept;
use std::sync::Arc;
use std::time::Duration;

/// How many passkeys a user may have.
pub(super) const MOST: usize = 20;
/// Whoever is disturbed by others so often gives up.
const TRIES: usize = 8;

/// Passkeys of the store's users.
#[derive(Clone)]
pub struct Passkeys {
    records: Arc<dyn IdentityRecords>,
}

/// A passkey as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPasskey {
    /// Names it. No secret.
    pub id: String,
    /// What the owner calls it.
    pub name: String,
    /// Whether it may be on several devices.
    pub synced: bool,
    /// When it was added.
    pub created: Timestamp,
    /// When it was used last.
    pub used: Option<Timestamp>,
}

/// What a passkey has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownPasskey {
    /// Whose it is, by id.
    pub(super) user: String,
    /// Names it.
    pub(super) id: String,
    /// Whether it may be on several devices.
    pub(super) synced: bool,
}

/// Why a passkey was not taken, or that it could not be found out.
#[derive(Debug, thiserror::Error)]
pub(super) enum PasskeyError {
    #[error(transparent)]
    Refused(#[from] PasskeyFault),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Passkeys {
    /// Kept there.
    pub const fn new(records: Arc<dyn IdentityRecords>) -> Self {
        Self { records }
    }

    /// Those of a user, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(&self, user: &str, now: Timestamp) -> Result<Vec<OwnPasskey>, StoreError> {
        let mut own: Vec<OwnPasskey> = self.kept(user, now).await?.into_iter().map(own).collect();
        own.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(own)
    }

    /// The credential ids of a user's, in base64url.
    pub(super) async fn credentials(&self, user: &str, now: Timestamp) -> Result<Vec<String>, StoreError> {
        Ok(self.kept(user, now).await?.into_iter().map(|(_, kept)| kept.credential).collect())
    }

    async fn kept(&self, user: &str, now: Timestamp) -> Result<Vec<(String, Kept)>, StoreError> {
        let all = self.records.owned_by(RecordKind::Passkey, user, now).await?;
        all.into_iter().map(|(id, value)| Ok((id, read(&value)?))).collect()
    }

    /// Whether a user still has the one of this id.
    pub(super) async fn has(&self, user: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let found = self.records.get(RecordKind::Passkey, id, now).await?;
        found.map_or(Ok(false), |(value, _)| Ok(read(&value)?.user == user))
    }

    /// Keeps a new one of the user, under this name.
    pub(super) async fn add(
        &self,
        user: &str,
        name: &str,
        new: NewKey,
        now: Timestamp,
    ) -> Result<(), PasskeyError> {
        if self.records.owned_by(RecordKind::Passkey, user, now).await?.len() >= MOST {
            return Err(PasskeyFault::TooMany.into());
        }
        let NewKey { id, credential, key, algorithm, counter, synced } = new;
        let created = now.as_millis();
        let kept = Kept {
            user: user.to_owned(),
            credential,
            key,
            algorithm,
            counter,
            synced,
            name: name.to_owned(),
            created,
            used: None,
        };
        // One that is anybody's already is nobody else's (Web Authentication 7.1, step 22).
        if self.records.put(&record(&id, &kept)?, None, now).await? {
            Ok(())
        } else {
            Err(PasskeyFault::Known.into())
        }
    }

    /// Takes one of a user's away. Its name, where there was one.
    pub(super) async fn remove(
        &self,
        user: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let Some((value, _)) = self.records.get(RecordKind::Passkey, id, now).await? else { return Ok(None) };
        let kept = read(&value)?;
        let is_gone = kept.user == user && self.records.delete(RecordKind::Passkey, id).await?;
        Ok(is_gone.then_some(kept.name))
    }

    /// Takes all of a user's away. How many there were.
    pub(super) async fn remove_all(&self, user: &str, now: Timestamp) -> Result<usize, StoreError> {
        let mut gone = 0;
        for (id, _) in self.records.owned_by(RecordKind::Passkey, user, now).await? {
            gone += usize::from(self.records.delete(RecordKind::Passkey, &id).await?);
        }
        Ok(gone)
    }

    /// What an answer shows, if it is right: of a passkey that is known, to this very challenge, and for the first time.
    pub(super) async fn take(
        &self,
        party: &RelyingParty,
        answer: &Assertion,
        expected: &Expected<'_>,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<ShownPasskey, PasskeyError> {
        let id = answer.record_id()?;
        for _ in 0..TRIES {
            let found = self.records.get(RecordKind::Passkey, &id, now).await?;
            let (value, version) = found.ok_or(PasskeyFault::Unknown)?;
            let kept = read(&value)?;
            let counter = ceremony::check_assertion(party, answer, &kept, expected)?;
            let next = Kept { counter, used: Some(now.as_millis()), ..kept };
            if self.records.put(&record(&id, &next)?, Some(version), now).await? {
                self.use_up(expected.challenge, &next.user, (now, until)).await?;
                return Ok(ShownPasskey { user: next.user, id, synced: next.synced });
            }
        }
        Err(StoreError::Unavailable("too many use one passkey at once".to_owned()).into())
    }

    /// A challenge is answered once, on all nodes (Web Authentication 13.4.3).
    pub(super) async fn use_up(
        &self,
        challenge: &[u8; 32],
        user: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<(), PasskeyError> {
        let record = IdentityRecord {
            kind: RecordKind::PasskeyUse,
            id: random::hex(challenge),
            owner: user.to_owned(),
            value: "{}".to_owned(),
            kept_until: Some(until.max(now.plus(Duration::from_secs(60)))),
        };
        if self.records.put(&record, None, now).await? { Ok(()) } else { Err(PasskeyFault::Used.into()) }
    }
}

fn own((id, kept): (String, Kept)) -> OwnPasskey {
    let Kept { name, synced, created, used, .. } = kept;
    let (created, used) = (Timestamp::from_millis(created), used.map(Timestamp::from_millis));
    OwnPasskey { id, name, synced, created, used }
}

fn read(value: &str) -> Result<Kept, StoreError> {
    serde_json::from_str(value).map_err(corrupt)
}

fn record(id: &str, kept: &Kept) -> Result<IdentityRecord, StoreError> {
    Ok(IdentityRecord {
        kind: RecordKind::Passkey,
        id: id.to_owned(),
        owner: kept.user.clone(),
        value: serde_json::to_string(kept).map_err(corrupt)?,
        kept_until: None,
    })
}

fn corrupt(fault: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the record of a passkey: {fault}"))
}

#[cfg(test)]
mod tests;
