//! Typed attributes of a caller.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What `caller_attributes` may declare an attribute to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributeType {
    /// Text.
    String,
    /// A 64-bit whole number.
    Long,
    /// `true` or `false`.
    Bool,
    /// Several texts, without order and without repeats.
    Set,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit whole number.
    Long(i64),
    /// Text.
    String(Box<str>),
    /// Several texts.
    Set(BTreeSet<Box<str>>),
}

impl AttributeValue {
    /// Reads text, as a command line gives it, as a value of the declared type; `None` where it is not one. For a set it is one member, whatever it holds; no text is no member.
    pub fn parse(text: &str, as_type: AttributeType) -> Option<Self> {
        match as_type {
            AttributeType::String => Some(Self::String(text.into())),
            AttributeType::Long => text.parse().ok().map(Self::Long),
            AttributeType::Bool => text.parse().ok().map(Self::Bool),
            AttributeType::Set => {
                let member = (!text.is_empty()).then_some(text);
                Some(Self::Set(member.into_iter().map(Box::from).collect()))
            }
        }
    }

    /// The type of this value.
    pub const fn type_of(&self) -> AttributeType {
        match self {
            Self::Bool(_) => AttributeType::Bool,
            Self::Long(_) => AttributeType::Long,
            Self::String(_) => AttributeType::String,
            Self::Set(_) => AttributeType::Set,
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Long(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
            Self::Set(members) => {
                for (index, member) in members.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    f.write_str(member)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Long => "long",
            Self::Bool => "bool",
            Self::Set => "set",
        })
    }
}

/// A caller's attributes by name. A `BTreeMap`, so that everything derived from it has one order.
pub type Attributes = BTreeMap<Box<str>, AttributeValue>;
