//! What a decision comes to.

use serde::{Deserialize, Serialize};

/// What a decision comes to, or the answer of a decision point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes.
    Allow,
    /// No.
    Deny,
    /// It could not be found out, so nobody passes.
    Unavailable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::Unavailable];

    /// Yes or no.
    pub const fn of(allowed: bool) -> Self {
        if allowed { Self::Allow } else { Self::Deny }
    }

    /// As records, metrics and configurations have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Why somebody is denied, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The caller holds none of the roles.
    Roles,
    /// The caller was not granted all of the scopes.
    Scopes,
    /// The route's condition does not hold.
    Condition,
    /// A policy forbids it.
    Forbidden,
    /// No policy permits it.
    NoPermit,
    /// A clause or policy could not be evaluated.
    Error,
    /// A decision point said no.
    DecisionPoint,
    /// The route has no rule.
    NoRule,
}

impl Denial {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Roles,
        Self::Scopes,
        Self::Condition,
        Self::Forbidden,
        Self::NoPermit,
        Self::Error,
        Self::DecisionPoint,
        Self::NoRule,
    ];

    /// As metrics and filters have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Scopes => "scopes",
            Self::Condition => "condition",
            Self::Forbidden => "forbidden",
            Self::NoPermit => "no_permit",
            Self::Error => "error",
            Self::DecisionPoint => "decision_point",
            Self::NoRule => "no_rule",
        }
    }
}
