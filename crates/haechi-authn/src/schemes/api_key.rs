//! `api_key`: a key of the store's, in a field of its own (docs/api-keys.md).

mod lookup;

use self::lookup::{KnownKey, Lookup};
use crate::api_key::{ApiKey, looks_like_a_key};
use crate::control::Control;
use crate::credential_cache::{CredentialCache, Found};
use crate::declared::DeclaredAttributes;
use crate::revocation::DependsOn;
use crate::{Attempt, Authenticator, Challenge, CredentialPlace, Look, RevocationWatch, Scheme};
use haechi_core::path::percent_decode;
use haechi_core::ports::ApiKeys;
use haechi_core::{RequestHead, RoleTable, Timestamp};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The field, unless configured.
pub const DEFAULT_HEADER: &str = "x-api-key";

const CAPACITY: usize = 1024;
const CACHED_FOR: Duration = Duration::from_secs(60);
/// Parameters where people put keys.
const QUERY_NAMES: [&str; 4] = ["api_key", "apikey", "api-key", "key"];

/// The authenticator.
pub struct ApiKeyAuthenticator {
    shared: Arc<Shared>,
}

/// What the authenticator asks.
pub struct Sources {
    /// The keys.
    pub keys: Arc<dyn ApiKeys>,
    /// Ends what is cached.
    pub watch: Arc<RevocationWatch>,
    /// The attributes that callers may have.
    pub declared: Arc<DeclaredAttributes>,
    /// The roles and what they include.
    pub roles: Arc<RoleTable>,
    /// Where the store is asked.
    pub control: Control,
}

/// A field in which no key can stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name for a field of its own; use one such as `X-API-Key`")]
pub struct BadHeader(String);

struct Shared {
    name: Arc<str>,
    header: Arc<str>,
    places: [CredentialPlace; 1],
    challenge: Arc<Challenge>,
    watch: Arc<RevocationWatch>,
    lookup: Arc<Lookup>,
}

struct OnWorker {
    shared: Arc<Shared>,
    /// By the key's SHA-256.
    cache: Rc<RefCell<CredentialCache<[u8; 32], Arc<KnownKey>>>>,
}

impl ApiKeyAuthenticator {
    /// The authenticator `name`, reading keys from the field `header` (in any case).
    ///
    /// # Errors
    /// [`BadHeader`] for what is no field name, or one that means something else.
    pub fn new(name: &str, header: &str, sources: Sources) -> Result<Self, BadHeader> {
        let header = checked(header)?;
        let name: Arc<str> = name.into();
        let challenge = Challenge::new("ApiKey", &name).into();
        let watch = sources.watch.clone();
        let lookup = Arc::new(Lookup::new(name.clone(), sources));
        let places = [CredentialPlace::Field(header.clone())];
        Ok(Self { shared: Arc::new(Shared { name, header, places, challenge, watch, lookup }) })
    }
}

impl Authenticator for ApiKeyAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        let cache = CredentialCache::new(CAPACITY, Some(self.shared.watch.clone()));
        Rc::new(OnWorker { shared: self.shared.clone(), cache: Rc::new(RefCell::new(cache)) })
    }
}

impl Scheme for OnWorker {
    fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.shared.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.shared.places
    }

    /// A key in the query string is no credential: it stands in logs and histories. Beside one in the field it is a second one.
    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let text = match head.fields.sole_named(self.shared.header.as_bytes()) {
            Err(_) => {
                return Look::Done(Attempt::invalid_request("the API key's field stands more than once"));
            }
            Ok(None) => return Look::Done(Attempt::Absent),
            Ok(Some(text)) => text,
        };
        if self.shared.has_key_in_query(head) {
            return Look::Done(Attempt::invalid_request(
                "an API key in the query string beside one in the field",
            ));
        }
        match ApiKey::parse(text) {
            Ok(key) => self.judge(key.sha256(), head.client, now),
            Err(fault) => Look::Done(Attempt::invalid_credentials(fault.to_string())),
        }
    }
}

impl OnWorker {
    fn judge(&self, sha256: [u8; 32], client: IpAddr, now: Timestamp) -> Look {
        if let Some(Found::Holds(key)) = self.cache.borrow_mut().find(&sha256, now, |_| true) {
            return Look::Done(self.shared.lookup.judge(&key, client, now));
        }
        let version = self.cache.borrow().version();
        let (shared, cache) = (self.shared.clone(), self.cache.clone());
        Look::Wait(Box::pin(async move {
            let key = match shared.lookup.find(sha256).await {
                Ok(Some(key)) => Arc::new(key),
                Ok(None) => return Attempt::invalid_credentials("no such API key"),
                Err(unavailable) => return Attempt::Unavailable(unavailable),
            };
            let attempt = shared.lookup.judge(&key, client, now);
            if let Some(version) = version {
                let (depends_on, ends) = (DependsOn::api_key(key.id()), now.plus(CACHED_FOR));
                cache.borrow_mut().keep(sha256, key, depends_on, ends, version);
            }
            attempt
        }))
    }
}

impl Shared {
    fn has_key_in_query(&self, head: &RequestHead) -> bool {
        head.query.iter().flat_map(|query| query.split('&')).any(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode(name);
            let names = QUERY_NAMES.iter().copied().chain([&*self.header]);
            names.into_iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
                && looks_like_a_key(&percent_decode(value))
        })
    }
}

fn checked(header: &str) -> Result<Arc<str>, BadHeader> {
    let lower = header.to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let taken = haechi_core::FieldName::of(lower.as_bytes()) != haechi_core::FieldName::Other;
    if lower.is_empty() || !lower.bytes().all(token) || taken {
        return Err(BadHeader(header.to_owned()));
    }
    Ok(lower.into())
}

#[cfg(test)]
mod tests;
