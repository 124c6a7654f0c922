//! The ways to establish who is calling: one file each.
//!
//! Adding an authenticator is one new file, and one line in [`ALL`]. A scheme imports no sibling.

pub mod anonymous;
pub mod api_key;
pub mod basic;
pub mod jwt;
pub mod passthrough;

mod nobody;

pub use nobody::Nobody;

/// What the configuration's `type:` may say, for the schema and the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemeDef {
    /// The `type:` under `authenticators:`, or the word that a route writes where the authenticator needs no configuration.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Whether a route may name it without an entry under `authenticators:`.
    pub built_in: bool,
}

/// Every scheme there is, in the order in which the documentation shows them.
pub const ALL: &[SchemeDef] = &[anonymous::DEF, passthrough::DEF, jwt::DEF, basic::DEF, api_key::DEF];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_scheme_is_listed_once() {
        let declared = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("pub mod "));
        let mut modules: Vec<_> = declared.map(|name| name.trim_end_matches(';')).collect();
        let mut listed: Vec<_> = ALL.iter().map(|scheme| scheme.name).collect();
        modules.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, modules);
    }
}
