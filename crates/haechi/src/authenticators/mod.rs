//! The ways to establish who is calling, as the configuration, the wiring and the commands see them: one file each, and one line in [`ALL`].
//!
//! A file holds everything that one way is, but for its part in requests, which is in `haechi-authn/src/schemes`: its keys, its checks, what it needs,
//! how it is built, and what is known of its callers. Nobody else asks which way an authenticator is. Nothing here knows the wiring.

mod anonymous;
mod api_key;
mod basic;
pub(crate) mod client_proof;
pub(crate) mod definition;
mod external;
mod file;
mod introspection;
mod jwt;
mod mtls;
mod oidc;
mod passthrough;
pub(crate) mod possession;
mod signature;

use crate::config::read::Definitions;

/// Every scheme there is, in the order in which messages and the schema name them.
pub(crate) const ALL: Definitions = &[
    &anonymous::DEFINITION,
    &passthrough::DEFINITION,
    &jwt::DEFINITION,
    &basic::DEFINITION,
    &api_key::DEFINITION,
    &oidc::DEFINITION,
    &introspection::DEFINITION,
    &mtls::DEFINITION,
    &external::DEFINITION,
    &signature::DEFINITION,
];

/// For the routes that the gate brings itself and that everybody may call.
pub(crate) const ANONYMOUS: definition::OpenScheme = anonymous::DEFINITION;

#[cfg(test)]
mod tests;
