//! The single values of a configuration: how each is written, and its type once read.

mod address;
mod header;
mod identity_header;
mod name;
mod policies;
mod private_key_jwt;
mod quantity;
mod secret_place;
mod text;
mod word;

pub(crate) use address::parse_network;
pub(crate) use address::{AskedAddress, EndpointUrl, Origin, PageOrigin};
pub(crate) use header::{ContextHeader, FieldValueText, HeaderName};
pub(crate) use identity_header::{IdentityHeader, PassedHeader, ReservedHeader};
pub(crate) use name::{AttributeName, ContextName, ForeignName, Identifier, RoleName, ScopeName};
pub(crate) use policies::matching_files;
pub(crate) use policies::{ConditionText, PolicyPattern, PolicyText};
pub(crate) use private_key_jwt::PrivateKeyJwt;
pub(crate) use quantity::parse_duration;
pub(crate) use quantity::{BoundedDuration, Count, Fraction, Size};
pub(crate) use secret_place::SecretPlace;
pub(crate) use text::{FieldNameText, FilePath};
