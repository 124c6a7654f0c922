//! The record of one decision.

use crate::{Place, Read, Source};
use haechi_core::Denial;
use haechi_core::id::DecisionId;
use serde::Serialize;
use std::sync::Arc;

/// Allow or deny for one request, with what decided it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Names this decision in answers, logs and `haechi explain --decision`.
    pub id: DecisionId,
    /// The configuration generation that decided.
    pub generation: u64,
    /// What the clauses and policies said.
    pub verdict: Arc<Verdict>,
    /// What the shadow policies would have said, where that is another outcome.
    pub shadow: Option<Arc<Verdict>>,
    /// What the decision point said, where one was asked.
    pub external: Option<External>,
}

/// What the clauses and policies came to. A function of exactly the facts that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `None` for allow.
    pub denied: Option<DenyReason>,
    /// The clauses and policies that decided: on allow those that permit, on deny those that forbid.
    pub decided_by: Vec<Source>,
    /// What could not be evaluated, with Cedar's message.
    pub errors: Vec<(Source, String)>,
    /// The facts that were looked at.
    pub reads: Arc<[Read]>,
}

/// What a decision point outside the gate said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct External {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Whether it said yes.
    pub allowed: bool,
    /// Whether the answer is one that was kept.
    pub cached: bool,
}

/// Why a request was denied. Operators see it; clients see only missing scopes, as RFC 6750 3.1 asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// The caller holds none of these roles.
    Roles(Arc<[Arc<str>]>),
    /// The caller was not granted all of these scopes.
    Scopes(Arc<[Arc<str>]>),
    /// The route's condition does not hold.
    Condition(Place),
    /// A policy forbids it.
    Forbidden(Source),
    /// No policy permits it.
    NoPermit,
    /// A clause or policy could not be evaluated.
    Error(Source),
    /// The decision point of this name said no.
    External(Arc<str>),
    /// The route has no rule: nothing is open by omission.
    NoRule,
}

impl Decision {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.verdict.denied.is_none() && self.external.as_ref().is_none_or(|external| external.allowed)
    }

    /// Why it may not.
    pub fn reason(&self) -> Option<DenyReason> {
        let external = || {
            let refused = self.external.as_ref().filter(|external| !external.allowed);
            refused.map(|external| DenyReason::External(external.name.clone()))
        };
        self.verdict.denied.clone().or_else(external)
    }
}

impl Verdict {
    /// Whether the clauses and policies allow.
    pub const fn is_allowed(&self) -> bool {
        self.denied.is_none()
    }

    /// A denial for `reason` that looked at nothing.
    pub fn refusal(reason: DenyReason) -> Self {
        Self { denied: Some(reason), decided_by: Vec::new(), errors: Vec::new(), reads: Arc::new([]) }
    }
}

impl DenyReason {
    /// The same in one word, for metrics and filters.
    pub const fn kind(&self) -> Denial {
        match self {
            Self::Roles(_) => Denial::Roles,
            Self::Scopes(_) => Denial::Scopes,
            Self::Condition(_) => Denial::Condition,
            Self::Forbidden(_) => Denial::Forbidden,
            Self::NoPermit => Denial::NoPermit,
            Self::Error(_) => Denial::Error,
            Self::External(_) => Denial::DecisionPoint,
            Self::NoRule => Denial::NoRule,
        }
    }

    /// In a few words, for logs and operators.
    pub fn describe(&self) -> String {
        match self {
            Self::Roles(names) => match &names[..] {
                [one] => format!("missing role: needs `{one}`"),
                several => format!("missing role: needs one of `{}`", several.join("`, `")),
            },
            Self::Scopes(names) => format!("missing scope: needs `{}`", names.join("`, `")),
            Self::Condition(place) => format!("the condition `when` ({place}) is false"),
            Self::Forbidden(source) => format!("{source} forbids it"),
            Self::NoPermit => "no policy permits it".into(),
            Self::Error(source) => format!("{source} could not be evaluated"),
            Self::External(name) => format!("the decision point `{name}` denied it"),
            Self::NoRule => "the route has no rule".into(),
        }
    }
}
