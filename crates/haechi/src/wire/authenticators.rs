//! From the configured authenticators to the ones that judge.

use super::plan::Authenticators;
use crate::config::meant::{self, AuthenticatorKind, Config, Issuer, Keys as MeantKeys, Users};
use haechi_authn::control::Control;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::{Htpasswd, PasswordPool};
use haechi_authn::identity::Provider;
use haechi_authn::keys::{DEFAULT_MAX_AGE, Fetch, KeySource, KeyStats, Keys, Origin, Refresh};
use haechi_authn::schemes::api_key::{ApiKeyAuthenticator, Sources};
use haechi_authn::schemes::basic::{self, Basic};
use haechi_authn::schemes::jwt::{DEFAULT_CACHE_ENTRIES, JwtAuthenticator, JwtConfig};
use haechi_authn::{Authenticator, RevocationWatch};
use haechi_core::caller::Vouched;
use haechi_core::{Clock, RoleTable, Timestamp};
use haechi_store::Store;
use std::collections::BTreeMap;
use std::path::Path;
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

/// The authenticators, and what they were made of.
pub(crate) struct Built {
    pub(crate) authenticators: Authenticators,
    sources: Vec<Source>,
    /// By authenticator, all that it was made of and nobody else.
    made_of: BTreeMap<Arc<str>, MadeOf>,
    common: Common,
}

/// A key source, and where its keys come from; `None` for what is not fetched.
struct Source {
    from: Option<(Refresh, Option<FileDigest>)>,
    keys: Arc<KeySource>,
}

/// What one authenticator is made of.
#[derive(PartialEq, Eq)]
struct MadeOf {
    written: meant::Authenticator,
    file: Option<FileDigest>,
}

/// What a file holds, where there is one.
type FileDigest = [u8; 32];

/// What all authenticators are made of.
#[derive(PartialEq)]
struct Common {
    roles: Arc<RoleTable>,
    declared: Arc<DeclaredAttributes>,
    identity: Option<meant::Identity>,
}

impl Built {
    /// Numbers of every key source.
    pub(crate) fn stats(&self, now: Timestamp) -> Vec<KeyStats> {
        self.sources.iter().map(|source| source.keys.stats(now)).collect()
    }

    /// Resolves when every key source has been asked once, well or not.
    pub(crate) async fn asked_once(&self) {
        for source in &self.sources {
            source.keys.first_attempt().await;
        }
    }
}

/// Why an authenticator cannot be made: `authenticator NAME: why`.
#[derive(Debug, thiserror::Error)]
#[error("authenticator `{name}`: {why}")]
pub(crate) struct AuthenticatorFault {
    name: Arc<str>,
    why: String,
}

/// Makes all of them. One of `before` that would be made of the same stays, and with it what workers have verified; so do keys that come from
/// the same place, so that nobody waits for them to be fetched again.
pub(crate) fn build(materials: &Materials<'_>, before: Option<&Built>) -> Result<Built, AuthenticatorFault> {
    let common = Common {
        roles: materials.roles.clone(),
        declared: materials.declared.clone(),
        identity: materials.config.identity.clone(),
    };
    let mut sources: Vec<Source> = Vec::new();
    let like_before = before.filter(|before| before.common == common);
    let mut authenticators = BTreeMap::new();
    let mut made_of = BTreeMap::new();
    for (name, written) in &materials.config.authenticators {
        let fault = |why: String| AuthenticatorFault { name: name.clone(), why };
        let of = MadeOf { written: written.clone(), file: file_of(&written.kind).and_then(digest) };
        let known = sources.iter().chain(before.into_iter().flat_map(|before| &before.sources));
        let source = materials.source(written, of.file, known).map_err(fault)?;
        let kept = like_before.filter(|before| before.made_of.get(name) == Some(&of));
        let made = match kept.and_then(|before| before.authenticators.get(name)) {
            Some(kept) => kept.clone(),
            None => materials.make(written, source.as_ref()).map_err(fault)?,
        };
        let is_new = |source: &Source| sources.iter().all(|known| !Arc::ptr_eq(&known.keys, &source.keys));
        sources.extend(source.filter(is_new));
        authenticators.insert(name.clone(), made);
        made_of.insert(name.clone(), of);
    }
    Ok(Built { authenticators, sources, made_of, common })
}

/// The file that an authenticator reads.
fn file_of(kind: &AuthenticatorKind) -> Option<&Path> {
    match kind {
        AuthenticatorKind::Basic(basic) => match &basic.users {
            Users::File(path) => Some(path),
            Users::Store => None,
        },
        AuthenticatorKind::Jwt(jwt) => match &jwt.keys {
            MeantKeys::JwksFile(path) | MeantKeys::PemFile(path) => Some(path),
            _ => None,
        },
        AuthenticatorKind::ApiKey(_) => None,
    }
}

/// `None` for a file that cannot be read, which whoever needs it tells.
fn digest(file: &Path) -> Option<FileDigest> {
    let content = std::fs::read(file).ok()?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    digest.as_ref().try_into().ok()
}

impl Materials<'_> {
    fn make(
        &self,
        written: &meant::Authenticator,
        source: Option<&Source>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let name = &written.name;
        match &written.kind {
            AuthenticatorKind::Jwt(jwt) => {
                let source = source.ok_or("a token cannot be verified without keys")?;
                self.jwt(name, jwt, source.keys.clone())
            }
            AuthenticatorKind::Basic(basic) => self.basic(name, basic),
            AuthenticatorKind::ApiKey(api_key) => self.api_key(name, api_key),
        }
    }

    fn jwt(
        &self,
        name: &Arc<str>,
        written: &meant::Jwt,
        keys: Arc<KeySource>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let issuer = self.issuer(written)?;
        let vouched = match &written.issuer {
            Issuer::Own => Vouched::BySelf,
            Issuer::Named(_) => Vouched::ByOther,
        };
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

    fn issuer(&self, written: &meant::Jwt) -> Result<Arc<str>, String> {
        match &written.issuer {
            Issuer::Own => Ok(self.own()?.issuer().clone()),
            Issuer::Named(issuer) => Ok(issuer.clone()),
        }
    }

    /// Where an authenticator's keys come from, one of `known` if they come from there already; `None` for one that needs no keys.
    fn source<'s>(
        &self,
        written: &meant::Authenticator,
        file: Option<FileDigest>,
        known: impl IntoIterator<Item = &'s Source>,
    ) -> Result<Option<Source>, String> {
        let AuthenticatorKind::Jwt(written) = &written.kind else { return Ok(None) };
        let issuer = self.issuer(written)?;
        let origin = match &written.keys {
            MeantKeys::Own => {
                let keys = KeySource::embedded(&issuer, self.own()?.keyring().verifying());
                return Ok(Some(Source { from: None, keys: Arc::new(keys) }));
            }
            MeantKeys::Secret(secret) => {
                let keys =
                    Keys::from_secret(secret, written.algorithms).map_err(|fault| fault.to_string())?;
                return Ok(Some(Source { from: None, keys: Arc::new(KeySource::fixed(&issuer, keys)) }));
            }
            MeantKeys::Discovery => {
                Origin::Discovery { issuer: issuer.to_string(), trusted: written.key_origins.clone() }
            }
            MeantKeys::JwksUrl(url) => Origin::Jwks { url: url.to_string() },
            MeantKeys::JwksFile(path) => Origin::JwksFile(path.clone()),
            MeantKeys::PemFile(path) => Origin::PemFile(path.clone()),
        };
        let refresh = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http: written.allow_http };
        let from = Some((refresh.clone(), file));
        let alike = |source: &&Source| source.from == from && source.keys.issuer() == &issuer;
        if let Some(Source { keys, .. }) = known.into_iter().find(alike) {
            return Ok(Some(Source { from, keys: keys.clone() }));
        }
        let keys =
            KeySource::refreshed(&issuer, refresh, self.fetch.clone(), self.clock.clone(), self.control);
        Ok(Some(Source { from, keys: Arc::new(keys.map_err(|fault| fault.to_string())?) }))
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
