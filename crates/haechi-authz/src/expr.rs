//! Cedar expressions as a tree that can be walked and rewritten. Read from and written to Cedar's own JSON policy format.

use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// A Cedar expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A boolean, a number, a string, or a set or record of such.
    Literal(Json),
    /// `Type::"id"`.
    Entity(EntityName),
    /// `principal`, `action`, `resource` or `context`.
    Var(Var),
    /// `!`, `neg`, `isEmpty`.
    Unary(String, Box<Self>),
    /// `==`, `&&`, `in`, `contains`, `+` and the other operators of two operands.
    Binary(String, Box<Self>, Box<Self>),
    /// `left.attribute`.
    Attr(Box<Self>, String),
    /// `left has attribute`.
    Has(Box<Self>, String),
    /// `left like "pattern"`, with the pattern as Cedar's JSON has it.
    Like(Box<Self>, Json),
    /// `left is Type`, perhaps `in` something.
    Is(Box<Self>, String, Option<Box<Self>>),
    /// `if … then … else …`.
    If(Box<Self>, Box<Self>, Box<Self>),
    /// `[…]`.
    Set(Vec<Self>),
    /// `{…}`.
    Record(BTreeMap<String, Self>),
    /// A call of an extension: `ip("…")`, `context.ip.isInRange(…)`.
    Call(String, Vec<Self>),
}

/// The four variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Var {
    /// Who is calling.
    Principal,
    /// The method.
    Action,
    /// The route.
    Resource,
    /// The request.
    Context,
}

/// `Type::"id"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName {
    /// `Role`, `User`, `Action`, …
    pub kind: String,
    /// The text in quotes.
    pub id: String,
}

/// An expression that this version does not know. What is not understood is not guessed at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an expression of the kind `{0}` is not supported")]
pub struct UnknownExpression(pub String);

/// The operators with two operands.
const BINARY: [&str; 18] = [
    "==",
    "!=",
    "in",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "+",
    "-",
    "*",
    "contains",
    "containsAll",
    "containsAny",
    "getTag",
    "hasTag",
    "%",
];

impl Expr {
    /// Reads Cedar's JSON.
    ///
    /// # Errors
    /// For what is not an expression, or none that is known here.
    pub fn parse(json: &Json) -> Result<Self, UnknownExpression> {
        let unknown = || UnknownExpression(json.to_string());
        let object = json.as_object().filter(|object| object.len() == 1).ok_or_else(unknown)?;
        let (key, body) = object.iter().next().ok_or_else(unknown)?;
        let part = |name: &str| body.get(name).ok_or_else(unknown).and_then(Self::parse).map(Box::new);
        let text = |name: &str| body.get(name).and_then(Json::as_str).map(str::to_owned).ok_or_else(unknown);
        Ok(match key.as_str() {
            "Value" => EntityName::parse(body).map_or_else(|| Self::Literal(body.clone()), Self::Entity),
            "Var" => Self::Var(match body.as_str() {
                Some("principal") => Var::Principal,
                Some("action") => Var::Action,
                Some("resource") => Var::Resource,
                Some("context") => Var::Context,
                _ => return Err(unknown()),
            }),
            "!" | "neg" | "isEmpty" => Self::Unary(key.clone(), part("arg")?),
            binary if BINARY.contains(&binary) => Self::Binary(key.clone(), part("left")?, part("right")?),
            "." => Self::Attr(part("left")?, text("attr")?),
            "has" => Self::has(*part("left")?, body.get("attr").ok_or_else(unknown)?).ok_or_else(unknown)?,
            "like" => Self::Like(part("left")?, body.get("pattern").ok_or_else(unknown)?.clone()),
            "is" => {
                let within = body.get("in").map(Self::parse).transpose()?;
                Self::Is(part("left")?, text("entity_type")?, within.map(Box::new))
            }
            "if-then-else" => Self::If(part("if")?, part("then")?, part("else")?),
            "Set" => Self::Set(list(body).ok_or_else(unknown)??),
            "Record" => {
                let fields = body.as_object().ok_or_else(unknown)?;
                let field = |(name, value): (&String, &Json)| Ok((name.clone(), Self::parse(value)?));
                Self::Record(fields.iter().map(field).collect::<Result<_, _>>()?)
            }
            "Slot" | "Unknown" => return Err(UnknownExpression(key.clone())),
            // Extension functions are the only other keys, and only they have a list.
            call => Self::Call(call.to_owned(), list(body).ok_or_else(unknown)??),
        })
    }

    /// `left has a`, or `left has a.b.c`, which stands for `left has a && left.a has b && left.a.b has c`.
    fn has(left: Self, attr: &Json) -> Option<Self> {
        let Json::Array(path) = attr else {
            return Some(Self::Has(Box::new(left), attr.as_str()?.to_owned()));
        };
        let mut whole: Option<Self> = None;
        let mut left = left;
        for name in path {
            let name = name.as_str()?;
            let test = Self::Has(Box::new(left.clone()), name.to_owned());
            left = Self::Attr(Box::new(left), name.to_owned());
            whole = Some(match whole {
                None => test,
                Some(before) => before.and(test),
            });
        }
        whole
    }

    /// Cedar's JSON for it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Literal(value) => json!({ "Value": value }),
            Self::Entity(name) => json!({ "Value": { "__entity": name.to_json() } }),
            Self::Var(var) => json!({ "Var": var.name() }),
            Self::Unary(op, arg) => keyed(op, json!({ "arg": arg.to_json() })),
            Self::Binary(op, left, right) => {
                keyed(op, json!({ "left": left.to_json(), "right": right.to_json() }))
            }
            Self::Attr(left, attr) => keyed(".", json!({ "left": left.to_json(), "attr": attr })),
            Self::Has(left, attr) => keyed("has", json!({ "left": left.to_json(), "attr": attr })),
            Self::Like(left, pattern) => keyed("like", json!({ "left": left.to_json(), "pattern": pattern })),
            Self::Is(left, kind, None) => keyed("is", json!({ "left": left.to_json(), "entity_type": kind })),
            Self::Is(left, kind, Some(within)) => {
                keyed("is", json!({ "left": left.to_json(), "entity_type": kind, "in": within.to_json() }))
            }
            Self::If(test, then, otherwise) => keyed(
                "if-then-else",
                json!({ "if": test.to_json(), "then": then.to_json(), "else": otherwise.to_json() }),
            ),
            Self::Set(items) => keyed("Set", items.iter().map(Self::to_json).collect()),
            Self::Record(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), value.to_json()));
                keyed("Record", Json::Object(fields.collect()))
            }
            Self::Call(name, arguments) => keyed(name, arguments.iter().map(Self::to_json).collect()),
        }
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self::Binary("&&".into(), Box::new(self), Box::new(other))
    }

    /// Either.
    pub fn or(self, other: Self) -> Self {
        Self::Binary("||".into(), Box::new(self), Box::new(other))
    }

    /// The opposite.
    #[expect(clippy::should_implement_trait, reason = "it is one of three, and reads as the other two")]
    pub fn not(self) -> Self {
        Self::Unary("!".into(), Box::new(self))
    }

    /// `true` or `false`.
    pub const fn bool(value: bool) -> Self {
        Self::Literal(Json::Bool(value))
    }

    /// The expressions directly inside.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Literal(_) | Self::Entity(_) | Self::Var(_) => Vec::new(),
            Self::Unary(_, inner) | Self::Attr(inner, _) | Self::Has(inner, _) | Self::Like(inner, _) => {
                vec![inner]
            }
            Self::Binary(_, left, right) => vec![left, right],
            Self::Is(left, _, within) => std::iter::once(&**left).chain(within.as_deref()).collect(),
            Self::If(test, then, otherwise) => vec![test, then, otherwise],
            Self::Set(items) | Self::Call(_, items) => items.iter().collect(),
            Self::Record(fields) => fields.values().collect(),
        }
    }

    /// Every entity that is named in it, however deep.
    pub fn entities(&self) -> Vec<EntityName> {
        let mut found = Vec::new();
        self.gather_entities(&mut found);
        found
    }

    fn gather_entities(&self, found: &mut Vec<EntityName>) {
        match self {
            Self::Entity(name) => found.push(name.clone()),
            Self::Literal(value) => gather_in_literal(value, found),
            _ => self.children().into_iter().for_each(|child| child.gather_entities(found)),
        }
    }
}

fn gather_in_literal(value: &Json, found: &mut Vec<EntityName>) {
    if let Some(name) = EntityName::parse(value) {
        return found.push(name);
    }
    match value {
        Json::Array(items) => items.iter().for_each(|item| gather_in_literal(item, found)),
        Json::Object(fields) => fields.values().for_each(|item| gather_in_literal(item, found)),
        _ => {}
    }
}

fn keyed(key: &str, body: Json) -> Json {
    Json::Object(Map::from_iter([(key.to_owned(), body)]))
}

fn list(body: &Json) -> Option<Result<Vec<Expr>, UnknownExpression>> {
    body.as_array().map(|items| items.iter().map(Expr::parse).collect())
}

impl Var {
    /// As Cedar writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Action => "action",
            Self::Resource => "resource",
            Self::Context => "context",
        }
    }
}

impl EntityName {
    /// A name from its parts.
    pub fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }

    /// Reads `{"__entity": {"type", "id"}}` or `{"type", "id"}`.
    pub fn parse(json: &Json) -> Option<Self> {
        let object = json.get("__entity").unwrap_or(json).as_object()?;
        match (object.len(), object.get("type")?.as_str()?, object.get("id")?.as_str()?) {
            (2, kind, id) => Some(Self::new(kind, id)),
            _ => None,
        }
    }

    fn to_json(&self) -> Json {
        json!({ "type": self.kind, "id": self.id })
    }
}

#[cfg(test)]
mod tests {
    use super::Expr;
    use cedar_policy::{Policy, PolicyId};

    fn round(condition: &str) {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        let policy = Policy::parse(None, &text).unwrap();
        let json = policy.to_json().unwrap();
        let body = &json["conditions"][0]["body"];
        let expr = Expr::parse(body).unwrap_or_else(|error| panic!("{condition}: {error}"));
        assert_eq!(expr.to_json(), *body, "{condition}");
        let mut again = json.clone();
        again["conditions"][0]["body"] = expr.to_json();
        Policy::from_json(Some(PolicyId::new("p")), again).unwrap();
    }

    #[test]
    fn every_kind_of_expression_survives_the_way_there_and_back() {
        for condition in [
            "true && !(1 + 2 * 3 - -4 < 5 || 6 >= 7)",
            r#"principal in [Role::"A", Role::"B"] || principal is User in Role::"C""#,
            r#"principal has tenant && principal.tenant == context.params["a b"]"#,
            r#"context.path like "/a/*\*b" && [1, "x", {a: true}].contains(1)"#,
            r#"if context.secure then principal.scopes.containsAll(["x"]) else [].isEmpty()"#,
            r#"context.ip.isInRange(ip("10.0.0.0/8")) && context.time < datetime("2026-01-01")"#,
            r#"context.time.toTime() >= duration("8h") && principal is ApiKey && action in Action::"read""#,
        ] {
            round(condition);
        }
    }

    #[test]
    fn a_path_after_has_is_every_step_of_it() {
        let has = |attr: serde_json::Value| {
            let left = serde_json::json!({ "Var": "context" });
            Expr::parse(&serde_json::json!({ "has": { "left": left, "attr": attr } })).unwrap()
        };
        let first = has("params".into());
        let Expr::Has(context, _) = first.clone() else { panic!("not `has`") };
        let second = Expr::Has(Box::new(Expr::Attr(context, "params".into())), "x".into());
        assert_eq!(has(vec!["params", "x"].into()), first.and(second));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let slot = serde_json::json!({ "Slot": "?principal" });
        assert!(Expr::parse(&slot).is_err());
        assert!(Expr::parse(&serde_json::json!({ "sorcery": { "arg": 1 } })).is_err());
    }
}
