//! Names of headers that tell a backend of the caller, and of those that clients may or may not send it.

use super::header::HeaderName;
use crate::config::read::{Defs, Name, Reader, Value};
use crate::config::yaml::Node;
use haechi_core::FieldName;
use haechi_core::fields::FieldPattern;
use haechi_core::fields::reserved::{self, Reserves, reservation};
use serde_json::{Value as Json, json};

/// The lower-case name of a header that tells a backend of the caller.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeader(pub(crate) Box<str>);

impl Value for IdentityHeader {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a header that can tell of the caller", node, |text| {
            let HeaderName(name) = HeaderName::parse(text)?;
            let known = FieldName::of(name.as_bytes());
            let written =
                matches!(reservation(name.as_bytes()), Some(Reserves::Written | Reserves::MethodOverride));
            match known {
                FieldName::Other | FieldName::Reserved if !written && !name.starts_with("sec-websocket-") => {
                    Ok(Self(name))
                }
                _ => Err("it has a meaning of its own; choose another, such as `X-WEBAUTH-USER`".into()),
            }
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        HeaderName::schema(defs)
    }
}

/// A name that clients may not send a service, with `*` at its end for all that begin so.
#[derive(Clone, Debug)]
pub(crate) struct ReservedHeader(pub(crate) FieldPattern);

impl Value for ReservedHeader {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a name to reserve", node, |text| {
            let pattern = FieldPattern::parse(text).map_err(|error| error.to_string())?;
            let known = FieldName::of(pattern.as_str().as_bytes());
            if known == FieldName::Other || known.is_reserved() || known == FieldName::MethodOverride {
                Ok(Self(pattern))
            } else {
                Err("the gate itself decides by this header; reserve one that the backend believes".into())
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        pattern_schema()
    }
}

/// A reserved name that clients may send a service all the same, with `*` at its end for all that begin so.
#[derive(Clone, Debug)]
pub(crate) struct PassedHeader(pub(crate) FieldPattern);

impl Value for PassedHeader {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a name to let through", node, |text| {
            let pattern = FieldPattern::parse(text).map_err(|error| error.to_string())?;
            let ours = |kind| matches!(kind, Reserves::Identity | Reserves::Written);
            if let Some((name, _)) =
                reserved::names().find(|(name, kind)| ours(*kind) && pattern.overlaps(name))
            {
                return Err(format!("`{name}` is the gate's to write; name what else the backend needs"));
            }
            let known = FieldName::of(pattern.as_str().as_bytes());
            if known == FieldName::Other || known.is_reserved() || known == FieldName::MethodOverride {
                Ok(Self(pattern))
            } else {
                Err("the gate itself decides by this header; name one that is reserved (docs/backends.md)"
                    .into())
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        pattern_schema()
    }
}

fn pattern_schema() -> Json {
    json!({ "type": "string", "pattern": r"^[!#$%&'+.^_`|~0-9A-Za-z-]+\*?$|\$\{" })
}
