//! Whether the policies of the store are in force in this process, for readiness.

use crate::config::StorePolicies;
use arc_swap::ArcSwapOption;
use haechi_authz::POLICIES_UNKNOWN;
use std::fmt::Display;
use std::sync::Arc;

/// Why they are not, if they are not.
#[derive(Debug)]
pub(crate) struct PolicyStanding(ArcSwapOption<Fault>);

#[derive(Debug)]
struct Fault {
    /// The change that does not fit the configuration of this node: it is not tried again.
    refused: Option<i64>,
    why: String,
}

impl PolicyStanding {
    pub(crate) fn new(stored: &StorePolicies) -> Self {
        let standing = Self(ArcSwapOption::empty());
        standing.holds(stored);
        standing
    }

    /// These came into force.
    pub(crate) fn holds(&self, stored: &StorePolicies) {
        let unknown = (*stored == StorePolicies::Unknown)
            .then(|| Fault { refused: None, why: POLICIES_UNKNOWN.to_owned() });
        self.0.store(unknown.map(Arc::new));
    }

    /// The change `lasting` does not fit, or another one could not come into force now.
    pub(crate) fn refuse(&self, lasting: Option<i64>, why: &dyn Display) {
        let first = why.to_string();
        let first = first.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let why = format!("the policies of the store do not fit the configuration of this node: {first}");
        self.0.store(Some(Arc::new(Fault { refused: lasting, why })));
    }

    /// The change that does not fit.
    pub(crate) fn refused(&self) -> Option<i64> {
        self.0.load().as_ref().and_then(|fault| fault.refused)
    }

    /// Why the policies of the store are not in force.
    pub(crate) fn fault(&self) -> Option<String> {
        self.0.load().as_ref().map(|fault| fault.why.clone())
    }
}
