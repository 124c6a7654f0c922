//! Users, keys and clients for the admin API: the store, and what the configuration in force says of them.

use super::assembly::ProcessState;
use super::identity::{PUBLISHED_AHEAD, empty_keyring, issuer, signing_keys};
use super::reload::Reloader;
use crate::config::LONGEST_ACCESS_TOKEN;
use haechi_admin::{Directory, Rules, Stores};
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{Keyring, SigningKeyAccounts};
use haechi_core::ports::{AuditError, AuditEvent, AuditTrail, BoxFuture, SigningKeys};
use haechi_store::Store;
use std::sync::Arc;

/// Those of a running gate.
pub(crate) struct GateDirectory {
    process: Arc<ProcessState>,
    reloader: Arc<Reloader>,
    store: Store,
    stores: Stores,
}

impl GateDirectory {
    /// `None` without a store.
    pub(crate) fn new(process: &Arc<ProcessState>, reloader: &Arc<Reloader>) -> Option<Self> {
        let store = process.store.clone()?;
        let stores = Stores {
            users: store.users.clone(),
            clients: store.clients.clone(),
            api_keys: store.api_keys.clone(),
            sessions: store.sessions.clone(),
            web_sessions: store.web_sessions.clone(),
            identity_records: store.identity_records.clone(),
            revocations: store.revocations.clone(),
            signing_keys: store.signing_keys.clone(),
            policies: store.policies.clone(),
            approvals: store.approvals.clone(),
        };
        Some(Self { process: process.clone(), reloader: reloader.clone(), store, stores })
    }
}

impl Directory for GateDirectory {
    fn stores(&self) -> &Stores {
        &self.stores
    }

    fn rules(&self) -> Rules {
        let config = self.reloader.config();
        Rules {
            roles: Arc::new(config.roles.clone()),
            declared: Arc::new(DeclaredAttributes::new(config.caller_attributes.clone())),
            issuer: issuer(&config),
            has_identity: config.identity.is_some(),
            takes_imported_keys: config
                .authenticators
                .values()
                .any(|known| known.settings.takes_imported_keys()),
            longest_token: LONGEST_ACCESS_TOKEN,
            published_ahead: PUBLISHED_AHEAD,
            second_person: config.admin.as_ref().and_then(|admin| admin.second_person),
        }
    }

    fn password_pool(&self) -> Result<Arc<PasswordPool>, String> {
        self.process.any_pool().map_err(|error| error.to_string())
    }

    fn signing_keys(&self, keys: Arc<dyn SigningKeys>) -> Option<SigningKeyAccounts> {
        let config = self.reloader.config();
        let identity = config.identity.as_ref()?;
        Some(SigningKeyAccounts { keys, ..signing_keys(identity, &self.store, self.process.clock.clone()) })
    }

    fn keyring(&self) -> Option<Keyring> {
        let config = self.reloader.config();
        let identity = config.identity.as_ref()?;
        Some(empty_keyring(identity, &self.store, self.process.clock.clone()))
    }
}

/// Where no audit trail is configured.
pub(crate) struct NoTrail;

impl AuditTrail for NoTrail {
    fn record(&self, _: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
