//! Access tokens that the gate gets in its own name, to show them to backends (RFC 6749 4.4).

use crate::oidc::{Granted, error_of, read_granted};
use crate::token_client::{TokenClient, TokenClientParts};
use arc_swap::ArcSwap;
use haechi_core::{Clock, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What has not answered by then is not there.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a token lasts of which nobody says so.
const UNSAID: Duration = Duration::from_secs(300);
/// How long before its end a token is shown to nobody any more: it has to arrive while it is valid.
const MARGIN: Duration = Duration::from_secs(5);
/// After a failure, how soon it is tried again: each time twice as long, up to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What a token is asked for with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTokenConfig {
    /// The scopes to ask for; the server's own choice where there are none.
    pub scopes: Vec<String>,
    /// The value of `audience`, which some servers want.
    pub audience: Option<String>,
    /// The value of `resource` (RFC 8707 2).
    pub resource: Option<String>,
}

/// A token that is kept current.
pub struct ServiceToken {
    /// For whom, in messages.
    service: Arc<str>,
    config: ServiceTokenConfig,
    client: TokenClient,
    clock: Arc<dyn Clock>,
    current: ArcSwap<State>,
}

/// What there is to show, and why there is nothing newer.
#[derive(Clone, Default)]
struct State {
    held: Option<Held>,
    fault: Option<Arc<str>>,
}

#[derive(Clone)]
struct Held {
    /// The value of `Authorization`.
    value: Arc<str>,
    /// When it was asked for.
    since: Timestamp,
    ends: Timestamp,
}

impl ServiceToken {
    /// A token for `service`, which [`ServiceToken::follow`] fetches.
    pub fn new(service: Arc<str>, config: ServiceTokenConfig, client: TokenClientParts) -> Self {
        let clock = client.clock.clone();
        Self { service, config, client: TokenClient::new(client), clock, current: ArcSwap::default() }
    }

    /// The value of `Authorization`.
    ///
    /// # Errors
    /// Why there is no token that is valid.
    pub fn authorization(&self, now: Timestamp) -> Result<Arc<str>, String> {
        let state = self.current.load();
        match &state.held {
            Some(held) if now < held.ends => Ok(held.value.clone()),
            _ => {
                let why = state.fault.as_deref().unwrap_or("it was not asked for yet");
                Err(format!("there is no access token for the service `{}`: {why}", self.service))
            }
        }
    }

    /// Fetches the token, and the next one when four fifths of its time are over, for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut pause = RETRY.0;
        loop {
            let wait = match self.fetch_in_time().await {
                Ok(held) => {
                    pause = RETRY.0;
                    let lasts = held.ends.since(held.since);
                    self.current.store(Arc::new(State { held: Some(held), fault: None }));
                    (lasts / 5 * 4).max(RETRY.0)
                }
                Err(why) => {
                    tracing::warn!(service = %self.service, reason = why, "cannot get an access token for a service");
                    let held = self.current.load().held.clone();
                    self.current.store(Arc::new(State { held, fault: Some(why.into()) }));
                    let wait = pause;
                    pause = (pause * 2).min(RETRY.1);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn fetch_in_time(&self) -> Result<Held, String> {
        match tokio::time::timeout(TIMEOUT, self.fetch()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("the token endpoint did not answer within {TIMEOUT:?}")),
        }
    }

    async fn fetch(&self) -> Result<Held, String> {
        let since = self.clock.now();
        let config = &self.config;
        let scopes = config.scopes.join(" ");
        let more = [
            ("scope", Some(scopes.as_str()).filter(|scopes| !scopes.is_empty())),
            ("audience", config.audience.as_deref()),
            ("resource", config.resource.as_deref()),
        ];
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let answer = self.client.ask(&parameters, since).await.map_err(|fault| fault.reason.to_string())?;
        if answer.status != 200 {
            return Err(format!("the token endpoint refuses: {}", error_of(&answer)));
        }
        let granted = read_granted(&answer).map_err(|why| format!("the token endpoint: {why}"))?;
        held(&granted, since)
    }
}

fn held(granted: &Granted, since: Timestamp) -> Result<Held, String> {
    let ends = since.plus(usable(granted).map_err(|why| format!("the token endpoint: {why}"))?);
    Ok(Held { value: format!("Bearer {}", granted.access_token.expose()).into(), since, ends })
}

/// How long a token can be shown from when it was asked for.
pub(crate) fn usable(granted: &Granted) -> Result<Duration, String> {
    let lasts = granted.expires_in.unwrap_or(UNSAID);
    let usable = lasts.checked_sub(MARGIN).filter(|usable| !usable.is_zero());
    usable.ok_or_else(|| format!("the token lasts for {lasts:?} only"))
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceToken").field("service", &self.service).finish_non_exhaustive()
    }
}
