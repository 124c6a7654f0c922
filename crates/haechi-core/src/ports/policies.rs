//! Policies that are kept in the store and count on all nodes, beside those of the files.

use super::audit::AuditActor;
use super::stored::Stored;
use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// One version of a policy. What is kept is never changed and never deleted: each change adds a version, and the newest of a name counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The place among all changes of all policies: 1, 2, 3, … without a gap.
    pub serial: i64,
    /// The policy's name.
    pub name: String,
    /// The place among the changes of this name, likewise; it goes on where the name is used again after a deletion.
    pub version: i64,
    /// Cedar; `None` where this change deleted the policy.
    pub text: Option<String>,
    /// When.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: Author,
    /// Who agreed to it, where two are asked for.
    pub approved_by: Option<Author>,
}

/// The policies that count, all of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoliciesInForce {
    /// The serial of the newest change; 0 before the first.
    pub serial: i64,
    /// The newest version of each name that was not deleted, by name.
    pub policies: Vec<PolicyVersion>,
}

/// Who did something, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// Which authenticator knew them; `socket` and `command` for accounts of a machine.
    pub authenticator: String,
    /// Who vouches for the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The account of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl From<&AuditActor> for Author {
    fn from(actor: &AuditActor) -> Self {
        Self {
            authenticator: actor.authenticator.clone(),
            issuer: actor.who.as_ref().map(|who| who.issuer.clone()),
            subject: actor.who.as_ref().map(|who| who.subject.clone()),
            uid: actor.uid,
        }
    }
}

impl Author {
    /// Whether this is somebody else for certain. A name counts once, whoever vouches for it: it may be one person with two accounts. All accounts of a machine
    /// count as one person, because `root` can become each of them.
    pub fn is_certainly_not(&self, other: &Self) -> bool {
        match (&self.subject, &other.subject) {
            (Some(one), Some(other)) => one != other,
            (Some(_), None) => other.uid.is_some(),
            (None, Some(_)) => self.uid.is_some(),
            (None, None) => false,
        }
    }
}

/// Where such policies are kept.
pub trait Policies: Send + Sync {
    /// The policies that count.
    fn in_force(&self) -> Stored<'_, PoliciesInForce>;
    /// The serial of the newest change; 0 before the first.
    fn serial(&self) -> Stored<'_, i64>;
    /// At most `limit` versions of a name, newest first, those before the version `before`.
    fn versions<'a>(
        &'a self,
        name: &'a str,
        before: Option<i64>,
        limit: usize,
    ) -> Stored<'a, Vec<PolicyVersion>>;
    /// A version of a name.
    fn version<'a>(&'a self, name: &'a str, version: i64) -> Stored<'a, Option<PolicyVersion>>;
    /// Adds a version. Its serial and its version must be the next ones; `Changed` where somebody else was faster, and nothing is added. So what was found to
    /// hold of all policies together still holds.
    fn add<'a>(&'a self, version: &'a PolicyVersion) -> Stored<'a, ()>;
}

#[cfg(test)]
mod tests {
    use super::Author;

    fn person(issuer: &str, subject: &str) -> Author {
        Author {
            authenticator: "local".into(),
            issuer: Some(issuer.into()),
            subject: Some(subject.into()),
            uid: None,
        }
    }

    #[test]
    fn nobody_counts_twice() {
        let account =
            |uid| Author { authenticator: "socket".into(), issuer: None, subject: None, uid: Some(uid) };
        let unknown = Author { authenticator: "x".into(), issuer: None, subject: None, uid: None };
        let differ = |one: &Author, other: &Author| {
            let differ = one.is_certainly_not(other);
            assert_eq!(differ, other.is_certainly_not(one));
            differ
        };
        assert!(differ(&person("a", "mina"), &person("a", "root")));
        assert!(differ(&person("a", "mina"), &person("b", "root")));
        assert!(differ(&person("a", "mina"), &account(0)));
        for (one, other) in [
            (person("a", "mina"), person("a", "mina")),
            (person("a", "mina"), person("b", "mina")),
            (account(0), account(0)),
            (account(0), account(1000)),
            (unknown.clone(), unknown.clone()),
            (unknown.clone(), person("a", "mina")),
            (unknown, account(0)),
        ] {
            assert!(!differ(&one, &other), "{one:?} {other:?}");
        }
    }
}
