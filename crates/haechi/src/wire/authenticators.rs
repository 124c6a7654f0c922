//! From the configured authenticators to the ones that judge.

use super::plan::Authenticators;
use crate::config::meant::{self, AuthenticatorKind, Config, Issuer, Keys as MeantKeys, Users};
use haechi_authn::control::Control;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::{Htpasswd, PasswordPool};
use haechi_authn::identity::Provider;
use haechi_authn::jose::AlgorithmSet;
use haechi_authn::keys::{DEFAULT_MAX_AGE, Fetch, KeySource, KeyStats, Keys, Origin, Refresh};
use haechi_authn::schemes::api_key::{ApiKeyAuthenticator, Sources};
use haechi_authn::schemes::basic::{self, Basic};
use haechi_authn::schemes::jwt::{DEFAULT_CACHE_ENTRIES, JwtAuthenticator, JwtConfig};
use haechi_authn::{Authenticator, RevocationWatch};
use haechi_core::caller::Vouched;
use haechi_core::{Clock, RoleTable, Timestamp};
use haechi_store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What authenticators are made of.
pub(crate) struct Materials<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: Option<&'a Store>,
    pub(crate) identity: Option<&'a Arc<Provider>>,
    pub(crate) watch: &'a Arc<RevocationWatch>,
    pub(crate) pool: Option<&'a Arc<PasswordPool>>,
    pub(crate) roles: &'a Arc<RoleTable>,
    pub(crate) declared: &'a Arc<DeclaredAttributes>,
    pub(crate) fetch: &'a Arc<dyn Fetch>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) control: &'a Handle,
}

/// The authenticators, and the key sources behind them for readiness and metrics.
pub(crate) struct Built {
    pub(crate) authenticators: Authenticators,
    pub(crate) keys: Vec<Arc<KeySource>>,
}

impl Built {
    /// Numbers of every key source.
    pub(crate) fn stats(&self, now: Timestamp) -> Vec<KeyStats> {
        self.keys.iter().map(|source| source.stats(now)).collect()
    }
}

/// Why an authenticator cannot be made: `authenticator NAME: why`.
#[derive(Debug, thiserror::Error)]
#[error("authenticator `{name}`: {why}")]
pub(crate) struct AuthenticatorFault {
    name: Arc<str>,
    why: String,
}

/// Makes all of them.
pub(crate) fn build(materials: &Materials<'_>) -> Result<Built, AuthenticatorFault> {
    let mut built = Built { authenticators: BTreeMap::new(), keys: Vec::new() };
    for (name, written) in &materials.config.authenticators {
        let made: Result<Arc<dyn Authenticator>, String> = match &written.kind {
            AuthenticatorKind::Jwt(jwt) => materials.jwt(name, jwt, &mut built.keys),
            AuthenticatorKind::Basic(basic) => materials.basic(name, basic),
            AuthenticatorKind::ApiKey(api_key) => materials.api_key(name, api_key),
        };
        let made = made.map_err(|why| AuthenticatorFault { name: name.clone(), why })?;
        built.authenticators.insert(name.clone(), made);
    }
    Ok(built)
}

impl Materials<'_> {
    fn jwt(
        &self,
        name: &Arc<str>,
        written: &meant::Jwt,
        sources: &mut Vec<Arc<KeySource>>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let (issuer, vouched) = match &written.issuer {
            Issuer::Own => (self.own()?.issuer().clone(), Vouched::BySelf),
            Issuer::Named(issuer) => (issuer.clone(), Vouched::ByOther),
        };
        let keys = Arc::new(self.keys(&issuer, written, written.algorithms)?);
        sources.push(keys.clone());
        let own = vouched == Vouched::BySelf;
        // Tokens that we sign for backends have another `typ` and another `aud`; neither may come back as an access token.
        let audiences = if own && written.audiences.is_empty() {
            vec![issuer.to_string()]
        } else {
            written.audiences.clone()
        };
        let authenticator = JwtAuthenticator::new(JwtConfig {
            name: name.clone(),
            issuer: issuer.to_string(),
            audiences,
            keys,
            algorithms: written.algorithms,
            leeway: written.leeway,
            token_types: written.token_types.clone(),
            claims: written.claims.clone(),
            roles: self.roles.clone(),
            revocations: own.then(|| self.watch.clone()),
            vouched,
            cache_entries: DEFAULT_CACHE_ENTRIES,
            clock: self.clock.clone(),
        });
        Ok(Arc::new(authenticator.map_err(|fault| fault.to_string())?))
    }

    fn own(&self) -> Result<&Arc<Provider>, String> {
        self.identity.ok_or_else(|| "`issuer: self` needs `identity`".to_owned())
    }

    fn keys(&self, issuer: &str, written: &meant::Jwt, allowed: AlgorithmSet) -> Result<KeySource, String> {
        let origin = match &written.keys {
            MeantKeys::Own => return Ok(KeySource::embedded(issuer, self.own()?.keyring().verifying())),
            MeantKeys::Secret(secret) => {
                let keys = Keys::from_secret(secret, allowed).map_err(|fault| fault.to_string())?;
                return Ok(KeySource::fixed(issuer, keys));
            }
            MeantKeys::Discovery => {
                Origin::Discovery { issuer: issuer.to_owned(), trusted: written.key_origins.clone() }
            }
            MeantKeys::JwksUrl(url) => Origin::Jwks { url: url.to_string() },
            MeantKeys::JwksFile(path) => Origin::JwksFile(path.clone()),
            MeantKeys::PemFile(path) => Origin::PemFile(path.clone()),
        };
        let refresh = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http: written.allow_http };
        let source =
            KeySource::refreshed(issuer, refresh, self.fetch.clone(), self.clock.clone(), self.control);
        source.map_err(|fault| fault.to_string())
    }

    fn basic(&self, name: &Arc<str>, written: &meant::Basic) -> Result<Arc<dyn Authenticator>, String> {
        let pool = self.pool.ok_or("no password can be verified without a hashing pool")?;
        let accounts = match &written.users {
            Users::Store => {
                let store = self.store.ok_or("users in the store need `store`")?;
                basic::Accounts::Store {
                    verifier: super::identity::verifier(self.config, store, pool, self.clock),
                    watch: self.watch.clone(),
                    issuer: super::identity::issuer(self.config),
                    declared: self.declared.clone(),
                }
            }
            Users::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("`users_file` cannot be read: {error}"))?;
                let users = Htpasswd::parse(&text).map_err(|faults| faults.to_string())?;
                basic::Accounts::File { users, pool: pool.clone(), roles: written.roles.clone() }
            }
        };
        let control = Control::new(self.control.clone());
        let authenticator = Basic::new(name, &written.realm, accounts, self.roles.clone(), control);
        Ok(Arc::new(authenticator.map_err(|fault| fault.to_string())?))
    }

    fn api_key(&self, name: &Arc<str>, written: &meant::ApiKey) -> Result<Arc<dyn Authenticator>, String> {
        let sources = Sources {
            keys: self.store.ok_or("API keys need `store`")?.api_keys.clone(),
            watch: self.watch.clone(),
            declared: self.declared.clone(),
            roles: self.roles.clone(),
            control: Control::new(self.control.clone()),
        };
        let authenticator = ApiKeyAuthenticator::new(name, &written.header, sources);
        Ok(Arc::new(authenticator.map_err(|fault| fault.to_string())?))
    }
}
