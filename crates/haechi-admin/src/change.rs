//! What a call may do: look, or change what it has written to the audit trail first.

use crate::audited::{Recorder, recorded_by};
use crate::context::{Context, Directory, Rules, Running, Stores};
use crate::error::AdminError;
use haechi_authn::identity::{AccountStores, Accounts, ClientAccounts, SigningKeyAccounts};
use haechi_core::Timestamp;
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome, AuditSubject};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Looks, and cannot change anything.
#[derive(Clone)]
pub(crate) struct Reader(pub(crate) Context);

impl Reader {
    pub(crate) fn running(&self) -> Result<&Running, AdminError> {
        self.0.running.as_ref().ok_or(AdminError::NotRunning)
    }

    pub(crate) fn directory(&self) -> Result<&Arc<dyn Directory>, AdminError> {
        self.0.directory.as_ref().ok_or(AdminError::NoStore)
    }

    /// The stores, to read.
    pub(crate) fn stores(&self) -> Result<&Stores, AdminError> {
        Ok(self.directory()?.stores())
    }

    pub(crate) fn rules(&self) -> Result<Rules, AdminError> {
        Ok(self.directory()?.rules())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// Changes things. The event that tells of it is written before the first change; without it there is none.
pub(crate) struct Change {
    pub(crate) look: Reader,
    recorder: Arc<Recorder>,
}

impl Change {
    /// By `actor`, who does `action`.
    pub(crate) fn new(look: Reader, actor: AuditActor, action: &'static str) -> Self {
        let issuer = look.0.directory.as_ref().map(|directory| directory.rules().issuer.to_string());
        let event = AuditEvent {
            at: look.now(),
            action,
            actor: Some(actor),
            about: issuer.map(|issuer| AuditSubject { issuer, subject: String::new() }),
            target: None,
            outcome: AuditOutcome::Done,
            details: Map::new(),
        };
        let recorder = Arc::new(Recorder::new(look.0.trail.clone(), event));
        Self { look, recorder }
    }

    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        self.recorder.clone()
    }

    /// For one more of several changes, each of which is on record by itself.
    pub(crate) async fn one_more(&self) -> Result<Self, AdminError> {
        let mut more = None;
        let look = &self.look;
        self.recorder
            .tell(|event| {
                let actor = event.actor.clone();
                more = actor.map(|actor| Self::new(look.clone(), actor, event.action));
            })
            .await;
        more.ok_or_else(|| AdminError::Failed("nobody is known to make the call".to_owned()))
    }

    /// Who makes it.
    pub(crate) async fn actor(&self) -> Option<AuditActor> {
        let mut actor = None;
        self.recorder.tell(|event| actor.clone_from(&event.actor)).await;
        actor
    }

    /// Whom it concerns.
    pub(crate) async fn about(&self, subject: &str) {
        let subject = subject.to_owned();
        let tell = |event: &mut AuditEvent| {
            if let Some(about) = &mut event.about {
                about.subject = subject;
            }
        };
        self.recorder.tell(tell).await;
    }

    /// The same, of any issuer.
    pub(crate) async fn concerns(&self, somebody: AuditSubject) {
        self.recorder.tell(|event| event.about = Some(somebody)).await;
    }

    /// What the trail calls it, where it comes to something else than the call is made for.
    pub(crate) async fn rename(&self, action: &'static str) {
        self.recorder.tell(|event| event.action = action).await;
    }

    /// What it is done to.
    pub(crate) async fn target(&self, target: String) {
        self.recorder.tell(|event| event.target = Some(target)).await;
    }

    /// What changes. No secret.
    pub(crate) async fn detail(&self, name: &str, value: impl Into<Value>) {
        let (name, value) = (name.to_owned(), value.into());
        self.recorder.tell(|event| drop(event.details.insert(name, value))).await;
    }

    /// Writes the event, for a change that no store makes.
    pub(crate) async fn record(&self) -> Result<(), AdminError> {
        self.recorder.write(None).await.map_err(AdminError::Unrecorded)
    }

    /// The stores, each change of which is recorded.
    pub(crate) fn stores(&self) -> Result<Stores, AdminError> {
        Ok(recorded_by(self.look.stores()?, &self.recorder))
    }

    /// Users and keys.
    pub(crate) fn accounts(&self) -> Result<Accounts, AdminError> {
        let (stores, rules) = (self.stores()?, self.look.rules()?);
        let stores = AccountStores {
            users: stores.users,
            sessions: stores.sessions,
            api_keys: stores.api_keys,
            identity_records: stores.identity_records,
        };
        let pool = self.look.directory()?.password_pool().map_err(AdminError::Failed)?;
        let clock = self.look.0.clock.clone();
        Ok(Accounts::new(stores, pool, clock, rules.roles, rules.declared, rules.longest_token))
    }

    /// Machine clients.
    pub(crate) fn clients(&self) -> Result<ClientAccounts, AdminError> {
        let (stores, rules) = (self.stores()?, self.look.rules()?);
        Ok(ClientAccounts {
            clients: stores.clients,
            clock: self.look.0.clock.clone(),
            roles: rules.roles,
            declared: rules.declared,
            longest_lifetime: rules.longest_token,
        })
    }

    /// Signing keys.
    pub(crate) fn signing_keys(&self) -> Result<SigningKeyAccounts, AdminError> {
        let keys = self.stores()?.signing_keys;
        let missing = || {
            AdminError::Conflict(
                "no `identity` is configured that would sign; add `identity: { issuer: … }`".to_owned(),
            )
        };
        self.look.directory()?.signing_keys(keys).ok_or_else(missing)
    }
}
