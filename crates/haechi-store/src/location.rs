//! Where a store is: the `store` setting, parsed.

use crate::{BadLocation, PostgresLocation};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In this file.
    Sqlite(PathBuf),
    /// In this PostgreSQL database.
    Postgres(Box<PostgresLocation>),
    /// In this process, gone with it.
    Memory,
}

impl Location {
    /// Reads `sqlite:FILE`, `sqlite://FILE`, `sqlite::memory:` or `postgres://…`. The file's name is taken as it stands, without percent-decoding.
    ///
    /// # Errors
    /// [`BadLocation`], saying what would be right.
    pub fn parse(url: &str) -> Result<Self, BadLocation> {
        let (scheme, rest) = url.split_once(':').ok_or(BadLocation::NoScheme)?;
        match scheme {
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" => Ok(Self::Postgres(Box::new(PostgresLocation::parse(url)?))),
            "redis" | "rediss" | "valkey" | "valkeys" => Err(BadLocation::SharedState(scheme.to_owned())),
            _ => Err(BadLocation::UnknownScheme(scheme.to_owned())),
        }
    }

    /// The file, where it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(file) => Some(file),
            Self::Postgres(_) | Self::Memory => None,
        }
    }

    /// The same, with a relative file taken from `folder`, as the configuration takes relative paths.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::Sqlite(file) => Self::Sqlite(folder.join(file)),
            Self::Postgres(location) => Self::Postgres(Box::new(location.relative_to(folder))),
            Self::Memory => Self::Memory,
        }
    }
}

/// For messages: no user and no password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => file.display().fmt(f),
            Self::Postgres(location) => location.fmt(f),
            Self::Memory => f.write_str("the memory of this process"),
        }
    }
}

fn sqlite(rest: &str) -> Result<Location, BadLocation> {
    match rest.strip_prefix("//").unwrap_or(rest) {
        "" => Err(BadLocation::NoFile),
        ":memory:" => Ok(Location::Memory),
        file if file.contains('?') => Err(BadLocation::Parameters),
        file => Ok(Location::Sqlite(file.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::{BadLocation, Location};
    use std::path::Path;

    #[test]
    fn files_and_memory() {
        let file = |name: &str| Ok(Location::Sqlite(name.into()));
        assert_eq!(Location::parse("sqlite:haechi.db"), file("haechi.db"));
        assert_eq!(Location::parse("sqlite://haechi.db"), file("haechi.db"));
        assert_eq!(Location::parse("sqlite:///var/lib/haechi.db"), file("/var/lib/haechi.db"));
        assert_eq!(Location::parse("sqlite:/var/lib/haechi.db"), file("/var/lib/haechi.db"));
        assert_eq!(Location::parse("sqlite::memory:"), Ok(Location::Memory));
    }

    #[test]
    fn relative_files_follow_the_configuration() {
        let at = |url| Location::parse(url).unwrap().relative_to(Path::new("/etc/haechi"));
        assert_eq!(at("sqlite:haechi.db"), Location::Sqlite("/etc/haechi/haechi.db".into()));
        assert_eq!(at("sqlite:/srv/haechi.db"), Location::Sqlite("/srv/haechi.db".into()));
        assert_eq!(at("sqlite::memory:"), Location::Memory);
    }

    #[test]
    fn everything_else_says_what_would_be_right() {
        assert_eq!(Location::parse("haechi.db"), Err(BadLocation::NoScheme));
        assert_eq!(Location::parse("redis://x"), Err(BadLocation::SharedState("redis".into())));
        assert_eq!(Location::parse("mysql://x"), Err(BadLocation::UnknownScheme("mysql".into())));
        assert_eq!(Location::parse("sqlite:"), Err(BadLocation::NoFile));
        assert_eq!(Location::parse("sqlite://"), Err(BadLocation::NoFile));
        assert_eq!(Location::parse("sqlite:a.db?mode=ro"), Err(BadLocation::Parameters));
    }
}
