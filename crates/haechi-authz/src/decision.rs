//! The record of one decision.

use haechi_core::id::DecisionId;
use std::sync::Arc;

/// Allow or deny for one request, with what decided it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Names this decision in answers, logs and `haechi explain --decision`.
    pub id: DecisionId,
    /// What was decided.
    pub outcome: Outcome,
    /// The configuration generation that decided.
    pub generation: u64,
}

/// Allow or deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every clause of the route holds.
    Allow,
    /// One does not.
    Deny(DenyReason),
}

/// Which clause did not hold. Operators see it; clients see only missing scopes, as RFC 6750 3.1 asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The caller holds none of these roles.
    Roles(Arc<[Arc<str>]>),
    /// The caller was not granted all of these scopes.
    Scopes(Arc<[Arc<str>]>),
    /// The route has no rule: nothing is open by omission.
    NoRule,
}

impl DenyReason {
    /// The clause's name in the configuration.
    pub const fn clause(&self) -> &'static str {
        match self {
            Self::Roles(_) => "roles",
            Self::Scopes(_) => "scopes",
            Self::NoRule => "none",
        }
    }
}
