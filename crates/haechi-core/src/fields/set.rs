//! Many names of fields, gathered so that asking for one does not walk through them all.

use super::pattern::fold;
use std::collections::HashSet;

/// Names of fields, and what names begin with, asked for in any spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNameSet {
    /// Folded.
    names: HashSet<Box<[u8]>>,
    /// Folded; no two alike.
    beginnings: Vec<Box<[u8]>>,
}

impl FieldNameSet {
    /// Those of these, where a `*` at the end stands for any rest.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        for name in names {
            match name.strip_suffix('*') {
                Some(beginning) => set.beginnings.push(folded(beginning.as_bytes())),
                None => drop(set.names.insert(folded(name.as_bytes()))),
            }
        }
        set.beginnings.sort_unstable();
        set.beginnings.dedup();
        set
    }

    /// Whether a backend may take a name for one of these.
    pub fn has_like(&self, name: &[u8]) -> bool {
        if self.names.is_empty() && self.beginnings.is_empty() {
            return false;
        }
        let name = folded(name);
        self.names.contains(&name) || self.beginnings.iter().any(|beginning| name.starts_with(beginning))
    }
}

fn folded(name: &[u8]) -> Box<[u8]> {
    name.iter().map(|&byte| fold(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::FieldNameSet;

    #[test]
    fn names_are_found_in_any_spelling() {
        let set = FieldNameSet::of(["x-user-*", "X-Tenant", "x-tenant", "X_User_*"]);
        assert_eq!((set.names.len(), set.beginnings.len()), (1, 1));
        for like in ["x-tenant", "X_Tenant", "x.tenant", "x-user-id", "X_USER_ID", "x-user-"] {
            assert!(set.has_like(like.as_bytes()), "{like}");
        }
        for other in ["x-tenants", "tenant", "x-user", "x-users", ""] {
            assert!(!set.has_like(other.as_bytes()), "{other}");
        }
        assert!(!FieldNameSet::default().has_like(b""));
    }
}
