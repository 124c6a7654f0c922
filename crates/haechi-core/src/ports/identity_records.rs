//! What the embedded identity provider keeps beside users, clients and sessions: codes under way, consents, second factors and passkeys. Each is a small document
//! with a version, so that whoever changes one changes what they have read, whichever node they ask.

use super::stored::Stored;
use crate::Timestamp;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// An authorization code (RFC 6749 4.1.2), by the SHA-256 of it in hex.
    Code,
    /// What a user has let a client have, by user and client.
    Consent,
    /// A user's second factor, by the user.
    SecondFactor,
    /// A user's passkey, by the SHA-256 of its credential id in hex.
    Passkey,
    /// That a challenge was answered by a passkey (Web Authentication 13.4.3), by the challenge in hex.
    PasskeyUse,
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRecord {
    /// What it is about.
    pub kind: RecordKind,
    /// Names it within its kind.
    pub id: String,
    /// The user whose it is, by id.
    pub owner: String,
    /// A JSON document. No secret, unless it is sealed or a hash.
    pub value: String,
    /// From then on it counts as gone; never where this is left out.
    pub kept_until: Option<Timestamp>,
}

/// What the embedded identity provider keeps beside users, clients and sessions.
pub trait IdentityRecords: Send + Sync {
    /// The document of a record that is there at `now`, and its version.
    fn get<'a>(&'a self, kind: RecordKind, id: &'a str, now: Timestamp) -> Stored<'a, Option<(String, u64)>>;
    /// Keeps a record: a new one where `version` is left out, or in place of the one of that `version`. Whether it was kept; it is not where another was
    /// there first, so that of many who write after the same reading one does. Forgets some that are gone.
    fn put<'a>(
        &'a self,
        record: &'a IdentityRecord,
        version: Option<u64>,
        now: Timestamp,
    ) -> Stored<'a, bool>;
    /// Deletes a record. Whether there was one.
    fn delete<'a>(&'a self, kind: RecordKind, id: &'a str) -> Stored<'a, bool>;
    /// A user's records of a kind that are there at `now`: the id and the document of each, by id.
    fn owned_by<'a>(
        &'a self,
        kind: RecordKind,
        owner: &'a str,
        now: Timestamp,
    ) -> Stored<'a, Vec<(String, String)>>;
}

impl RecordKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Code, Self::Consent, Self::SecondFactor, Self::Passkey, Self::PasskeyUse];

    /// As a store has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Consent => "consent",
            Self::SecondFactor => "second_factor",
            Self::Passkey => "passkey",
            Self::PasskeyUse => "passkey_use",
        }
    }
}
