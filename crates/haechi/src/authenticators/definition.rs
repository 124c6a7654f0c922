//! What a scheme is for those who are not that scheme: how it is read, checked, built and supposed.

use crate::config::read::{Definition, Definitions, Defs, Reader, Value};
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::yaml::Node;
use haechi_authn::control::Control;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::external::ServiceCalls;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{Lockout, PasswordVerifier, Provider};
use haechi_authn::key_uses::KeyUses;
use haechi_authn::keys::{KeySource, Refresh};
use haechi_authn::oidc::{OidcClient, WebCalls};
use haechi_authn::possession::ReplayMemory;
use haechi_authn::quotas::QuotaKeeper;
use haechi_authn::{Authenticator, CredentialPlace, RevocationWatch};
use haechi_authz::analysis::CallerOrigin;
use haechi_core::ports::{ApiKeys, WebSessions};
use haechi_core::{AttributeType, Clock, RoleTable};
use ipnet::IpNet;
use serde_json::Value as Json;
use std::any::Any;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

/// A way in on which nobody is asked who they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenScheme {
    /// The word that a route writes.
    pub(crate) word: &'static str,
    /// Whether credentials travel on to the service, whatever else the route says.
    pub(crate) forwards_credentials: bool,
    /// Makes the authenticator.
    pub(crate) build: fn() -> Arc<dyn Authenticator>,
}

/// A `type` of authenticator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthenticatorType {
    /// The word behind `type:`.
    pub(crate) word: &'static str,
    /// Reads an authenticator of this type, noting what is wrong with it.
    pub(crate) read: fn(&Node, &mut Reader<'_>) -> Option<Arc<dyn Record>>,
    /// The JSON Schema of what `read` takes.
    pub(crate) schema: fn(&mut Defs) -> Json,
}

/// An authenticator as it is written: its keys are known, and nothing is compared with the rest of the configuration yet.
pub(crate) trait Record: Debug {
    /// Where it looks for credentials, which are not for policies to read.
    fn credential_places(&self) -> Vec<CredentialPlace>;

    /// Whether its callers are API keys.
    fn takes_api_keys(&self) -> bool {
        false
    }

    /// Checks what hangs together. `None` when a fault was noted, here or in reading.
    fn check(&self, name: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>>;
}

/// The rest of the configuration, as far as it matters to authenticators, and where faults are noted.
pub(crate) trait Checks {
    /// Notes a fault.
    fn report(&mut self, fault: Fault);

    /// Notes what holds and is careless.
    fn warn(&mut self, warning: Fault);

    /// What stands at a place, as it was written.
    fn text_at(&self, span: Span) -> String;

    /// Notes what needs a store where there is none.
    fn needs_store(&mut self, what: &str, span: Span);

    /// The role of this name, which stands at `span`; notes one that is not declared.
    fn role(&mut self, name: &Arc<str>, span: Span) -> Option<Arc<str>>;

    /// Whether there is an embedded identity provider.
    fn has_identity(&self) -> bool;

    /// Whether a listener asks its clients for certificates.
    fn asks_for_certificates(&self) -> bool;

    /// The proxies in front that may say what they know of clients.
    fn trusted_proxies(&self) -> Vec<IpNet>;

    /// The declared attributes of callers, with their types where those could be read.
    fn caller_attributes(&self) -> Vec<(Box<str>, Option<AttributeType>)>;
}

/// An authenticator whose settings hold together. Equal settings make equal authenticators.
pub(crate) trait Settings: Same + Debug + Send + Sync {
    /// What has to be there before it is built.
    fn needs(&self) -> Needs<'_>;

    /// Where its keys come from; `None` where it has none.
    ///
    /// # Errors
    /// Why there cannot be any.
    fn keys(&self, _: &Materials<'_>) -> Result<Option<KeyOrigin>, String> {
        Ok(None)
    }

    /// Builds the authenticator `name`, with the keys that [`Settings::keys`] asked for.
    ///
    /// # Errors
    /// Why it cannot be built.
    fn build(
        &self,
        name: &Arc<str>,
        keys: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String>;

    /// Its part in logins with a browser, which is kept for as long as the authenticator is; `None` where it has none.
    ///
    /// # Errors
    /// Why it cannot be built.
    fn logins(
        &self,
        _name: &Arc<str>,
        _keys: Option<Arc<KeySource>>,
        _: &Materials<'_>,
    ) -> Result<Option<OidcClient>, String> {
        Ok(None)
    }

    /// Builds the authenticator whose part in logins is `client`.
    ///
    /// # Errors
    /// Why it cannot be built.
    fn build_over(&self, _client: &OidcClient, _: &Materials<'_>) -> Result<Arc<dyn Authenticator>, String> {
        Err("it logs nobody in".to_owned())
    }

    /// Whether people log in by it with a browser: it answers calls of its own.
    fn logs_in(&self) -> bool {
        false
    }

    /// Who issues the tokens that it takes, where that is one issuer; `own` is the embedded identity provider's.
    fn authorization_server(&self, _own: Option<&Arc<str>>) -> Option<Arc<str>> {
        None
    }

    /// Whether its credentials can say how and when somebody logged in (`acr`, `auth_time`).
    fn tells_logins(&self) -> bool {
        false
    }

    /// Whether its callers come with a token of their issuer, which can be exchanged for another.
    fn has_token(&self) -> bool {
        false
    }

    /// What it can say of its callers: what `explain`, `test`, `matrix` and `prove` suppose. `own_issuer` is that of the store's users.
    fn way(&self, name: &Arc<str>, own_issuer: &Arc<str>) -> CallerOrigin;

    /// Whether the access tokens of the embedded identity provider are among its credentials.
    fn takes_own_tokens(&self) -> bool {
        false
    }

    /// The field in which `explain --token` presents a token to what does not look into `Authorization`.
    fn token_field(&self, _token: &str) -> Option<(String, String)> {
        None
    }

    /// Whether API keys that were made elsewhere are among its credentials.
    fn takes_imported_keys(&self) -> bool {
        false
    }

    /// The field in which `explain --key` presents a key; `None` for what takes no API keys.
    fn key_field(&self) -> Option<&Arc<str>> {
        None
    }
}

/// What has to be there before an authenticator is built.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs<'a> {
    /// The threads that hash passwords.
    pub(crate) password_pool: bool,
    /// A file that it is made of: with other content it is another authenticator.
    pub(crate) file: Option<&'a Path>,
}

/// Where an authenticator's keys come from.
pub(crate) enum KeyOrigin {
    /// They are here, and nothing is fetched.
    Here(KeySource),
    /// From elsewhere, on behalf of this issuer. What comes from one place is fetched once.
    Elsewhere(Arc<str>, Refresh),
}

/// Makes what asks the authorization service at this address, which these authorities vouch for.
pub(crate) type ServiceClients = fn(&str, Option<&[u8]>) -> Result<Arc<dyn ServiceCalls>, String>;

/// What authenticators are built of.
pub(crate) struct Materials<'a> {
    /// The threads that hash passwords, where somebody needs them.
    pub(crate) pool: Option<&'a Arc<PasswordPool>>,
    /// Verifies the passwords of the store's users, where there are a store and the threads.
    pub(crate) verifier: Option<Arc<PasswordVerifier>>,
    /// When those who guess passwords are locked out.
    pub(crate) lockout: Lockout,
    /// The store's API keys.
    pub(crate) api_keys: Option<&'a Arc<dyn ApiKeys>>,
    /// The store's browser sessions.
    pub(crate) web_sessions: Option<&'a Arc<dyn WebSessions>>,
    /// Asks login providers.
    pub(crate) calls: Option<&'a Arc<dyn WebCalls>>,
    /// Asks an authorization service at an address, which these authorities vouch for (PEM), or the system's.
    pub(crate) service_calls: ServiceClients,
    /// Where it is told that one of them was used.
    pub(crate) key_uses: &'a Arc<KeyUses>,
    /// Which DPoP proofs were used.
    pub(crate) replays: &'a Arc<ReplayMemory>,
    /// Keeps the API keys' own limits.
    pub(crate) quotas: Option<&'a Arc<QuotaKeeper>>,
    /// The embedded identity provider.
    pub(crate) identity: Option<&'a Arc<Provider>>,
    /// The issuer of the store's users.
    pub(crate) own_issuer: Arc<str>,
    /// What is known of revocations.
    pub(crate) watch: &'a Arc<RevocationWatch>,
    /// The roles and what they include.
    pub(crate) roles: &'a Arc<RoleTable>,
    /// The attributes that callers may have.
    pub(crate) declared: &'a Arc<DeclaredAttributes>,
    /// The clock.
    pub(crate) clock: &'a Arc<dyn Clock>,
    /// Where the store is asked.
    pub(crate) control: Control,
}

/// Equality behind a trait object: equal only to what is of the same type.
pub(crate) trait Same: Any {
    /// Whether `other` is the same.
    fn is_same(&self, other: &dyn Any) -> bool;
}

impl<T: Any + PartialEq> Same for T {
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref().is_some_and(|other| self == other)
    }
}

impl AuthenticatorType {
    /// The type whose record is `R`.
    pub(crate) const fn of<R: Value + 'static>(word: &'static str) -> Self
    where
        At<R>: Record,
    {
        Self { word, read: read::<R>, schema: <At<R> as Value>::schema }
    }
}

fn read<R: Value + 'static>(node: &Node, reader: &mut Reader<'_>) -> Option<Arc<dyn Record>>
where
    At<R>: Record,
{
    At::<R>::read(node, reader).map(|record| Arc::new(record) as Arc<dyn Record>)
}

impl dyn Checks + '_ {
    /// Notes a fault. `None`, so that it can stand for the value that is not there.
    pub(crate) fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.report(fault);
        None
    }
}

impl Definition for OpenScheme {}

impl Definition for AuthenticatorType {}

/// The types of authenticators among `definitions`.
pub(crate) fn types(definitions: Definitions) -> impl Iterator<Item = &'static AuthenticatorType> {
    definitions.iter().filter_map(|known| (*known as &dyn Any).downcast_ref())
}

/// The words among `definitions` that a route writes instead of an authenticator's name.
pub(crate) fn open_words(definitions: Definitions) -> impl Iterator<Item = &'static str> {
    open_schemes(definitions).map(|open| open.word)
}

/// The scheme that a route names with this word.
pub(crate) fn open(definitions: Definitions, word: &str) -> Option<OpenScheme> {
    open_schemes(definitions).find(|open| open.word == word).copied()
}

fn open_schemes(definitions: Definitions) -> impl Iterator<Item = &'static OpenScheme> {
    definitions.iter().filter_map(|known| (*known as &dyn Any).downcast_ref())
}

impl PartialEq for OpenScheme {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl Eq for OpenScheme {}
