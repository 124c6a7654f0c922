//! From expressions about entities to expressions about the flat record of facts.

use super::field::{Field, all, any, not, string};
use crate::expr::{EntityName, Expr, Var};
use crate::schema::OWN_ATTRIBUTES;
use crate::vocabulary::{ACTIONS, OTHER};
use crate::{RouteFacts, Vocabulary};
use haechi_core::Role;
use haechi_core::method::NAMED_METHODS;
use http::Method;

/// An expression that means something, but nothing that can be analysed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be analysed")]
pub struct UnsupportedError(pub String);

/// Rewrites the expressions of one route.
#[derive(Clone, Copy)]
pub(super) struct Rewriter<'a> {
    /// The nouns.
    pub(super) vocabulary: &'a Vocabulary,
    /// The route, which is a constant here.
    pub(super) route: &'a RouteFacts,
}

impl Rewriter<'_> {
    /// The same about the flat record.
    pub(super) fn rewrite(&self, expr: &Expr) -> Result<Expr, UnsupportedError> {
        if let Some(hoisted) = hoisted(expr) {
            return self.rewrite(&hoisted);
        }
        let boxed = |inner: &Expr| self.rewrite(inner).map(Box::new);
        Ok(match expr {
            Expr::Literal(_) if expr.entities().is_empty() => expr.clone(),
            Expr::Literal(_) | Expr::Entity(_) | Expr::Var(_) => return Err(beyond(expr)),
            Expr::Unary(op, inner) if op == "!" => not(self.rewrite(inner)?),
            Expr::Unary(op, inner) => Expr::Unary(op.clone(), boxed(inner)?),
            Expr::Binary(op, left, right) => self.binary(op, left, right, expr)?,
            Expr::Attr(left, name) => match self.attribute(left, name) {
                Some(known) => known?,
                None => Expr::Attr(boxed(left)?, name.clone()),
            },
            Expr::Has(left, name) => match self.has(left, name) {
                Some(known) => known,
                None => Expr::Has(boxed(left)?, name.clone()),
            },
            Expr::Like(left, pattern) => Expr::Like(boxed(left)?, pattern.clone()),
            Expr::Is(left, kind, within) => {
                let within = within.as_deref().map(|within| self.within(left, within, expr)).transpose()?;
                all(std::iter::once(self.is(left, kind, expr)?).chain(within).collect())
            }
            Expr::If(test, then, otherwise) => match self.rewrite(test)? {
                yes if yes == Expr::bool(true) => self.rewrite(then)?,
                no if no == Expr::bool(false) => self.rewrite(otherwise)?,
                test => Expr::If(Box::new(test), boxed(then)?, boxed(otherwise)?),
            },
            Expr::Set(items) => Expr::Set(self.each(items)?),
            Expr::Record(fields) => {
                let field = |(name, value): (&String, &Expr)| Ok((name.clone(), self.rewrite(value)?));
                Expr::Record(fields.iter().map(field).collect::<Result<_, _>>()?)
            }
            Expr::Call(name, arguments) => Expr::Call(name.clone(), self.each(arguments)?),
        })
    }

    fn each(&self, items: &[Expr]) -> Result<Vec<Expr>, UnsupportedError> {
        items.iter().map(|item| self.rewrite(item)).collect()
    }

    fn binary(&self, op: &str, left: &Expr, right: &Expr, whole: &Expr) -> Result<Expr, UnsupportedError> {
        match op {
            "&&" => {
                let left = self.rewrite(left)?;
                // What is never looked at need not be understood.
                if left == Expr::bool(false) { Ok(left) } else { Ok(all(vec![left, self.rewrite(right)?])) }
            }
            "||" => {
                let left = self.rewrite(left)?;
                if left == Expr::bool(true) { Ok(left) } else { Ok(any(vec![left, self.rewrite(right)?])) }
            }
            "in" => self.within(left, right, whole),
            "==" | "!=" if is_entity(left) || is_entity(right) => {
                let same = self.same(left, right).ok_or_else(|| beyond(whole))?;
                Ok(if op == "==" { same } else { not(same) })
            }
            "contains"
                if is_entity(right) || matches!(left, Expr::Set(items) if items.iter().any(is_entity)) =>
            {
                let Expr::Set(items) = left else { return Err(beyond(whole)) };
                let each = items.iter().map(|item| self.same(item, right)).collect::<Option<_>>();
                each.map(any).ok_or_else(|| beyond(whole))
            }
            _ => Ok(Expr::Binary(op.into(), Box::new(self.rewrite(left)?), Box::new(self.rewrite(right)?))),
        }
    }

    fn attribute(&self, left: &Expr, name: &str) -> Option<Result<Expr, UnsupportedError>> {
        let field = match left {
            Expr::Var(Var::Principal) => match name {
                "subject" => Field::Subject,
                "issuer" => Field::Issuer,
                "authenticator" => Field::Authenticator,
                "scopes" => Field::Scopes,
                other => Field::Attribute(other.into()),
            },
            Expr::Var(Var::Resource) if name == "labels" => return Some(Ok(self.labels())),
            Expr::Var(Var::Context) => match name {
                "host" => Field::Host,
                "path" => Field::Path,
                "ip" => Field::Ip,
                "time" => Field::Time,
                "secure" => Field::Secure,
                other => return Some(Err(UnsupportedError(format!("context.{other}")))),
            },
            _ => match (record(left)?, name) {
                ("params", name) if self.has_param(name) => Field::Param(name.into()),
                // Only where its being there was tested before, which is false here.
                ("params", name) => {
                    return Some(Ok(Expr::Attr(Box::new(Expr::Record([].into())), name.into())));
                }
                (_, name) => Field::Header(name.into()),
            },
        };
        Some(Ok(field.read()))
    }

    fn labels(&self) -> Expr {
        if self.route.labels.is_empty() {
            return Field::NoLabels.read();
        }
        Expr::Set(self.route.labels.iter().map(|label| string(label)).collect())
    }

    fn has(&self, left: &Expr, name: &str) -> Option<Expr> {
        Some(match left {
            Expr::Var(Var::Principal) if OWN_ATTRIBUTES.contains(&name) => Expr::bool(true),
            Expr::Var(Var::Principal) if self.vocabulary.attributes.contains_key(name) => {
                Field::Attribute(name.into()).present()
            }
            Expr::Var(Var::Principal) => Expr::bool(false),
            Expr::Var(Var::Resource) => Expr::bool(name == "labels"),
            Expr::Var(Var::Context) => {
                Expr::bool(["host", "path", "params", "headers", "ip", "time", "secure"].contains(&name))
            }
            _ => match record(left)? {
                "params" => Expr::bool(self.has_param(name)),
                _ if self.vocabulary.headers.contains_key(name) => Field::Header(name.into()).present(),
                _ => Expr::bool(false),
            },
        })
    }

    fn has_param(&self, name: &str) -> bool {
        self.route.pattern.params().any(|known| known == name)
    }

    fn is(&self, left: &Expr, kind: &str, whole: &Expr) -> Result<Expr, UnsupportedError> {
        match left {
            Expr::Var(Var::Principal) => Ok(if ["User", "ApiKey", "Anonymous"].contains(&kind) {
                Field::Kind.is(kind)
            } else {
                Expr::bool(false)
            }),
            Expr::Var(Var::Resource) => Ok(Expr::bool(kind == "Route")),
            Expr::Var(Var::Action) => Ok(Expr::bool(kind == "Action")),
            Expr::Entity(name) => Ok(Expr::bool(name.kind == kind)),
            _ => Err(beyond(whole)),
        }
    }

    /// `left == right` for entities; `None` where it cannot be told.
    fn same(&self, left: &Expr, right: &Expr) -> Option<Expr> {
        match (left, right) {
            (Expr::Var(one), Expr::Var(other)) => Some(Expr::bool(one == other)),
            (Expr::Var(var), Expr::Entity(name)) | (Expr::Entity(name), Expr::Var(var)) => {
                self.is_named(*var, name)
            }
            (Expr::Entity(one), Expr::Entity(other)) => Some(Expr::bool(one == other)),
            _ => None,
        }
    }

    fn is_named(&self, var: Var, name: &EntityName) -> Option<Expr> {
        Some(match var {
            Var::Principal => principal(name),
            Var::Action => {
                let known = name.kind == "Action" && ACTIONS.iter().any(|(method, _)| *method == name.id);
                if known { done_by(&name.id) } else { Expr::bool(false) }
            }
            Var::Resource => Expr::bool(name.kind == "Route" && *name.id == *self.route.name),
            Var::Context => return None,
        })
    }

    /// `left in right`.
    fn within(&self, left: &Expr, right: &Expr, whole: &Expr) -> Result<Expr, UnsupportedError> {
        let items = match right {
            Expr::Set(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let each = |item: &Expr| match (left, item) {
            (Expr::Var(var), Expr::Entity(name)) => self.in_named(*var, name),
            (Expr::Entity(one), Expr::Entity(other)) => self.holds(one, other),
            _ => self.same(left, item),
        };
        items.iter().map(each).collect::<Option<_>>().map(any).ok_or_else(|| beyond(whole))
    }

    fn in_named(&self, var: Var, name: &EntityName) -> Option<Expr> {
        match (var, name.kind.as_str()) {
            (Var::Principal, "Role") => Some(held(self.vocabulary, &name.id)),
            (Var::Resource, "Service") => Some(Expr::bool(self.route.is_of_service(&name.id))),
            (Var::Action, "Action") => {
                let methods =
                    ACTIONS.iter().filter(|(method, group)| name.id == *method || name.id == *group);
                Some(any(methods.map(|(method, _)| done_by(method)).collect()))
            }
            _ => self.is_named(var, name),
        }
    }

    /// Whether one named entity is in another; `None` for other routes, of which nothing is known while this one is decided.
    fn holds(&self, one: &EntityName, other: &EntityName) -> Option<Expr> {
        let group = |method: &str| ACTIONS.iter().any(|(name, group)| *name == method && *group == other.id);
        if one == other {
            return Some(Expr::bool(true));
        }
        Some(match (one.kind.as_str(), other.kind.as_str()) {
            ("Role", "Role") => Expr::bool(includes(self.vocabulary, &one.id, &other.id)),
            ("Action", "Action") => Expr::bool(group(&one.id)),
            ("Route", "Service") if *one.id != *self.route.name => return None,
            ("Route", "Service") => Expr::bool(self.route.is_of_service(&other.id)),
            // Only of who is calling is it known what roles they hold.
            ("User" | "ApiKey", "Role") => all(vec![principal(one), held(self.vocabulary, &other.id)]),
            _ => Expr::bool(false),
        })
    }
}

/// Whether the method is this action.
fn done_by(action: &str) -> Expr {
    match action {
        OTHER => not(Field::Method.is_any(NAMED_METHODS.iter().map(Method::as_str))),
        name => Field::Method.is(name),
    }
}

/// Whether the caller holds the role, itself or through another.
pub(super) fn held(vocabulary: &Vocabulary, role: &str) -> Expr {
    let giving = vocabulary.roles.names().filter(|name| includes(vocabulary, name, role));
    any(giving.map(|name| Field::Role(name.to_string()).read()).collect())
}

/// Whether who holds `role` holds `other` too.
pub(super) fn includes(vocabulary: &Vocabulary, role: &str, other: &str) -> bool {
    vocabulary.roles.effective(&[Role::from(role)]).iter().any(|held| **held == *other)
}

/// Whether the caller is this one. Its id is `<issuer>|<subject>`, and either may hold a `|`.
fn principal(name: &EntityName) -> Expr {
    let kind = Field::Kind.is(&name.kind);
    match name.kind.as_str() {
        "Anonymous" if name.id.is_empty() => kind,
        "User" | "ApiKey" => {
            let splits = name.id.match_indices('|').filter_map(|(at, _)| {
                let (issuer, subject) = (name.id.get(..at)?, name.id.get(at + 1..)?);
                Some(all(vec![Field::Issuer.is(issuer), Field::Subject.is(subject)]))
            });
            all(vec![kind, any(splits.collect())])
        }
        _ => Expr::bool(false),
    }
}

fn record(left: &Expr) -> Option<&str> {
    match left {
        Expr::Attr(inner, name)
            if **inner == Expr::Var(Var::Context) && (name == "params" || name == "headers") =>
        {
            Some(name)
        }
        _ => None,
    }
}

/// The same with a choice between entities at the outside: `(if a then b else c) in d` is `if a then b in d else c in d`.
fn hoisted(expr: &Expr) -> Option<Expr> {
    let chosen = |choice: &Expr, with: &dyn Fn(Box<Expr>) -> Expr| match choice {
        Expr::If(test, then, otherwise) if is_choice(choice) => {
            Some(Expr::If(test.clone(), Box::new(with(then.clone())), Box::new(with(otherwise.clone()))))
        }
        _ => None,
    };
    match expr {
        Expr::Binary(op, left, right) if ["in", "==", "!="].contains(&op.as_str()) => {
            chosen(left, &|left| Expr::Binary(op.clone(), left, right.clone()))
                .or_else(|| chosen(right, &|right| Expr::Binary(op.clone(), left.clone(), right)))
        }
        Expr::Attr(left, name) => chosen(left, &|left| Expr::Attr(left, name.clone())),
        Expr::Has(left, name) => chosen(left, &|left| Expr::Has(left, name.clone())),
        Expr::Is(left, kind, within) => chosen(left, &|left| Expr::Is(left, kind.clone(), within.clone())),
        _ => None,
    }
}

fn is_choice(expr: &Expr) -> bool {
    match expr {
        Expr::If(_, then, otherwise) => {
            [then, otherwise].into_iter().all(|branch| is_entity(branch) || is_choice(branch))
        }
        _ => false,
    }
}

const fn is_entity(expr: &Expr) -> bool {
    matches!(expr, Expr::Entity(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource))
}

fn beyond(expr: &Expr) -> UnsupportedError {
    let condition = serde_json::json!({ "kind": "when", "body": expr.to_json() });
    let all = serde_json::json!({ "op": "All" });
    let policy = serde_json::json!({
        "effect": "permit", "principal": all, "action": all, "resource": all, "conditions": [condition],
    });
    let text = cedar_policy::Policy::from_json(None, policy).map(|policy| policy.to_string());
    let body = text.ok().and_then(|text| {
        let (_, body) = text.split_once("when {")?;
        Some(body.rsplit_once('}')?.0.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    UnsupportedError(body.unwrap_or_else(|| "the expression".into()))
}
