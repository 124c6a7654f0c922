//! Authorization rules of routes: what a route asks of its callers.

use crate::{Place, Source};
use std::sync::Arc;

/// A route's `authorize`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    grant: Grant,
    clauses: Vec<Clause>,
}

/// Who can permit what the clauses let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Grant {
    /// The route itself.
    Route,
    /// A policy of a file.
    Policies,
    /// The route itself, and no policy of a file is about it.
    BuiltIn,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clause {
    /// The caller holds at least one of these roles, directly or through another.
    Roles(Arc<[Arc<str>]>),
    /// The caller was granted all of these scopes.
    Scopes(Arc<[Arc<str>]>),
    /// A Cedar expression holds.
    When(Condition),
    /// The decision point of this name says yes.
    External(Arc<str>),
}

/// A Cedar expression, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// The expression.
    pub text: Arc<str>,
    /// Where it stands.
    pub place: Place,
}

/// `authorize` without a clause. Openness is written as `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule needs at least one clause; openness is written as `any`")]
pub struct NoClause;

impl Rule {
    /// `authorize: any`: whoever authentication let through.
    pub const fn any() -> Self {
        Self { grant: Grant::Route, clauses: Vec::new() }
    }

    /// `authorize: policy`: the policy files alone decide.
    pub const fn policy() -> Self {
        Self { grant: Grant::Policies, clauses: Vec::new() }
    }

    /// A route that the gate brings itself, such as the login: whoever authentication let through. No policy file is about it, so that no
    /// `forbid` about everything locks everybody out of the login, and no permit opens more.
    pub const fn built_in() -> Self {
        Self { grant: Grant::BuiltIn, clauses: Vec::new() }
    }

    /// All of these clauses.
    ///
    /// # Errors
    /// [`NoClause`] without a clause, and for a clause that names nothing: it would hold for nobody or for everybody.
    pub fn all_of(clauses: Vec<Clause>) -> Result<Self, NoClause> {
        let empty = |clause: &Clause| match clause {
            Clause::Roles(names) | Clause::Scopes(names) => names.is_empty(),
            Clause::When(condition) => condition.text.trim().is_empty(),
            Clause::External(name) => name.is_empty(),
        };
        if clauses.is_empty() || clauses.iter().any(empty) {
            Err(NoClause)
        } else {
            Ok(Self { grant: Grant::Route, clauses })
        }
    }

    /// Whether the route itself permits callers for whom its clauses hold; otherwise only a policy can.
    pub const fn grants(&self) -> bool {
        matches!(self.grant, Grant::Route | Grant::BuiltIn)
    }

    /// Whether the gate brings the route itself, and no policy of a file is about it.
    pub const fn is_built_in(&self) -> bool {
        matches!(self.grant, Grant::BuiltIn)
    }

    /// The clauses in the order they are asked.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// The decision points that are to be asked.
    pub fn external(&self) -> impl Iterator<Item = &Arc<str>> {
        self.clauses.iter().filter_map(|clause| match clause {
            Clause::External(name) => Some(name),
            _ => None,
        })
    }
}

impl Clause {
    /// The clause's name in the configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Roles(_) => "roles",
            Self::Scopes(_) => "scopes",
            Self::When(_) => "when",
            Self::External(_) => "external",
        }
    }

    /// What decisions call it.
    pub fn source(&self) -> Source {
        match self {
            Self::When(condition) => Source::Clause(self.name(), Some(condition.place.clone())),
            _ => Source::Clause(self.name(), None),
        }
    }
}
