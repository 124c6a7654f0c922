//! Login sessions (refresh-token families).

use super::stored::Stored;
use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A login and the refresh tokens that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names the family; the `sid` of its access tokens.
    pub id: String,
    /// The user's id.
    pub user_id: String,
    /// SHA-256 of the one refresh token that works now.
    pub token_sha256: [u8; 32],
    /// No refresh from this time on.
    pub expires_at: Timestamp,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// Makes the next refresh token of the one that is presented, so that whoever presents it twice within the interval gets the same one.
    /// `None` for a session of an earlier version.
    pub chain_key: Option<[u8; 32]>,
    /// How the user logged in, and what a client was given.
    pub details: SessionDetails,
}

/// How a user logged in, and what a client was given of it. Of a login of the gate's own (`POST /auth/login`) there is no client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionDetails {
    /// The client that the session's tokens were given to. They are bound to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The scopes that it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// For whom its access tokens are; for the gate where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// When the user proved who they are, in seconds; with the session where this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated_at: Option<i64>,
    /// By what (RFC 8176, `amr`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The browser session that it began in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
}

/// A refresh token that is presented, and the one that is to work after it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// SHA-256 of what was presented.
    pub presented: &'a [u8; 32],
    /// SHA-256 of the next.
    pub next: &'a [u8; 32],
    /// The time.
    pub now: Timestamp,
    /// For so long after it was used, a token may be presented again, as long as `next` is what works now: two tabs that refresh at once.
    pub reuse_interval: Duration,
}

impl<'a> Exchange<'a> {
    /// Of a token that works once, without an interval.
    pub const fn once(presented: &'a [u8; 32], next: &'a [u8; 32], now: Timestamp) -> Self {
        Self { presented, next, now, reuse_interval: Duration::ZERO }
    }
}

/// What came of presenting a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was the current one; the next now is. The session as it stands after.
    Rotated(Session),
    /// It was used a moment ago, and what was to be the next already is. Nothing changed.
    Repeated(Session),
    /// It had been used before: the whole family is revoked by this very call.
    Replayed {
        /// The family.
        session: String,
    },
    /// No such token, or its session ended or expired.
    Unknown,
}

/// Where login sessions are kept.
pub trait Sessions: Send + Sync {
    /// Begins a session.
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()>;
    /// Exchanges a refresh token in one step: of two presenting the same one, at most one gets `Rotated`, and a replay
    /// ends the session as [`Sessions::end`] does. Tokens used before stay known until their session expires.
    fn rotate<'a>(&'a self, exchange: Exchange<'a>) -> Stored<'a, Rotation>;
    /// The session that a refresh token is of, whether the token works or was used before; `None` where it ended or expired by `now`.
    fn of_token<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<Session>>;
    /// The sessions that are alive at `now`, of one user or of all, newest first, and at most `limit` of them.
    fn list<'a>(&'a self, user_id: Option<&'a str>, now: Timestamp, limit: usize)
    -> Stored<'a, Vec<Session>>;
    /// Ends a session and revokes its access tokens (see [`super::Revocations`]), which all expire by `tokens_expire_at`.
    /// Returns whether it was there; the tokens are revoked all the same.
    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, bool>;
    /// Ends all sessions of a user, likewise, and records that the user was changed.
    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()>;
}
