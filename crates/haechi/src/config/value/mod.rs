//! The single values of a configuration: how each is written, and its type once read.

mod address;
mod header;
mod name;
mod policies;
mod quantity;
mod text;
mod word;

pub(crate) use address::parse_network;
pub(super) use address::{EndpointUrl, Origin};
pub(super) use header::{ContextHeader, FieldValueText, HeaderName};
pub(super) use name::{AttributeName, ContextName, Identifier, ScopeName};
pub(crate) use policies::matching_files;
pub(super) use policies::{ConditionText, PolicyPattern, PolicyText};
pub(crate) use quantity::parse_duration;
pub(super) use quantity::{Count, Fraction, Lasting, Size};
pub(super) use text::{FieldNameText, FilePath};
