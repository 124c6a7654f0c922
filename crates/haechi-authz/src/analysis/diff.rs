//! What changes between two configurations: who may pass that could not, and who may no longer.

use super::access::Side;
use super::example::Wanted;
use super::field::{Field, all};
use super::finding::Finding;
use super::methods::methods;
use super::prove::{of_shape, read_by};
use super::shape::Shape;
use super::solver::{Question, Solver};
use super::{meaning, space};
use crate::RouteIndex;
use crate::expr::Expr;
use haechi_core::AttributeType;
use http::Method;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What changed about one route.
#[derive(Clone, Debug)]
pub struct RouteDiff {
    /// Its name.
    pub name: Arc<str>,
    /// What.
    pub change: Change,
}

/// What changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is new: somebody who passes.
    Added(Finding),
    /// It is gone: somebody who passed.
    Removed(Finding),
    /// It takes other paths than before: somebody who passes now, somebody who passed before.
    Moved(Finding, Finding),
    /// It takes the same paths.
    Kept {
        /// How those who pass now stand to those who passed before.
        relation: Relation,
        /// Somebody who passes now and did not before.
        gained: Finding,
        /// Somebody who passed before and does not now.
        lost: Finding,
    },
}

/// How two sets of callers and requests stand to each other, new to old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// More may pass.
    Wider,
    /// Fewer may pass.
    Narrower,
    /// The same may pass.
    Same,
    /// Some more, and some fewer.
    Incomparable,
    /// It could not be decided.
    Undecided,
}

/// Compares two configurations route by route, by name: those of the new one in order, then those that are gone.
pub async fn compare(old: &Side<'_>, new: &Side<'_>, solver: &mut Solver) -> Vec<RouteDiff> {
    let mut changes = Vec::new();
    for (index, facts) in new.compiled.vocabulary().indexed_routes() {
        let change = match old.compiled.vocabulary().index_of(&facts.name) {
            None => Change::Added(somebody(new, index, solver).await),
            Some(before) => both(old, before, new, index, solver).await,
        };
        changes.push(RouteDiff { name: facts.name.clone(), change });
    }
    for (index, facts) in old.compiled.vocabulary().indexed_routes() {
        if new.compiled.vocabulary().index_of(&facts.name).is_none() {
            let change = Change::Removed(somebody(old, index, solver).await);
            changes.push(RouteDiff { name: facts.name.clone(), change });
        }
    }
    changes
}

async fn both(
    old: &Side<'_>,
    before: RouteIndex,
    new: &Side<'_>,
    now: RouteIndex,
    solver: &mut Solver,
) -> Change {
    let pattern = |side: &Side<'_>, route: RouteIndex| {
        side.compiled.vocabulary().route(route).map(|facts| facts.pattern.clone())
    };
    if pattern(old, before) != pattern(new, now) {
        return Change::Moved(somebody(new, now, solver).await, somebody(old, before, solver).await);
    }
    let gained = passes_only((new, now), (old, before), solver).await.unwrap_or_else(Finding::Undecided);
    let lost = passes_only((old, before), (new, now), solver).await.unwrap_or_else(Finding::Undecided);
    let relation = match (&gained, &lost) {
        (Finding::Undecided(_), _) | (_, Finding::Undecided(_)) => Relation::Undecided,
        (Finding::None, Finding::None) => Relation::Same,
        (Finding::Example(_), Finding::None) => Relation::Wider,
        (Finding::None, Finding::Example(_)) => Relation::Narrower,
        (Finding::Example(_), Finding::Example(_)) => Relation::Incomparable,
    };
    Change::Kept { relation, gained, lost }
}

/// Somebody who passes the route at all.
async fn somebody(side: &Side<'_>, route: RouteIndex, solver: &mut Solver) -> Finding {
    let found = async {
        let passes = Passes::of((side, route), &[])?;
        passes.find(None, solver).await
    };
    found.await.unwrap_or_else(Finding::Undecided)
}

/// Somebody who passes the one and not the other.
async fn passes_only(
    one: (&Side<'_>, RouteIndex),
    other: (&Side<'_>, RouteIndex),
    solver: &mut Solver,
) -> Result<Finding, String> {
    let (one, other) = (Passes::of(one, &listed(other))?, Passes::of(other, &listed(one))?);
    one.same_words(&other)?;
    let finding = one.find(Some(&other), solver).await?;
    match (one.external(), other.external(), &finding) {
        (one, other, Finding::None) if one == other || other.is_empty() => Ok(finding),
        (_, other, Finding::None) => {
            Err(format!("the other side asks the decision point `{}`, which may say no", other.join("`, `")))
        }
        _ => Ok(finding),
    }
}

/// The methods of a route that can be told.
fn listed((side, route): (&Side<'_>, RouteIndex)) -> Vec<Method> {
    side.compiled.vocabulary().route(route).map_or_else(Vec::new, |facts| facts.methods.told().to_vec())
}

/// Who passes a route of one side.
struct Passes<'a> {
    side: &'a Side<'a>,
    route: RouteIndex,
    condition: Expr,
    methods: Vec<Method>,
    shape: Shape,
}

impl<'a> Passes<'a> {
    /// `others` are the methods that it is compared with.
    fn of((side, route): (&'a Side<'a>, RouteIndex), others: &[Method]) -> Result<Self, String> {
        let facts = side.compiled.vocabulary().route(route).ok_or("there is no such route")?;
        Ok(Self {
            side,
            route,
            condition: meaning::of_route(side, route)?,
            methods: methods(&facts.methods, others),
            shape: Shape::of(&facts.pattern),
        })
    }

    async fn find(&self, but_not: Option<&Self>, solver: &mut Solver) -> Result<Finding, String> {
        let conditions: Vec<&Expr> =
            std::iter::once(self).chain(but_not).map(|passes| &passes.condition).collect();
        let mut read = read_by(&conditions)?;
        if but_not.is_some_and(|other| other.side.hosts(other.route) != self.side.hosts(self.route)) {
            read.insert(Field::Host);
        }
        if std::iter::once(self).chain(but_not).any(Self::vouches_differently) {
            read.insert(Field::Issuer);
        }
        let mut holds =
            vec![self.space(&read), space::of_requests(&read, &conditions), self.condition.clone()];
        holds.extend(of_shape(&self.shape, &read));
        let not = but_not.map(|other| all(vec![other.space(&read), other.condition.clone()]));
        let declared =
            |name: &str| self.declared(name).or_else(|| but_not.and_then(|other| other.declared(name)));
        let question = Question::new(&all(holds), not.as_ref(), declared)?;
        let Some(model) = solver.ask(&question).await? else { return Ok(Finding::None) };
        let (side, route, shape, methods) = (self.side, self.route, &self.shape, &self.methods);
        let wanted = Wanted { side, route, shape, methods, question: &question, conditions: &conditions };
        wanted.example(model).map(|example| Finding::Example(Box::new(example)))
    }

    fn space(&self, read: &BTreeSet<Field>) -> Expr {
        space::of_side(self.side, self.route, &self.methods, read)
    }

    fn vouches_differently(&self) -> bool {
        self.side.ways(self.route).iter().any(|way| way.issuer.is_some())
    }

    fn declared(&self, name: &str) -> Option<AttributeType> {
        self.side.compiled.vocabulary().attributes.get(name).copied()
    }

    fn external(&self) -> Vec<String> {
        let facts = self.side.compiled.vocabulary().route(self.route);
        let mut names: Vec<String> =
            facts.into_iter().flat_map(|facts| facts.rule.external()).map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    /// Whether what both read means the same on both sides.
    fn same_words(&self, other: &Self) -> Result<(), String> {
        for field in read_by(&[&self.condition, &other.condition])? {
            match field {
                Field::Attribute(name) => match (self.declared(&name), other.declared(&name)) {
                    (Some(one), Some(two)) if one != two => {
                        return Err(format!(
                            "the attribute `{name}` is a {two} on one side and a {one} on the other"
                        ));
                    }
                    _ => {}
                },
                Field::Header(name) => {
                    let of = |side: &Side<'_>| side.compiled.vocabulary().headers.get(name.as_str()).cloned();
                    if let (Some(one), Some(two)) = (of(self.side), of(other.side))
                        && one != two
                    {
                        return Err(format!("`context.headers.{name}` is another header on either side"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
