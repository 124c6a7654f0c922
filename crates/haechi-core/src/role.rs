//! Roles, and which role includes which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A role's name, as tokens carry it and routes ask for it.
pub type Role = Arc<str>;

/// Built-in role that may use the admin API. Only the embedded identity provider can vouch for it.
pub const ADMIN: &str = "haechi-admin";
/// Built-in role that may read the admin API. Only the embedded identity provider can vouch for it.
pub const AUDITOR: &str = "haechi-auditor";
/// What every built-in role's name begins with; no issuer from outside can vouch for such a role.
pub const RESERVED_PREFIX: &str = "haechi-";

/// The role hierarchy: `MANAGER: { includes: [USER] }` means that a manager is a user too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleTable {
    /// For each role, itself and everything that it includes, however deep.
    effective: BTreeMap<Role, BTreeSet<Role>>,
}

/// Roles that include each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("role `{role}` includes itself through `{through}`")]
pub struct RoleCycle {
    /// The role that the circle was found at.
    pub role: String,
    /// The role that leads back to it.
    pub through: String,
}

impl RoleTable {
    /// Builds the table from each role and the roles it names under `includes`.
    ///
    /// # Errors
    /// [`RoleCycle`] when a role includes itself, directly or through others.
    pub fn new(direct: &BTreeMap<String, Vec<String>>) -> Result<Self, RoleCycle> {
        let mut effective = BTreeMap::new();
        for role in direct.keys() {
            let mut reached = BTreeSet::new();
            let mut open = vec![role.as_str()];
            while let Some(next) = open.pop() {
                if !reached.insert(Role::from(next)) {
                    continue;
                }
                for included in direct.get(next).into_iter().flatten() {
                    if included == role {
                        return Err(RoleCycle { role: role.clone(), through: next.to_owned() });
                    }
                    open.push(included);
                }
            }
            effective.insert(Role::from(role.as_str()), reached);
        }
        for built_in in [ADMIN, AUDITOR] {
            effective.entry(Role::from(built_in)).or_insert_with(|| BTreeSet::from([Role::from(built_in)]));
        }
        Ok(Self { effective })
    }

    /// The same table, which knows these roles besides: they include nothing.
    #[must_use]
    pub fn knowing(mut self, more: impl IntoIterator<Item = Role>) -> Self {
        for role in more {
            self.effective.entry(role.clone()).or_insert_with(|| BTreeSet::from([role]));
        }
        self
    }

    /// Whether the configuration names this role (or it is built in).
    pub fn knows(&self, role: &str) -> bool {
        self.effective.contains_key(role)
    }

    /// All declared roles.
    pub fn names(&self) -> impl Iterator<Item = &Role> {
        self.effective.keys()
    }

    /// `held` and all that they include, without repeats: first the ones held, in their order, then the included.
    pub fn effective(&self, held: &[Role]) -> Vec<Role> {
        let mut all: Vec<Role> = Vec::with_capacity(held.len());
        let included = held.iter().filter_map(|role| self.effective.get(role)).flatten();
        for role in held.iter().chain(included) {
            if !all.contains(role) {
                all.push(role.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, RoleTable};
    use std::collections::BTreeMap;

    fn table(pairs: &[(&str, &[&str])]) -> Result<RoleTable, super::RoleCycle> {
        let direct: BTreeMap<String, Vec<String>> = pairs
            .iter()
            .map(|(role, includes)| ((*role).to_owned(), includes.iter().map(|i| (*i).to_owned()).collect()))
            .collect();
        RoleTable::new(&direct)
    }

    #[test]
    fn includes_are_followed_all_the_way() {
        let roles = table(&[("USER", &[]), ("MANAGER", &["USER"]), ("ADMIN", &["MANAGER"])]).unwrap();
        let effective = roles.effective(&[Role::from("ADMIN")]);
        assert_eq!(effective, ["ADMIN", "MANAGER", "USER"].map(Role::from));
        assert_eq!(roles.effective(&[Role::from("USER")]), ["USER"].map(Role::from));
    }

    #[test]
    fn unknown_roles_stay_but_include_nothing() {
        let roles = table(&[("USER", &[])]).unwrap();
        assert_eq!(roles.effective(&[Role::from("offline")]), ["offline"].map(Role::from));
    }

    #[test]
    fn a_circle_is_an_error() {
        let error = table(&[("A", &["B"]), ("B", &["C"]), ("C", &["A"])]).unwrap_err();
        assert_eq!(error.to_string(), "role `A` includes itself through `C`");
        assert!(table(&[("A", &["A"])]).is_err());
    }
}
