//! `passthrough`: the credential travels on untouched, and the service behind the gate verifies it.

use super::SchemeDef;
use super::nobody::Nobody;

/// The word that a route writes.
pub const DEF: SchemeDef = SchemeDef {
    name: "passthrough",
    summary: "the credential travels on untouched; the service behind the gate verifies it",
    built_in: true,
};

/// The authenticator that leaves verifying to the service.
pub fn authenticator() -> Nobody {
    Nobody::named(DEF.name)
}
