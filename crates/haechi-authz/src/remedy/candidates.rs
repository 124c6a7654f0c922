//! Candidate changes of a caller: only what the clauses and policies of the route look at, with values that they compare with.

use super::Step;
use crate::expr::{Expr, Var};
use crate::reads::{Everything, gather};
use crate::slice::concerns_action;
use crate::vocabulary::action_index;
use crate::{Clause, Engine, FactValue, Facts, Read, RequestFacts, RouteFacts, RouteIndex, Vocabulary};
use haechi_core::role::RESERVED_PREFIX;
use haechi_core::{AttributeType, AttributeValue};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A change, and how much it is to ask.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) step: Step,
    pub(super) cost: u32,
}

/// To take something away is more to ask than to give: the rest of what the caller may do is at stake.
const REMOVAL: u32 = 40;

impl Candidate {
    /// Whether both can be done: no attribute has two values.
    pub(super) fn stands_with(&self, other: &Self) -> bool {
        match (attribute_of(&self.step), attribute_of(&other.step)) {
            (Some(one), Some(another)) => one != another,
            _ => true,
        }
    }
}

const fn attribute_of(step: &Step) -> Option<&str> {
    match step {
        Step::SetAttribute { name, .. } | Step::RemoveAttribute(name) => Some(name),
        _ => None,
    }
}

/// Everything that might help.
pub(super) fn candidates(engine: &Engine, facts: &Facts<'_>) -> Vec<Candidate> {
    let slice = action_index(&facts.head.method)
        .and_then(|action| Some((action, engine.slices().find(facts.route, action)?)));
    let (Some((action, slice)), Some(route)) = (slice, engine.route_facts(facts.route)) else {
        return Vec::new();
    };
    let expressions = expressions(engine, facts.route, route, action);
    let mut found = Vec::new();
    roles(engine.compiled().vocabulary(), facts, &slice.reads, &mut found);
    scopes(route, facts, &expressions, &mut found);
    for read in slice.reads.iter() {
        if let Read::Attribute(name) = read {
            attributes(engine.compiled().vocabulary(), facts, name, &expressions, &mut found);
        }
    }
    found
}

/// The clauses of the route and the policies that may be about it.
fn expressions(engine: &Engine, index: RouteIndex, route: &RouteFacts, action: usize) -> Vec<Expr> {
    let compiled = engine.compiled();
    let clauses = compiled.clauses(index).iter().map(|clause| clause.holds.clone());
    let about = compiled
        .policies()
        .iter()
        .filter(|policy| concerns_action(&policy.scope.action, action) && policy.scope.is_about(route));
    clauses.chain(about.map(crate::compile::FilePolicy::whole)).collect()
}

fn roles(vocabulary: &Vocabulary, facts: &Facts<'_>, reads: &[Read], found: &mut Vec<Candidate>) {
    let read = |role: &str| reads.iter().any(|read| matches!(read, Read::Role(name) if **name == *role));
    for role in vocabulary.roles.names() {
        let brings = vocabulary.roles.effective(std::slice::from_ref(role));
        if facts.caller.has_role(role) {
            if read(role) {
                found.push(Candidate { step: Step::RemoveRole(role.clone()), cost: REMOVAL });
            }
        } else if brings.iter().any(|role| read(role) && !facts.caller.has_role(role)) {
            // The built-in roles are about the gate itself; who asks for one names it.
            let built_in = role.starts_with(RESERVED_PREFIX) && !read(role);
            if !built_in {
                let cost = 3 + u32::try_from(brings.len()).unwrap_or(u32::MAX / 8);
                found.push(Candidate { step: Step::AddRole(role.clone()), cost });
            }
        }
    }
}

fn scopes(route: &RouteFacts, facts: &Facts<'_>, expressions: &[Expr], found: &mut Vec<Candidate>) {
    let missing = |names: &mut dyn Iterator<Item = Arc<str>>| -> Vec<Arc<str>> {
        names.filter(|name| !facts.caller.has_scope(name)).collect()
    };
    let mut add = |scopes: Vec<Arc<str>>| {
        let step = Step::AddScopes(scopes);
        if !matches!(&step, Step::AddScopes(scopes) if scopes.is_empty())
            && !found.iter().any(|known| known.step == step)
        {
            found.push(Candidate { step, cost: 2 });
        }
    };
    for clause in route.rule.clauses() {
        if let Clause::Scopes(names) = clause {
            add(missing(&mut names.iter().cloned()));
        }
    }
    let held = Expr::Attr(Box::new(Expr::Var(Var::Principal)), "scopes".into());
    for expression in expressions {
        let mut mined = ComparedValues::default();
        mine(expression, &held, &mut mined);
        let texts: Vec<Arc<str>> = mined.literals.iter().filter_map(Json::as_str).map(Arc::from).collect();
        texts.iter().for_each(|text| add(missing(&mut std::iter::once(text.clone()))));
        add(missing(&mut texts.into_iter()));
    }
}

fn attributes(
    vocabulary: &Vocabulary,
    facts: &Facts<'_>,
    name: &str,
    expressions: &[Expr],
    found: &mut Vec<Candidate>,
) {
    let Some(kind) = vocabulary.attributes.get(name) else { return };
    let read = Expr::Attr(Box::new(Expr::Var(Var::Principal)), name.to_owned());
    let mut mined = ComparedValues::default();
    expressions.iter().for_each(|expression| mine(expression, &read, &mut mined));
    let source = RequestFacts { facts: *facts, vocabulary };
    let now = facts.caller.attributes.get(name);
    let values = match kind {
        AttributeType::Bool => vec![AttributeValue::Bool(true), AttributeValue::Bool(false)],
        AttributeType::Long => longs(&mined, source, now),
        AttributeType::String => strings(&mined, source),
        AttributeType::Set => sets(&mined, now),
    };
    for (rank, value) in values.into_iter().enumerate() {
        if Some(&value) != now {
            let cost = 2 + u32::try_from(rank.min(8)).unwrap_or(8) / 4;
            found.push(Candidate { step: Step::SetAttribute { name: name.into(), value }, cost });
        }
    }
    if now.is_some() {
        found.push(Candidate { step: Step::RemoveAttribute(name.into()), cost: REMOVAL / 2 });
    }
}

/// What is there with one more of the texts that are looked for, with all of them, and without any.
fn sets(mined: &ComparedValues, now: Option<&AttributeValue>) -> Vec<AttributeValue> {
    let held: BTreeSet<Box<str>> = match now {
        Some(AttributeValue::Set(members)) => members.clone(),
        _ => BTreeSet::new(),
    };
    let texts: BTreeSet<Box<str>> = mined.literals.iter().filter_map(Json::as_str).map(Box::from).collect();
    let with = |more: &BTreeSet<Box<str>>| AttributeValue::Set(held.union(more).cloned().collect());
    let one = texts.iter().map(|text| with(&BTreeSet::from([text.clone()])));
    let mut sets: Vec<AttributeValue> = one.collect();
    sets.extend([with(&texts), AttributeValue::Set(held.difference(&texts).cloned().collect())]);
    sets
}

/// The numbers around each that is compared with, the nearest to what is there first.
fn longs(
    mined: &ComparedValues,
    source: RequestFacts<'_>,
    now: Option<&AttributeValue>,
) -> Vec<AttributeValue> {
    let here = match now {
        Some(AttributeValue::Long(value)) => *value,
        _ => 0,
    };
    let written = mined.literals.iter().filter_map(Json::as_i64);
    let others = mined.values(&source).filter_map(|value| match value {
        AttributeValue::Long(value) => Some(value),
        _ => None,
    });
    let near = |value: i64| [value.saturating_sub(1), value, value.saturating_add(1)];
    let numbers: BTreeSet<i64> = written.chain(others).flat_map(near).chain([0]).collect();
    let mut numbers: Vec<i64> = numbers.into_iter().collect();
    numbers.sort_by_key(|number| number.abs_diff(here));
    numbers.into_iter().map(AttributeValue::Long).collect()
}

/// The texts that are compared with: of the request first, then those that are written, then just any.
fn strings(mined: &ComparedValues, source: RequestFacts<'_>) -> Vec<AttributeValue> {
    let mut texts: Vec<String> = Vec::new();
    for read in &mined.reads {
        let is_wanted =
            matches!(read, Read::Param(_) | Read::Header(_) | Read::Host | Read::Subject | Read::Issuer);
        if let Ok(FactValue::Text(text)) = read.value(&source)
            && is_wanted
        {
            texts.push(text.to_owned());
        }
    }
    texts.extend(mined.values(&source).filter_map(|value| match value {
        AttributeValue::String(text) => Some(text.into_string()),
        _ => None,
    }));
    texts.extend(mined.literals.iter().filter_map(Json::as_str).map(str::to_owned));
    texts.push("any".to_owned());
    let mut known = BTreeSet::new();
    texts.retain(|text| known.insert(text.clone()));
    texts.into_iter().map(|text| AttributeValue::String(text.into())).collect()
}

/// What stands in the comparisons that look at one thing.
#[derive(Default)]
struct ComparedValues {
    literals: Vec<Json>,
    reads: BTreeSet<Read>,
}

impl ComparedValues {
    /// The values that the caller has for the other attributes it is compared with.
    fn values(&self, source: &RequestFacts<'_>) -> impl Iterator<Item = AttributeValue> {
        self.reads.iter().filter_map(|read| match read.value(source) {
            Ok(FactValue::Attribute(value)) => Some(value.clone()),
            _ => None,
        })
    }
}

fn mine(expr: &Expr, wanted: &Expr, mined: &mut ComparedValues) {
    let compares = match expr {
        Expr::Binary(op, ..) => !matches!(op.as_str(), "&&" | "||"),
        Expr::Like(..) => true,
        _ => false,
    };
    if compares && mentions(expr, wanted) {
        literals(expr, &mut mined.literals);
        gather(expr, &Everything::default(), &mut mined.reads);
    }
    expr.children().into_iter().for_each(|child| mine(child, wanted, mined));
}

fn mentions(expr: &Expr, wanted: &Expr) -> bool {
    expr == wanted || expr.children().into_iter().any(|child| mentions(child, wanted))
}

fn literals(expr: &Expr, found: &mut Vec<Json>) {
    match expr {
        Expr::Literal(Json::Array(items)) => found.extend(items.iter().cloned()),
        Expr::Literal(value) => found.push(value.clone()),
        Expr::Like(_, pattern) => found.push(Json::String(shortest(pattern))),
        _ => {}
    }
    expr.children().into_iter().for_each(|child| literals(child, found));
}

/// The shortest text that a pattern takes.
fn shortest(pattern: &Json) -> String {
    let parts = pattern.as_array().map_or(&[][..], Vec::as_slice);
    parts.iter().filter_map(|part| part.get("Literal").and_then(Json::as_str)).collect()
}
