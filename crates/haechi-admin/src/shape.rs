//! What calls take and give: the struct, how it is read and written, and its JSON Schema come from one description.

use haechi_core::{AttributeValue, Secret};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A value with a JSON Schema (2020-12, as OpenAPI 3.1 has it).
pub(crate) trait Described {
    /// Its schema; what it refers to is added to `schemas`.
    fn schema(schemas: &mut Schemas) -> Value;

    /// Whether it may as well be left out.
    fn is_absent(&self) -> bool {
        false
    }
}

/// The schemas that others refer to, by name.
#[derive(Debug, Default)]
pub(crate) struct Schemas(BTreeMap<&'static str, Value>);

/// What a field of a [`shape!`] is.
pub(crate) struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for.
    pub doc: String,
    /// Its schema.
    pub schema: Value,
}

impl Schemas {
    /// A reference to the schema of this name, which is made once.
    pub(crate) fn refer(&mut self, name: &'static str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.0.contains_key(name) {
            // What refers to itself finds its name taken.
            self.0.insert(name, Value::Null);
            let made = make(self);
            self.0.insert(name, made);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The schema behind a reference; any other as it is.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        name.and_then(|name| self.0.get(name)).unwrap_or(schema)
    }

    /// All of them, for the document.
    pub(crate) fn into_value(self) -> Value {
        self.0.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect::<Map<_, _>>().into()
    }
}

/// The schema of a record.
pub(crate) fn object(doc: &str, fields: Vec<Field>) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    for Field { name, required: needed, doc, mut schema } in fields {
        if needed {
            required.push(name.into());
        }
        if let Some(members) = schema.as_object_mut() {
            members.insert("description".into(), doc.into());
        }
        properties.insert(name.into(), schema);
    }
    json!({
        "type": "object",
        "description": doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Joins the lines of a doc comment.
pub(crate) fn doc(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Describes records. A field is `required`, or `optional`: it may be left out, and is left out where it is empty.
macro_rules! shape {
    ($(
        $(#[doc = $doc:literal])*
        $vis:vis $name:ident { $( $(#[doc = $field_doc:literal])* $(required $needed:ident)? $(optional $other:ident)? : $type:ty, )* }
    )*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $vis struct $name { $(
            $(#[doc = $field_doc])*
            $( $vis $needed: $type, )?
            $( #[serde(default, skip_serializing_if = "crate::shape::Described::is_absent")] $vis $other: $type, )?
        )* }

        impl $crate::shape::Described for $name {
            fn schema(schemas: &mut $crate::shape::Schemas) -> serde_json::Value {
                schemas.refer(stringify!($name), |_schemas| {
                    $crate::shape::object(&$crate::shape::doc(&[$($doc),*]), vec![ $(
                        $crate::shape::Field {
                            name: $crate::shape::shape!(@name $($needed)? $($other)?),
                            required: $crate::shape::shape!(@needed $($needed)?),
                            doc: $crate::shape::doc(&[$($field_doc),*]),
                            schema: <$type as $crate::shape::Described>::schema(_schemas),
                        },
                    )* ])
                })
            }
        }
    )* };
    (@name $name:ident) => { stringify!($name) };
    (@needed $needed:ident) => { true };
    (@needed) => { false };
}
pub(crate) use shape;

/// A text that is a secret: given once, shown nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretText(Secret<String>);

impl SecretText {
    /// Takes it into keeping.
    pub(crate) const fn new(secret: Secret<String>) -> Self {
        Self(secret)
    }

    /// The secret, for whoever it is for.
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(Secret::from(text))
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Described for SecretText {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string", "format": "password" })
    }
}

macro_rules! plain {
    ($($type:ty => $schema:tt,)*) => { $(
        impl Described for $type {
            fn schema(_: &mut Schemas) -> Value {
                json!($schema)
            }
        }
    )* };
}

plain! {
    String => { "type": "string" },
    u16 => { "type": "integer", "minimum": 0, "maximum": 65535 },
    u32 => { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 },
    u64 => { "type": "integer", "minimum": 0 },
    usize => { "type": "integer", "minimum": 0 },
    i64 => { "type": "integer" },
    f64 => { "type": "number" },
    Value => {},
    Map<String, Value> => { "type": "object" },
    AttributeValue => { "oneOf": [
        { "type": "boolean" },
        { "type": "integer", "minimum": -9_223_372_036_854_775_808_i64, "maximum": 9_223_372_036_854_775_807_i64 },
        { "type": "string" },
        { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
    ] },
}

impl Described for bool {
    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "boolean" })
    }

    fn is_absent(&self) -> bool {
        !self
    }
}

impl<T: Described> Described for Option<T> {
    fn schema(schemas: &mut Schemas) -> Value {
        let schema = T::schema(schemas);
        match schema.get("type").cloned() {
            Some(Value::String(kind)) if schema.get("enum").is_none() => {
                let mut schema = schema;
                if let Some(members) = schema.as_object_mut() {
                    members.insert("type".into(), json!([kind, "null"]));
                }
                schema
            }
            _ => json!({ "anyOf": [schema, { "type": "null" }] }),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "type": "array", "items": T::schema(schemas) })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<K, T: Described> Described for BTreeMap<K, T> {
    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "type": "object", "additionalProperties": T::schema(schemas) })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Described> Described for Box<T> {
    fn schema(schemas: &mut Schemas) -> Value {
        T::schema(schemas)
    }
}

#[cfg(test)]
mod tests {
    use super::{Described, Schemas, SecretText};
    use serde_json::json;

    shape! {
        /// A thing.
        pub(crate) Thing {
            /// Its name.
            required name: String,
            /// What it may.
            optional roles: Vec<String>,
            /// Another.
            optional next: Option<u32>,
        }
    }

    #[test]
    fn what_is_read_is_what_is_described() {
        let mut schemas = Schemas::default();
        let reference = Thing::schema(&mut schemas);
        let schema = schemas.resolve(&reference);
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(schema["properties"]["next"]["type"], json!(["integer", "null"]));
        assert_eq!(schema["properties"]["name"]["description"], "Its name.");
        let thing: Thing = serde_json::from_value(json!({ "name": "a" })).unwrap();
        assert_eq!(serde_json::to_value(&thing).unwrap(), json!({ "name": "a" }));
        for bad in [json!({}), json!({ "name": "a", "rolls": [] }), json!({ "name": 1 })] {
            assert!(serde_json::from_value::<Thing>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", SecretText::from("hunter2")).contains("hunter2"));
    }
}
