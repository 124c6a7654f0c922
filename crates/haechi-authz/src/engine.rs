//! The policy engine: evaluates Cedar on a route's slice, behind the memo. Default deny.

use crate::compile::depth::with_room;
use crate::entities::{self, Names};
use crate::slice::{Slice, SliceFault, Slices};
use crate::vocabulary::action_index;
use crate::{Compiled, DenyReason, Facts, Memo, Source, Verdict};
use cedar_policy::{AuthorizationError, Authorizer, Decision as CedarDecision, Response};
use std::fmt;
use std::sync::Arc;

/// Decides by the clauses and policies of one configuration. Pure: equal facts, equal verdicts.
pub struct Engine {
    compiled: Arc<Compiled>,
    slices: Slices,
    names: Names,
    authorizer: Authorizer,
    /// Tells the verdicts of the policies in force from those of the shadow policies.
    tag: u8,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("slices", &self.slices.all.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Prepares what was compiled for deciding.
    ///
    /// # Errors
    /// When a policy cannot be prepared, which validated policies can.
    pub fn new(compiled: Arc<Compiled>) -> Result<Self, SliceFault> {
        let slices = with_room(|| Slices::new(&compiled))
            .ok_or_else(|| SliceFault("there is no thread to prepare them on".into()))??;
        let names = Names::new(compiled.vocabulary());
        Ok(Self { compiled, slices, names, authorizer: Authorizer::new(), tag: 0 })
    }

    /// The same as an engine whose verdicts are only compared.
    #[must_use]
    pub fn as_shadow(self) -> Self {
        Self { tag: 1, ..self }
    }

    /// What it was made of.
    pub const fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    pub(crate) const fn slices(&self) -> &Slices {
        &self.slices
    }

    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) const fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// The verdict on these facts.
    pub fn decide(&self, facts: &Facts<'_>, memo: &Memo) -> Arc<Verdict> {
        let action = action_index(&facts.head.method);
        let Some((action, slice)) =
            action.and_then(|action| Some((action, self.slices.find(facts.route, action)?)))
        else {
            return Arc::new(Verdict::refusal(DenyReason::NoRule));
        };
        memo.verdict(self.tag, self.compiled.vocabulary(), slice, facts, || {
            Arc::new(self.evaluate(slice, action, facts))
        })
    }

    fn evaluate(&self, slice: &Slice, action: usize, facts: &Facts<'_>) -> Verdict {
        let asked = entities::question(self.compiled.vocabulary(), &self.names, slice, action, facts);
        match asked {
            Ok((request, entities)) => {
                verdict(slice, &self.authorizer.is_authorized(&request, &slice.policies, &entities))
            }
            // Facts that Cedar does not take: nobody can say what the policies would have said.
            Err(message) => Verdict {
                denied: Some(DenyReason::Error(Source::Grant)),
                decided_by: Vec::new(),
                errors: vec![(Source::Grant, message)],
                reads: slice.reads.clone(),
            },
        }
    }
}

/// Cedar's answer as ours. An error denies, in a `forbid` as well, which Cedar would skip.
fn verdict(slice: &Slice, response: &Response) -> Verdict {
    let mut decided: Vec<_> = response
        .diagnostics()
        .reason()
        .filter_map(|id| {
            let (order, source) = slice.source(id.as_ref())?;
            Some((order, source.clone(), slice.reason(id.as_ref()).cloned()))
        })
        .collect();
    decided.sort_by_key(|(order, ..)| *order);
    let mut errors: Vec<_> = response
        .diagnostics()
        .errors()
        .map(|error| {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            let found = slice.source(error.policy_id().as_ref());
            let (order, source) =
                found.map_or(((3, 0), Source::Grant), |(order, source)| (order, source.clone()));
            (order, source, error.inner().to_string())
        })
        .collect();
    errors.sort_by_key(|(order, ..)| *order);

    let clause = || decided.iter().find_map(|(_, _, reason)| reason.clone());
    let error = || errors.first().map(|(_, source, _)| DenyReason::Error(source.clone()));
    let denied = match response.decision() {
        CedarDecision::Allow => error(),
        CedarDecision::Deny => {
            let forbidden = || decided.first().map(|(_, source, _)| DenyReason::Forbidden(source.clone()));
            Some(clause().or_else(error).or_else(forbidden).unwrap_or(DenyReason::NoPermit))
        }
    };
    Verdict {
        denied,
        decided_by: decided.into_iter().map(|(_, source, _)| source).collect(),
        errors: errors.into_iter().map(|(_, source, message)| (source, message)).collect(),
        reads: slice.reads.clone(),
    }
}

#[cfg(test)]
mod tests;
