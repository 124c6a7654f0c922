//! Sessions as requests see them: whose they are, and whether they still hold.

use super::client::{Inner, OidcClient, Place, count};
use super::fault::LoginFault;
use super::kept_tokens::{KeptTokens, SessionSecret};
use crate::Unavailable;
use crate::control::STORE_ANSWERS_WITHIN;
use crate::jose::TokenFault;
use crate::jose::json::Object;
use crate::step_up::login_facts;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::ports::{RefreshedSession, WebSession};
use haechi_core::{Caller, CallerKind, Secret, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// So long a worker goes by what it knows, at most: use is noted, and a refresh seen, within this time.
const REMEMBERED: Duration = Duration::from_secs(60);
/// So many sessions are looked up at once. Whoever floods the gate with cookies that nobody knows fills this, and takes nothing from those whose
/// sessions are remembered.
const MOST_LOOKED_UP: usize = 2048;
/// Whoever refreshes has so long.
const REFRESH_WITHIN: Duration = Duration::from_secs(15);
/// How long others wait for that.
const WAIT_FOR_REFRESH: Duration = Duration::from_secs(8);
const ASK_EVERY: Duration = Duration::from_millis(100);
/// While tokens cannot be refreshed, so long passes between two looks.
const BETWEEN_REFRESHES: Duration = Duration::from_secs(2);

/// Looks sessions up.
pub(crate) struct SessionKeeper(Arc<Inner>);

/// A session that holds.
#[derive(Clone)]
pub(crate) struct KnownSession {
    pub(crate) id: Arc<str>,
    pub(crate) caller: Arc<Caller>,
    /// Until when this may be gone by without looking again.
    pub(crate) until: Timestamp,
}

/// What the store says of a cookie's value.
pub(crate) enum FoundSession {
    /// It is of a session that holds.
    Known(Box<KnownSession>),
    /// It is of a session of another authenticator.
    Foreign,
    /// There is no such session, or it has ended.
    None,
}

impl SessionKeeper {
    /// Of those that begin with logins of `client`.
    pub(crate) fn of(client: &OidcClient) -> Self {
        Self(client.0.clone())
    }

    /// Looks a session up: notes that it is used, and refreshes the provider's tokens where they are about to end.
    pub(crate) async fn find(
        &self,
        secret: SessionSecret,
        now: Timestamp,
    ) -> Result<FoundSession, Unavailable> {
        let _place = Place::among(&self.0.lookups_under_way, MOST_LOOKED_UP)?;
        let inner = self.0.clone();
        let limit = REFRESH_WITHIN + STORE_ANSWERS_WITHIN;
        let found = self.0.control.ask(limit, async move { inner.find(&secret, now).await }).await?;
        found.map_err(|fault| Unavailable::new(fault.to_string()))
    }
}

impl Inner {
    async fn find(&self, secret: &SessionSecret, now: Timestamp) -> Result<FoundSession, LoginFault> {
        let Some(session) = self.sessions.by_secret(&secret.sha256(), now).await? else {
            return Ok(FoundSession::None);
        };
        if *session.authenticator != *self.config.name || *session.issuer != *self.config.issuer {
            return Ok(FoundSession::Foreign);
        }
        let session = self.note_use(session, now).await;
        let Some((session, tokens)) = self.refreshed_in_time(session, secret, now).await? else {
            return Ok(FoundSession::None);
        };
        let access = tokens.filter(|_| self.config.forward_access_token);
        let caller = self.caller(&session, access.as_ref());
        let caller = caller.map_err(|fault| LoginFault::unavailable(fault.to_string()))?;
        let mut until = now.plus(self.remembered()).min(session.idle_until).min(session.expires_at);
        if let Some(refresh_at) = session.refresh_at {
            let soonest = now.plus(BETWEEN_REFRESHES);
            until = until.min(refresh_at.max(soonest));
        }
        if let Some(ends) = access.and_then(|tokens| tokens.access_ends) {
            until = until.min(Timestamp::from_millis(ends));
        }
        let known = KnownSession { id: session.id.as_str().into(), caller: Arc::new(caller), until };
        Ok(FoundSession::Known(Box::new(known)))
    }

    /// A short idle time is kept more exactly.
    fn remembered(&self) -> Duration {
        REMEMBERED.min(self.config.idle / 4)
    }

    async fn note_use(&self, session: WebSession, now: Timestamp) -> WebSession {
        if now.since(session.seen_at) < self.remembered() {
            return session;
        }
        let idle_until = now.plus(self.config.idle).min(session.expires_at).max(session.idle_until);
        match self.sessions.seen(&session.id, now, idle_until).await {
            Ok(()) => WebSession { seen_at: now, idle_until, ..session },
            Err(error) => {
                tracing::warn!(%error, "cannot note that a session is used; it may end early");
                session
            }
        }
    }

    /// The session with tokens that hold, as far as the provider gives them; `None` where it refuses, and the session is over.
    async fn refreshed_in_time(
        &self,
        session: WebSession,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Option<(WebSession, Option<KeptTokens>)>, LoginFault> {
        let opened = |session: &WebSession| {
            let sealed = session.tokens.as_ref();
            sealed.and_then(|sealed| KeptTokens::open(sealed, secret, &session.id))
        };
        let tokens = opened(&session);
        let due = session.refresh_at.is_some_and(|at| at <= now);
        let Some(tokens) = tokens else { return Ok(Some((session, None))) };
        if !due {
            return Ok(self.usable(&tokens, now).then_some((session, Some(tokens))));
        }
        let until = now.plus(REFRESH_WITHIN);
        if self.sessions.claim_refresh(&session.id, session.version, now, until).await? {
            match self.refresh_and_keep(&session, &tokens, secret).await {
                Ok(Some(next)) => {
                    let tokens = opened(&next);
                    return Ok(Some((next, tokens)));
                }
                Ok(None) => return Ok(None),
                Err(fault) => {
                    count(&self.counts.refresh_failed);
                    tracing::warn!(authenticator = %self.config.name, reason = %fault, "cannot refresh the tokens of a session");
                    if !self.usable(&tokens, now) {
                        return Err(fault);
                    }
                }
            }
        }
        // Somebody else refreshes, or the provider is away: what still holds is gone by meanwhile.
        if self.usable(&tokens, now) {
            return Ok(Some((session, Some(tokens))));
        }
        let next = self.wait_for(&session, secret, now).await?;
        Ok(next.map(|next| {
            let tokens = opened(&next);
            (next, tokens)
        }))
    }

    /// Whether a request can go on with these tokens: only backends that get them ask for any.
    fn usable(&self, tokens: &KeptTokens, now: Timestamp) -> bool {
        !self.config.forward_access_token || tokens.access_holds(now)
    }

    async fn refresh_and_keep(
        &self,
        session: &WebSession,
        tokens: &KeptTokens,
        secret: &SessionSecret,
    ) -> Result<Option<WebSession>, LoginFault> {
        let Some(next) = self.refresh(session, tokens, secret).await? else {
            self.sessions.end(&session.id).await?;
            count(&self.counts.ended_by_provider);
            return Ok(None);
        };
        let refreshed = RefreshedSession {
            id: &session.id,
            from_version: session.version,
            claims: &next.claims,
            tokens: next.tokens.as_deref().unwrap_or_default(),
            refresh_at: next.refresh_at,
        };
        // The old refresh token may be used up: what came of it must not be lost to a store that hesitates.
        let mut kept = self.sessions.refreshed(refreshed).await;
        for _ in 0..3 {
            if kept.is_ok() {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
            kept = self.sessions.refreshed(refreshed).await;
        }
        if !kept? {
            // It ended meanwhile.
            return Ok(None);
        }
        count(&self.counts.refreshed);
        Ok(Some(next))
    }

    /// What another request, perhaps on another node, gets from the provider.
    async fn wait_for(
        &self,
        session: &WebSession,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Option<WebSession>, LoginFault> {
        let started = tokio::time::Instant::now();
        while started.elapsed() < WAIT_FOR_REFRESH {
            tokio::time::sleep(ASK_EVERY).await;
            match self.sessions.by_secret(&secret.sha256(), now).await? {
                None => return Ok(None),
                Some(next) if next.version != session.version => return Ok(Some(next)),
                Some(_) => {}
            }
        }
        Err(LoginFault::unavailable("the provider's tokens have ended, and no new ones have come"))
    }

    /// Who a session's requests are from.
    pub(super) fn caller(
        &self,
        session: &WebSession,
        tokens: Option<&KeptTokens>,
    ) -> Result<Caller, TokenFault> {
        let claims = Object::parse(session.claims.as_bytes()).map_err(|_| TokenFault::Malformed("claims"))?;
        let map = &self.config.claims;
        let claimed = Claimed {
            subject: map.subject(&claims)?.to_owned(),
            issuer: session.issuer.clone(),
            roles: map.roles(&claims, &self.roles),
            scopes: map.scopes(&claims),
            attributes: map.attributes(&claims),
            expires_at: Some(session.expires_at),
            credential_id: Some(session.id.clone()),
            session: Some(session.id.clone()),
            login: login_facts(&claims),
        };
        let name = &self.config.name;
        let caller = Caller::new(CallerKind::User, name, Vouched::ByOther, &self.roles, claimed);
        let token = tokens.map(|tokens| Arc::new(Secret::new(tokens.access.clone())));
        Ok(Caller { access_token: token, ..caller })
    }
}
