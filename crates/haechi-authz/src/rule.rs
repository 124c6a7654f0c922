//! What a route asks of its callers.

use crate::DenyReason;
use haechi_core::Caller;
use std::sync::Arc;

/// A route's `authorize`: every clause must hold.
#[derive(Clone, Debug)]
pub struct Rule {
    clauses: Vec<Clause>,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// The caller holds at least one of these roles, directly or through another.
    Roles(Arc<[Arc<str>]>),
    /// The caller was granted all of these scopes.
    Scopes(Arc<[Arc<str>]>),
}

/// `authorize` without a clause. Openness is written as `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule needs at least one clause; openness is written as `any`")]
pub struct NoClause;

impl Rule {
    /// `authorize: any`: whoever authentication let through.
    pub const fn any() -> Self {
        Self { clauses: Vec::new() }
    }

    /// All of these clauses.
    ///
    /// # Errors
    /// [`NoClause`] without a clause, and for a clause that names nothing: it would hold for nobody or for everybody.
    pub fn all_of(clauses: Vec<Clause>) -> Result<Self, NoClause> {
        let empty = |clause: &Clause| match clause {
            Clause::Roles(names) | Clause::Scopes(names) => names.is_empty(),
        };
        if clauses.is_empty() || clauses.iter().any(empty) { Err(NoClause) } else { Ok(Self { clauses }) }
    }

    /// The clauses in the order they are asked.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// The first clause that does not hold for `caller`.
    pub(crate) fn failing(&self, caller: &Caller) -> Option<DenyReason> {
        self.clauses.iter().find(|clause| !clause.holds(caller)).map(Clause::reason)
    }
}

impl Clause {
    /// Whether the clause holds for `caller`.
    pub fn holds(&self, caller: &Caller) -> bool {
        match self {
            Self::Roles(any) => any.iter().any(|role| caller.has_role(role)),
            Self::Scopes(all) => all.iter().all(|scope| caller.has_scope(scope)),
        }
    }

    fn reason(&self) -> DenyReason {
        match self {
            Self::Roles(names) => DenyReason::Roles(names.clone()),
            Self::Scopes(names) => DenyReason::Scopes(names.clone()),
        }
    }
}
