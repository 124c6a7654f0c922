//! The provider's own sessions with browsers: who has logged in here, with what, and when. A row of the store's browser sessions, whose cookie the
//! store knows by its hash.

use super::passkey::Passkeys;
use super::passwords::PasswordVerifier;
use super::second_factor::FactorError;
use super::ticket::Proved;
use super::tokens::is_enough;
use super::visit::Visit;
use crate::SetCookie;
use crate::jose::base64url;
use crate::random::{self, RandomnessError};
use haechi_core::Timestamp;
use haechi_core::ports::{StoreError, UserRecord, Users, WebSession, WebSessions};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the store calls these sessions beside those of authenticators, none of which has a space in its name.
pub(super) const KIND: &str = "identity provider";
/// Use is noted so often at most.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// How long a browser stays logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrowserSessionSpans {
    /// Without being used.
    pub idle: Duration,
    /// However much it is used.
    pub absolute: Duration,
}

/// What is kept of a login.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "auth_time")]
    authenticated_at: i64,
    #[serde(rename = "amr")]
    methods: Vec<String>,
    /// What tells the password that the user had.
    #[serde(rename = "pwd_mark")]
    password: String,
    /// The passkey that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passkey: Option<String>,
}

/// A session that holds: its user is there, may log in, and has the password of then.
#[derive(Clone, Debug)]
pub(super) struct BrowserSession {
    pub(super) id: String,
    pub(super) user: UserRecord,
    pub(super) authenticated_at: Timestamp,
    pub(super) methods: Vec<String>,
    pub(super) passkey: Option<String>,
}

/// Tells one password from another without being either.
pub(super) fn password_mark(user: &UserRecord) -> String {
    let text = [b"haechi password mark\n", user.password_hash.expose().as_bytes()].concat();
    base64url::encode(random::sha256(&text))
}

/// The provider's sessions.
pub(super) struct BrowserSessions<'a> {
    pub(super) sessions: &'a dyn WebSessions,
    pub(super) users: &'a dyn Users,
    pub(super) passkeys: Passkeys,
    pub(super) verifier: &'a PasswordVerifier,
    pub(super) issuer: &'a str,
    pub(super) spans: BrowserSessionSpans,
}

/// Why a session did not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum BeginError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error("the session cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl BrowserSessions<'_> {
    /// The session of a visit, where it has one that holds.
    pub(super) async fn of(
        &self,
        visit: &Visit,
        now: Timestamp,
    ) -> Result<Option<BrowserSession>, FactorError> {
        let Some(sha256) = visit.session_sha256() else { return Ok(None) };
        let Some(found) = self.sessions.by_secret(&sha256, now).await? else { return Ok(None) };
        if found.authenticator != KIND || found.issuer != self.issuer {
            return Ok(None);
        }
        let Some(session) = self.holding(&found, now).await? else { return Ok(None) };
        if now.since(found.seen_at) >= NOTED_EVERY {
            self.sessions.seen(&found.id, now, now.plus(self.spans.idle)).await?;
        }
        Ok(Some(session))
    }

    async fn holding(
        &self,
        found: &WebSession,
        now: Timestamp,
    ) -> Result<Option<BrowserSession>, FactorError> {
        let Ok(kept) = serde_json::from_str::<Kept>(&found.claims) else { return Ok(None) };
        let user = self.users.by_id(&found.subject).await?;
        let user = user.filter(|user| !user.disabled && password_mark(user) == kept.password);
        // Whoever sets up a second factor, or has it taken away, logs in anew.
        let has_more = self.verifier.factors().standing(&found.subject, now).await?.is_on;
        let user = user.filter(|user| is_enough(&kept.methods, has_more) && !self.verifier.must_change(user));
        // A passkey that is taken away takes what it began with it.
        if let Some(passkey) = &kept.passkey
            && !self.passkeys.has(&found.subject, passkey, now).await?
        {
            return Ok(None);
        }
        Ok(user.map(|user| BrowserSession {
            id: found.id.clone(),
            user,
            authenticated_at: Timestamp::from_seconds(kept.authenticated_at),
            methods: kept.methods,
            passkey: kept.passkey,
        }))
    }

    /// Begins a session after a login, in place of the one that the browser had.
    pub(super) async fn begin(
        &self,
        visit: &Visit,
        user: UserRecord,
        proved: &Proved,
        now: Timestamp,
    ) -> Result<(BrowserSession, Option<SetCookie>), BeginError> {
        if let Some(sha256) = visit.session_sha256()
            && let Some(before) = self.sessions.by_secret(&sha256, now).await?
            && before.authenticator == KIND
        {
            self.sessions.end(&before.id).await?;
        }
        let (cookie, secret_sha256) = visit.new_session()?;
        let kept = Kept {
            authenticated_at: now.as_seconds(),
            methods: proved.methods.clone(),
            password: proved.password.clone(),
            passkey: proved.passkey.clone(),
        };
        let id = random::id()?;
        let session = WebSession {
            id: id.clone(),
            secret_sha256,
            authenticator: KIND.to_owned(),
            issuer: self.issuer.to_owned(),
            subject: user.id.clone(),
            provider_session: None,
            claims: serde_json::to_string(&kept)?,
            tokens: None,
            refresh_at: None,
            version: 0,
            created_at: now,
            seen_at: now,
            idle_until: now.plus(self.spans.idle.min(self.spans.absolute)),
            expires_at: now.plus(self.spans.absolute),
        };
        self.sessions.begin(&session).await?;
        let Kept { methods, passkey, .. } = kept;
        let began = BrowserSession { id, user, authenticated_at: now, methods, passkey };
        Ok((began, cookie))
    }
}
