//! `api_key`: a key of the store's, in a field of its own (docs/api-keys.md).

mod lookup;

use self::lookup::{KnownKey, Lookup};
use crate::api_key::{ApiKey, LENGTH, PREFIX, looks_like_a_key};
use crate::control::Control;
use crate::credential_cache::{CredentialCache, Found};
use crate::declared::DeclaredAttributes;
use crate::imported_key::{self, LONGEST, SHORTEST};
use crate::key_uses::KeyUses;
use crate::quotas::QuotaKeeper;
use crate::random::sha256;
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

/// About 1 KiB each.
const CAPACITY: usize = 4096;
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
    /// Where it is told that a key was used.
    pub uses: Arc<KeyUses>,
    /// Ends what is cached.
    pub watch: Arc<RevocationWatch>,
    /// The attributes that callers may have.
    pub declared: Arc<DeclaredAttributes>,
    /// The roles and what they include.
    pub roles: Arc<RoleTable>,
    /// Keeps the keys' own limits.
    pub quotas: Arc<QuotaKeeper>,
    /// Where the store is asked.
    pub control: Control,
}

/// Where keys stand, and which.
#[derive(Clone, Copy, Debug)]
pub struct KeyForm<'a> {
    /// The field, in any case.
    pub header: &'a str,
    /// Whether keys of another form than ours are looked up, too: those that were made elsewhere and imported.
    pub imported_keys: bool,
}

/// A field in which no key can stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name for a field of its own; use one such as `X-API-Key`")]
pub struct BadHeader(String);

struct Shared {
    name: Arc<str>,
    header: Arc<str>,
    imported_keys: bool,
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
    /// The authenticator `name`, reading keys of this form.
    ///
    /// # Errors
    /// [`BadHeader`] for what is no field name, or one that means something else.
    pub fn new(name: &str, form: KeyForm<'_>, sources: Sources) -> Result<Self, BadHeader> {
        let (header, imported_keys) = (checked(form.header)?, form.imported_keys);
        let name: Arc<str> = name.into();
        let challenge = Challenge::new("ApiKey", &name).into();
        let watch = sources.watch.clone();
        let lookup = Arc::new(Lookup::new(name.clone(), sources));
        let places = [CredentialPlace::Field(header.clone())];
        Ok(Self {
            shared: Arc::new(Shared { name, header, imported_keys, places, challenge, watch, lookup }),
        })
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
        if self.shared.has_key_in_query(head, text) {
            return Look::Done(Attempt::invalid_request(
                "an API key in the query string beside one in the field",
            ));
        }
        self.judge(text, head.client, now)
    }
}

impl OnWorker {
    /// What is cached was read once, so that its hash tells it; whatever else has the length of a key is read before anybody is asked.
    fn judge(&self, text: &[u8], client: IpAddr, now: Timestamp) -> Look {
        if !self.shared.may_be_key(text) {
            return Look::Done(self.shared.malformed(text));
        }
        let sha256 = sha256(text);
        if let Some(Found::Holds(key)) = self.cache.borrow_mut().find(&sha256, now, |_| true) {
            return Look::Done(self.shared.lookup.judge(&key, client, now));
        }
        match self.shared.read(text) {
            Ok(()) => self.look_up(sha256, client, now),
            Err(refused) => Look::Done(refused),
        }
    }

    fn look_up(&self, sha256: [u8; 32], client: IpAddr, now: Timestamp) -> Look {
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
    fn may_be_key(&self, text: &[u8]) -> bool {
        let ours = text.len() == LENGTH && text.starts_with(PREFIX.as_bytes());
        ours || (self.imported_keys && (SHORTEST..=LONGEST).contains(&text.len()))
    }

    /// Whether `text` is a key by its form alone.
    fn read(&self, text: &[u8]) -> Result<(), Attempt> {
        if self.imported_keys {
            let refused =
                |fault: imported_key::BadSecretError| Attempt::invalid_credentials(fault.to_string());
            imported_key::check(text).map_err(refused)
        } else {
            ApiKey::parse(text).map(drop).map_err(|fault| Attempt::invalid_credentials(fault.to_string()))
        }
    }

    fn malformed(&self, text: &[u8]) -> Attempt {
        self.read(text).err().unwrap_or_else(|| Attempt::invalid_credentials("the API key is malformed"))
    }

    /// A key that is not of our form is known by being the one that stands in the field, too.
    fn has_key_in_query(&self, head: &RequestHead, text: &[u8]) -> bool {
        let is_key = |value: &[u8]| looks_like_a_key(value) || (self.imported_keys && value == text);
        head.query.iter().flat_map(|query| query.split('&')).any(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode(name);
            let names = QUERY_NAMES.iter().copied().chain([&*self.header]);
            names.into_iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
                && is_key(&percent_decode(value))
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
