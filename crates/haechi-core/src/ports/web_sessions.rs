//! Browser sessions: who has logged in at a provider from outside, with a browser.

use super::stored::Stored;
use crate::Timestamp;

/// A browser's session. Its cookie's value is known to the browser alone: only a hash of it is kept, and the provider's tokens are sealed with a key
/// that is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// Names the session, in records and to administrators. Not the cookie's value, and no secret.
    pub id: String,
    /// SHA-256 of the cookie's value.
    pub secret_sha256: [u8; 32],
    /// The authenticator by which it began.
    pub authenticator: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// Unique within the issuer.
    pub subject: String,
    /// What the provider calls its own session (`sid`), where it says so.
    pub provider_session: Option<String>,
    /// What the provider said of the subject, as a JSON object.
    pub claims: String,
    /// The provider's tokens, sealed; `None` where none are kept.
    pub tokens: Option<Vec<u8>>,
    /// From when on the tokens want to be refreshed; `None` where they cannot be.
    pub refresh_at: Option<Timestamp>,
    /// Grows with every refresh.
    pub version: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen to be used.
    pub seen_at: Timestamp,
    /// When it ends unless it is used before.
    pub idle_until: Timestamp,
    /// When it ends, however much it is used. Not before `idle_until`.
    pub expires_at: Timestamp,
}

/// What a refresh of the provider's tokens gave.
#[derive(Clone, Copy, Debug)]
pub struct RefreshedSession<'a> {
    /// The session.
    pub id: &'a str,
    /// The version whose tokens were refreshed.
    pub from_version: u64,
    /// What the provider says now.
    pub claims: &'a str,
    /// The new tokens, sealed.
    pub tokens: &'a [u8],
    /// See [`WebSession::refresh_at`].
    pub refresh_at: Option<Timestamp>,
}

/// Which sessions a provider ends.
#[derive(Clone, Copy, Debug)]
pub struct EndedByProvider<'a> {
    /// The authenticator by which they began.
    pub authenticator: &'a str,
    /// Who vouches for the subject.
    pub issuer: &'a str,
    /// Only those of this subject.
    pub subject: Option<&'a str>,
    /// Only those of this session of the provider's.
    pub provider_session: Option<&'a str>,
}

/// Where browser sessions are kept.
pub trait WebSessions: Send + Sync {
    /// Begins a session. Forgets some of those that have ended.
    fn begin<'a>(&'a self, session: &'a WebSession) -> Stored<'a, ()>;
    /// The session whose cookie has this hash; `None` where there is none, or it has ended by `now`.
    fn by_secret<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<WebSession>>;
    /// Notes that a session is used: it goes on until `idle_until`, or for as long as it would anyway if that is later.
    fn seen<'a>(&'a self, id: &'a str, at: Timestamp, idle_until: Timestamp) -> Stored<'a, ()>;
    /// The sessions that are alive at `now`, of one subject or of all, newest first, and at most `limit` of them.
    fn list<'a>(
        &'a self,
        subject: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<WebSession>>;
    /// Ends a session, and revokes it (see [`super::Revocations`]) in the same step. Whether there was such a session.
    fn end<'a>(&'a self, id: &'a str) -> Stored<'a, bool>;
    /// Ends sessions likewise: all that fit. Without a subject and a session of the provider's it ends none. Their ids.
    fn end_by_provider<'a>(&'a self, which: EndedByProvider<'a>) -> Stored<'a, Vec<String>>;
    /// Takes it upon the caller to refresh the tokens of this version, until `until`: of all who ask, on all nodes, one is told so. Whether this
    /// is the one.
    fn claim_refresh<'a>(
        &'a self,
        id: &'a str,
        version: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Stored<'a, bool>;
    /// Keeps what a refresh gave, as the next version. Whether the session still was of the version that was refreshed.
    fn refreshed<'a>(&'a self, refreshed: RefreshedSession<'a>) -> Stored<'a, bool>;
    /// The key that logins under way are sealed with, on all nodes. Where there is none yet, it is this one from now on.
    fn login_key<'a>(&'a self, candidate: &'a [u8; 32]) -> Stored<'a, [u8; 32]>;
}
