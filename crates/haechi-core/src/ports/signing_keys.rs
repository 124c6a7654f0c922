//! The private keys of the embedded identity provider.

use super::stored::Stored;
use crate::{Secret, Timestamp};

/// A signing key as the store keeps it.
#[derive(Clone, Debug)]
pub struct SigningKeyRecord {
    /// The `kid`.
    pub id: String,
    /// The JWS algorithm: `EdDSA`, `ES256` or `RS256`.
    pub algorithm: String,
    /// PKCS #8, DER.
    pub pkcs8: Secret<Vec<u8>>,
    /// Signs from this time on; published before, so that others know it in time.
    pub active_from: Timestamp,
    /// Signs no more from this time on.
    pub retired_at: Option<Timestamp>,
    /// Published until this time, so that what it signed can be verified.
    pub published_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where signing keys are kept.
pub trait SigningKeys: Send + Sync {
    /// All keys, oldest first.
    fn list(&self) -> Stored<'_, Vec<SigningKeyRecord>>;
    /// Adds the first key of an algorithm; returns the one that is there, whoever of several nodes was first.
    fn add_first<'a>(&'a self, key: &'a SigningKeyRecord) -> Stored<'a, SigningKeyRecord>;
    /// Adds `next` and retires the ones of the same algorithm that are in force, in one step.
    fn rotate<'a>(&'a self, next: &'a SigningKeyRecord, published_until: Timestamp) -> Stored<'a, ()>;
    /// Deletes keys no longer published at `now`. Returns how many.
    fn forget_unpublished(&self, now: Timestamp) -> Stored<'_, u64>;
}
