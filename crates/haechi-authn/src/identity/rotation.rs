//! Replacing signing keys while tokens of the old ones are about.

use super::keyring::{KeyringFault, current, new_signing_key};
use super::provider::tokens_expire_at;
use super::seal::{SealError, Seals};
use crate::jose::SigningAlgorithm;
use haechi_core::ports::{SigningKeyRecord, SigningKeys, StoreError};
use haechi_core::{Clock, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// No key signs sooner after it was published: every node has read the store by then, several times.
pub const SOONEST: Duration = Duration::from_secs(30);

/// What is done with signing keys.
pub struct SigningKeyAccounts {
    /// Where they are kept.
    pub keys: Arc<dyn SigningKeys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the gate signs with.
    pub algorithm: SigningAlgorithm,
    /// What private keys are sealed with.
    pub seals: Arc<Seals>,
    /// The longest that any token may be valid.
    pub longest_lifetime: Duration,
}

/// Why the keys are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key could be made.
    #[error(transparent)]
    Keyring(#[from] KeyringFault),
    /// A key could not be sealed or opened.
    #[error("signing key `{id}` is {fault}")]
    Seal {
        /// The `kid`.
        id: String,
        /// Why.
        fault: SealError,
    },
    /// Nodes would meet tokens of a key that they do not know.
    #[error("a key must be published for at least {}s before it signs", SOONEST.as_secs())]
    TooSoon,
    /// There is no such key.
    #[error("there is no signing key `{0}`; `haechi signing-key list` shows them")]
    Missing(String),
    /// Without it nothing could be signed.
    #[error(
        "signing key `{0}` is the one that signs; run `haechi signing-key rotate` first, and retire it when its successor signs"
    )]
    Signs(String),
    /// Nothing to seal with.
    #[error("there is nothing to seal with; set `identity.signing_keys.seal`")]
    NoSeal,
}

impl SigningKeyAccounts {
    /// Makes a key that signs after `lead`, in place of the one that signs now, which stays published until its last token has expired.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn rotate(&self, lead: Duration) -> Result<SigningKeyRecord, RotationError> {
        let (next, published_until) = self.successor(lead)?;
        self.keys.rotate(&self.sealed(&next)?, published_until).await?;
        self.keys.forget_unpublished(self.clock.now()).await?;
        Ok(next)
    }

    /// Does so when the latest key has signed for `every`, and forgets keys that are no longer published. Whether it did: of several nodes that ask at
    /// once, one does.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn rotate_when_old(&self, every: Duration, lead: Duration) -> Result<bool, RotationError> {
        let now = self.clock.now();
        let records = self.keys.list().await?;
        let latest = records.iter().find(|record| self.is_latest(record));
        let old = latest.filter(|record| record.active_from.plus(every) <= now.plus(lead));
        let Some(old) = old else { return Ok(false) };
        // It opens, so nobody signs in place of a key that this node cannot read.
        self.opened(old.clone())?;
        let (next, published_until) = self.successor(lead)?;
        let rotated = self.keys.rotate_from(&old.id, &self.sealed(&next)?, published_until).await?;
        self.keys.forget_unpublished(now).await?;
        Ok(rotated)
    }

    /// Ends the publication of a key at once: whatever it signed holds no more.
    ///
    /// # Errors
    /// [`RotationError::Signs`] for the key that signs, and others.
    pub async fn retire(&self, id: &str) -> Result<(), RotationError> {
        let (records, now) = (self.keys.list().await?, self.clock.now());
        let record = records.iter().find(|record| record.id == id);
        let record = record.ok_or_else(|| RotationError::Missing(id.to_owned()))?;
        let algorithm = record.algorithm.parse().unwrap_or(self.algorithm);
        let signs = current(&records, algorithm, now).is_some_and(|current| current.id == id);
        if record.retired_at.is_none() || signs {
            return Err(RotationError::Signs(id.to_owned()));
        }
        Ok(self.keys.unpublish(id, now).await?)
    }

    /// Seals every key with the first seal. Returns how many were not.
    ///
    /// # Errors
    /// [`RotationError`]; those that were sealed before stay so, and the command can be run again.
    pub async fn reseal(&self) -> Result<usize, RotationError> {
        if !self.seals.seals() {
            return Err(RotationError::NoSeal);
        }
        let mut resealed = 0;
        for record in self.keys.list().await? {
            if self.seals.wants_reseal(&record) {
                let sealed = self.sealed(&self.opened(record.clone())?)?;
                resealed += usize::from(self.keys.reseal(&record.id, &record.pkcs8, &sealed.pkcs8).await?);
            }
        }
        Ok(resealed)
    }

    fn successor(&self, lead: Duration) -> Result<(SigningKeyRecord, Timestamp), RotationError> {
        if lead < SOONEST {
            return Err(RotationError::TooSoon);
        }
        let now = self.clock.now();
        let starts = now.plus(lead);
        let next = new_signing_key(self.algorithm, now, starts)?;
        // Nodes whose clocks are behind, or that read the store late, sign with the old one a little longer.
        let last_signed = starts.plus(SOONEST);
        Ok((next, tokens_expire_at(last_signed, self.longest_lifetime)))
    }

    fn is_latest(&self, record: &SigningKeyRecord) -> bool {
        record.algorithm == self.algorithm.name() && record.retired_at.is_none()
    }

    fn sealed(&self, record: &SigningKeyRecord) -> Result<SigningKeyRecord, RotationError> {
        let fault = |fault| RotationError::Seal { id: record.id.clone(), fault };
        self.seals.seal(record).map_err(fault)
    }

    fn opened(&self, record: SigningKeyRecord) -> Result<SigningKeyRecord, RotationError> {
        let id = record.id.clone();
        self.seals.open(record).map_err(|fault| RotationError::Seal { id, fault })
    }
}

#[cfg(test)]
mod tests;
