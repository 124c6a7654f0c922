//! Records: mappings whose keys are known. The struct, its reader and its schema come from one description.

use super::read::Defs;
use serde_json::{Map, Value as Json, json};

/// A key as the schema describes it.
pub(crate) struct KeySchema {
    pub(crate) key: &'static str,
    pub(crate) doc: String,
    pub(crate) need: Need,
    pub(crate) schema: Json,
}

pub(crate) enum Need {
    Required,
    Optional,
    Default(Json),
}

/// The schema of a record.
pub(crate) fn schema(doc: &str, tag: Option<(&str, &str)>, keys: Vec<KeySchema>) -> Json {
    let mut properties = Map::new();
    let mut required: Vec<Json> = Vec::new();
    if let Some((key, value)) = tag {
        required.push(key.into());
        properties.insert(key.into(), json!({ "const": value }));
    }
    for KeySchema { key, doc, need, schema } in keys {
        let mut property = schema.as_object().cloned().unwrap_or_default();
        property.insert("description".into(), doc.into());
        match need {
            Need::Required => required.push(key.into()),
            Need::Default(value) if !value.is_null() => {
                property.insert("default".into(), value);
            }
            Need::Default(_) | Need::Optional => {}
        }
        properties.insert(key.into(), Json::Object(property));
    }
    let mut schema = json!({
        "description": doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let Some(schema) = schema.as_object_mut()
        && !required.is_empty()
    {
        schema.insert("required".into(), required.into());
    }
    schema
}

/// Joins the lines of a doc comment.
pub(crate) fn doc(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Keeps `Defs` out of the macro's imports.
pub(crate) type Definitions = Defs;

/// Describes a record: its keys with their types, then what is not built in this version. A key is `required`, `optional`, has a `default`, or
/// is a `section`: a record that stands for its own defaults where it is left out.
macro_rules! record {
    (
        $what:literal
        $(tag $tag_key:literal = $tag_value:literal)?
        $(#[doc = $doc:literal])*
        struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $need:ident $field:ident as $key:literal: $type:ty $(= $default:expr)?,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            $(
                $(#[doc = $field_doc])*
                pub(crate) $field: $crate::config::record::record!(@type $need $type),
            )*
        }

        impl $crate::config::read::Value for $name {
            fn read(
                node: &$crate::config::yaml::Node,
                reader: &mut $crate::config::read::Reader<'_>,
            ) -> Option<Self> {
                const KNOWN: &[&str] = &[$($tag_key,)? $($key,)*];
                let fields = reader.fields($what, node, KNOWN)?;
                Some(Self {
                    $(
                        $field: $crate::config::record::record!(
                            @read $need fields reader $key (&$crate::config::record::doc(&[$($field_doc),*])) $($default)?
                        ),
                    )*
                })
            }

            fn schema(defs: &mut $crate::config::record::Definitions) -> serde_json::Value {
                defs.refer(stringify!($name), |defs| {
                    let keys = vec![
                        $(
                            $crate::config::record::KeySchema {
                                key: $key,
                                doc: $crate::config::record::doc(&[$($field_doc),*]),
                                need: $crate::config::record::record!(@need $need $type, $($default)?),
                                schema: <$type as $crate::config::read::Value>::schema(defs),
                            },
                        )*
                    ];
                    let tag: Option<(&str, &str)> = None $(.or(Some(($tag_key, $tag_value))))?;
                    $crate::config::record::schema(&$crate::config::record::doc(&[$($doc),*]), tag, keys)
                })
            }
        }
    };
    (@type required $type:ty) => { Option<$type> };
    (@type optional $type:ty) => { $crate::config::read::Maybe<$type> };
    (@type default $type:ty) => { $type };
    (@type section $type:ty) => { Option<$type> };
    (@read required $fields:ident $reader:ident $key:literal ($doc:expr)) => {
        $fields.required($reader, $key, $doc)
    };
    (@read optional $fields:ident $reader:ident $key:literal ($doc:expr)) => {
        $fields.optional($reader, $key, $doc)
    };
    (@read default $fields:ident $reader:ident $key:literal ($doc:expr) $default:expr) => {
        $fields.default($reader, $key, $default)
    };
    (@read section $fields:ident $reader:ident $key:literal ($doc:expr)) => {
        $fields.section($reader, $key)
    };
    (@need section $type:ty,) => { $crate::config::record::Need::Optional };
    (@need required $type:ty,) => { $crate::config::record::Need::Required };
    (@need optional $type:ty,) => { $crate::config::record::Need::Optional };
    (@need default $type:ty, $default:expr) => {
        $crate::config::record::Need::Default($crate::config::read::Value::shown(&{ let default: $type = $default; default }))
    };
}

pub(crate) use record;
