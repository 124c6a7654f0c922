//! Which facts an expression looks at. Cedar is pure, so these facts alone decide what it comes to.

use crate::expr::{Expr, Var};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A fact about the caller, the route or the request that a policy looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Read {
    /// Whether the principal is a `User`, an `ApiKey` or `Anonymous`.
    PrincipalType,
    /// Which principal it is.
    Principal,
    /// Whether the principal holds this role, directly or through another.
    Role(Arc<str>),
    /// `principal.subject`.
    Subject,
    /// `principal.issuer`.
    Issuer,
    /// `principal.authenticator`.
    Authenticator,
    /// `principal.scopes`.
    Scopes,
    /// A caller attribute, present or absent.
    Attribute(Arc<str>),
    /// The method.
    Method,
    /// Which route it is, or its service.
    Route,
    /// `resource.labels`.
    Labels,
    /// `context.host`.
    Host,
    /// `context.path`.
    Path,
    /// A path parameter, present or absent.
    Param(Arc<str>),
    /// `context.params` as a whole.
    Params,
    /// A declared request header, present or absent.
    Header(Arc<str>),
    /// `context.headers` as a whole.
    Headers,
    /// `context.ip`.
    Ip,
    /// `context.time`.
    Time,
    /// `context.secure`.
    Secure,
    /// Which role includes which, apart from what the principal holds.
    Hierarchy,
}

/// The names that stand for "all of them" where an expression may look at any.
#[derive(Clone, Debug, Default)]
pub struct Everything {
    /// All roles.
    pub roles: Vec<Arc<str>>,
    /// All caller attributes.
    pub attributes: Vec<Arc<str>>,
}

/// Adds to `reads` what `expr` looks at: rather too much than too little.
pub fn gather(expr: &Expr, all: &Everything, reads: &mut BTreeSet<Read>) {
    match expr {
        Expr::Attr(left, name) | Expr::Has(left, name) => {
            if !attribute(left, name, reads) {
                gather(left, all, reads);
                of_some_entity(all, reads);
            }
        }
        Expr::Binary(op, left, right) if op == "in" => {
            membership(left, Some(right), all, reads);
        }
        Expr::Is(left, _, within) => {
            if **left == Expr::Var(Var::Principal) {
                reads.insert(Read::PrincipalType);
            } else {
                gather(left, all, reads);
            }
            if within.is_some() {
                membership(left, within.as_deref(), all, reads);
            }
        }
        Expr::Var(var) => whole(*var, reads),
        other => other.children().into_iter().for_each(|child| gather(child, all, reads)),
    }
}

/// `left.name` or `left has name` for what is known; false for everything else.
fn attribute(left: &Expr, name: &str, reads: &mut BTreeSet<Read>) -> bool {
    let read = match left {
        Expr::Var(Var::Principal) => match name {
            "subject" => Read::Subject,
            "issuer" => Read::Issuer,
            "authenticator" => Read::Authenticator,
            "scopes" => Read::Scopes,
            other => Read::Attribute(other.into()),
        },
        Expr::Var(Var::Resource) if name == "labels" => Read::Labels,
        Expr::Var(Var::Context) => match name {
            "host" => Read::Host,
            "path" => Read::Path,
            "ip" => Read::Ip,
            "time" => Read::Time,
            "secure" => Read::Secure,
            "params" => Read::Params,
            "headers" => Read::Headers,
            _ => return false,
        },
        Expr::Attr(inner, record) if **inner == Expr::Var(Var::Context) => match record.as_str() {
            "params" => Read::Param(name.into()),
            "headers" => Read::Header(name.into()),
            _ => return false,
        },
        _ => return false,
    };
    reads.insert(read);
    true
}

fn whole(var: Var, reads: &mut BTreeSet<Read>) {
    match var {
        Var::Principal => drop(reads.insert(Read::Principal)),
        Var::Action => drop(reads.insert(Read::Method)),
        Var::Resource => drop(reads.insert(Read::Route)),
        Var::Context => {
            reads.extend([Read::Host, Read::Path, Read::Ip, Read::Time, Read::Secure]);
            reads.extend([Read::Params, Read::Headers]);
        }
    }
}

/// An attribute of something that is worked out while evaluating: it may be any entity.
fn of_some_entity(all: &Everything, reads: &mut BTreeSet<Read>) {
    reads.extend([Read::Principal, Read::Subject, Read::Issuer, Read::Authenticator, Read::Scopes]);
    reads.extend([Read::Route, Read::Labels]);
    reads.extend(all.attributes.iter().cloned().map(Read::Attribute));
}

/// `left in right`: roles where they are named, otherwise whatever there is.
fn membership(left: &Expr, right: Option<&Expr>, all: &Everything, reads: &mut BTreeSet<Read>) {
    let Some(right) = right else { return };
    let named = match right {
        Expr::Entity(_) => true,
        Expr::Set(items) => items.iter().all(|item| matches!(item, Expr::Entity(_))),
        _ => false,
    };
    if *left == Expr::Var(Var::Principal) && named {
        for entity in right.entities() {
            match entity.kind.as_str() {
                "Role" => drop(reads.insert(Read::Role(entity.id.as_str().into()))),
                "Action" | "Route" | "Service" => {}
                _ => drop(reads.insert(Read::Principal)),
            }
        }
        return;
    }
    gather(left, all, reads);
    gather(right, all, reads);
    if !matches!(left, Expr::Var(Var::Action | Var::Resource)) {
        reads.extend([Read::Principal, Read::Hierarchy]);
        reads.extend(all.roles.iter().cloned().map(Read::Role));
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrincipalType => f.write_str("principal's type"),
            Self::Principal => f.write_str("principal"),
            Self::Role(name) => write!(f, "principal in Role::\"{name}\""),
            Self::Subject => f.write_str("principal.subject"),
            Self::Issuer => f.write_str("principal.issuer"),
            Self::Authenticator => f.write_str("principal.authenticator"),
            Self::Scopes => f.write_str("principal.scopes"),
            Self::Attribute(name) => write!(f, "principal.{name}"),
            Self::Method => f.write_str("action"),
            Self::Route => f.write_str("resource"),
            Self::Labels => f.write_str("resource.labels"),
            Self::Host => f.write_str("context.host"),
            Self::Path => f.write_str("context.path"),
            Self::Param(name) => write!(f, "context.params.{name}"),
            Self::Params => f.write_str("context.params"),
            Self::Header(name) => write!(f, "context.headers.{name}"),
            Self::Headers => f.write_str("context.headers"),
            Self::Ip => f.write_str("context.ip"),
            Self::Time => f.write_str("context.time"),
            Self::Secure => f.write_str("context.secure"),
            Self::Hierarchy => f.write_str("roles that include roles"),
        }
    }
}

impl Serialize for Read {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
