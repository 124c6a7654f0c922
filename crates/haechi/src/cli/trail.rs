//! The audit trail for commands that change the store themselves: what they change is on record before.

use crate::config::Config;
use crate::config::meant::Audit;
use crate::wire::own_issuer;
use haechi_admin::Stores;
use haechi_audit::{Mode, OpenError, Options, Trail};
use haechi_core::ports::{
    AuditActor, AuditError, AuditEvent, AuditOutcome, AuditSubject, AuditTrail, BoxFuture, Policies,
};
use haechi_core::{Clock, SystemClock};
use haechi_store::Store;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};

/// Opened with the first change: a command that only looks leaves no line.
pub(super) struct CommandTrail {
    options: Options,
    opened: OnceLock<Arc<Trail>>,
}

impl CommandTrail {
    pub(super) fn new(audit: &Audit) -> Self {
        Self { options: audit.options.clone(), opened: OnceLock::new() }
    }

    /// The store, whose first change writes the event of a command first.
    pub(super) fn recorded(self: &Arc<Self>, store: &Store, config: &Config, action: &'static str) -> Store {
        let stores = haechi_admin::recorded(&stores_of(store), self.clone(), by_command(config, action));
        let mut recorded = store.clone();
        recorded.users = stores.users;
        recorded.clients = stores.clients;
        recorded.api_keys = stores.api_keys;
        recorded.sessions = stores.sessions;
        recorded.web_sessions = stores.web_sessions;
        recorded.identity_records = stores.identity_records;
        recorded.revocations = stores.revocations;
        recorded.signing_keys = stores.signing_keys;
        recorded.policies = stores.policies;
        recorded.approvals = stores.approvals;
        recorded
    }

    /// The same, of which more is known already.
    pub(super) fn recorded_with(
        self: &Arc<Self>,
        store: &Store,
        config: &Config,
        action: &'static str,
        details: Map<String, Value>,
    ) -> Arc<dyn Policies> {
        let stores = stores_of(store);
        let event = AuditEvent { details, ..by_command(config, action) };
        haechi_admin::recorded(&stores, self.clone(), event).policies
    }

    /// Writes the event of a command.
    pub(super) async fn record_command(
        &self,
        config: &Config,
        action: &'static str,
    ) -> Result<(), AuditError> {
        let event = by_command(config, action);
        self.record(AuditEvent { about: None, ..event }).await
    }

    /// Vouches for what was written, if anything was.
    pub(super) fn finish(&self) {
        if let Some(trail) = self.opened.get() {
            trail.finish();
        }
    }

    fn trail(&self) -> Result<&Arc<Trail>, OpenError> {
        if let Some(trail) = self.opened.get() {
            return Ok(trail);
        }
        let trail = Trail::open(self.options.clone(), Arc::new(SystemClock), None)?;
        Ok(self.opened.get_or_init(|| trail))
    }

    fn write(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let written = self
            .trail()
            .map_err(|error| AuditError(error.to_string()))
            .and_then(|trail| trail.record_event(event));
        match (written, self.options.mode) {
            (Err(error), Mode::BestEffort) => {
                tracing::warn!(%error, "the change is not on record");
                Ok(())
            }
            (written, _) => written,
        }
    }
}

fn stores_of(store: &Store) -> Stores {
    Stores {
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
    }
}

/// By the account of this machine that runs the command.
fn by_command(config: &Config, action: &'static str) -> AuditEvent {
    AuditEvent {
        at: SystemClock.now(),
        action,
        actor: Some(AuditActor {
            authenticator: "command".to_owned(),
            who: None,
            credential_id: None,
            uid: Some(rustix::process::getuid().as_raw()),
            pid: None,
            client: None,
        }),
        about: Some(AuditSubject { issuer: own_issuer(config).to_string(), subject: String::new() }),
        target: None,
        outcome: AuditOutcome::Done,
        details: Map::new(),
    }
}

impl AuditTrail for CommandTrail {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(std::future::ready(self.write(&event)))
    }
}
