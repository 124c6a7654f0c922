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
    /// PKCS #8, DER; or the same sealed, where whoever wrote it had a key to seal it with.
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
    /// Like [`SigningKeys::rotate`], if `latest` is the latest key of its algorithm: of several nodes that find it old at once, one rotates. Whether
    /// this was it.
    fn rotate_from<'a>(
        &'a self,
        latest: &'a str,
        next: &'a SigningKeyRecord,
        published_until: Timestamp,
    ) -> Stored<'a, bool>;
    /// Ends the publication of a key that was retired; `Missing` without such a key, or where it was not retired.
    fn unpublish<'a>(&'a self, id: &'a str, published_until: Timestamp) -> Stored<'a, ()>;
    /// Replaces what is kept of a key's private half, if it still is `from`. Whether it was.
    fn reseal<'a>(
        &'a self,
        id: &'a str,
        from: &'a Secret<Vec<u8>>,
        to: &'a Secret<Vec<u8>>,
    ) -> Stored<'a, bool>;
    /// Deletes keys no longer published at `now`. Returns how many.
    fn forget_unpublished(&self, now: Timestamp) -> Stored<'_, u64>;
}
