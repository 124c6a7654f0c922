//! `anonymous`: everybody may come, and nobody is asked who they are.

use super::SchemeDef;
use super::nobody::Nobody;

/// The word that a route writes.
pub const DEF: SchemeDef = SchemeDef {
    name: "anonymous",
    summary: "everybody may come; the caller has no name, role or scope",
    built_in: true,
};

/// The authenticator that lets everybody come.
pub fn authenticator() -> Nobody {
    Nobody::named(DEF.name)
}
