//! Header names and values that the gate writes or names to others.

use crate::config::read::{Defs, Name, Reader, Value};
use crate::config::yaml::Node;
use haechi_core::FieldName;
use serde_json::{Value as Json, json};
use std::fmt;

/// The name of a header field, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderName(pub(crate) Box<str>);

impl Name for HeaderName {
    const WHAT: &'static str = "a header's name";
    const PATTERN: &'static str = r"^[!#$%&'+.^_`|~0-9A-Za-z-]+$";

    fn parse(text: &str) -> Result<Self, String> {
        match http::HeaderName::from_bytes(text.as_bytes()) {
            // A legal name that would be read as "all of them".
            Ok(_) if text == "*" => Err("name each header; `*` is not known here".into()),
            Ok(name) => Ok(Self(name.as_str().into())),
            Err(_) => Err("it is letters, digits and `-`, such as `X-Frame-Options`".into()),
        }
    }
}

impl Value for HeaderName {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(Self::WHAT, node, Self::parse)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": format!(r"{}|\$\{{", Self::PATTERN) })
    }

    fn shown(&self) -> Json {
        (*self.0).into()
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The lower-case name of a request header that policies may read. What the gate decides about by itself, takes away or writes is none: a backend
/// would see something else than policies do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContextHeader(pub(crate) Box<str>);

impl ContextHeader {
    /// The name of a request header that passes the gate as it came.
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let HeaderName(name) = HeaderName::parse(text)?;
        let known = FieldName::of(name.as_bytes());
        let free = matches!(
            known,
            FieldName::Other
                | FieldName::Accept
                | FieldName::ContentType
                | FieldName::ContentEncoding
                | FieldName::Origin
        );
        match known {
            _ if name.starts_with("sec-websocket-") => Err("it ends at the gate; choose another".into()),
            FieldName::Host => Err("policies read it as `context.host`".into()),
            _ if free => Ok(Self(name)),
            _ => {
                Err("the gate itself decides by this header, takes it away or writes it; choose another"
                    .into())
            }
        }
    }
}

impl Value for ContextHeader {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a header that policies can read", node, Self::parse)
    }

    fn schema(defs: &mut Defs) -> Json {
        HeaderName::schema(defs)
    }
}

/// The value of a header field that the gate writes: visible ASCII, with spaces or tabs within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldValueText(pub(crate) Box<str>);

/// Bytes of one value. An answer's head has room for several such.
const LONGEST: usize = 4096;

impl FieldValueText {
    /// A value as it can be written.
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let visible = text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
        if text.is_empty() || text.trim() != text || !visible {
            return Err("write visible ASCII, without spaces at its ends".into());
        }
        if text.len() > LONGEST { Err(format!("at most {LONGEST} bytes")) } else { Ok(Self(text.into())) }
    }
}

impl Value for FieldValueText {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a header's value", node, Self::parse)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^[!-~]([\t -~]*[!-~])?$" })
    }
}
