//! What is left of a condition when some facts are known. What is not known stays as it is, and nothing is dropped that could err.

use super::PossibleValues;
use super::access::CallerOrigin;
use crate::expr::{EntityName, Expr, Var};
use crate::schema::OWN_ATTRIBUTES;
use crate::vocabulary::ACTIONS;
use crate::{RouteIndex, Vocabulary};
use haechi_core::{CallerKind, Role};
use serde_json::Value as Json;

/// What is known: the route and method, the way in, and the roles.
pub(super) struct Known<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) route: RouteIndex,
    pub(super) action: usize,
    pub(super) way: &'a CallerOrigin,
    /// With those that they include.
    pub(super) roles: &'a [Role],
}

impl Known<'_> {
    /// The same condition, as far as it is not decided.
    pub(super) fn fold(&self, expr: &Expr) -> Expr {
        match expr {
            Expr::Var(Var::Action) => {
                self.action().map_or_else(|| expr.clone(), |(method, _)| entity("Action", method))
            }
            Expr::Var(Var::Resource) => {
                self.route().map_or_else(|| expr.clone(), |name| entity("Route", name))
            }
            Expr::Unary(op, inner) => unary(op, self.fold(inner)),
            Expr::Binary(op, left, right) => self.binary(op, left, right),
            Expr::If(test, then, otherwise) => match truth(&self.fold(test)) {
                Some(true) => self.fold(then),
                Some(false) => self.fold(otherwise),
                None => Expr::If(self.boxed(test), self.boxed(then), self.boxed(otherwise)),
            },
            Expr::Is(left, kind, within) => self.is(left, kind, within.as_deref()),
            Expr::Attr(left, name) => self.attribute(left, name),
            Expr::Has(left, name) => self.has(left, name),
            Expr::Like(left, pattern) => Expr::Like(self.boxed(left), pattern.clone()),
            Expr::Set(items) => Expr::Set(items.iter().map(|item| self.fold(item)).collect()),
            Expr::Call(name, items) => {
                Expr::Call(name.clone(), items.iter().map(|item| self.fold(item)).collect())
            }
            Expr::Literal(_) | Expr::Entity(_) | Expr::Var(_) | Expr::Record(_) => expr.clone(),
        }
    }

    fn boxed(&self, expr: &Expr) -> Box<Expr> {
        Box::new(self.fold(expr))
    }

    fn action(&self) -> Option<(&'static str, &'static str)> {
        ACTIONS.get(self.action).copied()
    }

    fn route(&self) -> Option<&str> {
        self.vocabulary.route(self.route).map(|route| &*route.name)
    }

    fn kind(&self) -> &'static str {
        crate::principal_kind(self.way.kind)
    }

    fn binary(&self, op: &str, left: &Expr, right: &Expr) -> Expr {
        let (left, right) = (self.fold(left), self.fold(right));
        match op {
            "&&" => and(left, right),
            "||" => or(left, right),
            "in" => self.within(left, right),
            "==" | "!=" => match self.equal(&left, &right) {
                Some(equal) => Expr::bool(equal == (op == "==")),
                None => Expr::Binary(op.into(), Box::new(left), Box::new(right)),
            },
            "contains" | "containsAll" | "containsAny" => {
                contained(op, &left, &right).map_or_else(|| pair(op, left, right), Expr::bool)
            }
            _ => pair(op, left, right),
        }
    }

    /// Whether two are the same, where that is known.
    fn equal(&self, left: &Expr, right: &Expr) -> Option<bool> {
        match (left, right) {
            (Expr::Entity(one), Expr::Entity(other)) => Some(one == other),
            (Expr::Literal(one), Expr::Literal(other)) if scalar(one) && scalar(other) => Some(one == other),
            (Expr::Var(Var::Principal), Expr::Entity(name))
            | (Expr::Entity(name), Expr::Var(Var::Principal)) => (name.kind != self.kind()).then_some(false),
            _ => None,
        }
    }

    fn within(&self, left: Expr, right: Expr) -> Expr {
        let names: Option<Vec<EntityName>> = match &right {
            Expr::Entity(name) => Some(vec![name.clone()]),
            Expr::Set(items) => items
                .iter()
                .map(|item| match item {
                    Expr::Entity(name) => Some(name.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let Some(names) = names else { return pair("in", left, right) };
        let each: Vec<Option<bool>> = names.iter().map(|name| self.is_in(&left, name)).collect();
        if each.contains(&Some(true)) {
            return Expr::bool(true);
        }
        if each.iter().all(|known| *known == Some(false)) {
            return Expr::bool(false);
        }
        pair("in", left, right)
    }

    fn is_in(&self, left: &Expr, name: &EntityName) -> Option<bool> {
        match left {
            Expr::Var(Var::Principal) if name.kind == "Role" => {
                Some(self.roles.iter().any(|role| **role == *name.id))
            }
            Expr::Var(Var::Principal) => (name.kind != self.kind()).then_some(false),
            Expr::Entity(known) if known == name => Some(true),
            Expr::Entity(known) if known.kind == "Action" => {
                let (_, group) = ACTIONS.iter().find(|(method, _)| *method == known.id)?;
                Some(name.kind == "Action" && name.id == *group)
            }
            Expr::Entity(known) if known.kind == "Route" => {
                let route = self.vocabulary.routes.iter().find(|route| *route.name == *known.id)?;
                Some(name.kind == "Service" && route.is_of_service(&name.id))
            }
            _ => None,
        }
    }

    fn is(&self, left: &Expr, kind: &str, within: Option<&Expr>) -> Expr {
        let left = self.fold(left);
        let is_it = match &left {
            Expr::Var(Var::Principal) => self.kind() == kind,
            Expr::Entity(name) => name.kind == kind,
            _ => return Expr::Is(Box::new(left), kind.to_owned(), within.map(|within| self.boxed(within))),
        };
        match within {
            _ if !is_it => Expr::bool(false),
            None => Expr::bool(true),
            Some(within) => self.within(left, self.fold(within)),
        }
    }

    fn attribute(&self, left: &Expr, name: &str) -> Expr {
        let string = |text: &str| Expr::Literal(Json::String(text.to_owned()));
        match (left, name) {
            (Expr::Var(Var::Principal), "authenticator") => string(&self.way.authenticator),
            (Expr::Var(Var::Principal), "issuer") if self.way.issuer.is_some() => {
                string(self.way.issuer.as_deref().unwrap_or_default())
            }
            (Expr::Var(Var::Principal), "subject") if self.way.kind == CallerKind::Anonymous => string(""),
            (Expr::Var(Var::Principal), "scopes") if !self.way.scopes => Expr::Set(Vec::new()),
            (Expr::Var(Var::Resource), "labels") => {
                let route = self.vocabulary.route(self.route);
                Expr::Set(
                    route.into_iter().flat_map(|route| &route.labels).map(|label| string(label)).collect(),
                )
            }
            _ => Expr::Attr(self.boxed(left), name.to_owned()),
        }
    }

    fn has(&self, left: &Expr, name: &str) -> Expr {
        let known = match left {
            Expr::Var(Var::Principal) if OWN_ATTRIBUTES.contains(&name) => Some(true),
            Expr::Var(Var::Principal) => {
                let given = self.way.attributes.as_ref();
                given.filter(|given| !given.iter().any(|known| **known == *name)).map(|_| false)
            }
            Expr::Attr(inner, record) if **inner == Expr::Var(Var::Context) && record == "params" => {
                let route = self.vocabulary.route(self.route);
                route.map(|route| route.pattern.params().any(|param| param == name))
            }
            _ => None,
        };
        known.map_or_else(|| Expr::Has(self.boxed(left), name.to_owned()), Expr::bool)
    }
}

impl CallerOrigin {
    /// The roles of a caller who was given `role` alone, or none; `None` where this way in has no such caller.
    pub(super) fn gives(&self, role: Option<&Role>, vocabulary: &Vocabulary) -> Option<Vec<Role>> {
        let alone: Vec<Role> = role.cloned().into_iter().collect();
        match &self.roles {
            PossibleValues::Exactly(fixed) => {
                let fits = role.map_or(fixed.is_empty(), |role| fixed.contains(role));
                fits.then(|| vocabulary.roles.effective(fixed))
            }
            PossibleValues::NotBuiltIn if role.is_some_and(|role| role.starts_with("haechi-")) => None,
            PossibleValues::NotBuiltIn | PossibleValues::Any => Some(vocabulary.roles.effective(&alone)),
        }
    }
}

fn entity(kind: &str, id: &str) -> Expr {
    Expr::Entity(EntityName::new(kind, id))
}

fn pair(op: &str, left: Expr, right: Expr) -> Expr {
    Expr::Binary(op.into(), Box::new(left), Box::new(right))
}

const fn scalar(value: &Json) -> bool {
    matches!(value, Json::Bool(_) | Json::Number(_) | Json::String(_))
}

/// `true`, `false`, or not known.
pub(super) const fn truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Literal(Json::Bool(value)) => Some(*value),
        _ => None,
    }
}

fn unary(op: &str, inner: Expr) -> Expr {
    match (op, truth(&inner), &inner) {
        ("!", Some(value), _) => Expr::bool(!value),
        ("isEmpty", _, Expr::Set(items)) if items.iter().all(constant) => Expr::bool(items.is_empty()),
        _ => Expr::Unary(op.to_owned(), Box::new(inner)),
    }
}

/// Both; what may err is kept, because an error denies.
pub(super) fn and(left: Expr, right: Expr) -> Expr {
    match (truth(&left), truth(&right)) {
        (Some(false), _) => Expr::bool(false),
        (Some(true), _) => right,
        (None, Some(true)) => left,
        (None, Some(false)) if !may_err(&left) => Expr::bool(false),
        _ => left.and(right),
    }
}

/// Either; what may err is kept.
pub(super) fn or(left: Expr, right: Expr) -> Expr {
    match (truth(&left), truth(&right)) {
        (Some(true), _) => Expr::bool(true),
        (Some(false), _) => right,
        (None, Some(false)) => left,
        (None, Some(true)) if !may_err(&left) => Expr::bool(true),
        _ => left.or(right),
    }
}

fn constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value) if scalar(value)) || matches!(expr, Expr::Entity(_))
}

fn contained(op: &str, left: &Expr, right: &Expr) -> Option<bool> {
    let Expr::Set(items) = left else { return None };
    if !items.iter().all(constant) {
        return None;
    }
    match (op, right) {
        ("contains", item) if constant(item) => Some(items.contains(item)),
        ("containsAll", Expr::Set(wanted)) if wanted.iter().all(constant) => {
            Some(wanted.iter().all(|item| items.contains(item)))
        }
        ("containsAny", Expr::Set(wanted)) if wanted.iter().all(constant) => {
            Some(wanted.iter().any(|item| items.contains(item)))
        }
        _ => None,
    }
}

/// Whether a validated condition may fail to be evaluated: sums overflow, and so may dates.
pub(super) fn may_err(expr: &Expr) -> bool {
    let here = match expr {
        Expr::Unary(op, _) => op == "neg",
        Expr::Binary(op, ..) => matches!(op.as_str(), "+" | "-" | "*" | "%"),
        Expr::Call(name, items) => match name.as_str() {
            "ip" | "decimal" | "datetime" | "duration" => !items.iter().all(constant),
            "isInRange" | "isIpv4" | "isIpv6" | "isLoopback" | "isMulticast" => false,
            "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => false,
            "toTime" | "toDays" | "toHours" | "toMinutes" | "toSeconds" | "toMilliseconds" => false,
            _ => true,
        },
        _ => false,
    };
    here || expr.children().into_iter().any(may_err)
}
