//! The facts that an analysed condition speaks of, each a field of one flat record.

use crate::expr::{Expr, Var};
use haechi_core::AttributeType;
use std::collections::BTreeSet;

/// A fact of the caller or the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Field {
    /// The method.
    Method,
    /// `User`, `ApiKey` or `Anonymous`.
    Kind,
    /// The authenticator's name.
    Authenticator,
    /// The issuer.
    Issuer,
    /// The subject.
    Subject,
    /// The scopes.
    Scopes,
    /// Whether the caller was given this role itself, not through another.
    Role(String),
    /// A declared attribute, which may be missing.
    Attribute(String),
    /// A parameter of the route's own pattern.
    Param(String),
    /// A declared request header, which may be missing.
    Header(String),
    /// The host.
    Host,
    /// The canonical path.
    Path,
    /// The client's address.
    Ip,
    /// The time.
    Time,
    /// Whether it came over TLS.
    Secure,
    /// The labels of a route without labels; those of others are constants.
    NoLabels,
}

impl Field {
    /// Its name in the record.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Method => "method".into(),
            Self::Kind => "kind".into(),
            Self::Authenticator => "authenticator".into(),
            Self::Issuer => "issuer".into(),
            Self::Subject => "subject".into(),
            Self::Scopes => "scopes".into(),
            Self::Role(name) => format!("role.{name}"),
            Self::Attribute(name) => format!("attribute.{name}"),
            Self::Param(name) => format!("param.{name}"),
            Self::Header(name) => format!("header.{name}"),
            Self::Host => "host".into(),
            Self::Path => "path".into(),
            Self::Ip => "ip".into(),
            Self::Time => "time".into(),
            Self::Secure => "secure".into(),
            Self::NoLabels => "labels".into(),
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Some(match name.split_once('.') {
            Some(("role", rest)) => Self::Role(rest.into()),
            Some(("attribute", rest)) => Self::Attribute(rest.into()),
            Some(("param", rest)) => Self::Param(rest.into()),
            Some(("header", rest)) => Self::Header(rest.into()),
            _ => match name {
                "method" => Self::Method,
                "kind" => Self::Kind,
                "authenticator" => Self::Authenticator,
                "issuer" => Self::Issuer,
                "subject" => Self::Subject,
                "scopes" => Self::Scopes,
                "host" => Self::Host,
                "path" => Self::Path,
                "ip" => Self::Ip,
                "time" => Self::Time,
                "secure" => Self::Secure,
                "labels" => Self::NoLabels,
                _ => return None,
            },
        })
    }

    /// Whether it may be missing.
    pub(super) const fn optional(&self) -> bool {
        matches!(self, Self::Attribute(_) | Self::Header(_))
    }

    /// Its Cedar type. `declared` is asked for the types of attributes.
    pub(super) fn cedar_type(
        &self,
        declared: impl Fn(&str) -> Option<AttributeType>,
    ) -> Option<&'static str> {
        Some(match self {
            Self::Scopes | Self::NoLabels => "Set<String>",
            Self::Role(_) | Self::Secure => "Bool",
            Self::Ip => "ipaddr",
            Self::Time => "datetime",
            Self::Attribute(name) => match declared(name)? {
                AttributeType::String => "String",
                AttributeType::Long => "Long",
                AttributeType::Bool => "Bool",
                AttributeType::Set => "Set<String>",
            },
            _ => "String",
        })
    }

    /// Its value.
    pub(super) fn read(&self) -> Expr {
        Expr::Attr(Box::new(Expr::Var(Var::Context)), self.name())
    }

    /// Whether it is there.
    pub(super) fn present(&self) -> Expr {
        Expr::Has(Box::new(Expr::Var(Var::Context)), self.name())
    }

    /// Whether it is this text.
    pub(super) fn is(&self, text: &str) -> Expr {
        Expr::Binary("==".into(), Box::new(self.read()), Box::new(string(text)))
    }

    /// Whether it is one of these texts.
    pub(super) fn is_any<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Expr {
        any(texts.into_iter().map(|text| self.is(text)).collect())
    }
}

/// The fields that an analysed condition looks at.
pub(super) fn fields(expr: &Expr, found: &mut BTreeSet<Field>) {
    match expr {
        Expr::Attr(left, name) | Expr::Has(left, name) if **left == Expr::Var(Var::Context) => {
            found.extend(Field::of_name(name));
        }
        other => other.children().into_iter().for_each(|child| fields(child, found)),
    }
}

/// The texts that an analysed condition names.
pub(super) fn texts(expr: &Expr, found: &mut BTreeSet<String>) {
    if let Expr::Literal(serde_json::Value::String(text)) = expr {
        found.insert(text.clone());
    }
    expr.children().into_iter().for_each(|child| texts(child, found));
}

/// A string.
pub(super) fn string(text: &str) -> Expr {
    Expr::Literal(text.into())
}

/// All of these, each looked at in order. A flat tree, so that ten thousand policies do not become a nest of ten thousand.
pub(super) fn all(parts: Vec<Expr>) -> Expr {
    let (yes, no) = (Expr::bool(true), Expr::bool(false));
    let mut parts: Vec<Expr> = parts.into_iter().filter(|part| *part != yes).collect();
    if let Some(end) = parts.iter().position(|part| *part == no) {
        parts.truncate(end + 1);
    }
    joined(parts, Expr::and).unwrap_or(yes)
}

/// Any of these, looked at in order.
pub(super) fn any(parts: Vec<Expr>) -> Expr {
    let (yes, no) = (Expr::bool(true), Expr::bool(false));
    let mut parts: Vec<Expr> = parts.into_iter().filter(|part| *part != no).collect();
    if let Some(end) = parts.iter().position(|part| *part == yes) {
        parts.truncate(end + 1);
    }
    joined(parts, Expr::or).unwrap_or(no)
}

/// The opposite.
pub(super) fn not(part: Expr) -> Expr {
    match part {
        Expr::Literal(serde_json::Value::Bool(value)) => Expr::bool(!value),
        other => other.not(),
    }
}

fn joined(mut parts: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    if parts.len() < 2 {
        return parts.pop();
    }
    let right = parts.split_off(parts.len() / 2);
    Some(join(joined(parts, join)?, joined(right, join)?))
}
