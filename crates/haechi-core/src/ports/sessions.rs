//! Login sessions (refresh-token families).

use super::stored::Stored;
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
    /// Ends a session and revokes its access tokens (see [`super::Revocations`]), which all expire by `tokens_expire_at`.
    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()>;
    /// Ends all sessions of a user, likewise, and records that the user was changed.
    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()>;
}
