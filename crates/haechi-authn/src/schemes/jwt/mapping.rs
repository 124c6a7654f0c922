//! Which claims become roles, scopes and attributes.

use crate::jose::json::{Json, Object};
use haechi_core::{AttributeType, AttributeValue, Attributes};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Where a value stands in the claims (RFC 6901). Not empty: the claims as a whole are no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPointer(Vec<Box<str>>);

/// Text that is not a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a JSON pointer; write `/name`, or `/outer/inner` for a claim within another")]
pub struct BadPointer(String);

/// A declared attribute and the claim that fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeClaim {
    /// Where.
    pub pointer: JsonPointer,
    /// As what it is declared. A claim of another type leaves the attribute absent.
    pub type_of: AttributeType,
}

/// What becomes of which claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsMap {
    /// The roles: an array of texts, or one text of words separated by spaces. Anything else is no roles.
    pub roles: Option<JsonPointer>,
    /// The scopes, likewise (RFC 8693 4.2 is a text of words).
    pub scopes: Option<JsonPointer>,
    /// The attributes by name.
    pub attributes: BTreeMap<Box<str>, AttributeClaim>,
}

impl FromStr for JsonPointer {
    type Err = BadPointer;

    fn from_str(text: &str) -> Result<Self, BadPointer> {
        let bad = || BadPointer(text.to_owned());
        let rest = text.strip_prefix('/').ok_or_else(bad)?;
        rest.split('/').map(unescape).collect::<Option<_>>().map(Self).ok_or_else(bad)
    }
}

/// `~1` is `/` and `~0` is `~`, in this order; no other escape exists.
fn unescape(part: &str) -> Option<Box<str>> {
    let legal = part.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    legal.then(|| part.replace("~1", "/").replace("~0", "~").into())
}

impl JsonPointer {
    fn find<'c>(&self, claims: &'c Object<'c>) -> Option<&'c Json<'c>> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.member(first)?, |value, part| match value {
            Json::Object(object) => object.member(part),
            Json::Array(elements) => elements.get(index(part)?),
            _ => None,
        })
    }
}

fn index(part: &str) -> Option<usize> {
    let canonical = part == "0" || !part.starts_with(['0', '+']);
    part.parse().ok().filter(|_| canonical)
}

impl ClaimsMap {
    pub(super) fn roles(&self, claims: &Object<'_>) -> Vec<String> {
        words(self.roles.as_ref(), claims)
    }

    pub(super) fn scopes(&self, claims: &Object<'_>) -> Vec<String> {
        words(self.scopes.as_ref(), claims)
    }

    pub(super) fn attributes(&self, claims: &Object<'_>) -> Attributes {
        let found = self.attributes.iter().filter_map(|(name, claim)| {
            let value = value(claim.pointer.find(claims)?, claim.type_of)?;
            Some((name.clone(), value))
        });
        found.collect()
    }
}

fn words(pointer: Option<&JsonPointer>, claims: &Object<'_>) -> Vec<String> {
    match pointer.and_then(|pointer| pointer.find(claims)) {
        Some(Json::String(text)) => {
            text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Some(list) => list.as_strings().unwrap_or_default().into_iter().map(str::to_owned).collect(),
        None => Vec::new(),
    }
}

fn value(claim: &Json<'_>, declared: AttributeType) -> Option<AttributeValue> {
    match (claim, declared) {
        (Json::Bool(value), AttributeType::Bool) => Some(AttributeValue::Bool(*value)),
        (Json::Integer(value), AttributeType::Long) => Some(AttributeValue::Long(*value)),
        (Json::String(value), AttributeType::String) => Some(AttributeValue::String(value.as_ref().into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{AttributeClaim, ClaimsMap, JsonPointer};
    use crate::jose::json::Object;
    use haechi_core::{AttributeType, AttributeValue};

    fn pointer(text: &str) -> JsonPointer {
        text.parse().unwrap()
    }

    fn roles(at: &str, claims: &str) -> Vec<String> {
        let map = ClaimsMap { roles: Some(pointer(at)), ..ClaimsMap::default() };
        map.roles(&Object::parse(claims.as_bytes()).unwrap())
    }

    #[test]
    fn pointers_reach_into_objects_and_arrays() {
        assert_eq!(roles("/realm_access/roles", r#"{"realm_access":{"roles":["A","B"]}}"#), ["A", "B"]);
        assert_eq!(roles("/a~1b/m~0n", r#"{"a/b":{"m~n":"A"}}"#), ["A"]);
        assert_eq!(roles("/https:~1~1x.example~1roles", r#"{"https://x.example/roles":["A"]}"#), ["A"]);
        assert_eq!(roles("/g/1", r#"{"g":["A","B"]}"#), ["B"]);
        for (at, claims) in [
            ("/g/01", r#"{"g":["A","B"]}"#),
            ("/g/2", r#"{"g":["A"]}"#),
            ("/g/-", r#"{"g":["A"]}"#),
            ("/g/+0", r#"{"g":["A"]}"#),
            ("/g/a", r#"{"g":"a"}"#),
        ] {
            assert!(roles(at, claims).is_empty(), "{at}");
        }
        for bad in ["", "roles", "roles/", "/a~", "/a~2"] {
            assert!(bad.parse::<JsonPointer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn roles_are_texts_or_words_and_anything_else_is_none() {
        assert_eq!(roles("/r", r#"{"r":"  A  B "}"#), ["A", "B"]);
        assert_eq!(roles("/r", r#"{"r":["A B"]}"#), ["A B"]);
        for claims in [r#"{"r":["A",1]}"#, r#"{"r":{"A":true}}"#, r#"{"r":null}"#, r#"{"r":1}"#, "{}"] {
            assert!(roles("/r", claims).is_empty(), "{claims}");
        }
    }

    #[test]
    fn attributes_are_of_their_declared_type_or_absent() {
        let declare = |type_of| AttributeClaim { pointer: pointer("/x"), type_of };
        let map = ClaimsMap {
            attributes: [
                ("s".into(), declare(AttributeType::String)),
                ("l".into(), declare(AttributeType::Long)),
                ("b".into(), declare(AttributeType::Bool)),
            ]
            .into(),
            ..ClaimsMap::default()
        };
        for (claim, expected) in [
            ("\"7\"", Some(("s", AttributeValue::String("7".into())))),
            ("7", Some(("l", AttributeValue::Long(7)))),
            ("true", Some(("b", AttributeValue::Bool(true)))),
            ("7.0", None),
            ("9223372036854775808", None),
            ("null", None),
            ("[\"7\"]", None),
        ] {
            let text = format!("{{\"x\":{claim}}}");
            let found = map.attributes(&Object::parse(text.as_bytes()).unwrap());
            let found: Vec<_> = found.iter().map(|(name, value)| (&**name, value.clone())).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{claim}");
        }
    }
}
