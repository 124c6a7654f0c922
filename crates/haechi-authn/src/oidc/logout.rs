//! What a logout takes: people's own, and those that a provider tells of.

use super::client::{Browser, Inner, LoggedIn};
use super::endpoint;
use super::fault::LoginFault;
use super::id_token;
use super::kept_tokens::KeptTokens;
use crate::oidc_parameters::form;
use haechi_core::ports::EndedByProvider;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// So many logout tokens are remembered, so that none works twice.
const LOGOUT_TOKENS: usize = 4096;
/// A provider has so long to take tokens back.
const REVOKED_WITHIN: Duration = Duration::from_secs(10);

impl Inner {
    pub(super) async fn logout(
        self: &Arc<Self>,
        browser: &Browser,
    ) -> Result<Option<(Option<String>, LoggedIn)>, LoginFault> {
        let now = self.clock.now();
        let found = self.session(browser, now).await?;
        let Some((session, secret)) =
            found.filter(|(session, _)| *session.authenticator == *self.config.name)
        else {
            return Ok(None);
        };
        self.sessions.end(&session.id).await?;
        let tokens =
            session.tokens.as_ref().and_then(|sealed| KeptTokens::open(sealed, &secret, &session.id));
        if let Some(tokens) = tokens.clone().filter(|_| self.config.revoke_at_logout) {
            // Ours has ended; nobody waits for the provider.
            let inner = self.clone();
            self.control.tell(async move { inner.revoke(&tokens).await });
        }
        let page = if self.config.provider_logout { self.end_session_page(tokens).await } else { None };
        let who = LoggedIn { issuer: session.issuer, subject: session.subject, session: session.id };
        Ok(Some((page, who)))
    }

    /// Gives the tokens back (RFC 7009 2.1): the refresh token first, with which many providers take back what came of it. Best effort: what cannot be told is
    /// logged, and the tokens end by themselves.
    async fn revoke(&self, tokens: &KeptTokens) {
        let revoked = tokio::time::timeout(REVOKED_WITHIN, self.revoke_all(tokens)).await;
        let why = match revoked {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => format!("no answer within {REVOKED_WITHIN:?}"),
        };
        let name = &self.config.name;
        tracing::warn!(authenticator = %name, reason = why, "cannot revoke the tokens of a session that ended");
    }

    async fn revoke_all(&self, tokens: &KeptTokens) -> Result<(), LoginFault> {
        let metadata = self.discovery.metadata(&*self.calls).await?;
        let Some(endpoint) = &metadata.revocation_endpoint else { return Ok(()) };
        let all = [(tokens.refresh.as_deref(), "refresh_token"), (Some(&*tokens.access), "access_token")];
        for (token, hint) in all {
            let Some(token) = token else { continue };
            let parameters = [("token", token), ("token_type_hint", hint)];
            let now = self.clock.now();
            endpoint::revoke(&self.config, &metadata, &*self.calls, endpoint, &parameters, now).await?;
        }
        Ok(())
    }

    /// Where the provider ends its own session (RP-Initiated Logout 1.0, 2). Ours has ended already: a provider that is away keeps nobody logged in here.
    async fn end_session_page(&self, tokens: Option<KeptTokens>) -> Option<String> {
        let metadata = self.discovery.metadata(&*self.calls).await.ok()?;
        let page = metadata.end_session_endpoint.as_ref()?;
        let hint = tokens.and_then(|tokens| tokens.id);
        let mut parameters = vec![("client_id", &*self.config.client_id)];
        // A longer address is refused by many servers; the hint saves people a question, no more.
        if let Some(hint) = hint.as_deref().filter(|hint| hint.len() <= 4096) {
            parameters.push(("id_token_hint", hint));
        }
        if let Some(after) = &self.config.after_logout {
            parameters.push(("post_logout_redirect_uri", after));
        }
        let join = if page.contains('?') { '&' } else { '?' };
        Some(format!("{page}{join}{}", form(&parameters)))
    }

    pub(super) async fn backchannel_logout(&self, token: &str) -> Result<Vec<String>, LoginFault> {
        let claims = id_token::check_logout(&self.config, &self.keys, token, self.clock.now()).await?;
        let repeated = {
            let seen = self.logout_tokens.lock().unwrap_or_else(PoisonError::into_inner);
            seen.contains(&claims.id)
        };
        if repeated {
            return Err(LoginFault::untrusted("logout token: it came before"));
        }
        let ended = self
            .sessions
            .end_by_provider(EndedByProvider {
                authenticator: &self.config.name,
                issuer: &self.config.issuer,
                subject: claims.subject.as_deref(),
                provider_session: claims.session.as_deref(),
            })
            .await?;
        // Only what was done is remembered: a provider whose call failed comes again.
        let mut seen = self.logout_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= LOGOUT_TOKENS {
            seen.pop_front();
        }
        seen.push_back(claims.id);
        Ok(ended)
    }
}
