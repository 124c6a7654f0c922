//! API keys (docs/api-keys.md).

use super::stored::Stored;
use crate::{Attributes, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// An API key as the store keeps it: everything but the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeyRecord {
    /// Names the key without being it.
    pub id: String,
    /// SHA-256 of the key's text. A key is 32 random bytes, so a fast hash is enough.
    #[serde(skip)]
    pub sha256: [u8; 32],
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
    /// Whether it works.
    pub state: KeyState,
}

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// How many.
    pub requests: u32,
    /// In how many seconds.
    pub per_seconds: u32,
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

/// Where API keys are kept.
pub trait ApiKeys: Send + Sync {
    /// The key with this SHA-256.
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>>;
    /// The key with this id.
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>>;
    /// All keys, newest first.
    fn list(&self) -> Stored<'_, Vec<ApiKeyRecord>>;
    /// Adds a key.
    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()>;
    /// Revokes for good and records [`super::Change::ApiKey`]; `Missing` without such a key.
    fn revoke<'a>(&'a self, id: &'a str) -> Stored<'a, ()>;
    /// Notes that the key was accepted at `now`.
    fn used<'a>(&'a self, id: &'a str, now: Timestamp) -> Stored<'a, ()>;
}
