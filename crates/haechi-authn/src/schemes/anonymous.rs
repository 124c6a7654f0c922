//! `anonymous`: everybody may come, and nobody is asked who they are.

use super::nobody::Nobody;

/// The word that a route writes.
pub const NAME: &str = "anonymous";

/// The authenticator that lets everybody come.
pub fn authenticator() -> Nobody {
    Nobody::named(NAME)
}
