//! The smallest change of a caller that would turn a denial into an allow: found by asking the engine about changed callers, never by guessing
//! at what policies mean.

mod candidates;
#[cfg(test)]
mod tests;

use crate::{Engine, Facts, Memo, RouteFacts, RouteIndex};
use candidates::{Candidate, candidates};
use haechi_core::{AttributeValue, Caller, CallerKind, Role, RoleTable};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// One change of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Give it this role.
    AddRole(Arc<str>),
    /// Grant it these scopes.
    AddScopes(Vec<Arc<str>>),
    /// Let this attribute have this value.
    SetAttribute {
        /// Which one.
        name: Box<str>,
        /// What it would be.
        value: AttributeValue,
    },
    /// Take this role away, and those that include it.
    RemoveRole(Arc<str>),
    /// Take this attribute away.
    RemoveAttribute(Box<str>),
}

/// So many changes are looked for together.
const MOST_STEPS: usize = 3;
/// So many candidates are combined, by the number of changes.
const COMBINED: [usize; MOST_STEPS] = [2000, 120, 40];

impl Engine {
    /// The smallest change of the caller with which the policies would allow, the least powerful first. Every answer was decided by this
    /// engine. `None` when nobody was found: that no such change exists is not proved.
    pub fn remedy(&self, facts: &Facts<'_>) -> Option<Vec<Step>> {
        // Nobody in particular has nothing that could be changed.
        if facts.caller.kind == CallerKind::Anonymous {
            return None;
        }
        let memo = Memo::default();
        let mut found = candidates(self, facts);
        found.sort_by_key(|candidate| candidate.cost);
        for (size, most) in (1..).zip(COMBINED) {
            let few = found.get(..found.len().min(most)).unwrap_or_default();
            let helps = |steps: &Vec<Step>| self.allows(facts, steps, &memo);
            if let Some(steps) = combinations(few, size).into_iter().find(helps) {
                return Some(steps);
            }
        }
        None
    }

    fn allows(&self, facts: &Facts<'_>, steps: &[Step], memo: &Memo) -> bool {
        let caller = changed(&self.compiled().vocabulary().roles, facts.caller, steps);
        self.decide(&Facts { caller: &caller, ..*facts }, memo).is_allowed()
    }

    pub(crate) fn route_facts(&self, route: RouteIndex) -> Option<&RouteFacts> {
        self.compiled().vocabulary().route(route)
    }
}

/// The caller with these changes.
pub fn changed(table: &RoleTable, caller: &Caller, steps: &[Step]) -> Caller {
    let mut caller = caller.clone();
    for step in steps {
        match step {
            Step::AddRole(role) => {
                let held: Vec<Role> = caller.roles.iter().chain([role]).cloned().collect();
                caller.roles = table.effective(&held);
            }
            Step::AddScopes(scopes) => {
                caller.scopes.extend(scopes.iter().cloned());
                caller.scopes.dedup();
            }
            Step::SetAttribute { name, value } => {
                caller.attributes.insert(name.clone(), value.clone());
            }
            Step::RemoveRole(role) => {
                caller.roles.retain(|held| !table.effective(std::slice::from_ref(held)).contains(role));
            }
            Step::RemoveAttribute(name) => {
                caller.attributes.remove(name);
            }
        }
    }
    caller
}

/// Every set of `size` candidates that can stand together, the cheapest first.
fn combinations(candidates: &[Candidate], size: usize) -> Vec<Vec<Step>> {
    let mut sets: Vec<(u32, Vec<&Candidate>)> = vec![(0, Vec::new())];
    for candidate in candidates {
        let together: Vec<_> = sets
            .iter()
            .filter(|(_, set)| set.len() < size && set.iter().all(|other| candidate.stands_with(other)))
            .map(|(cost, set)| (cost + candidate.cost, set.iter().copied().chain([candidate]).collect()))
            .collect();
        sets.extend(together);
    }
    sets.retain(|(_, set)| set.len() == size);
    sets.sort_by_key(|(cost, _)| *cost);
    let steps = |(_, set): (u32, Vec<&Candidate>)| set.iter().map(|other| other.step.clone()).collect();
    sets.into_iter().map(steps).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddRole(role) => write!(f, "add the role `{role}`"),
            Self::AddScopes(scopes) => match &scopes[..] {
                [one] => write!(f, "grant the scope `{one}`"),
                several => write!(f, "grant the scopes `{}`", several.join("`, `")),
            },
            Self::SetAttribute { name, value } => write!(f, "set the attribute `{name}` to `{value}`"),
            Self::RemoveRole(role) => write!(f, "take away the role `{role}`"),
            Self::RemoveAttribute(name) => write!(f, "take away the attribute `{name}`"),
        }
    }
}
