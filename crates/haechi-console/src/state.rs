//! What the console is made of.

use crate::history::{EVERY, History};
use crate::invitations::Invitations;
use crate::sessions::Sessions;
use haechi_authn::identity::Provider;
use haechi_core::ports::AuditTrail;
use haechi_core::{Clock, Secret};
use std::sync::Arc;

/// Port: what the configuration in force says of the console.
pub trait Gate: Send + Sync {
    /// Whether it is shown.
    fn is_shown(&self) -> bool;

    /// The metrics of this moment, in the Prometheus text format.
    fn metrics(&self) -> String;

    /// Where people log in.
    fn provider(&self) -> Option<Arc<Provider>>;
}

/// The console.
pub struct Console {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) trail: Arc<dyn AuditTrail>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Sessions,
    pub(crate) history: History,
    /// Who may log in by a link.
    pub(crate) invitations: Invitations,
    /// One token is renewed at a time.
    pub(crate) refreshing: tokio::sync::Mutex<()>,
}

impl Console {
    /// A console where nobody is logged in.
    pub fn new(gate: Arc<dyn Gate>, trail: Arc<dyn AuditTrail>, clock: Arc<dyn Clock>) -> Self {
        Self {
            gate,
            trail,
            clock,
            sessions: Sessions::default(),
            history: History::default(),
            invitations: Invitations::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    /// The path of a link by which whoever has it logs in, once, from this machine, within ten minutes, as somebody whose password is known. `None` without
    /// randomness.
    pub fn invite(&self, name: &str, password: Secret<String>) -> Option<Secret<String>> {
        self.invitations.invite(name, password, self.clock.now())
    }

    /// Remembers the hour before for the overview, as long as it is polled and the console is shown.
    pub async fn remember(&self) {
        loop {
            if self.gate.is_shown() {
                self.history.remember(&self.gate.metrics(), self.clock.now());
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
