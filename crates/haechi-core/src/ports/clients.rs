//! Machine clients for OAuth 2 `client_credentials`.

use super::stored::Stored;
use crate::{Attributes, Timestamp};
use serde::Serialize;

/// A machine client as the store keeps it.
#[derive(Clone, Debug, Serialize)]
pub struct ClientRecord {
    /// The `client_id`.
    pub id: String,
    /// What people call it. Unique.
    pub name: String,
    /// SHA-256 of the secret. The secret is 32 random bytes, so a fast hash is enough.
    #[serde(skip)]
    pub secret_sha256: [u8; 32],
    /// Roles as assigned.
    pub roles: Vec<String>,
    /// Scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Where machine clients are kept.
pub trait Clients: Send + Sync {
    /// The client of this id.
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>>;
    /// All clients, by name.
    fn list(&self) -> Stored<'_, Vec<ClientRecord>>;
    /// Adds a client; `Exists` where the name is taken.
    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()>;
    /// Deletes by id and records [`super::Change::Client`]; `Missing` without such a client.
    fn delete<'a>(&'a self, id: &'a str) -> Stored<'a, ()>;
}
