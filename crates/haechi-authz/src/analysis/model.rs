//! One caller and one request, as facts.

use super::field::Field;
use cedar_policy::{Context, EvalResult, RestrictedExpression};
use haechi_core::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The facts. What is not there is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model(pub(super) BTreeMap<Field, Value>);

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Long(i64),
    Text(String),
    Texts(BTreeSet<String>),
    Ip(IpAddr),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Model {
    /// Reads these fields from what the solver found.
    pub(super) fn read(context: &Context, fields: &BTreeSet<Field>) -> Result<Self, String> {
        let mut facts = BTreeMap::new();
        for field in fields {
            let name = field.name();
            match context.get(&name) {
                None if field.optional() => {}
                None => return Err(format!("the solver's answer lacks `{name}`")),
                Some(result) => {
                    let value =
                        value(&result).ok_or_else(|| format!("the solver's `{name}` is `{result}`"))?;
                    facts.insert(field.clone(), value);
                }
            }
        }
        Ok(Self(facts))
    }

    /// As Cedar takes it.
    pub(super) fn context(&self) -> Option<Context> {
        let pairs = self.0.iter().map(|(field, value)| (field.name(), value.expression()));
        Context::from_pairs(pairs).ok()
    }

    pub(super) fn text(&self, field: &Field) -> Option<&str> {
        match self.0.get(field) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, field: &Field) -> impl Iterator<Item = &str> {
        let set = match self.0.get(field) {
            Some(Value::Texts(set)) => Some(set),
            _ => None,
        };
        set.into_iter().flatten().map(String::as_str)
    }

    /// The same but for one fact.
    pub(super) fn with(&self, field: &Field, value: Option<Value>) -> Self {
        let mut facts = self.0.clone();
        match value {
            Some(value) => drop(facts.insert(field.clone(), value)),
            None => drop(facts.remove(field)),
        }
        Self(facts)
    }
}

impl Value {
    fn expression(&self) -> RestrictedExpression {
        match self {
            Self::Bool(value) => RestrictedExpression::new_bool(*value),
            Self::Long(value) => RestrictedExpression::new_long(*value),
            Self::Text(text) => RestrictedExpression::new_string(text.clone()),
            Self::Texts(set) => {
                RestrictedExpression::new_set(set.iter().cloned().map(RestrictedExpression::new_string))
            }
            Self::Ip(ip) => RestrictedExpression::new_ip(ip.to_string()),
            Self::Time(at) => {
                RestrictedExpression::new_datetime(Timestamp::from_millis(*at).rfc3339_millis().to_string())
            }
        }
    }
}

fn value(result: &EvalResult) -> Option<Value> {
    Some(match result {
        EvalResult::Bool(value) => Value::Bool(*value),
        EvalResult::Long(value) => Value::Long(*value),
        EvalResult::String(text) => Value::Text(text.clone()),
        EvalResult::Set(set) => Value::Texts(
            set.iter()
                .map(|item| match item {
                    EvalResult::String(text) => Some(text.clone()),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        ),
        EvalResult::ExtensionValue(text) => extension(text)?,
        EvalResult::EntityUid(_) | EvalResult::Record(_) => return None,
    })
}

/// `ip("…")`, or a datetime: `(datetime("…")).offset(duration("…ms"))`.
fn extension(text: &str) -> Option<Value> {
    let mut quoted = text.split('"').skip(1).step_by(2);
    let first = quoted.next()?;
    if text.starts_with("ip") {
        let address = first.split('/').next()?;
        return address.parse().ok().map(Value::Ip);
    }
    let start = if first.contains('T') { first.to_owned() } else { format!("{first}T00:00:00Z") };
    let start = humantime::parse_rfc3339(&start).ok()?;
    let start = i64::try_from(start.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()?;
    let offset = quoted.next().map_or(Some(0), |offset| offset.strip_suffix("ms")?.parse().ok())?;
    start.checked_add(offset).map(Value::Time)
}
