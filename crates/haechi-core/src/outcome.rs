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
