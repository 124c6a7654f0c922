//! The embedded identity provider over the store: made, and kept current by tasks on the control runtime.

use crate::config::{Config, LONGEST_ACCESS_TOKEN, meant};
use haechi_authn::RevocationWatch;
use haechi_authn::control::Control;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{
    ClientOrigins, IdentityLimits, IdentitySettings, Keyring, KeyringFault, Lockout, PasswordVerifier,
    Provider, ProviderStores, SOONEST, Seal, Seals, SecondFactors, SigningKeyAccounts, watch_revocations,
};
use haechi_authn::supervisor::supervise;
use haechi_core::Clock;
use haechi_core::ports::{Revocations, StoreError};
use haechi_store::{OpenError, Store};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often the signing keys are read again: a command or another node may have rotated them.
const RELOAD_KEYS_EVERY: Duration = Duration::from_secs(5);
/// How often they are asked for while there are none.
const FIRST_KEYS_EVERY: Duration = Duration::from_secs(1);
/// Lockout of users who come with Basic where no `identity` says otherwise.
pub(crate) const DEFAULT_LOCKOUT: Lockout =
    Lockout { failures: NonZeroU32::MIN.saturating_add(4), lasts: Duration::from_secs(15 * 60) };

/// Why the store or the identity provider cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    #[error("the store cannot be opened: {0}")]
    Store(#[from] OpenError),
    #[error("cannot load the signing keys: {0}")]
    Keys(#[from] KeyringFault),
    #[error("`identity` needs `store`")]
    NoStore,
    #[error("`identity` needs the password hashing pool")]
    NoPool,
    #[error("`identity` needs signing keys, which are loaded when the process starts")]
    NoKeys,
}

/// What the provider is made of.
pub(crate) struct Materials<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: Option<&'a Store>,
    pub(crate) keyring: Option<&'a Arc<Keyring>>,
    pub(crate) pool: Option<&'a Arc<PasswordPool>>,
    pub(crate) limits: &'a Arc<IdentityLimits>,
    pub(crate) client_origins: &'a Arc<ClientOrigins>,
    pub(crate) declared: &'a Arc<DeclaredAttributes>,
    pub(crate) watch: &'a Arc<RevocationWatch>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) control: &'a Handle,
}

/// Opens the configured store; `None` when none is configured.
pub(crate) async fn open_store(config: &Config) -> Result<Option<Store>, IdentityFault> {
    match &config.store {
        Some(location) => Ok(Some(Store::at(location).await?)),
        None => Ok(None),
    }
}

/// Keeps `watch` current for as long as `control` runs.
pub(crate) fn follow_revocations(
    log: Arc<dyn Revocations>,
    watch: &Arc<RevocationWatch>,
    clock: &Arc<dyn Clock>,
    control: &Handle,
) {
    let (watch, clock) = (watch.clone(), clock.clone());
    supervise(control, "revocations", move || watch_revocations(log.clone(), watch.clone(), clock.clone()));
}

/// The signing keys, kept current for as long as `control` runs; `None` without an identity provider.
pub(crate) async fn keyring(
    config: &Config,
    store: Option<&Store>,
    clock: &Arc<dyn Clock>,
    control: &Handle,
) -> Result<Option<Arc<Keyring>>, IdentityFault> {
    let Some(identity) = &config.identity else { return Ok(None) };
    let store = store.ok_or(IdentityFault::NoStore)?;
    let keyring = Arc::new(empty_keyring(identity, store, clock.clone()));
    match keyring.reload().await {
        Ok(()) => {}
        // Another seal may be configured, and another node may seal anew.
        Err(fault @ KeyringFault::Sealed { .. }) => {
            tracing::error!(error = %fault, "cannot load the signing keys; what needs them is answered 503, and no other key is made");
        }
        // A store that is locked or full for a moment does not keep the gate from starting: until it answers, what needs the keys is 503.
        Err(KeyringFault::Store(error @ StoreError::Unavailable(_))) => {
            tracing::warn!(%error, "cannot load the signing keys yet; what needs them is answered 503");
        }
        Err(fault) => return Err(fault.into()),
    }
    let kept = keyring.clone();
    supervise(control, "signing keys", move || keep_current(kept.clone()));
    if let Some(every) = identity.signing_keys.rotate_every {
        let keys = Arc::new(signing_keys(identity, store, clock.clone()));
        supervise(control, "signing key rotation", move || keep_young(keys.clone(), every));
    }
    Ok(Some(keyring))
}

/// A keyring as configured, with nothing loaded yet.
pub(crate) fn empty_keyring(identity: &meant::Identity, store: &Store, clock: Arc<dyn Clock>) -> Keyring {
    Keyring::new(store.signing_keys.clone(), clock, identity.algorithm, Arc::new(seals(identity)))
}

/// What is done with signing keys, as configured.
pub(crate) fn signing_keys(
    identity: &meant::Identity,
    store: &Store,
    clock: Arc<dyn Clock>,
) -> SigningKeyAccounts {
    SigningKeyAccounts {
        keys: store.signing_keys.clone(),
        clock,
        algorithm: identity.algorithm,
        seals: Arc::new(seals(identity)),
        longest_lifetime: LONGEST_ACCESS_TOKEN,
    }
}

/// Each can be read: the configuration was checked.
fn seals(identity: &meant::Identity) -> Seals {
    let texts = identity.signing_keys.seals.iter();
    Seals::new(texts.filter_map(|text| Seal::parse(text.expose()).ok()).collect())
}

/// How long a key that is made by itself is published before it signs: longer than others keep the set (see the answer's `Cache-Control`).
pub(crate) const PUBLISHED_AHEAD: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether a key is old.
const LOOK_FOR_OLD_EVERY: Duration = Duration::from_secs(60);

/// Replaces keys that are old, for ever.
async fn keep_young(keys: Arc<SigningKeyAccounts>, every: Duration) {
    let ahead = PUBLISHED_AHEAD.min(every / 2).max(SOONEST);
    loop {
        match keys.rotate_when_old(every, ahead).await {
            Ok(true) => tracing::info!("a signing key is old; the next one is published"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "cannot replace a signing key that is old"),
        }
        tokio::time::sleep(LOOK_FOR_OLD_EVERY).await;
    }
}

/// The provider, where it is configured. It keeps nothing of its own, so each configuration makes another.
pub(crate) fn provider(materials: &Materials<'_>) -> Result<Option<Arc<Provider>>, IdentityFault> {
    let Materials { config, store, clock, control, .. } = *materials;
    let Some(identity) = &config.identity else { return Ok(None) };
    let store = store.ok_or(IdentityFault::NoStore)?;
    let keyring = materials.keyring.ok_or(IdentityFault::NoKeys)?.clone();
    let stores = ProviderStores {
        users: store.users.clone(),
        sessions: store.sessions.clone(),
        revocations: store.revocations.clone(),
        clients: store.clients.clone(),
        web_sessions: store.web_sessions.clone(),
        records: store.identity_records.clone(),
    };
    let pool = materials.pool.ok_or(IdentityFault::NoPool)?;
    let verifier = verifier(config, store, pool, clock);
    let settings = settings(identity, materials);
    let control = Control::new(control.clone());
    let watch = materials.watch.clone();
    Ok(Some(Arc::new(Provider::new(settings, stores, watch, verifier, keyring, clock.clone(), control))))
}

fn settings(identity: &meant::Identity, materials: &Materials<'_>) -> IdentitySettings {
    IdentitySettings {
        issuer: identity.issuer.clone(),
        path: (&*identity.path).into(),
        reuse_interval: identity.reuse_interval,
        access_lifetime: identity.access_token_lifetime,
        longest_lifetime: LONGEST_ACCESS_TOKEN,
        refresh_lifetime: identity.refresh_token_lifetime,
        browser_session: identity.browser_session,
        registration: identity.registration,
        passkeys: identity.passkeys.clone(),
        client_origins: materials.client_origins.clone(),
        declared: materials.declared.clone(),
        limits: materials.limits.clone(),
        rates: identity.rates,
    }
}

async fn keep_current(keyring: Arc<Keyring>) {
    let mut well = true;
    loop {
        let pause = if keyring.signer().is_some() { RELOAD_KEYS_EVERY } else { FIRST_KEYS_EVERY };
        tokio::time::sleep(pause).await;
        let outcome = keyring.reload().await;
        if let Err(error) = &outcome
            && well
        {
            tracing::warn!(%error, "cannot reload the signing keys; the current ones stay in use");
        }
        well = outcome.is_ok();
    }
}

/// Verifies the passwords of the store's users, for the login and for Basic alike: one lockout for both.
pub(crate) fn verifier(
    config: &Config,
    store: &Store,
    pool: &Arc<PasswordPool>,
    clock: &Arc<dyn Clock>,
) -> Arc<PasswordVerifier> {
    let lockout = lockout(config);
    let seals = config.identity.as_ref().map(seals).unwrap_or_default();
    let factors = SecondFactors::new(store.identity_records.clone(), Arc::new(seals));
    let max_age = config.identity.as_ref().and_then(|identity| identity.password_max_age);
    let verifier = PasswordVerifier::new(store.users.clone(), factors, pool.clone(), clock.clone(), lockout);
    Arc::new(verifier.with_max_age(max_age))
}

/// When those who guess passwords are locked out.
pub(crate) fn lockout(config: &Config) -> Lockout {
    config.identity.as_ref().map_or(DEFAULT_LOCKOUT, |identity| identity.lockout)
}

/// The issuer of the store's users, however they come: the provider's, or `haechi` where there is none.
pub(crate) fn issuer(config: &Config) -> Arc<str> {
    config.identity.as_ref().map_or_else(|| "haechi".into(), |identity| identity.issuer.clone())
}
