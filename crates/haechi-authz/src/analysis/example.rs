//! From facts that a solver found to a caller and a request that a person can read, and send.

use super::access::{CallerOrigin, Side};
use super::field::{Field, texts};
use super::model::{Model, Value};
use super::shape::Shape;
use super::solver::Question;
use super::space::addresses;
use crate::RouteIndex;
use crate::expr::Expr;
use haechi_core::{AttributeValue, Attributes, CallerKind, CanonicalPath, Timestamp};
use http::Method;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// A caller and a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The route that it takes.
    pub route: Arc<str>,
    /// The method.
    #[serde(serialize_with = "as_text")]
    pub method: Method,
    /// The canonical path.
    #[serde(serialize_with = "as_text")]
    pub path: CanonicalPath,
    /// The host, without a port.
    pub host: String,
    /// The client's address.
    pub ip: IpAddr,
    /// When it comes.
    #[serde(serialize_with = "as_time")]
    pub time: Timestamp,
    /// Whether it comes over TLS.
    pub secure: bool,
    /// Declared request headers, by their names in policies.
    pub headers: BTreeMap<String, String>,
    /// What sort of principal is calling.
    pub kind: CallerKind,
    /// The authenticator that let it in.
    pub authenticator: Arc<str>,
    /// Who vouches for it.
    pub issuer: String,
    /// Who it is.
    pub subject: String,
    /// The roles that it was given; it holds what they include as well.
    pub roles: Vec<Arc<str>>,
    /// Its scopes.
    pub scopes: Vec<Arc<str>>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Which facts it depends on; the others could be anything.
    pub matters: Vec<String>,
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.rfc3339_millis())
}

/// What an example is to be of.
pub(super) struct Wanted<'a> {
    pub(super) side: &'a Side<'a>,
    pub(super) route: RouteIndex,
    pub(super) shape: &'a Shape,
    pub(super) methods: &'a [Method],
    pub(super) question: &'a Question,
    pub(super) conditions: &'a [&'a Expr],
}

const NAMES: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

impl Wanted<'_> {
    /// The plainest example that can be made of the facts.
    ///
    /// # Errors
    /// When Cedar does not say of it what the solver says, or no request has these facts.
    pub(super) fn example(&self, found: Model) -> Result<Example, String> {
        if !self.question.is_answered_by(&found) {
            return Err("Cedar does not confirm what the solver found".into());
        }
        let mut model = found;
        for simpler in [Self::simpler_request, Self::simpler_caller, Self::simpler_texts] {
            simpler(self, &mut model);
        }
        let (host, path) = self.place(&mut model)?;
        self.told(&model, host, path)
    }

    fn take_if_answers(&self, model: &mut Model, other: Model) -> bool {
        let better = *model != other && self.question.is_answered_by(&other);
        if better {
            *model = other;
        }
        better
    }

    fn simpler_request(&self, model: &mut Model) {
        for method in self.methods {
            let value = Value::Text(method.to_string());
            if model.0.get(&Field::Method) == Some(&value)
                || self.take_if_answers(model, model.with(&Field::Method, Some(value)))
            {
                break;
            }
        }
        let addresses = addresses(self.conditions).into_iter().map(Value::Ip);
        self.first(model, &Field::Ip, addresses);
        if let Some(Value::Time(at)) = model.0.get(&Field::Time).cloned() {
            let noon = 1_798_804_800_000_i64; // 2027-01-01T12:00:00Z
            let (day, hour, second) = (86_400_000, 3_600_000, 1_000);
            let kept = |unit: i64| at - at.rem_euclid(unit);
            let same_time = noon - noon.rem_euclid(day) + at.rem_euclid(day);
            let same_hour = same_time - same_time.rem_euclid(hour);
            let tries = [noon, same_hour, same_time, kept(day), kept(hour), kept(second)];
            self.first(model, &Field::Time, tries.into_iter().map(Value::Time));
        }
        self.first(model, &Field::Secure, [Value::Bool(true)].into_iter());
    }

    /// The first of the values that does, unless the one there is among those before it.
    fn first(&self, model: &mut Model, field: &Field, values: impl Iterator<Item = Value>) {
        let Some(there) = model.0.get(field).cloned() else { return };
        for value in values {
            if value == there || self.take_if_answers(model, model.with(field, Some(value))) {
                return;
            }
        }
    }

    fn simpler_caller(&self, model: &mut Model) {
        for way in self.side.ways(self.route) {
            let mut other = model.clone();
            let kind = crate::principal_kind(way.kind);
            other.0.insert(Field::Kind, Value::Text(kind.into()));
            other.0.insert(Field::Authenticator, Value::Text(way.authenticator.to_string()));
            if let (Some(issuer), Some(held)) = (&way.issuer, other.0.get_mut(&Field::Issuer)) {
                *held = Value::Text(issuer.to_string());
            }
            if other == *model || self.take_if_answers(model, other) {
                break;
            }
        }
        for field in model.0.keys().cloned().collect::<Vec<_>>() {
            match &field {
                Field::Role(_) => self.first(model, &field, std::iter::once(Value::Bool(false))),
                Field::Attribute(_) | Field::Header(_) => {
                    if !self.take_if_answers(model, model.with(&field, None))
                        && let Some(Value::Long(_)) = model.0.get(&field)
                    {
                        self.first(model, &field, [0, 1, 2, 3, 4, 5, 10, 100].into_iter().map(Value::Long));
                    }
                }
                Field::Scopes => {
                    for scope in model.texts(&field).map(str::to_owned).collect::<Vec<_>>() {
                        let left = model.texts(&field).filter(|held| *held != scope).map(str::to_owned);
                        let left = Value::Texts(left.collect());
                        self.take_if_answers(model, model.with(&field, Some(left)));
                    }
                }
                _ => {}
            }
        }
    }

    /// Texts that no condition names get plain names, equal ones the same.
    fn simpler_texts(&self, model: &mut Model) {
        let mut named = BTreeSet::new();
        self.conditions.iter().for_each(|condition| texts(condition, &mut named));
        let mut names = NAMES.iter().filter(|name| !named.contains(**name));
        if let Some(subject) = model.text(&Field::Subject).filter(|subject| !named.contains(*subject)) {
            let renamed = renamed(model, subject, "someone");
            self.take_if_answers(model, renamed);
        }
        for text in free_texts(model) {
            if !named.contains(&text)
                && let Some(name) = names.next()
            {
                let renamed = renamed(model, &text, name);
                self.take_if_answers(model, renamed);
            }
        }
    }

    /// The host and a path that take the route and have the facts of the model.
    fn place(&self, model: &mut Model) -> Result<(String, CanonicalPath), String> {
        let method = self.method(model)?;
        let hosts = self.side.hosts(self.route);
        let host = model.text(&Field::Host).map_or_else(
            || hosts.first().map_or_else(|| "localhost".to_owned(), |host| host.replacen('*', "www", 1)),
            str::to_owned,
        );
        let mut paths: Vec<String> = model.text(&Field::Path).map(str::to_owned).into_iter().collect();
        for filler in ["x", "one", "y7", "0"] {
            for rest in ["", "/", "/x", "/x/one"] {
                let value = |name: &str| model.text(&Field::Param(name.into())).map(str::to_owned);
                paths.push(self.shape.path(value, filler, rest));
            }
        }
        for path in paths {
            let Some(path) =
                CanonicalPath::parse(path.as_bytes()).ok().filter(|parsed| parsed.as_str() == path)
            else {
                continue;
            };
            let Some(there) = self.at(model, &path) else { continue };
            if (self.side.takes)(self.route, &method, &host, &path) && self.question.is_answered_by(&there) {
                *model = there;
                return Ok((host, path));
            }
        }
        Err("no request was found that takes the route and has the facts which the solver found".into())
    }

    /// The model with the path and the parameters that a request for `path` has.
    fn at(&self, model: &Model, path: &CanonicalPath) -> Option<Model> {
        let route = self.side.rewriter(self.route)?.route;
        let mut there = model.clone();
        if let Some(known) = there.0.get_mut(&Field::Path) {
            *known = Value::Text(path.to_string());
        }
        for (name, value) in route.params(path.as_str()) {
            if let Some(known) = there.0.get_mut(&Field::Param(name.into())) {
                *known = Value::Text(value.into());
            }
        }
        Some(there)
    }

    fn method(&self, model: &Model) -> Result<Method, String> {
        let name = model.text(&Field::Method).unwrap_or_default();
        name.parse().map_err(|_| format!("`{name}` is no method"))
    }

    fn told(&self, model: &Model, host: String, path: CanonicalPath) -> Result<Example, String> {
        let way = self.way(model).ok_or("nobody can come to the route in this way")?;
        let route = self.side.rewriter(self.route).ok_or("there is no such route")?.route;
        let text = |field: &Field| model.text(field).map(str::to_owned);
        let anonymous = way.kind == CallerKind::Anonymous;
        let or = |text: &str| if anonymous { String::new() } else { text.to_owned() };
        let mut example = Example {
            route: route.name.clone(),
            method: self.method(model)?,
            path,
            host,
            ip: match model.0.get(&Field::Ip) {
                Some(Value::Ip(ip)) => *ip,
                _ => [203, 0, 113, 7].into(),
            },
            time: Timestamp::from_millis(match model.0.get(&Field::Time) {
                Some(Value::Time(at)) => *at,
                _ => 1_798_804_800_000,
            }),
            secure: model.0.get(&Field::Secure) != Some(&Value::Bool(false)),
            headers: BTreeMap::new(),
            kind: way.kind,
            authenticator: way.authenticator.clone(),
            issuer: text(&Field::Issuer).unwrap_or_else(|| or(way.issuer.as_deref().unwrap_or("someone"))),
            subject: text(&Field::Subject).unwrap_or_else(|| or("someone")),
            roles: Vec::new(),
            scopes: model.texts(&Field::Scopes).map(Arc::from).collect(),
            attributes: Attributes::new(),
            matters: model.0.keys().map(Field::name).collect(),
        };
        for (field, value) in &model.0 {
            match (field, value) {
                (Field::Role(name), Value::Bool(true)) => example.roles.push(Arc::from(name.as_str())),
                (Field::Attribute(name), value) => {
                    example.attributes.extend(attribute(value).map(|value| (name.as_str().into(), value)));
                }
                (Field::Header(name), Value::Text(text)) => {
                    example.headers.insert(name.clone(), text.clone());
                }
                _ => {}
            }
        }
        Ok(example)
    }

    fn way(&self, model: &Model) -> Option<&CallerOrigin> {
        self.side.ways(self.route).iter().find(|way| {
            model.text(&Field::Kind) == Some(crate::principal_kind(way.kind))
                && model.text(&Field::Authenticator) == Some(&way.authenticator)
        })
    }
}

fn attribute(value: &Value) -> Option<AttributeValue> {
    Some(match value {
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Long(value) => AttributeValue::Long(*value),
        Value::Text(text) => AttributeValue::String(text.as_str().into()),
        Value::Texts(texts) => AttributeValue::Set(texts.iter().map(|text| text.as_str().into()).collect()),
        Value::Ip(_) | Value::Time(_) => return None,
    })
}

const fn holds_free_text(field: &Field) -> bool {
    matches!(field, Field::Attribute(_) | Field::Param(_) | Field::Header(_) | Field::Subject | Field::Scopes)
}

fn free_texts(model: &Model) -> Vec<String> {
    let mut found = Vec::new();
    for (field, value) in model.0.iter().filter(|(field, _)| holds_free_text(field)) {
        match value {
            Value::Text(text) if *field != Field::Subject => found.push(text.clone()),
            Value::Texts(set) => found.extend(set.iter().cloned()),
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn renamed(model: &Model, from: &str, to: &str) -> Model {
    let mut facts = model.0.clone();
    for (_, value) in facts.iter_mut().filter(|(field, _)| holds_free_text(field)) {
        match value {
            Value::Text(text) if text == from => *text = to.to_owned(),
            Value::Texts(set) if set.contains(from) => {
                set.remove(from);
                set.insert(to.to_owned());
            }
            _ => {}
        }
    }
    Model(facts)
}
