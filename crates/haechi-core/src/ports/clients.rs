//! Machine clients for OAuth 2 (docs/identity-provider.md#machine-clients).

use super::stored::{Edit, Revision, Stored};
use crate::{Attributes, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A machine client as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientRecord {
    /// The `client_id`; never given again. Its access tokens are revoked together as the session of this id.
    pub id: String,
    /// What people call it. Unique.
    pub name: String,
    /// How it proves who it is.
    #[serde(skip)]
    pub proof: ClientProof,
    /// Roles as assigned.
    pub roles: Vec<String>,
    /// Scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// For whom it may ask for tokens, besides the gate itself (RFC 8707).
    pub audiences: Vec<String>,
    /// How long its access tokens are valid; what is configured for all where this is left out.
    pub token_lifetime: Option<Duration>,
    /// How people log in to it with a browser.
    pub login: ClientLogin,
    /// When it was added.
    pub created_at: Timestamp,
    /// Grows with every change.
    #[serde(skip)]
    pub revision: Revision,
}

/// How people log in to a client with a browser (RFC 6749 4.1). By default not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientLogin {
    /// Where it may have people sent to with a code, exactly; without any, nobody logs in to it.
    pub redirect_uris: Vec<String>,
    /// Where it may have people sent to after a logout, exactly.
    pub post_logout_redirect_uris: Vec<String>,
    /// Whether people are asked before it gets anything.
    pub consent: bool,
    /// Whether it registered itself (RFC 7591): nobody vouches for its name.
    pub registered: bool,
}

/// How a client proves who it is: in one way, never in either of two (RFC 7591 2, `token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// `client_secret_basic` and `client_secret_post`.
    Secret(ClientSecrets),
    /// `private_key_jwt` (RFC 7523): its public keys, as a JWK Set or a PEM document.
    Keys(String),
    /// `none`: a public client (RFC 6749 2.1), which keeps no secret. What it may do, PKCE and its redirect URIs hold together.
    Public,
}

/// The secrets that work, by their SHA-256. A secret is 32 random bytes, so a fast hash is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecrets {
    /// The one that was given last.
    pub current: [u8; 32],
    /// The one before, and until when it works.
    pub previous: Option<([u8; 32], Timestamp)>,
}

/// Where machine clients are kept.
pub trait Clients: Send + Sync {
    /// The client of this id.
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>>;
    /// All clients, by name.
    fn list(&self) -> Stored<'_, Vec<ClientRecord>>;
    /// At most `limit` clients by name, those that follow the name `after`.
    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<ClientRecord>>;
    /// Adds a client; `Exists` where the name is taken.
    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()>;
    /// Replaces how it proves who it is, and records [`super::Change::Client`]; `Missing` without such a client.
    fn set_proof<'a>(&'a self, client: Edit<'a>, proof: &'a ClientProof) -> Stored<'a, ()>;
    /// Gives it another secret, of which this is the SHA-256, in one step with others who do. The one that it had works until `previous_until`, or no
    /// more; the one before that no more. Records [`super::Change::Client`]; `Missing` without such a client that has a secret.
    fn rotate<'a>(
        &'a self,
        client: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Option<Timestamp>,
    ) -> Stored<'a, ()>;
    /// Deletes by id, ends the sessions that it was given, revokes its access tokens, which all expire by `tokens_expire_at`, and records [`super::Change::Client`]; `Missing`
    /// without such a client.
    fn delete<'a>(&'a self, client: Edit<'a>, tokens_expire_at: Timestamp) -> Stored<'a, ()>;
    /// Notes that the assertion of this SHA-256 was presented (RFC 7523 3, `jti`), and whether it was for the first time: of two who present
    /// it at once, on whatever nodes, one is the first. It is known until after `until`.
    fn note_assertion<'a>(
        &'a self,
        sha256: &'a [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Stored<'a, bool>;
}
