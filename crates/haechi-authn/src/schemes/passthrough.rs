//! `passthrough`: the credential travels on untouched, and the service behind the gate verifies it.

use super::nobody::Nobody;

/// The word that a route writes.
pub const NAME: &str = "passthrough";

/// The authenticator that leaves verifying to the service.
pub fn authenticator() -> Nobody {
    Nobody::named(NAME)
}
