//! The store of the configuration, for commands that work on it.

use super::trail::CommandTrail;
use super::{Common, Failure, configuration};
use crate::config::{Config, LONGEST_ACCESS_TOKEN};
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{AccountError, AccountStores, Accounts};
use haechi_core::SystemClock;
use haechi_core::ports::{Policies, StoreError};
use haechi_store::{Location, Store};
use serde_json::{Map, Value};
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The configuration and its open store.
pub(crate) struct Opened {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    recording: Option<Recording>,
}

/// How what a command does gets on record.
struct Recording {
    trail: Arc<CommandTrail>,
    plain: Store,
    action: &'static str,
}

impl Opened {
    /// The store, for one more of several changes: each is on record by itself.
    pub(crate) fn store_for_one_more(&self) -> Store {
        match &self.recording {
            Some(Recording { trail, plain, action }) => trail.recorded(plain, &self.config, action),
            None => self.store.clone(),
        }
    }

    /// The policies, a change of which is on record before, with what is known of it.
    pub(crate) fn policies_with(&self, details: Map<String, Value>) -> Arc<dyn Policies> {
        match &self.recording {
            Some(Recording { trail, plain, action }) => {
                trail.recorded_with(plain, &self.config, action, details)
            }
            None => self.store.policies.clone(),
        }
    }

    /// Puts on record what the command does, where the store is not changed by it.
    pub(crate) async fn record(&self) -> Result<(), Failure> {
        let Some(Recording { trail, action, .. }) = &self.recording else { return Ok(()) };
        trail.record_command(&self.config, action).await.map_err(Failure::fault)
    }
}

/// Loads the configuration, opens its store, does `work`, and closes the store whatever came of it. What `work` changes is on record before, as `action`.
pub(crate) fn with_store<F: Future<Output = Result<(), Failure>>>(
    common: &Common,
    action: &'static str,
    work: impl FnOnce(Opened) -> F,
) -> Result<(), Failure> {
    let config = Arc::new(configuration(&common.config)?);
    let location = of(common, &config)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
    runtime.block_on(async {
        let store = Store::at(&location).await.map_err(Failure::fault)?;
        let trail = config.audit.as_ref().map(|audit| Arc::new(CommandTrail::new(audit)));
        let recorded = match &trail {
            Some(trail) => trail.recorded(&store, &config, action),
            None => store.clone(),
        };
        let recording = trail.clone().map(|trail| Recording { trail, plain: store.clone(), action });
        let done = work(Opened { config, store: recorded, recording }).await;
        store.close().await;
        if let Some(trail) = trail {
            trail.finish();
        }
        done
    })
}

/// Where the configuration's store is.
pub(crate) fn location(common: &Common) -> Result<Location, Failure> {
    of(common, &configuration(&common.config)?)
}

fn of(common: &Common, config: &Config) -> Result<Location, Failure> {
    let missing = || format!("`{}` has no store; add `store: sqlite:haechi.db`", common.config.display());
    config.store.clone().ok_or_else(|| Failure::fault(missing()))
}

/// The users and keys of a store, for one operator at a time. Needs a runtime around it.
pub(crate) fn accounts(config: &Config, store: &Store) -> Result<Accounts, Failure> {
    let stores = AccountStores {
        users: store.users.clone(),
        sessions: store.sessions.clone(),
        api_keys: store.api_keys.clone(),
        identity_records: store.identity_records.clone(),
    };
    let pool = PasswordPool::new(Handle::current(), NonZeroUsize::MIN, 1).map_err(Failure::fault)?;
    let declared = DeclaredAttributes::new(config.caller_attributes.clone());
    Ok(Accounts::new(
        stores,
        Arc::new(pool),
        Arc::new(SystemClock),
        Arc::new(config.roles.clone()),
        Arc::new(declared),
        LONGEST_ACCESS_TOKEN,
    ))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::fault(error)
    }
}

/// What no configuration or no form allows is wrong usage; the rest depends on the store, the machine, or what was typed in secret.
impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Name(_)
            | AccountError::Role { .. }
            | AccountError::Attribute(_)
            | AccountError::Scope(_) => Self::usage(error),
            _ => Self::fault(error),
        }
    }
}
