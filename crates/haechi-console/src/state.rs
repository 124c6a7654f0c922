//! What the console is made of.

use crate::sessions::Sessions;
use haechi_authn::identity::Provider;
use haechi_core::Clock;
use haechi_core::ports::AuditTrail;
use std::sync::Arc;

/// Port: what the configuration in force says of the console.
pub trait Gate: Send + Sync {
    /// Whether it is shown.
    fn is_shown(&self) -> bool;

    /// Where people log in.
    fn provider(&self) -> Option<Arc<Provider>>;
}

/// The console.
pub struct Console {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) trail: Arc<dyn AuditTrail>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Sessions,
}

impl Console {
    /// A console where nobody is logged in.
    pub fn new(gate: Arc<dyn Gate>, trail: Arc<dyn AuditTrail>, clock: Arc<dyn Clock>) -> Self {
        Self { gate, trail, clock, sessions: Sessions::default() }
    }
}
