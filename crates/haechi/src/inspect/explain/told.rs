//! What an explanation tells.

use haechi_authz::{External, Place, RuleResult, Source, Step};
use haechi_core::Caller;
use serde::Serialize;
use std::sync::Arc;

/// Everything there is to tell.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Explanation {
    /// `allowed`, `denied`, `unauthenticated`, `unrouted`, `refused`, `unavailable`, or `unanswered` where a case does not say what a decision point
    /// answers.
    pub(crate) outcome: &'static str,
    /// The status; 200 stands for whatever the backend says.
    pub(crate) status: u16,
    /// Why, in a sentence.
    pub(crate) because: String,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) client: String,
    pub(crate) secure: bool,
    pub(crate) time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<Matched>,
    /// Patterns that match too and why each did not win.
    pub(crate) passed_over: Vec<Matched>,
    pub(crate) authenticators: Vec<AuthenticatorAttempt>,
    /// The rate limits that a request of this kind counts against. An explanation counts against none, and supposes that there is room.
    pub(crate) limits: Vec<LimitShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<Arc<Caller>>,
    /// Every clause of the route and every policy.
    pub(crate) rules: Vec<RuleExplanation>,
    /// The clauses and policies that decided.
    pub(crate) decided_by: Vec<String>,
    /// The facts that they looked at.
    pub(crate) facts: Vec<ExplainedFact>,
    /// What the policies in `shadow_policies` would have said, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<Shadow>,
    /// What the decision point said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external: Option<External>,
    /// Name and value, as the backend would get them.
    pub(crate) headers: Vec<(String, String)>,
    /// What the backend would get in the place of the caller's credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// For a denial: what would have to be different about the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<Change>,
}

/// A route that matches.
#[derive(Debug, Serialize)]
pub(crate) struct Matched {
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) why: String,
}

/// An authenticator that was asked.
#[derive(Debug, Serialize)]
pub(crate) struct AuthenticatorAttempt {
    pub(crate) authenticator: String,
    pub(crate) result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A rate limit.
#[derive(Debug, Serialize)]
pub(crate) struct LimitShown {
    pub(crate) name: String,
    pub(crate) requests: u32,
    pub(crate) per_seconds: f64,
    pub(crate) burst: u32,
    /// `before authentication` or `by caller`.
    pub(crate) when: &'static str,
}

/// What one clause or policy says.
#[derive(Debug, Serialize)]
pub(crate) struct RuleExplanation {
    #[serde(skip)]
    pub(crate) source: Source,
    /// `requires` for a clause, `grant` for `authorize: any`, else `permit` or `forbid`.
    pub(crate) effect: &'static str,
    /// As it was written, or its name.
    pub(crate) text: String,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
    /// What it comes to.
    pub(crate) says: RuleResult,
    /// Whether it is among what decided.
    pub(crate) decided: bool,
}

/// A fact, and what it was.
#[derive(Debug, Serialize)]
pub(crate) struct ExplainedFact {
    pub(crate) fact: String,
    /// `null` for what is missing.
    pub(crate) value: Option<String>,
}

/// The other outcome of the shadow policies.
#[derive(Debug, Serialize)]
pub(crate) struct Shadow {
    /// `allow` or `deny`.
    pub(crate) outcome: &'static str,
    pub(crate) because: String,
}

/// The smallest change of the caller that would be allowed.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    /// All of them together; empty where there is none.
    pub(crate) steps: Vec<Step>,
    /// In words.
    pub(crate) said: String,
}

impl Explanation {
    /// Ends here.
    pub(super) fn ending(mut self, status: u16, outcome: &'static str, because: impl Into<String>) -> Self {
        (self.status, self.outcome, self.because) = (status, outcome, because.into());
        self
    }

    /// Whether the request would go on to its service.
    pub(crate) fn is_allowed(&self) -> bool {
        self.outcome == "allowed"
    }
}
