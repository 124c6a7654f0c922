//! Asking: once for each token, however many requests wait for the answer, and for so many tokens at once.

use super::answer::{self, Told};
use super::config::{Answers, IntrospectionConfig, Server};
use super::signed::{MEDIA_TYPE, Signer};
use crate::Unavailable;
use crate::control::Control;
use crate::jose::json::Object;
use crate::oidc::{ClientForm, Described, Discovery, Document, JSON, RegisteredClient, WebAnswer, WebCalls};
use crate::scheme::IntrospectionCounts;
use crate::single_flight::{Joined, Key, SingleFlight};
use haechi_core::{Clock, RoleTable, Secret, Timestamp};
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The most bytes of an answer.
const MOST: usize = 64 * 1024;
/// So many tokens are asked about at once. Whoever floods the gate with tokens that nobody knows fills this, and takes nothing from those whose tokens are
/// remembered.
const MOST_ASKED_ABOUT: usize = 256;
/// How many tokens the process remembers, behind the workers, who remember those that they see.
const REMEMBERED: usize = 16_384;
/// How many tokens that are not active it remembers. They are apart, so that a flood of them drives out nothing.
const REFUSED: usize = 4096;
/// A token that is not active is not asked about again for so long, at most.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// What asking takes.
pub struct IntrospectionParts {
    /// As configured.
    pub config: IntrospectionConfig,
    /// Asks the server.
    pub calls: Arc<dyn WebCalls>,
    /// The roles and what they include.
    pub roles: Arc<RoleTable>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where the server is asked.
    pub control: Control,
}

/// What is known of a token, and until when nobody has to ask again.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) told: Told,
    pub(crate) until: Timestamp,
}

type Outcome = Result<Known, Unavailable>;

/// Asks for the whole process.
pub(crate) struct Inquiry {
    pub(crate) config: IntrospectionConfig,
    pub(crate) counts: IntrospectionCounts,
    calls: Arc<dyn WebCalls>,
    roles: Arc<RoleTable>,
    clock: Arc<dyn Clock>,
    control: Control,
    discovery: Option<Discovery<ServerMetadata>>,
    /// By the token's SHA-256.
    flights: SingleFlight<Outcome>,
    active: Cache<Key, Known>,
    refused: Cache<Key, Known>,
}

/// What the server says of itself (RFC 8414 2).
struct ServerMetadata {
    introspection_endpoint: String,
    client_authentication: Option<Vec<String>>,
}

impl Described for ServerMetadata {
    fn read(document: &Document<'_>) -> Result<Self, String> {
        let own = document.texts("introspection_endpoint_auth_methods_supported");
        Ok(Self {
            introspection_endpoint: document.needed("introspection_endpoint")?,
            client_authentication: own.or_else(|| document.texts("token_endpoint_auth_methods_supported")),
        })
    }
}

impl Inquiry {
    pub(crate) fn new(parts: IntrospectionParts) -> Self {
        let IntrospectionParts { config, calls, roles, clock, control } = parts;
        let discovery = match &config.server {
            Server::At(..) => None,
            Server::OfIssuer(issuer) => {
                Some(Discovery::new(issuer.clone(), config.allow_http, clock.clone()))
            }
        };
        Self {
            config,
            counts: IntrospectionCounts::default(),
            calls,
            roles,
            clock,
            control,
            discovery,
            flights: SingleFlight::new(MOST_ASKED_ABOUT),
            active: Cache::new(REMEMBERED),
            refused: Cache::new(REFUSED),
        }
    }

    /// What the token with this SHA-256 is: as remembered, as whoever asks already is told, or as is asked now.
    pub(crate) async fn find(self: Arc<Self>, key: Key, token: Secret<String>) -> Outcome {
        // Not the hot path: who holds an active token is known to its worker.
        let now = self.clock.now();
        let known = || {
            // One that has ended does not stand before the other.
            let holds = |known: &Known| now < known.until;
            let known = self.active.get(&key).filter(holds);
            known.or_else(|| self.refused.get(&key).filter(holds)).map(Ok)
        };
        match self.flights.join(key, known) {
            Joined::Known(known) => known,
            Joined::Waits(told) => told.wait().await,
            Joined::Full => Err(Unavailable::new("too many tokens are being asked about")),
            Joined::Asks(asking, told) => {
                let inquiry = self.clone();
                self.control.tell(async move {
                    let outcome = inquiry.ask_in_time(&token).await;
                    inquiry.remember(key, &outcome);
                    asking.tell(outcome);
                });
                told.wait().await
            }
        }
    }

    async fn ask_in_time(&self, token: &Secret<String>) -> Outcome {
        let limit = self.config.timeout;
        match tokio::time::timeout(limit, self.ask(token)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(Unavailable::new(format!("the introspection endpoint did not answer within {limit:?}")))
            }
        }
    }

    fn remember(&self, key: Key, outcome: &Outcome) {
        let now = self.clock.now();
        let (counter, cache) = match outcome {
            Ok(Known { told: Told::Active(_), .. }) => (&self.counts.active, Some(&self.active)),
            Ok(Known { told: Told::Refused(..), .. }) => (&self.counts.refused, Some(&self.refused)),
            Err(unavailable) => {
                let reason = &unavailable.reason;
                tracing::warn!(authenticator = %self.config.name, %reason, "cannot find out what a token is");
                (&self.counts.unavailable, None)
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let (Ok(known), Some(cache)) = (outcome, cache)
            && now < known.until
        {
            cache.insert(key, known.clone());
        }
    }

    async fn ask(&self, token: &Secret<String>) -> Outcome {
        let config = &self.config;
        let asked_at = self.clock.now();
        let answer = self.answer(token, asked_at).await?;
        match answer.status {
            200 => {}
            401 | 403 => {
                let why =
                    format!("the introspection endpoint refuses this gate as a client: {}", answer.status);
                return Err(Unavailable::new(why));
            }
            status => return Err(Unavailable::new(format!("the introspection endpoint answers {status}"))),
        }
        let read = |object: &Object<'_>| answer::read(config, &self.roles, object, self.clock.now());
        let (told, ends) = match &config.answers {
            Answers::Json if answer.is_of_type(JSON) => {
                let object = Object::parse(&answer.body);
                let broken =
                    |why: String| Unavailable::new(format!("the introspection endpoint's answer is {why}"));
                read(&object.map_err(|fault| broken(fault.to_string()))?)?
            }
            Answers::Signed { issuer, keys, algorithms } if answer.is_of_type(MEDIA_TYPE) => {
                let (client_id, leeway) = (&*config.client_id, config.leeway);
                let signer = Signer { issuer, keys, algorithms: *algorithms, client_id, leeway };
                signer.opened(&answer.body, self.clock.now(), read).await?
            }
            _ => {
                let why = "the introspection endpoint's answer is of another media type than was asked for";
                return Err(Unavailable::new(why));
            }
        };
        let lasts = match &told {
            Told::Active(_) => config.cache,
            Told::Refused(..) => config.cache.min(REFUSED_FOR),
        };
        let until = asked_at.plus(lasts);
        Ok(Known { told, until: ends.map_or(until, |ends| until.min(ends)) })
    }

    async fn answer(&self, token: &Secret<String>, now: Timestamp) -> Result<WebAnswer, Unavailable> {
        let config = &self.config;
        let metadata = match &self.discovery {
            None => None,
            Some(discovery) => Some(discovery.metadata(&*self.calls).await?),
        };
        let url = match (&config.server, &metadata) {
            (Server::At(url, _), _) => url.clone(),
            (Server::OfIssuer(_), Some(metadata)) => metadata.introspection_endpoint.clone(),
            (Server::OfIssuer(_), None) => {
                return Err(Unavailable::new("there is no introspection endpoint"));
            }
        };
        let client = RegisteredClient {
            id: &config.client_id,
            proof: &config.proof,
            audience: config.server.vouches(),
            methods: metadata.as_ref().and_then(|metadata| metadata.client_authentication.as_deref()),
        };
        let parameters = [("token", token.expose().as_str()), ("token_type_hint", "access_token")];
        let accept = match &config.answers {
            Answers::Json => JSON,
            Answers::Signed { .. } => MEDIA_TYPE,
        };
        let form = ClientForm { url, parameters: &parameters, accept, limit: MOST };
        client.post(&*self.calls, form, now).await
    }
}
