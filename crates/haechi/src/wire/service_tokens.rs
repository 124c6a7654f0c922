//! The tokens that services are shown: the gate's own, fetched in the background, and those in exchange for callers' own. Both are kept across reloads that do not change how they are
//! asked for.

use crate::authenticators::client_proof::Proof;
use crate::config::meant::{Exchange, OwnToken, TokenEndpoint};
use haechi_authn::Unavailable;
use haechi_authn::control::Control;
use haechi_authn::oidc::WebCalls;
use haechi_authn::service_token::ServiceToken;
use haechi_authn::supervisor::supervise;
use haechi_authn::token_client::TokenClientParts;
use haechi_authn::token_exchange::{ExchangeCounts, Exchanged, TokenExchange};
use haechi_core::ports::BoxFuture;
use haechi_core::{Clock, Timestamp};
use haechi_proxy::{AccessToken, CallerTokens};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The tokens that plans hold.
pub(crate) struct ServiceTokens {
    own: Mutex<Vec<Weak<FollowedToken>>>,
    exchanges: Mutex<Vec<Weak<Exchanging>>>,
    calls: Arc<dyn WebCalls>,
    clock: Arc<dyn Clock>,
    control: Handle,
}

/// A token with the task that keeps it current, which ends with it.
struct FollowedToken {
    service: Arc<str>,
    made_from: OwnToken,
    token: Arc<ServiceToken>,
    task: AbortHandle,
}

/// What exchanges tokens for a service.
pub(crate) struct Exchanging {
    service: Arc<str>,
    made_from: Exchange,
    exchange: Arc<TokenExchange>,
}

impl AccessToken for FollowedToken {
    fn authorization(&self, now: Timestamp) -> Result<Arc<str>, String> {
        self.token.authorization(now)
    }
}

impl Drop for FollowedToken {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl CallerTokens for Exchanging {
    fn exchanged<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Exchanged, Unavailable>> {
        Box::pin(self.exchange.clone().token(subject))
    }
}

impl Exchanging {
    /// For which service, and what was counted.
    pub(crate) fn counts(&self) -> (&str, &ExchangeCounts) {
        (&self.service, self.exchange.counts())
    }
}

impl ServiceTokens {
    pub(crate) fn new(calls: Arc<dyn WebCalls>, clock: Arc<dyn Clock>, control: Handle) -> Self {
        Self { own: Mutex::default(), exchanges: Mutex::default(), calls, clock, control }
    }

    /// The gate's own token for a service: the one that a plan holds which asks for it in the same way, or a new one.
    ///
    /// # Errors
    /// The key to sign with cannot be used.
    pub(crate) fn own(&self, service: &Arc<str>, wanted: &OwnToken) -> Result<Arc<dyn AccessToken>, String> {
        let mut known = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let held = live(&mut known);
        if let Some(held) =
            held.into_iter().find(|held| held.service == *service && held.made_from == *wanted)
        {
            return Ok(held);
        }
        let client = self.client(&wanted.endpoint)?;
        let token = Arc::new(ServiceToken::new(service.clone(), wanted.config.clone(), client));
        let followed = token.clone();
        let task = supervise(&self.control, "service tokens", move || followed.clone().follow());
        let (service, made_from) = (service.clone(), wanted.clone());
        let made = Arc::new(FollowedToken { service, made_from, token, task });
        known.push(Arc::downgrade(&made));
        Ok(made)
    }

    /// What exchanges tokens for a service, with what it remembers: as above.
    ///
    /// # Errors
    /// The key to sign with cannot be used.
    pub(crate) fn exchange(
        &self,
        service: &Arc<str>,
        wanted: &Exchange,
    ) -> Result<Arc<dyn CallerTokens>, String> {
        let mut known = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let held = live(&mut known);
        if let Some(held) =
            held.into_iter().find(|held| held.service == *service && held.made_from == *wanted)
        {
            return Ok(held);
        }
        let (client, control) = (self.client(&wanted.endpoint)?, Control::new(self.control.clone()));
        let exchange = TokenExchange::new(service.clone(), wanted.config.clone(), client, control);
        let (service, made_from) = (service.clone(), wanted.clone());
        let made = Arc::new(Exchanging { service, made_from, exchange: Arc::new(exchange) });
        known.push(Arc::downgrade(&made));
        Ok(made)
    }

    /// The exchanges of the plans that are there.
    pub(crate) fn exchanges(&self) -> Vec<Arc<Exchanging>> {
        live(&mut self.exchanges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn client(&self, endpoint: &TokenEndpoint) -> Result<TokenClientParts, String> {
        let proven = |(id, proof): &(String, Proof)| Ok::<_, String>((id.clone(), proof.made()?));
        Ok(TokenClientParts {
            server: endpoint.server.clone(),
            client: endpoint.client.as_ref().map(proven).transpose()?,
            allow_http: endpoint.allow_http,
            calls: self.calls.clone(),
            clock: self.clock.clone(),
        })
    }
}

/// Those that somebody still holds; the others are forgotten.
fn live<T>(known: &mut Vec<Weak<T>>) -> Vec<Arc<T>> {
    known.retain(|held| held.strong_count() > 0);
    known.iter().filter_map(Weak::upgrade).collect()
}
