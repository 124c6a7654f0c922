//! Access tokens that the gate gets in its own name, to show them to backends (RFC 6749 4.4).

use crate::oidc::{
    ClientForm, ClientProof, Described, Discovery, Document, Granted, JSON, RegisteredClient, SecretIn,
    WebCalls, error_of, read_granted,
};
use arc_swap::ArcSwap;
use haechi_core::{Clock, Secret, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of an answer.
const MOST: usize = 64 * 1024;
/// What has not answered by then is not there.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a token lasts of which nobody says so.
const UNSAID: Duration = Duration::from_secs(300);
/// How long before its end a token is shown to nobody any more: it has to arrive while it is valid.
const MARGIN: Duration = Duration::from_secs(5);
/// After a failure, how soon it is tried again: each time twice as long, up to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What a token is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTokenConfig {
    /// Who gives it.
    pub server: TokenServer,
    /// How the gate is registered there.
    pub client_id: String,
    /// The secret of that registration.
    pub client_secret: Secret<String>,
    /// How the secret is sent; as the server takes it where this is `None`.
    pub secret_in: Option<SecretIn>,
    /// The scopes to ask for; the server's own choice where there are none.
    pub scopes: Vec<String>,
    /// The value of `audience`, which some servers want.
    pub audience: Option<String>,
    /// The value of `resource` (RFC 8707 2).
    pub resource: Option<String>,
    /// Whether the server may be on plain http elsewhere than on loopback.
    pub allow_http: bool,
}

/// Who gives tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenServer {
    /// The token endpoint at this address.
    At(String),
    /// The token endpoint that this issuer says it has.
    OfIssuer(Arc<str>),
}

/// A token that is kept current.
pub struct ServiceToken {
    /// For whom, in messages.
    service: Arc<str>,
    config: ServiceTokenConfig,
    proof: ClientProof,
    calls: Arc<dyn WebCalls>,
    clock: Arc<dyn Clock>,
    discovery: Option<Discovery<TokenEndpoint>>,
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

struct TokenEndpoint {
    url: String,
    methods: Option<Vec<String>>,
}

impl Described for TokenEndpoint {
    fn read(document: &Document<'_>) -> Result<Self, String> {
        Ok(Self {
            url: document.needed("token_endpoint")?,
            methods: document.texts("token_endpoint_auth_methods_supported"),
        })
    }
}

impl ServiceToken {
    /// A token for `service`, which [`ServiceToken::follow`] fetches.
    pub fn new(
        service: Arc<str>,
        config: ServiceTokenConfig,
        calls: Arc<dyn WebCalls>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let discovery = match &config.server {
            TokenServer::At(_) => None,
            TokenServer::OfIssuer(issuer) => {
                Some(Discovery::new(issuer.clone(), config.allow_http, clock.clone()))
            }
        };
        let proof = ClientProof::Secret(config.client_secret.clone(), config.secret_in);
        Self { service, config, proof, calls, clock, discovery, current: ArcSwap::default() }
    }

    /// What it is asked for with.
    pub const fn config(&self) -> &ServiceTokenConfig {
        &self.config
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
        let endpoint = match &self.discovery {
            None => None,
            Some(discovery) => {
                Some(discovery.metadata(&*self.calls).await.map_err(|fault| fault.reason.to_string())?)
            }
        };
        let (url, vouches) = match (&config.server, &endpoint) {
            (TokenServer::At(url), _) => (url.clone(), url.as_str()),
            (TokenServer::OfIssuer(issuer), Some(endpoint)) => (endpoint.url.clone(), &**issuer),
            (TokenServer::OfIssuer(_), None) => return Err("there is no token endpoint".to_owned()),
        };
        let scopes = config.scopes.join(" ");
        let more = [
            ("scope", Some(scopes.as_str()).filter(|scopes| !scopes.is_empty())),
            ("audience", config.audience.as_deref()),
            ("resource", config.resource.as_deref()),
        ];
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let client = RegisteredClient {
            id: &config.client_id,
            proof: &self.proof,
            audience: vouches,
            methods: endpoint.as_ref().and_then(|endpoint| endpoint.methods.as_deref()),
        };
        let form = ClientForm { url, parameters: &parameters, accept: JSON, limit: MOST };
        let answer =
            client.post(&*self.calls, form, since).await.map_err(|fault| fault.reason.to_string())?;
        if answer.status != 200 {
            return Err(format!("the token endpoint refuses: {}", error_of(&answer)));
        }
        let granted = read_granted(&answer).map_err(|why| format!("the token endpoint: {why}"))?;
        held(&granted, since)
    }
}

fn held(granted: &Granted, since: Timestamp) -> Result<Held, String> {
    let lasts = granted.expires_in.unwrap_or(UNSAID);
    let usable = lasts.checked_sub(MARGIN).filter(|usable| !usable.is_zero());
    let usable = usable.ok_or_else(|| format!("the token endpoint: the token lasts for {lasts:?} only"))?;
    let value = format!("Bearer {}", granted.access_token.expose());
    Ok(Held { value: value.into(), since, ends: since.plus(usable) })
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceToken").field("service", &self.service).finish_non_exhaustive()
    }
}
