//! Properties of routes: proved, or an example that they do not hold for.

use super::access::Side;
use super::example::Wanted;
use super::field::{Field, all, any, fields, not, string};
use super::finding::Finding;
use super::methods::methods;
use super::rewrite::{held, includes};
use super::shape::Shape;
use super::solver::{Question, Solver};
use super::{meaning, space};
use crate::RouteIndex;
use crate::expr::Expr;
use haechi_core::PathPattern;
use http::Method;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is to be true of routes.
#[derive(Clone, Debug)]
pub struct Property {
    /// What people call it.
    pub name: String,
    /// Of which requests.
    pub concern: PropertyScope,
    /// By which methods; all when there are none.
    pub methods: Vec<Method>,
    /// What.
    pub demand: Demand,
}

/// Which requests a property is about.
#[derive(Clone, Debug)]
pub enum PropertyScope {
    /// All that take a configured route. The built-in ones, such as the login, are meant to be open, and a property is about them where it says so.
    All,
    /// Those for a path that this pattern matches, whichever route takes them.
    Path(PathPattern),
    /// Those that take one of these routes.
    Routes(Vec<Arc<str>>),
}

/// What a property says.
#[derive(Clone, Debug)]
pub enum Demand {
    /// Whoever passes fits.
    AllowedOnlyIf(Group),
    /// Nobody who fits passes.
    Never(Group),
    /// Whoever fits passes.
    AlwaysIf(Group),
}

/// Callers and requests. One fits when all that is given fits.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Holds one of these roles, itself or through another.
    pub roles: Vec<Arc<str>>,
    /// Was given one of these roles itself.
    pub direct_roles: Vec<Arc<str>>,
    /// Has all of these scopes.
    pub scopes: Vec<Arc<str>>,
    /// Came through one of these authenticators.
    pub authenticators: Vec<Arc<str>>,
    /// Is anonymous, or is not.
    pub anonymous: Option<bool>,
    /// The condition holds; see [`crate::compile::condition`].
    pub when: Option<Expr>,
}

/// What came of one property.
#[derive(Clone, Debug)]
pub struct Proof {
    /// For each route that it concerns, by index.
    pub routes: Vec<(RouteIndex, Finding)>,
    /// Roles that the property names, and those that include them.
    pub included: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// How long it took.
    pub took: Duration,
}

impl Proof {
    /// Whether the property is proved for every route that it concerns.
    pub fn holds(&self) -> bool {
        self.routes.iter().all(|(_, finding)| *finding == Finding::None)
    }
}

/// Proves one property, or finds for each route that it does not hold for who and what shows it.
pub async fn prove(side: &Side<'_>, property: &Property, solver: &mut Solver) -> Proof {
    let began = std::time::Instant::now();
    let mut routes = Vec::new();
    for (route, _) in side.compiled.vocabulary().indexed_routes() {
        let Some((shape, methods)) = concerned(side, route, property) else { continue };
        let finding = decide(side, route, property, &shape, &methods, solver).await;
        routes.push((route, finding.unwrap_or_else(Finding::Undecided)));
    }
    Proof { routes, included: included(side, property), took: began.elapsed() }
}

/// Which requests of the route the property is about, if any can take it.
fn concerned(side: &Side<'_>, route: RouteIndex, property: &Property) -> Option<(Shape, Vec<Method>)> {
    let facts = side.compiled.vocabulary().route(route)?;
    let asked = |method: &Method| property.methods.is_empty() || property.methods.contains(method);
    let mut methods = methods(&facts.methods, &property.methods);
    methods.retain(asked);
    let own = Shape::of(&facts.pattern);
    let shape = match &property.concern {
        PropertyScope::All => (!facts.rule.is_built_in()).then_some(own)?,
        PropertyScope::Routes(names) => names.contains(&facts.name).then_some(own)?,
        PropertyScope::Path(pattern) => {
            let shape = own.meet(&Shape::of(pattern))?;
            (!taken_by_another(side, route, &own, &shape)).then_some(shape)?
        }
    };
    (!methods.is_empty()).then_some((shape, methods))
}

/// Whether all requests of this shape take another route, which is more specific and bound to no other hosts. Built-in routes answer on all.
fn taken_by_another(side: &Side<'_>, route: RouteIndex, own: &Shape, shape: &Shape) -> bool {
    let routes = side.compiled.vocabulary().indexed_routes();
    routes.filter(|(other, _)| *other != route).any(|(other, facts)| {
        let (mine, theirs) = (side.hosts(route), side.hosts(other));
        let same_hosts =
            mine.is_empty() == theirs.is_empty() && mine.iter().all(|host| theirs.contains(host));
        let everywhere = facts.rule.is_built_in() || same_hosts;
        let pattern = Shape::of(&facts.pattern);
        everywhere && pattern.wins_over(own) && pattern.covers(shape)
    })
}

async fn decide(
    side: &Side<'_>,
    route: RouteIndex,
    property: &Property,
    shape: &Shape,
    methods: &[Method],
    solver: &mut Solver,
) -> Result<Finding, String> {
    let passes = meaning::of_route(side, route)?;
    let (Demand::AllowedOnlyIf(group) | Demand::Never(group) | Demand::AlwaysIf(group)) = &property.demand;
    let fits = of_group(side, route, group)?;
    let space = of_space(side, route, shape, methods, &[&passes, &fits])?;
    let (holds, not) = match &property.demand {
        Demand::AllowedOnlyIf(_) => (vec![space, passes.clone()], Some(&fits)),
        Demand::Never(_) => (vec![space, passes.clone(), fits.clone()], None),
        Demand::AlwaysIf(_) => (vec![space, fits.clone()], Some(&passes)),
    };
    let attributes = &side.compiled.vocabulary().attributes;
    let question = Question::new(&all(holds), not, |name| attributes.get(name).copied())?;
    if let Some(model) = solver.ask(&question).await? {
        let conditions = [&passes, &fits];
        let wanted = Wanted { side, route, shape, methods, question: &question, conditions: &conditions };
        return wanted.example(model).map(|example| Finding::Example(Box::new(example)));
    }
    let rule = side.compiled.vocabulary().route(route).map(|facts| &facts.rule);
    match (&property.demand, rule.and_then(|rule| rule.external().next())) {
        (Demand::AlwaysIf(_), Some(point)) => Err(format!("the decision point `{point}` may say no")),
        _ => Ok(Finding::None),
    }
}

/// Everything that can come to the route, in terms of the facts that the conditions read.
pub(super) fn of_space(
    side: &Side<'_>,
    route: RouteIndex,
    shape: &Shape,
    methods: &[Method],
    conditions: &[&Expr],
) -> Result<Expr, String> {
    let read = read_by(conditions)?;
    let mut space = vec![space::of_side(side, route, methods, &read), space::of_requests(&read, conditions)];
    space.extend(of_shape(shape, &read));
    Ok(all(space))
}

/// What the shape says of the facts that are read.
pub(super) fn of_shape(shape: &Shape, read: &BTreeSet<Field>) -> Vec<Expr> {
    let mut known = shape.assumed();
    known.retain(|fact| {
        let mut own = BTreeSet::new();
        fields(fact, &mut own);
        own.is_subset(read)
    });
    known
}

/// The facts that the conditions read.
pub(super) fn read_by(conditions: &[&Expr]) -> Result<BTreeSet<Field>, String> {
    let mut read = BTreeSet::from([Field::Method, Field::Kind, Field::Authenticator]);
    conditions.iter().for_each(|condition| fields(condition, &mut read));
    if !conditions.iter().all(|condition| space::only_asks_for_ranges(condition)) {
        return Err("what is asked of `context.ip` cannot be analysed".into());
    }
    Ok(read)
}

fn of_group(side: &Side<'_>, route: RouteIndex, group: &Group) -> Result<Expr, String> {
    let rewriter = side.rewriter(route).ok_or("there is no such route")?;
    let mut parts = Vec::new();
    if !group.authenticators.is_empty() {
        parts.push(Field::Authenticator.is_any(group.authenticators.iter().map(|name| &**name)));
    }
    parts.extend(group.anonymous.map(|anonymous| {
        let is = Field::Kind.is("Anonymous");
        if anonymous { is } else { not(is) }
    }));
    if !group.roles.is_empty() {
        parts.push(any(group.roles.iter().map(|role| held(rewriter.vocabulary, role)).collect()));
    }
    if !group.direct_roles.is_empty() {
        let given = group.direct_roles.iter().map(|role| Field::Role(role.to_string()).read());
        parts.push(any(given.collect()));
    }
    if !group.scopes.is_empty() {
        let wanted = Expr::Set(group.scopes.iter().map(|scope| string(scope)).collect());
        let held = Box::new(Field::Scopes.read());
        parts.push(Expr::Binary("containsAll".into(), held, Box::new(wanted)));
    }
    if let Some(when) = &group.when {
        parts.push(rewriter.rewrite(when).map_err(|beyond| format!("the property's `when`: {beyond}"))?);
    }
    Ok(all(parts))
}

fn included(side: &Side<'_>, property: &Property) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
    let (Demand::AllowedOnlyIf(group) | Demand::Never(group) | Demand::AlwaysIf(group)) = &property.demand;
    let vocabulary = side.compiled.vocabulary();
    let including = |role: &Arc<str>| {
        let other = |name: &&Arc<str>| *name != role && includes(vocabulary, name, role);
        (role.clone(), vocabulary.roles.names().filter(other).cloned().collect::<Vec<_>>())
    };
    group.roles.iter().map(including).filter(|(_, by)| !by.is_empty()).collect()
}
