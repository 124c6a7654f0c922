//! What each clause and policy says of one request, by itself: for telling, not for deciding.

use crate::entities;
use crate::slice::made;
use crate::vocabulary::action_index;
use crate::{Engine, Facts, Source};
use cedar_policy::{AuthorizationError, Effect, Entities, Policy, PolicySet, Request};
use serde::Serialize;
use serde_json::Value as Json;

/// What one clause or policy says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which one.
    pub source: Source,
    /// Whether it permits or forbids where it is true. A clause forbids where it does not hold.
    pub permits: bool,
    /// What it comes to.
    pub says: RuleResult,
}

/// What a clause or policy comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleResult {
    /// The clause holds; the policy's conditions do.
    True,
    /// The clause does not hold; the policy's conditions do not.
    False,
    /// The policy is about other callers, methods or routes.
    NotApplicable,
    /// It cannot be evaluated, with Cedar's message.
    Error(String),
}

impl Engine {
    /// Asks every clause of the route and every policy by itself, in the order they were written.
    pub fn findings(&self, facts: &Facts<'_>) -> Vec<Finding> {
        let found = action_index(&facts.head.method)
            .and_then(|action| Some((action, self.slices().find(facts.route, action)?)));
        let Some((action, slice)) = found else { return Vec::new() };
        let names = self.names();
        let Ok((request, entities)) =
            entities::question(self.compiled().vocabulary(), names, slice, action, facts)
        else {
            return Vec::new();
        };
        let mut findings: Vec<_> = slice
            .policies
            .policies()
            .filter_map(|policy| {
                let (order, source) = slice.source(policy.id().as_ref())?;
                let says = self.says(policy, &request, &entities);
                Some((order, source.clone(), policy.effect() == Effect::Permit, says))
            })
            .collect();
        for (number, policy) in self.compiled().policies().iter().enumerate() {
            if !findings.iter().any(|((room, place), ..)| (*room, *place) == (2, number)) {
                let permits = policy.effect == Effect::Permit;
                findings.push(((2, number), policy.source.clone(), permits, RuleResult::NotApplicable));
            }
        }
        findings.sort_by_key(|(order, ..)| *order);
        let told = findings.into_iter().map(|((room, _), source, permits, says)| match (room, says) {
            // A clause stands in the slice as what forbids where it does not hold.
            (0, RuleResult::True) => Finding { source, permits, says: RuleResult::False },
            (0, RuleResult::False) => Finding { source, permits, says: RuleResult::True },
            (_, says) => Finding { source, permits, says },
        });
        told.collect()
    }

    fn says(&self, policy: &Policy, request: &Request, entities: &Entities) -> RuleResult {
        let alone = |policy: Policy| {
            let set = PolicySet::from_policies([policy]).ok()?;
            Some(self.authorizer().is_authorized(request, &set, entities))
        };
        let Some(response) = alone(policy.clone()) else { return RuleResult::NotApplicable };
        if let Some(AuthorizationError::PolicyEvaluationError(error)) = response.diagnostics().errors().next()
        {
            return RuleResult::Error(error.inner().to_string());
        }
        if response.diagnostics().reason().next().is_some() {
            return RuleResult::True;
        }
        let scope = policy.to_json().ok().and_then(|json| json.get("principal").cloned());
        let about = made("s", "permit", &scope.unwrap_or(Json::Null), None).ok().and_then(alone);
        match about.is_some_and(|response| response.diagnostics().reason().next().is_some()) {
            true => RuleResult::False,
            false => RuleResult::NotApplicable,
        }
    }
}
