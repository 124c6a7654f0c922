//! From the configured authenticators to the ones that judge.

use super::plan::Authenticators;
use crate::authenticators::definition::{KeyOrigin, Materials};
use crate::config::meant::{self, Config};
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::keys::{Fetch, KeyReport, KeySource, KeyStats, Refresh};
use haechi_authn::oidc::OidcClient;
use haechi_core::{Clock, RoleTable};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// How keys are fetched.
pub(crate) struct Fetching<'a> {
    pub(crate) fetch: &'a Arc<dyn Fetch>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) control: &'a Handle,
}

/// The authenticators, and what they were made of.
pub(crate) struct Built {
    pub(crate) authenticators: Authenticators,
    /// By authenticator, its part in logins with a browser.
    pub(crate) logins: BTreeMap<Arc<str>, OidcClient>,
    sources: Vec<Source>,
    /// By authenticator, where it verifies with keys.
    keys: BTreeMap<Arc<str>, Arc<KeySource>>,
    /// By authenticator, all that it was made of and nobody else.
    made_of: BTreeMap<Arc<str>, AuthenticatorInputs>,
    common: Common,
}

/// A key source, and where its keys come from; `None` for what is not fetched.
struct Source {
    from: Option<(Refresh, Option<FileDigest>)>,
    keys: Arc<KeySource>,
}

/// What one authenticator is made of.
#[derive(PartialEq, Eq)]
struct AuthenticatorInputs {
    configured: meant::Authenticator,
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
    pub(crate) fn stats(&self) -> Vec<KeyStats> {
        self.sources.iter().map(|source| source.keys.stats()).collect()
    }

    /// How the keys of each authenticator are that verifies with keys.
    pub(crate) fn reports(&self) -> impl Iterator<Item = (&Arc<str>, KeyReport)> {
        self.keys.iter().map(|(name, keys)| (name, keys.report()))
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
pub(crate) fn build(
    config: &Config,
    materials: &Materials<'_>,
    keys: &Fetching<'_>,
    before: Option<&Built>,
) -> Result<Built, AuthenticatorFault> {
    let common = Common {
        roles: materials.roles.clone(),
        declared: materials.declared.clone(),
        identity: config.identity.clone(),
    };
    let mut sources: Vec<Source> = Vec::new();
    let like_before = before.filter(|before| before.common == common);
    let mut authenticators = BTreeMap::new();
    let mut logins = BTreeMap::new();
    let (mut made_of, mut keys_of) = (BTreeMap::new(), BTreeMap::new());
    for (name, configured) in &config.authenticators {
        let settings = &configured.settings;
        let fault = |why: String| AuthenticatorFault { name: name.clone(), why };
        let of = AuthenticatorInputs {
            configured: configured.clone(),
            file: settings.needs().file.and_then(digest),
        };
        let known = sources.iter().chain(before.into_iter().flat_map(|before| &before.sources));
        let origin = settings.keys(materials).map_err(fault)?;
        let source = origin.map(|origin| source(origin, of.file, known, keys)).transpose().map_err(fault)?;
        let kept = like_before.filter(|before| before.made_of.get(name) == Some(&of));
        let made = match kept.and_then(|before| before.authenticators.get(name)) {
            Some(made) => {
                let login = kept.and_then(|before| before.logins.get(name));
                logins.extend(login.map(|login| (name.clone(), login.clone())));
                made.clone()
            }
            None => {
                let keys = source.as_ref().map(|source| source.keys.clone());
                match settings.logins(name, keys.clone(), materials).map_err(fault)? {
                    Some(login) => {
                        let made = settings.build_over(&login, materials).map_err(fault)?;
                        logins.insert(name.clone(), login);
                        made
                    }
                    None => settings.build(name, keys, materials).map_err(fault)?,
                }
            }
        };
        keys_of.extend(source.as_ref().map(|source| (name.clone(), source.keys.clone())));
        let is_new = |source: &Source| sources.iter().all(|known| !Arc::ptr_eq(&known.keys, &source.keys));
        sources.extend(source.filter(is_new));
        authenticators.insert(name.clone(), made);
        made_of.insert(name.clone(), of);
    }
    Ok(Built { authenticators, logins, sources, keys: keys_of, made_of, common })
}

/// Where an authenticator's keys come from, one of `known` if they come from there already.
fn source<'s>(
    origin: KeyOrigin,
    file: Option<FileDigest>,
    known: impl Iterator<Item = &'s Source>,
    fetching: &Fetching<'_>,
) -> Result<Source, String> {
    let (issuer, refresh) = match origin {
        KeyOrigin::Here(keys) => return Ok(Source { from: None, keys: Arc::new(keys) }),
        KeyOrigin::Elsewhere(issuer, refresh) => (issuer, refresh),
    };
    let from = Some((refresh.clone(), file));
    let mut alike = known.filter(|known| known.from == from && known.keys.issuer() == &issuer);
    if let Some(Source { keys, .. }) = alike.next() {
        return Ok(Source { from, keys: keys.clone() });
    }
    let Fetching { fetch, clock, control } = *fetching;
    let keys = KeySource::refreshed(&issuer, refresh, fetch.clone(), clock.clone(), control);
    Ok(Source { from, keys: Arc::new(keys.map_err(|fault| fault.to_string())?) })
}

/// `None` for a file that cannot be read, which whoever needs it tells.
fn digest(file: &Path) -> Option<FileDigest> {
    let content = std::fs::read(file).ok()?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    digest.as_ref().try_into().ok()
}
