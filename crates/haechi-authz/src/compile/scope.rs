//! Whom and what a policy is about, before its conditions.

use crate::RouteFacts;
use crate::expr::{EntityName, Expr, UnknownExpression, Var};
use serde_json::Value as Json;

/// The head of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whom.
    pub principal: Constraint,
    /// Doing what.
    pub action: Constraint,
    /// With what.
    pub resource: Constraint,
}

/// One of its three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// All.
    All,
    /// This one.
    Is(EntityName),
    /// In any one of these.
    In(Vec<EntityName>),
    /// Of this type, perhaps in something.
    Of(String, Option<EntityName>),
}

impl Scope {
    /// Reads it from a policy in Cedar's JSON.
    ///
    /// # Errors
    /// For a constraint that is not known here.
    pub fn parse(policy: &Json) -> Result<Self, UnknownExpression> {
        let part = |name: &str| {
            policy.get(name).and_then(constraint).ok_or_else(|| UnknownExpression(name.to_owned()))
        };
        Ok(Self { principal: part("principal")?, action: part("action")?, resource: part("resource")? })
    }

    /// Whether requests on the route can be what it is about. No policy is about a built-in route.
    pub fn is_about(&self, route: &RouteFacts) -> bool {
        let is_it = |name: &EntityName| name.kind == "Route" && name.id == *route.name;
        let holds_it =
            |name: &EntityName| is_it(name) || (name.kind == "Service" && route.is_of_service(&name.id));
        if route.rule.is_built_in() {
            return false;
        }
        match &self.resource {
            Constraint::All => true,
            Constraint::Is(name) => is_it(name),
            Constraint::In(names) => names.iter().any(holds_it),
            Constraint::Of(kind, within) => kind == "Route" && within.as_ref().is_none_or(holds_it),
        }
    }

    /// The same as an expression.
    pub fn to_expr(&self) -> Expr {
        let Self { principal, action, resource } = self;
        let parts = [(Var::Principal, principal), (Var::Action, action), (Var::Resource, resource)];
        let parts = parts.into_iter().filter_map(|(var, part)| part.to_expr(var));
        parts.reduce(Expr::and).unwrap_or_else(|| Expr::bool(true))
    }
}

impl Constraint {
    /// The same as an expression about `var`; `None` where it constrains nothing.
    pub fn to_expr(&self, var: Var) -> Option<Expr> {
        let var = Box::new(Expr::Var(var));
        let entity = |name: &EntityName| Box::new(Expr::Entity(name.clone()));
        match self {
            Self::All => None,
            Self::Is(name) => Some(Expr::Binary("==".into(), var, entity(name))),
            Self::In(names) => {
                let set = Expr::Set(names.iter().cloned().map(Expr::Entity).collect());
                Some(Expr::Binary("in".into(), var, Box::new(set)))
            }
            Self::Of(kind, within) => Some(Expr::Is(var, kind.clone(), within.as_ref().map(entity))),
        }
    }
}

fn constraint(json: &Json) -> Option<Constraint> {
    let entity = || json.get("entity").and_then(EntityName::parse);
    match json.get("op")?.as_str()? {
        "All" => Some(Constraint::All),
        "==" => entity().map(Constraint::Is),
        "in" => match json.get("entities") {
            Some(list) => {
                list.as_array()?.iter().map(EntityName::parse).collect::<Option<_>>().map(Constraint::In)
            }
            None => entity().map(|name| Constraint::In(vec![name])),
        },
        "is" => {
            let within = match json.get("in") {
                None => None,
                Some(within) => Some(within.get("entity").and_then(EntityName::parse)?),
            };
            Some(Constraint::Of(json.get("entity_type")?.as_str()?.to_owned(), within))
        }
        _ => None,
    }
}

/// All `when` and `unless` of a policy in Cedar's JSON as one expression.
pub(super) fn conditions(policy: &Json) -> Result<Expr, UnknownExpression> {
    let list = policy.get("conditions").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut whole: Option<Expr> = None;
    for condition in list {
        let body = condition.get("body").ok_or_else(|| UnknownExpression(condition.to_string()))?;
        let body = Expr::parse(body)?;
        let body = match condition.get("kind").and_then(Json::as_str) {
            Some("when") => body,
            Some("unless") => body.not(),
            _ => return Err(UnknownExpression(condition.to_string())),
        };
        whole = Some(match whole {
            None => body,
            Some(before) => before.and(body),
        });
    }
    Ok(whole.unwrap_or_else(|| Expr::bool(true)))
}
