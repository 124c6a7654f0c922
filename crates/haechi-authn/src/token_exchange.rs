//! Token exchange (RFC 8693): a token that an issuer gives for a service, in exchange for the one that the caller showed.
//!
//! One for each token and service, remembered until shortly before its end; whoever asks the same while it is asked waits for the same answer. What the issuer refuses is
//! remembered for a moment, apart, so that a flood of it drives out nothing. An issuer that answers nobody is not asked for a moment.

use crate::Unavailable;
use crate::circuit::Circuit;
use crate::control::Control;
use crate::oidc::{error_of, read_granted};
use crate::random::sha256;
use crate::service_token::usable;
use crate::single_flight::{Joined, Key, SingleFlight};
use crate::token_client::{TokenClient, TokenClientParts};
use haechi_core::{Clock, Secret, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// RFC 8693 2.1.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is asked for, and what may be issued: something that can be shown as `Bearer` (RFC 8693 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// What has not answered by then is not there.
const TIMEOUT: Duration = Duration::from_secs(5);
/// So many exchanges are under way at once.
const MOST_ASKED: usize = 256;
/// How many bytes of tokens are remembered for each service.
const REMEMBERED_BYTES: u64 = 16 * 1024 * 1024;
/// About as many tokens as that is.
const REMEMBERED: usize = 8192;
/// How many refusals are remembered.
const REFUSED: usize = 4096;
/// A refusal is gone by for so long.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// What a token is exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// The value of `audience`.
    pub audience: String,
    /// The value of `resource`.
    pub resource: Option<String>,
    /// The scopes to ask for; the server's own choice where there are none.
    pub scopes: Vec<String>,
    /// What the callers' tokens are called.
    pub subject_type: SubjectType,
}

/// What a caller's token is called (RFC 8693 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// An access token.
    AccessToken,
    /// A JWT, of whatever use.
    Jwt,
}

/// A token that a service is shown.
#[derive(Clone)]
pub struct Exchanged {
    /// The token.
    pub token: Arc<Secret<String>>,
    /// Until when it may be shown.
    pub until: Timestamp,
}

/// What was counted of exchanges, for metrics.
#[derive(Debug, Default)]
pub struct ExchangeCounts {
    /// Tokens that were given.
    pub exchanged: AtomicU64,
    /// The issuer refused.
    pub refused: AtomicU64,
    /// There was no answer, or none that made sense.
    pub unavailable: AtomicU64,
    /// Nobody was asked: too many were under way, or the issuer has answered nobody lately.
    pub not_asked: AtomicU64,
}

/// Exchanges callers' tokens for one service.
pub struct TokenExchange {
    /// For whom, in messages.
    service: Arc<str>,
    config: ExchangeConfig,
    client: TokenClient,
    clock: Arc<dyn Clock>,
    control: Control,
    circuit: Circuit,
    flights: SingleFlight<Outcome>,
    given: Cache<Key, Exchanged, Bytes>,
    refused: Cache<Key, (Unavailable, Timestamp)>,
    counts: ExchangeCounts,
}

type Outcome = Result<Exchanged, Unavailable>;

/// Why there is no token.
enum Fault {
    /// The issuer says no.
    Refused(String),
    /// It says nothing, or nothing that makes sense.
    Unavailable(String),
}

/// An entry weighs what its token does.
#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Exchanged> for Bytes {
    fn weight(&self, key: &Key, exchanged: &Exchanged) -> u64 {
        (key.len() + exchanged.token.expose().len()) as u64
    }
}

impl TokenExchange {
    /// For `service`; asks on `control`.
    pub fn new(
        service: Arc<str>,
        config: ExchangeConfig,
        client: TokenClientParts,
        control: Control,
    ) -> Self {
        Self {
            service,
            config,
            clock: client.clock.clone(),
            client: TokenClient::new(client),
            control,
            circuit: Circuit::default(),
            flights: SingleFlight::new(MOST_ASKED),
            given: Cache::with_weighter(REMEMBERED, REMEMBERED_BYTES, Bytes),
            refused: Cache::new(REFUSED),
            counts: ExchangeCounts::default(),
        }
    }

    /// What was counted.
    pub const fn counts(&self) -> &ExchangeCounts {
        &self.counts
    }

    /// The token in exchange for `subject`, which was verified.
    ///
    /// # Errors
    /// Why there is none: the issuer refuses, or cannot be asked.
    pub async fn token(self: Arc<Self>, subject: &str) -> Result<Exchanged, Unavailable> {
        let (key, now) = (sha256(subject.as_bytes()), self.clock.now());
        let known = || {
            if let Some(given) = self.given.get(&key).filter(|given| now < given.until) {
                return Some(Ok(given));
            }
            let (why, _) = self.refused.get(&key).filter(|(_, until)| now < *until)?;
            Some(Err(why))
        };
        if let Some(known) = known() {
            return known;
        }
        let (asking, told) = match self.flights.join(key, known) {
            Joined::Known(known) => return known,
            Joined::Waits(told) => return told.wait().await,
            Joined::Full => return self.not_asked("too many token exchanges are under way"),
            Joined::Asks(asking, told) => (asking, told),
        };
        if !self.circuit.lets_ask(self.clock.uptime()) {
            let outcome =
                self.not_asked("the token endpoint has not answered lately, and is not asked for a moment");
            asking.tell(outcome.clone());
            return outcome;
        }
        let (exchange, subject) = (self.clone(), Secret::new(subject.to_owned()));
        self.control.tell(async move {
            let outcome = exchange.ask_and_remember(key, &subject).await;
            asking.tell(outcome);
        });
        told.wait().await
    }

    fn not_asked(&self, why: &str) -> Outcome {
        self.counts.not_asked.fetch_add(1, Relaxed);
        Err(self.without_token(why))
    }

    fn without_token(&self, why: &str) -> Unavailable {
        Unavailable::new(format!("there is no token for the service `{}`: {why}", self.service))
    }

    async fn ask_and_remember(&self, key: Key, subject: &Secret<String>) -> Outcome {
        let (asked_at, counts) = (self.clock.now(), &self.counts);
        let fault = match tokio::time::timeout(TIMEOUT, self.ask(subject, asked_at)).await {
            Ok(Ok(given)) => {
                counts.exchanged.fetch_add(1, Relaxed);
                self.given.insert(key, given.clone());
                return Ok(given);
            }
            Ok(Err(fault)) => fault,
            Err(_) => {
                self.circuit.failed(self.clock.uptime());
                Fault::Unavailable(format!("the token endpoint did not answer within {TIMEOUT:?}"))
            }
        };
        let (counter, why) = match &fault {
            Fault::Refused(why) => (&counts.refused, why),
            Fault::Unavailable(why) => (&counts.unavailable, why),
        };
        counter.fetch_add(1, Relaxed);
        tracing::warn!(service = %self.service, reason = %why, "cannot exchange a caller's token");
        let unavailable = self.without_token(why);
        if let Fault::Refused(_) = fault {
            self.refused.insert(key, (unavailable.clone(), asked_at.plus(REFUSED_FOR)));
        }
        Err(unavailable)
    }

    async fn ask(&self, subject: &Secret<String>, now: Timestamp) -> Result<Exchanged, Fault> {
        let config = &self.config;
        let scopes = config.scopes.join(" ");
        let parameters = [
            ("grant_type", Some(GRANT)),
            ("subject_token", Some(subject.expose().as_str())),
            ("subject_token_type", Some(config.subject_type.urn())),
            ("requested_token_type", Some(ACCESS_TOKEN)),
            ("audience", Some(config.audience.as_str())),
            ("resource", config.resource.as_deref()),
            ("scope", Some(scopes.as_str()).filter(|scopes| !scopes.is_empty())),
        ];
        let parameters: Vec<_> =
            parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let answer = match self.client.ask(&parameters, now).await {
            Ok(answer) => answer,
            Err(fault) => {
                self.circuit.failed(self.clock.uptime());
                return Err(Fault::Unavailable(fault.reason.into_owned()));
            }
        };
        self.circuit.answered();
        let broken = |why: String| Fault::Unavailable(format!("the token endpoint: {why}"));
        match answer.status {
            200 => {}
            400..=428 | 430..=499 => {
                return Err(Fault::Refused(format!("the token endpoint refuses: {}", error_of(&answer))));
            }
            status => return Err(broken(format!("it answers {status}"))),
        }
        let granted = read_granted(&answer).map_err(broken)?;
        if granted.issued_token_type.as_deref().is_some_and(|issued| ![ACCESS_TOKEN, JWT].contains(&issued)) {
            return Err(broken("it issued another kind of token than an access token".to_owned()));
        }
        let until = now.plus(usable(&granted).map_err(broken)?);
        Ok(Exchanged { token: Arc::new(granted.access_token), until })
    }
}

impl SubjectType {
    const fn urn(self) -> &'static str {
        match self {
            Self::AccessToken => ACCESS_TOKEN,
            Self::Jwt => JWT,
        }
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
