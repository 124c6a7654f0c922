//! Login sessions (refresh-token families) and what was revoked.

use super::Stored;
use crate::Timestamp;

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
}

/// What came of presenting a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was the current one; the next now is. The session as it stands after.
    Rotated(Session),
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
    fn rotate<'a>(
        &'a self,
        presented_sha256: &'a [u8; 32],
        next_sha256: &'a [u8; 32],
        now: Timestamp,
    ) -> Stored<'a, Rotation>;
    /// Ends a session and revokes its access tokens (see [`Revocations`]), which all expire by `tokens_expire_at`.
    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()>;
    /// Ends all sessions of a user, likewise.
    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()>;
}

/// Something that no longer holds although its own expiry has not come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revoked {
    /// Every access token of this session.
    Session(String),
    /// The token with this `jti`.
    Token(String),
}

/// Where revocations are kept. One number, the epoch, grows with each; nodes poll it.
pub trait Revocations: Send + Sync {
    /// The epoch now. It grows with every revocation, of sessions, tokens and API keys alike, and with every change to a user or client that
    /// takes something away (roles, password, disabled, deleted).
    fn epoch(&self) -> Stored<'_, u64>;
    /// Everything revoked that has not expired by `now`.
    fn current(&self, now: Timestamp) -> Stored<'_, Vec<Revoked>>;
    /// Revokes; the entry may be forgotten after `until`, when what it names has expired.
    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()>;
    /// Forgets what has expired by `now`. Returns how many.
    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64>;
}
