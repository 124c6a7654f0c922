//! Asking: once for each question, however many requests wait for the answer, and so many questions at once.

use super::answer::{self, Told};
use super::calls::{ServiceCalls, ServiceQuestion};
use super::config::ExternalConfig;
use super::question::Question;
use crate::Unavailable;
use crate::circuit::Circuit;
use crate::control::Control;
use crate::random::sha256;
use crate::scheme::ServiceCounts;
use crate::single_flight::{Joined, Key, SingleFlight};
use haechi_core::{Clock, Fields, RoleTable, Timestamp};
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The most bytes of an answer's body.
const MOST: usize = 64 * 1024;
/// So many questions are asked at once.
const MOST_ASKED: usize = 256;
/// How many answers the process remembers, behind the workers, who remember those that they see.
const REMEMBERED: usize = 16_384;
/// How many refusals it remembers. They are apart, so that a flood of them drives out nothing.
const REFUSED: usize = 4096;
/// A refusal is gone by for so long, at most.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// What asking takes.
pub struct ExternalParts {
    /// As configured.
    pub config: ExternalConfig,
    /// Asks the service.
    pub calls: Arc<dyn ServiceCalls>,
    /// The roles and what they include.
    pub roles: Arc<RoleTable>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where the service is asked.
    pub control: Control,
}

/// What is known of a request, and until when nobody has to ask again.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) told: Told,
    pub(crate) until: Timestamp,
}

type Outcome = Result<Known, Unavailable>;

/// Asks for the whole process.
pub(crate) struct Inquiry {
    pub(crate) config: ExternalConfig,
    pub(crate) counts: ServiceCounts,
    calls: Arc<dyn ServiceCalls>,
    roles: Arc<RoleTable>,
    clock: Arc<dyn Clock>,
    control: Control,
    circuit: Circuit,
    flights: SingleFlight<Outcome>,
    /// How many questions were asked without a credential: each is one of its own.
    unshared: AtomicU64,
    allowed: Cache<Key, Known>,
    refused: Cache<Key, Known>,
}

impl Inquiry {
    pub(crate) fn new(parts: ExternalParts) -> Self {
        let ExternalParts { config, calls, roles, clock, control } = parts;
        Self {
            config,
            counts: ServiceCounts::default(),
            calls,
            roles,
            clock,
            control,
            circuit: Circuit::default(),
            flights: SingleFlight::new(MOST_ASKED),
            unshared: AtomicU64::new(0),
            allowed: Cache::new(REMEMBERED),
            refused: Cache::new(REFUSED),
        }
    }

    /// What the service says: as remembered, as whoever asks the same already is told, or as is asked now.
    pub(crate) async fn find(self: Arc<Self>, key: Key, question: Question) -> Outcome {
        // What a browser without a credential is told may be a cookie of its own, and is nobody else's.
        let key = if question.credential.is_some() { key } else { self.key_of_its_own(key) };
        let now = self.clock.now();
        let known = || {
            // One that has ended does not stand before the other.
            let holds = |known: &Known| now < known.until;
            let known = self.allowed.get(&key).filter(holds);
            known.or_else(|| self.refused.get(&key).filter(holds)).map(Ok)
        };
        let (asking, told) = match self.flights.join(key, known) {
            Joined::Known(known) => return known,
            Joined::Waits(told) => return told.wait().await,
            Joined::Full => return self.not_asked("too many questions wait for the authorization service"),
            Joined::Asks(asking, told) => (asking, told),
        };
        if !self.circuit.lets_ask(self.clock.uptime()) {
            let outcome = self.not_asked(
                "the authorization service has not answered lately, and is not asked for a moment",
            );
            asking.tell(outcome.clone());
            return outcome;
        }
        let inquiry = self.clone();
        self.control.tell(async move {
            let outcome = inquiry.ask(question).await;
            inquiry.remember(key, &outcome);
            asking.tell(outcome);
        });
        told.wait().await
    }

    fn key_of_its_own(&self, key: Key) -> Key {
        let number = self.unshared.fetch_add(1, Relaxed);
        sha256(&[&key[..], &number.to_be_bytes()].concat())
    }

    fn not_asked(&self, why: &'static str) -> Outcome {
        self.counts.not_asked.fetch_add(1, Relaxed);
        Err(Unavailable::new(why))
    }

    async fn ask(&self, question: Question) -> Outcome {
        let (config, asked_at) = (&self.config, self.clock.now());
        let Question { facts, fields, credential } = question;
        let asked = self.calls.ask(ServiceQuestion { url: config.url.clone(), facts, fields, limit: MOST });
        let answer = match tokio::time::timeout(config.timeout, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => return self.unanswered(format!("the authorization service: {fault}")),
            Err(_) => {
                let limit = config.timeout;
                return self.unanswered(format!("the authorization service did not answer within {limit:?}"));
            }
        };
        self.circuit.answered();
        let lasts = lifetime(&answer.fields, config.cache);
        let told = answer::read(config, &self.roles, credential, answer)?;
        let lasts = match &told {
            Told::Caller(_) => lasts,
            // It may set a cookie.
            Told::Refused(rejection) if rejection.own.is_some() => Duration::ZERO,
            Told::Refused(_) | Told::Nobody => lasts.min(REFUSED_FOR),
        };
        Ok(Known { told, until: asked_at.plus(lasts) })
    }

    fn unanswered(&self, why: String) -> Outcome {
        self.circuit.failed(self.clock.uptime());
        Err(Unavailable::new(why))
    }

    fn remember(&self, key: Key, outcome: &Outcome) {
        let (counter, cache) = match outcome {
            Ok(Known { told: Told::Caller(_), .. }) => (&self.counts.allowed, Some(&self.allowed)),
            Ok(Known { told: Told::Refused(_) | Told::Nobody, .. }) => {
                (&self.counts.refused, Some(&self.refused))
            }
            Err(unavailable) => {
                let reason = &unavailable.reason;
                tracing::warn!(authenticator = %self.config.name, %reason, "cannot find out whether a request may pass");
                (&self.counts.unavailable, None)
            }
        };
        counter.fetch_add(1, Relaxed);
        if let (Ok(known), Some(cache)) = (outcome, cache)
            && self.clock.now() < known.until
        {
            cache.insert(key, known.clone());
        }
    }
}

/// How long an answer is gone by: as configured, and no longer than it says itself (RFC 9111 5.2.2).
fn lifetime(fields: &Fields, configured: Duration) -> Duration {
    let said = fields.iter().filter(|field| field.name == b"cache-control");
    let directives = said.flat_map(|field| field.value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    directives.fold(configured, |lasts, directive| {
        let lower = directive.to_ascii_lowercase();
        match lower.strip_prefix(b"max-age=") {
            _ if lower == b"no-store" || lower.starts_with(b"no-cache") => Duration::ZERO,
            Some(seconds) => {
                let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse().ok());
                lasts.min(Duration::from_secs(seconds.unwrap_or(0)))
            }
            None => lasts,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::lifetime;
    use haechi_core::Fields;
    use std::time::Duration;

    #[test]
    fn an_answer_is_kept_no_longer_than_it_says() {
        let kept = |said: &[&str]| {
            let mut fields = Fields::default();
            said.iter().for_each(|value| fields.push(b"Cache-Control", value.as_bytes()));
            lifetime(&fields, Duration::from_secs(30)).as_secs()
        };
        for (said, seconds) in [
            (&[][..], 30),
            (&["max-age=5"], 5),
            (&["private, Max-Age=5"], 5),
            (&["max-age=500"], 30),
            (&["max-age=5", "no-store"], 0),
            (&["no-store, max-age=5"], 0),
            (&["no-cache=\"x\""], 0),
            (&["max-age=soon"], 0),
            (&["max-age=-1"], 0),
        ] {
            assert_eq!(kept(said), seconds, "{said:?}");
        }
    }
}
