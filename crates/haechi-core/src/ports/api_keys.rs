//! API keys (docs/api-keys.md).

use super::quota::Quota;
use super::stored::{Edit, Revision, Stored};
use crate::{Attributes, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An API key as the store keeps it: everything but the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeyRecord {
    /// Names the key without being it.
    pub id: String,
    /// SHA-256 of the key's text. A key is 32 random bytes, so a fast hash is enough.
    #[serde(skip)]
    pub sha256: [u8; 32],
    /// The secret before the last rotation, whether it still works or not.
    #[serde(skip)]
    pub previous: Option<PreviousSecret>,
    /// Who answers for the key; the subject of its caller.
    pub owner: String,
    /// What people call it.
    pub name: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// Not accepted from this time on.
    pub expires_at: Option<Timestamp>,
    /// Accepted only from these addresses; from anywhere when empty.
    pub allowed_addresses: Vec<IpNet>,
    /// Requests per time span.
    pub rate_limit: Option<Quota>,
    /// Requests per longer time span.
    pub quota: Option<Quota>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last accepted, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From where it was then.
    pub last_used_from: Option<IpAddr>,
    /// Whether it works.
    pub state: KeyState,
    /// Whether a secret of it was made elsewhere, so that it may have another form than ours.
    pub imported: bool,
    /// Grows with every change but those of when it was last used.
    #[serde(skip)]
    pub revision: Revision,
}

/// A secret that was replaced by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
    /// Not accepted from this time on.
    pub until: Timestamp,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It does.
    Active,
    /// It was revoked, and stays so.
    Revoked,
}

/// Whether a key works at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStanding {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl ApiKeyRecord {
    /// Whether the key works at `now`.
    pub fn standing(&self, now: Timestamp) -> KeyStanding {
        match self.state {
            KeyState::Revoked => KeyStanding::Revoked,
            KeyState::Active if self.expires_at.is_some_and(|end| end <= now) => KeyStanding::Expired,
            KeyState::Active => KeyStanding::Active,
        }
    }

    /// Whether `sha256` is the key's secret, or the one before.
    pub fn has_secret(&self, sha256: &[u8; 32]) -> bool {
        self.sha256 == *sha256 || self.previous.is_some_and(|previous| previous.sha256 == *sha256)
    }

    /// Whether the key is one that `filter` asks for.
    pub fn fits(&self, filter: &KeyFilter) -> bool {
        let KeyFilter { owner, role, name, standing, expires_by, unused_since, imported } = filter;
        owner.as_ref().is_none_or(|owner| self.owner == *owner)
            && role.as_ref().is_none_or(|role| self.roles.contains(role))
            && name.as_ref().is_none_or(|name| self.name.as_ref() == Some(name))
            && standing.is_none_or(|(standing, now)| self.standing(now) == standing)
            && expires_by.is_none_or(|by| self.expires_at.is_some_and(|end| end <= by))
            && unused_since.is_none_or(|since| self.last_used_at.unwrap_or(self.created_at) < since)
            && imported.is_none_or(|imported| self.imported == imported)
    }
}

/// Which keys are asked for: those for which everything holds that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Of this owner.
    pub owner: Option<String>,
    /// With this role among those that were given to them.
    pub role: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Which at this time are so.
    pub standing: Option<(KeyStanding, Timestamp)>,
    /// Which expire by then; those that have no end do not.
    pub expires_by: Option<Timestamp>,
    /// Which were not used since then. One that was never used counts from when it was made.
    pub unused_since: Option<Timestamp>,
    /// Of which a secret was made elsewhere, or of which none was.
    pub imported: Option<bool>,
}

/// A part of a list, newest keys first; of keys made at the same time, those with the greater id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// What follows the key of this id; the beginning where there is none.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl KeyPage {
    /// The first so many.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

/// That a key was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub from: IpAddr,
}

/// Where API keys are kept.
pub trait ApiKeys: Send + Sync {
    /// The key with this SHA-256, be it of its secret or of the one before.
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>>;
    /// Whether [`ApiKeys::by_sha256`] must be awaited on the runtime on which the store was opened.
    fn is_bound_to_its_runtime(&self) -> bool {
        true
    }
    /// The key with this id.
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>>;
    /// A page of the keys that `filter` asks for; `Missing` where it is to follow a key that is not there.
    fn list<'a>(&'a self, filter: &'a KeyFilter, page: &'a KeyPage) -> Stored<'a, Vec<ApiKeyRecord>>;
    /// How many of the keys that work at `now` expire by each of `by`.
    fn expiring<'a>(&'a self, now: Timestamp, by: &'a [Timestamp]) -> Stored<'a, Vec<u64>>;
    /// Adds a key; `Exists` where its id or one of its secrets is taken.
    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()>;
    /// Adds all of them or none. May take minutes where they are many.
    fn add_all<'a>(&'a self, keys: &'a [ApiKeyRecord]) -> Stored<'a, ()>;
    /// Gives the key another secret, of which this is the SHA-256. The one that it had works until `previous_until`, the one before that no more.
    /// Records [`super::Change::ApiKey`]; `Missing` without such a key that was not revoked, `Exists` where the secret is taken.
    fn rotate<'a>(&'a self, key: Edit<'a>, sha256: &'a [u8; 32], previous_until: Timestamp)
    -> Stored<'a, ()>;
    /// Revokes for good and records [`super::Change::ApiKey`]; `Missing` without such a key.
    fn revoke<'a>(&'a self, key: Edit<'a>) -> Stored<'a, ()>;
    /// Notes that keys were accepted. What is older than what is known, or of a key that is not there, is passed over.
    fn used<'a>(&'a self, uses: &'a [KeyUse]) -> Stored<'a, ()>;
}
