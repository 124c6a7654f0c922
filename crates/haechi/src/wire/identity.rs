//! The embedded identity provider over the store: made, kept current, and lent to the authenticators.

use crate::config::Config;
use crate::config::meant;
use arc_swap::ArcSwap;
use haechi_authn::RevocationWatch;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{Lockout, PasswordVerifier};
use haechi_authn::keys::KeySet;
use haechi_core::Clock;
use haechi_store::{Location, OpenError, Store};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The identity provider and what authenticators need of it.
pub(crate) struct Identity {
    pub(crate) provider: Arc<haechi_proxy::stub::Provider>,
    pub(crate) issuer: Arc<str>,
    pub(crate) key_set: Arc<ArcSwap<KeySet>>,
}
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    #[error("the store cannot be opened: {0}")]
    Store(#[from] OpenError),
}
/// Opens the configured store; `None` when none is configured.
pub(crate) async fn open_store(config: &Config) -> Result<Option<Store>, IdentityFault> {
    match &config.store {
        Some(location) => Ok(Some(Store::at(location).await?)),
        None => Ok(None),
    }
}
pub(crate) struct Materials<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: Option<&'a Store>,
    pub(crate) watch: &'a Arc<RevocationWatch>,
    pub(crate) pool: &'a Arc<PasswordPool>,
    pub(crate) declared: &'a Arc<DeclaredAttributes>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) control: &'a Handle,
}
pub(crate) async fn start(materials: &Materials<'_>) -> Result<Option<Identity>, IdentityFault> {
    Ok(None)
}
pub(crate) fn verifier(
    config: &Config,
    store: &Store,
    pool: &Arc<PasswordPool>,
    clock: &Arc<dyn Clock>,
) -> Arc<PasswordVerifier> {
    let lockout = Lockout { failures: std::num::NonZeroU32::MIN, lasts: std::time::Duration::from_secs(900) };
    Arc::new(PasswordVerifier::new(store.users.clone(), pool.clone(), clock.clone(), lockout))
}
/// The `iss` of the embedded identity provider, which is also the issuer of users who come with Basic.
pub(crate) fn issuer(config: &Config) -> Arc<str> {
    config.identity.as_ref().map_or_else(|| "haechi".into(), |identity| identity.issuer.clone())
}
