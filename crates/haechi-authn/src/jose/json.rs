//! JSON from strangers: duplicate names refused at every depth, depth bounded, text borrowed where it can be.
//!
//! `serde_json::Value` keeps the last of two members with one name, and another reader may keep the first: a token that means two things. Headers,
//! claims, key sets and discovery documents are all read through here.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: u8 = 16;

/// A JSON value whose objects have distinct names.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction or exponent that fits.
    Integer(i64),
    /// Any other number; finite.
    Float(f64),
    /// Text, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order as written.
    Object(Object<'a>),
    /// An object in which a name stands twice, or what nests too deeply: it could mean several things. Only [`Object::parse_set`] gives it, in
    /// place of refusing all that stands around it.
    Ambiguous,
}

/// The members of an object; names are distinct.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Bytes that are not one JSON object with distinct names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object with distinct names: {0}")]
pub struct BadJson(String);

impl<'a> Object<'a> {
    /// Reads exactly one object.
    ///
    /// # Errors
    /// [`BadJson`] for anything else: other values, repeated names, too deep, trailing bytes, lone surrogates, invalid UTF-8.
    pub fn parse(text: &'a [u8]) -> Result<Self, BadJson> {
        Self::read(text, Repeats::Refused)
    }

    /// The same for a set of things that do not depend on each other: what could mean several things below the outermost object is
    /// [`Json::Ambiguous`], and the rest stays.
    ///
    /// # Errors
    /// [`BadJson`].
    pub fn parse_set(text: &'a [u8]) -> Result<Self, BadJson> {
        Self::read(text, Repeats::RefusedOutside)
    }

    fn read(text: &'a [u8], repeats: Repeats) -> Result<Self, BadJson> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Nested(MAX_DEPTH, repeats).deserialize(&mut reader).map_err(fault)?;
        reader.end().map_err(fault)?;
        match value {
            Json::Object(object) => Ok(object),
            _ => Err(BadJson("it is another kind of value".into())),
        }
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The members in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Json<'a> {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The elements, if it is an array of nothing but text.
    pub fn as_strings(&self) -> Option<Vec<&str>> {
        self.as_array()?.iter().map(Self::as_str).collect()
    }

    /// The object, if it is one.
    pub const fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// Tells where, not what: the text may hold what must not be logged.
fn fault(error: serde_json::Error) -> BadJson {
    let what = match error.classify() {
        serde_json::error::Category::Data if error.to_string().starts_with(REPEATED) => REPEATED,
        serde_json::error::Category::Data if error.to_string().starts_with(TOO_DEEP) => TOO_DEEP,
        serde_json::error::Category::Eof => "it ends too early",
        _ => "malformed",
    };
    BadJson(format!("{what}, at line {} column {}", error.line(), error.column()))
}

const REPEATED: &str = "a name stands twice";
const TOO_DEEP: &str = "nested too deeply";

/// A value that may nest this many levels more.
#[derive(Clone, Copy)]
struct Nested(u8, Repeats);

/// What becomes of an object in which a name stands twice.
#[derive(Clone, Copy, PartialEq)]
enum Repeats {
    /// The whole text is refused.
    Refused,
    /// The whole text is refused if the object is the outermost one; others are marked.
    RefusedOutside,
    /// It is marked.
    Marked,
}

impl Nested {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let repeats = if self.1 == Repeats::Refused { Repeats::Refused } else { Repeats::Marked };
        self.0.checked_sub(1).map(|left| Self(left, repeats)).ok_or_else(|| E::custom(TOO_DEEP))
    }

    /// Whether this is as deep as it may be, in a text whose rest may stay.
    fn is_beyond(self) -> bool {
        self.0 == 0 && self.1 == Repeats::Marked
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Integer))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json<'de>, E> {
        if value.is_finite() { Ok(Json::Float(value)) } else { Err(E::custom("malformed")) }
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        if self.is_beyond() {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Json::Ambiguous);
        }
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        if self.is_beyond() {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Json::Ambiguous);
        }
        let inner = self.inner()?;
        let mut object = Vec::with_capacity(8);
        while let Some(name) = members.next_key_seed(Name)? {
            object.push((name, members.next_value_seed(inner)?));
        }
        if has_repeats(&object) {
            if self.1 == Repeats::Marked {
                return Ok(Json::Ambiguous);
            }
            return Err(A::Error::custom(REPEATED));
        }
        Ok(Json::Object(Object(object)))
    }
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Few members are compared pair by pair without allocating; many are sorted, so that no input costs quadratic time.
fn has_repeats(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    if members.len() <= 24 {
        let mut rest = members;
        while let Some(((name, _), after)) = rest.split_first() {
            if after.iter().any(|(other, _)| other == name) {
                return true;
            }
            rest = after;
        }
        return false;
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.array_windows().any(|[one, next]| one == next)
}

#[cfg(test)]
mod tests {
    use super::{Json, MAX_DEPTH, Object};
    use proptest::prelude::*;

    #[test]
    fn repeated_names_are_refused_at_every_depth_and_spelling() {
        let many: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
        for text in [
            r#"{"a":1,"a":1}"#.to_owned(),
            r#"{"a":1,"\u0061":2}"#.to_owned(),
            r#"{"x":{"a":1,"b":2,"a":3}}"#.to_owned(),
            r#"{"x":[{"a":1,"a":3}]}"#.to_owned(),
            format!("{{{many}\"k7\":1}}"),
        ] {
            assert!(
                Object::parse(text.as_bytes()).unwrap_err().to_string().contains("stands twice"),
                "{text}"
            );
        }
        assert!(Object::parse(format!("{{{many}\"k40\":1}}").as_bytes()).is_ok());
        assert!(Object::parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Object::parse(nested(usize::from(MAX_DEPTH) - 1).as_bytes()).is_ok());
        assert!(Object::parse(nested(usize::from(MAX_DEPTH)).as_bytes()).is_err());
        assert!(Object::parse(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn in_a_set_only_what_could_mean_several_things_is_lost() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        let text = format!(r#"{{"keys":[{{"a":1,"a":2}},{{"b":1}},{{"c":{deep}}}],"x":{{"a":1,"a":1}}}}"#);
        let set = Object::parse_set(text.as_bytes()).unwrap();
        let keys = set.member("keys").and_then(Json::as_array).unwrap();
        assert_eq!((&keys[0], set.member("x")), (&Json::Ambiguous, Some(&Json::Ambiguous)));
        assert_eq!(keys[1].as_object().unwrap().member("b"), Some(&Json::Integer(1)));
        assert_eq!(keys.len(), 3);
        for text in [r#"{"keys":[],"keys":[]}"#, r#"{"keys":[{"a":1]}"#, "[]"] {
            assert!(Object::parse_set(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn only_one_object_and_nothing_else() {
        for text in [
            &b""[..],
            b"[]",
            b"null",
            b"1",
            b"{}x",
            b"{} {}",
            b"{",
            b"{\"a\":1e999}",
            b"{\"a\":NaN}",
            b"{\"a\":01}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{'a':1}",
            b"{\"a\":1,}",
            b"{\"a\":\"\n\"}",
        ] {
            assert!(Object::parse(text).is_err(), "{:?}", String::from_utf8_lossy(text));
        }
        assert!(Object::parse(b" {} \n").unwrap().is_empty());
    }

    #[test]
    fn numbers_keep_their_kind() {
        let object = Object::parse(br#"{"a":1,"b":-1,"c":1.0,"d":1e3,"e":18446744073709551615}"#).unwrap();
        assert_eq!(object.member("a"), Some(&Json::Integer(1)));
        assert_eq!(object.member("b"), Some(&Json::Integer(-1)));
        assert_eq!(object.member("c"), Some(&Json::Float(1.0)));
        assert_eq!(object.member("d"), Some(&Json::Float(1000.0)));
        assert_eq!(object.member("e"), Some(&Json::Float(18446744073709551615.0)));
        assert_eq!(object.len(), 5);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _read = Object::parse(&bytes);
        }

        #[test]
        fn agrees_with_serde_json_where_names_are_distinct(text in r#"\{("[a-c]":([0-9]|"x"|true|null|\{\}|\[1\])(,"[a-c]":-[0-9])?)?\}"#) {
            let ours = Object::parse(text.as_bytes());
            let theirs = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
            match (&ours, theirs) {
                (Ok(object), Ok(map)) => prop_assert_eq!(object.len(), map.len()),
                (Err(_), Ok(map)) => prop_assert!(map.len() < 2 && text.contains(',')),
                (_, Err(_)) => prop_assert!(ours.is_err()),
            }
        }
    }
}
