//! Where a rule was written, and what it is called.

use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// A place in a file, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The file, as the configuration names it.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Place {
    /// The place of byte `offset` of `text`, which stands in `file`.
    pub fn of(file: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { file: file.clone(), line: narrow(line), column: narrow(column) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What decided: a clause of a route, or a policy of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The route's own grant: it names its callers by clauses, or `authorize: any`.
    Grant,
    /// A clause of the route, by its name in the configuration.
    Clause(&'static str, Option<Place>),
    /// A policy of a file, with its `@id` where it has one.
    Policy(Place, Option<Arc<str>>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant => f.write_str("the route's own grant"),
            Self::Clause(name, None) => write!(f, "the clause `{name}`"),
            Self::Clause(name, Some(place)) => write!(f, "the clause `{name}` ({place})"),
            Self::Policy(place, None) => place.fmt(f),
            Self::Policy(place, Some(id)) => write!(f, "{place} (`{id}`)"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Grant => serializer.serialize_str("route"),
            Self::Clause(name, _) => serializer.serialize_str(name),
            Self::Policy(place, _) => serializer.collect_str(place),
        }
    }
}
