//! Which claims become roles, scopes and attributes.

use crate::jose::TokenFault;
use crate::jose::json::{Json, Object};
use haechi_core::{AttributeType, AttributeValue, Attributes, RoleTable};
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
    /// Where. The first that is of the declared type counts; the members of sets are joined.
    pub pointers: Vec<JsonPointer>,
    /// As what it is declared. A claim of another type leaves the attribute absent.
    pub type_of: AttributeType,
}

/// What becomes of which claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsMap {
    /// Who it is: the first of these that is there. `/sub` where this is empty.
    pub subject: Vec<JsonPointer>,
    /// The roles of all these together: a text, of words separated by spaces or commas; an array of texts; or an object, whose names count,
    /// except those whose value is `false` or `null`. Anything else is no roles.
    pub roles: Vec<JsonPointer>,
    /// What the issuer says, and which role of ours that is. Where this is given, what is neither here nor declared is dropped.
    pub role_map: Option<BTreeMap<Box<str>, Box<str>>>,
    /// The scopes of all these together: a text of words separated by spaces (RFC 8693 4.2), or an array of texts.
    pub scopes: Vec<JsonPointer>,
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
    /// The claim of this name.
    pub fn of_name(name: &str) -> Self {
        Self(vec![name.into()])
    }

    pub(super) fn find<'c>(&self, claims: &'c Object<'c>) -> Option<&'c Json<'c>> {
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
    pub(crate) fn subject<'c>(&self, claims: &'c Object<'c>) -> Result<&'c str, TokenFault> {
        let found = match &*self.subject {
            [] => claims.member("sub"),
            pointers => pointers.iter().find_map(|pointer| pointer.find(claims)),
        };
        match found {
            Some(Json::String(subject)) if !subject.is_empty() => Ok(subject),
            Some(Json::String(_)) | None => Err(TokenFault::Missing("sub")),
            Some(_) => Err(TokenFault::Malformed("sub")),
        }
    }

    pub(crate) fn roles(&self, claims: &Object<'_>, declared: &RoleTable) -> Vec<String> {
        let said = joined(&self.roles, claims, role_names);
        let Some(map) = &self.role_map else { return said };
        let mut ours: Vec<String> = Vec::with_capacity(said.len());
        for name in said {
            let role = match map.get(&*name) {
                Some(role) => role.to_string(),
                None if declared.knows(&name) => name,
                None => continue,
            };
            if !ours.contains(&role) {
                ours.push(role);
            }
        }
        ours
    }

    pub(crate) fn scopes(&self, claims: &Object<'_>) -> Vec<String> {
        joined(&self.scopes, claims, |claim| match claim {
            Json::String(text) => words(text, |c| c == ' '),
            list => texts(list),
        })
    }

    pub(crate) fn attributes(&self, claims: &Object<'_>) -> Attributes {
        let found = self.attributes.iter().filter_map(|(name, claim)| {
            let here = claim.pointers.iter().filter_map(|pointer| pointer.find(claims));
            let mut values = here.filter_map(|here| value(here, claim.type_of));
            let first = values.next()?;
            Some((name.clone(), values.fold(first, with)))
        });
        found.collect()
    }
}

/// A set with what another has besides; of other values the first counts.
fn with(first: AttributeValue, other: AttributeValue) -> AttributeValue {
    match (first, other) {
        (AttributeValue::Set(mut all), AttributeValue::Set(more)) => {
            all.extend(more);
            AttributeValue::Set(all)
        }
        (first, _) => first,
    }
}

fn joined(
    pointers: &[JsonPointer],
    claims: &Object<'_>,
    read: impl Fn(&Json<'_>) -> Vec<String>,
) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in pointers.iter().filter_map(|pointer| pointer.find(claims)).flat_map(read) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn role_names(claim: &Json<'_>) -> Vec<String> {
    match claim {
        Json::String(text) => words(text, |c| c == ' ' || c == ','),
        Json::Object(names) => {
            names.names().filter(|(_, value)| says(value)).map(|(name, _)| name.to_owned()).collect()
        }
        list => texts(list),
    }
}

fn words(text: &str, ends: impl Fn(char) -> bool) -> Vec<String> {
    text.split(ends).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn texts(list: &Json<'_>) -> Vec<String> {
    list.as_strings().unwrap_or_default().into_iter().map(str::to_owned).collect()
}

/// Whether a name with this value is meant: `{"admin": false}` says that somebody is none.
fn says(value: &Json<'_>) -> bool {
    !matches!(value, Json::Null | Json::Bool(false))
}

fn value(claim: &Json<'_>, declared: AttributeType) -> Option<AttributeValue> {
    match (claim, declared) {
        (Json::Bool(value), AttributeType::Bool) => Some(AttributeValue::Bool(*value)),
        (Json::Integer(value), AttributeType::Long) => Some(AttributeValue::Long(*value)),
        (Json::String(value), AttributeType::String) => Some(AttributeValue::String(value.as_ref().into())),
        (Json::String(value), AttributeType::Set) => {
            Some(AttributeValue::Set([value.as_ref().into()].into()))
        }
        (Json::Array(_), AttributeType::Set) => {
            Some(AttributeValue::Set(claim.as_strings()?.into_iter().map(Box::from).collect()))
        }
        (Json::Object(names), AttributeType::Set) => Some(AttributeValue::Set(
            names.names().filter(|(_, value)| says(value)).map(|(name, _)| name.into()).collect(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{AttributeClaim, ClaimsMap, JsonPointer};
    use crate::jose::json::Object;
    use haechi_core::{AttributeType, AttributeValue, RoleTable};

    fn pointer(text: &str) -> JsonPointer {
        text.parse().unwrap()
    }

    fn roles(at: &str, claims: &str) -> Vec<String> {
        let map = ClaimsMap { roles: vec![pointer(at)], ..ClaimsMap::default() };
        map.roles(&Object::parse(claims.as_bytes()).unwrap(), &RoleTable::default())
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
        assert_eq!(roles("/r", r#"{"r":"A,B, C"}"#), ["A", "B", "C"]);
        assert_eq!(roles("/r", r#"{"r":["A B","a,b"]}"#), ["A B", "a,b"]);
        assert_eq!(roles("/r", r#"{"r":{"A":{"1":"x"},"B":true,"C":false,"D":null}}"#), ["A", "B"]);
        for claims in [r#"{"r":["A",1]}"#, r#"{"r":{}}"#, r#"{"r":null}"#, r#"{"r":1}"#, "{}"] {
            assert!(roles("/r", claims).is_empty(), "{claims}");
        }
    }

    #[test]
    fn several_places_are_joined_and_mapped_to_roles_of_ours() {
        let claims = r#"{"realm":{"roles":["A","\/staff\/admins"]},"groups":["A","관리자"],"scp":["a"],"scope":"b a"}"#;
        let claims = Object::parse(claims.as_bytes()).unwrap();
        let pointers = |all: &[&str]| all.iter().map(|at| pointer(at)).collect::<Vec<_>>();
        let map = ClaimsMap {
            roles: pointers(&["/realm/roles", "/none", "/groups"]),
            scopes: pointers(&["/scp", "/scope"]),
            ..ClaimsMap::default()
        };
        let table = RoleTable::new(&[("ADMIN".to_owned(), vec![]), ("A".to_owned(), vec![])].into()).unwrap();
        assert_eq!(map.roles(&claims, &table), ["A", "/staff/admins", "관리자"]);
        assert_eq!(map.scopes(&claims), ["a", "b"]);
        let mapped = [("/staff/admins".into(), "ADMIN".into()), ("other".into(), "ADMIN".into())];
        let map = ClaimsMap { role_map: Some(mapped.into()), ..map };
        assert_eq!(map.roles(&claims, &table), ["A", "ADMIN"], "neither mapped nor declared is dropped");
    }

    #[test]
    fn the_first_place_with_a_subject_counts() {
        let subject = |pointers: &[&str], claims: &str| {
            let subject = pointers.iter().map(|at| pointer(at)).collect();
            let claims = Object::parse(claims.as_bytes()).unwrap();
            let map = ClaimsMap { subject, ..ClaimsMap::default() };
            map.subject(&claims).map(str::to_owned).map_err(|fault| fault.to_string())
        };
        let claims = r#"{"sub":"s","azp":"a","n":1,"e":""}"#;
        assert_eq!(subject(&[], claims).as_deref(), Ok("s"));
        assert_eq!(subject(&["/client_id", "/azp"], claims).as_deref(), Ok("a"));
        for pointer in ["/n", "/e", "/x"] {
            assert!(subject(&[pointer], claims).is_err(), "{pointer}");
        }
    }

    #[test]
    fn sets_are_lists_names_or_one_text() {
        let set =
            AttributeClaim { pointers: vec![pointer("/a"), pointer("/b")], type_of: AttributeType::Set };
        let map = ClaimsMap { attributes: [("groups".into(), set)].into(), ..ClaimsMap::default() };
        for (claims, expected) in [
            (r#"{"a":["x","y"],"b":"z w"}"#, Some(&["x", "y", "z w"][..])),
            (r#"{"b":{"x":1,"y":false}}"#, Some(&["x"])),
            (r#"{"a":[]}"#, Some(&[])),
            (r#"{"a":["x",1]}"#, None),
            ("{}", None),
        ] {
            let found = map.attributes(&Object::parse(claims.as_bytes()).unwrap());
            let expected =
                expected.map(|all| AttributeValue::Set(all.iter().copied().map(Box::from).collect()));
            assert_eq!(found.get("groups"), expected.as_ref(), "{claims}");
        }
    }

    #[test]
    fn attributes_are_of_their_declared_type_or_absent() {
        let declare = |type_of| AttributeClaim { pointers: vec![pointer("/x")], type_of };
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
