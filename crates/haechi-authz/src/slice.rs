//! The policies that can matter to a route and method, and the facts that they look at.
//!
//! Cedar walks every policy it is given. What a policy says of route and method is known before any request, so every route gets its own
//! slice at load, and routes of which the same is asked share one.

use crate::compile::{ClausePolicy, Constraint, FilePolicy};
use crate::entities;
use crate::expr::{EntityName, Expr, Var};
use crate::reads::{Everything, gather};
use crate::rule::Clause;
use crate::vocabulary::ACTIONS;
use crate::{Compiled, DenyReason, Read, RouteFacts, RouteIndex, Rule, Source};
use cedar_policy::{Entities, EntityUid, Policy, PolicyId, PolicySet};
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Policies that are asked together.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Tells it from the others of its engine.
    pub(crate) id: u32,
    /// Without what they say of route and method, which holds here.
    pub(crate) policies: PolicySet,
    /// Who they are.
    members: Arc<Members>,
    /// The facts they look at, sorted.
    pub(crate) reads: Arc<[Read]>,
    /// The roles among them, sorted, with the entity of each.
    pub(crate) roles: Vec<(Arc<str>, EntityUid)>,
    /// The entities that are the same for every request.
    pub(crate) fixed: Entities,
}

/// The clauses and policies of a slice, by the ids that they have in it.
#[derive(Debug)]
struct Members {
    clauses: Vec<(Source, DenyReason)>,
    policies: Vec<(usize, Source)>,
}

/// What cannot be made of policies that were validated; the configuration is not taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot compile the policies: {0}")]
pub struct SliceFault(pub(crate) String);

/// All slices of a configuration.
#[derive(Debug)]
pub(crate) struct Slices {
    pub(crate) all: Vec<Slice>,
    /// By route, then by action; `None` for a method that the route does not take.
    by_route: Vec<[Option<u32>; ACTIONS.len()]>,
}

impl Slices {
    pub(crate) fn new(compiled: &Compiled) -> Result<Self, SliceFault> {
        Slicer::new(compiled)?.run()
    }

    /// The slice of a route for a method.
    pub(crate) fn find(&self, route: RouteIndex, action: usize) -> Option<&Slice> {
        let index = (*self.by_route.get(route.get())?.get(action)?)?;
        self.all.get(index as usize)
    }
}

impl Slice {
    /// What an id of [`Self::policies`] stands for, and its place in the order of telling.
    pub(crate) fn source(&self, id: &str) -> Option<((usize, usize), &Source)> {
        if id == GRANT {
            return Some(((1, 0), &Source::Grant));
        }
        let number: usize = id.get(1..)?.parse().ok()?;
        if id.starts_with('c') {
            return self.members.clauses.get(number).map(|(source, _)| ((0, number), source));
        }
        let found = self.members.policies.binary_search_by_key(&number, |(index, _)| *index).ok()?;
        self.members.policies.get(found).map(|(_, source)| ((2, number), source))
    }

    /// Why a request is denied that does not fulfil the clause with this id.
    pub(crate) fn reason(&self, id: &str) -> Option<&DenyReason> {
        let number: usize = id.strip_prefix('c')?.parse().ok()?;
        self.members.clauses.get(number).map(|(_, reason)| reason)
    }
}

const GRANT: &str = "g";

struct Slicer<'a> {
    compiled: &'a Compiled,
    everything: Everything,
    /// By policy: without route and method, with what it reads.
    policies: Vec<Prepared>,
    rules: HashMap<&'a Rule, usize>,
    clauses: Vec<Vec<Prepared>>,
    known: HashMap<SliceKey, u32>,
    slices: Vec<Slice>,
}

struct Prepared {
    policy: Policy,
    reads: BTreeSet<Read>,
}

#[derive(PartialEq, Eq, Hash)]
struct SliceKey {
    rule: usize,
    policies: Vec<usize>,
    route: Option<RouteIndex>,
    action: Option<usize>,
}

impl<'a> Slicer<'a> {
    fn new(compiled: &'a Compiled) -> Result<Self, SliceFault> {
        let vocabulary = compiled.vocabulary();
        let everything = Everything {
            roles: vocabulary.roles.names().cloned().collect(),
            attributes: vocabulary.attributes.keys().map(|name| Arc::from(&**name)).collect(),
        };
        let policies = compiled.policies().iter().enumerate();
        let policies = policies
            .map(|(number, policy)| prepared(number, policy, &everything))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            compiled,
            everything,
            policies,
            rules: HashMap::new(),
            clauses: Vec::new(),
            known: HashMap::new(),
            slices: Vec::new(),
        })
    }

    fn run(mut self) -> Result<Slices, SliceFault> {
        let index = Index::new(self.compiled);
        let vocabulary = self.compiled.vocabulary();
        let mut by_route = Vec::with_capacity(vocabulary.routes.len());
        for (route, facts) in vocabulary.indexed_routes() {
            let rule = self.rule(route, &facts.rule)?;
            let about = index.about(facts);
            let mut row = [None; ACTIONS.len()];
            for action in facts.actions() {
                let applies = |number: &usize| {
                    let policy = self.compiled.policies().get(*number);
                    policy.is_some_and(|policy| concerns_action(&policy.scope.action, action))
                };
                let policies = about.iter().copied().filter(applies).collect();
                let slice = self.slice(route, action, rule, policies)?;
                if let Some(cell) = row.get_mut(action) {
                    *cell = Some(slice);
                }
            }
            by_route.push(row);
        }
        Ok(Slices { all: self.slices, by_route })
    }

    /// The clauses of a rule, prepared once for all routes that have it.
    fn rule(&mut self, route: RouteIndex, rule: &'a Rule) -> Result<usize, SliceFault> {
        if let Some(known) = self.rules.get(rule) {
            return Ok(*known);
        }
        let compiled = self.compiled.clauses(route);
        let mut clauses = Vec::with_capacity(compiled.len() + 1);
        for (number, clause) in compiled.iter().enumerate() {
            clauses.push(requirement(number, clause, &self.everything)?);
        }
        if rule.grants() {
            clauses
                .push(Prepared { policy: made(GRANT, "permit", &Json::Null, None)?, reads: BTreeSet::new() });
        }
        self.clauses.push(clauses);
        self.rules.insert(rule, self.clauses.len() - 1);
        Ok(self.clauses.len() - 1)
    }

    fn slice(
        &mut self,
        route: RouteIndex,
        action: usize,
        rule: usize,
        policies: Vec<usize>,
    ) -> Result<u32, SliceFault> {
        let clauses = self.clauses.get(rule).map_or(&[][..], Vec::as_slice);
        let members =
            || clauses.iter().chain(policies.iter().filter_map(|number| self.policies.get(*number)));
        let reads: BTreeSet<Read> = members().flat_map(|member| member.reads.iter().cloned()).collect();
        let reads_route = reads.contains(&Read::Route) || reads.contains(&Read::Labels);
        let key = SliceKey {
            rule,
            policies: policies.clone(),
            route: reads_route.then_some(route),
            action: reads.contains(&Read::Method).then_some(action),
        };
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let set = PolicySet::from_policies(members().map(|member| member.policy.clone()))
            .map_err(|error| SliceFault(error.to_string()))?;
        let id = u32::try_from(self.slices.len()).map_err(|error| SliceFault(error.to_string()))?;
        let slice = Slice {
            id,
            policies: set,
            members: Arc::new(self.members(route, &policies)),
            roles: roles(&reads),
            fixed: entities::fixed(self.compiled, key.route, key.action, reads.contains(&Read::Hierarchy))
                .map_err(SliceFault)?,
            reads: reads.into_iter().collect(),
        };
        self.known.insert(key, id);
        self.slices.push(slice);
        Ok(id)
    }

    fn members(&self, route: RouteIndex, policies: &[usize]) -> Members {
        let rule = self.compiled.vocabulary().route(route).map(|facts| &facts.rule);
        let written = rule.map_or(&[][..], Rule::clauses);
        let clauses = self.compiled.clauses(route).iter().filter_map(|clause| written.get(clause.index));
        let source = |number: &usize| {
            self.compiled.policies().get(*number).map(|policy| (*number, policy.source.clone()))
        };
        Members {
            clauses: clauses.map(|clause| (clause.source(), reason(clause))).collect(),
            policies: policies.iter().filter_map(source).collect(),
        }
    }
}

fn reason(clause: &Clause) -> DenyReason {
    match clause {
        Clause::Roles(names) => DenyReason::Roles(names.clone()),
        Clause::Scopes(names) => DenyReason::Scopes(names.clone()),
        Clause::When(condition) => DenyReason::Condition(condition.place.clone()),
        Clause::External(name) => DenyReason::External(name.clone()),
    }
}

fn roles(reads: &BTreeSet<Read>) -> Vec<(Arc<str>, EntityUid)> {
    let names = reads.iter().filter_map(|read| match read {
        Read::Role(name) => Some(name.clone()),
        _ => None,
    });
    names.map(|name| (name.clone(), entities::uid("Role", &name))).collect()
}

/// A clause as a policy: forbid, unless it holds.
fn requirement(number: usize, clause: &ClausePolicy, all: &Everything) -> Result<Prepared, SliceFault> {
    let condition = json!({ "kind": "unless", "body": clause.holds.to_json() });
    let mut reads = BTreeSet::new();
    gather(&clause.holds, all, &mut reads);
    Ok(Prepared { policy: made(&format!("c{number}"), "forbid", &Json::Null, Some(condition))?, reads })
}

fn prepared(number: usize, policy: &FilePolicy, all: &Everything) -> Result<Prepared, SliceFault> {
    let mut reads = BTreeSet::new();
    if let Some(principal) = policy.scope.principal.to_expr(Var::Principal) {
        gather(&principal, all, &mut reads);
    }
    gather(&policy.condition, all, &mut reads);
    let json = policy.policy.to_json().map_err(|error| SliceFault(error.to_string()))?;
    let effect = json.get("effect").and_then(Json::as_str).unwrap_or("forbid");
    let principal = json.get("principal").unwrap_or(&Json::Null);
    let condition = match &policy.condition {
        condition if *condition == Expr::bool(true) => None,
        condition => Some(json!({ "kind": "when", "body": condition.to_json() })),
    };
    Ok(Prepared { policy: made(&format!("p{number}"), effect, principal, condition)?, reads })
}

pub(crate) fn made(
    id: &str,
    effect: &str,
    principal: &Json,
    condition: Option<Json>,
) -> Result<Policy, SliceFault> {
    let all = json!({ "op": "All" });
    let principal = if principal.is_null() { &all } else { principal };
    let conditions: Vec<Json> = condition.into_iter().collect();
    let json = json!({
        "effect": effect, "principal": principal, "action": all, "resource": all, "conditions": conditions,
    });
    Policy::from_json(Some(PolicyId::new(id)), json).map_err(|error| SliceFault(error.to_string()))
}

/// Which policies are about which route.
struct Index<'a> {
    everywhere: Vec<usize>,
    routes: HashMap<&'a str, Vec<usize>>,
    services: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(compiled: &'a Compiled) -> Self {
        let mut index = Self { everywhere: Vec::new(), routes: HashMap::new(), services: HashMap::new() };
        for (number, policy) in compiled.policies().iter().enumerate() {
            match &policy.scope.resource {
                Constraint::All | Constraint::Of(_, None) => index.everywhere.push(number),
                Constraint::Is(name) | Constraint::Of(_, Some(name)) => index.add(name, number),
                Constraint::In(names) => names.iter().for_each(|name| index.add(name, number)),
            }
        }
        index
    }

    fn add(&mut self, name: &'a EntityName, number: usize) {
        match name.kind.as_str() {
            "Route" => self.routes.entry(&name.id).or_default().push(number),
            "Service" => self.services.entry(&name.id).or_default().push(number),
            _ => {}
        }
    }

    /// In the order of the files, each once; as [`crate::compile::Scope::is_about`] says, without asking every policy.
    fn about(&self, route: &RouteFacts) -> Vec<usize> {
        if route.rule.is_built_in() {
            return Vec::new();
        }
        let of_service = route.service.as_deref().and_then(|service| self.services.get(service));
        let named = self.routes.get(&*route.name).into_iter().chain(of_service).flatten();
        let all: BTreeSet<usize> = self.everywhere.iter().chain(named).copied().collect();
        all.into_iter().collect()
    }
}

/// Whether a policy of this scope is about the action with this index.
pub(crate) fn concerns_action(constraint: &Constraint, action: usize) -> bool {
    let Some((method, group)) = ACTIONS.get(action) else { return false };
    let is_it = |name: &EntityName| name.kind == "Action" && name.id == *method;
    let holds_it = |name: &EntityName| is_it(name) || (name.kind == "Action" && name.id == *group);
    match constraint {
        Constraint::All => true,
        Constraint::Is(name) => is_it(name),
        Constraint::In(names) => names.iter().any(holds_it),
        Constraint::Of(kind, within) => kind == "Action" && within.as_ref().is_none_or(holds_it),
    }
}
