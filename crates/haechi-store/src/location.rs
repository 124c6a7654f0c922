//! Where a store is: the `store` setting, parsed.

use std::path::{Path, PathBuf};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In this file.
    Sqlite(PathBuf),
    /// In this process, gone with it.
    Memory,
}

/// A `store` setting that names no store of this version. Shows the scheme and nothing else, as the rest may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// A store that is planned, and not in this version.
    #[error(
        "`{0}` stores are not built in this version; write `sqlite:FILE`, for example `sqlite:haechi.db`"
    )]
    NotBuilt(String),
    /// Something else before the colon.
    #[error("`{0}` is no kind of store; write `sqlite:FILE`, for example `sqlite:haechi.db`")]
    UnknownScheme(String),
    /// No colon.
    #[error("a store is named with its kind; write `sqlite:FILE`, for example `sqlite:haechi.db`")]
    NoScheme,
    /// No file after the colon.
    #[error("the store names no file; write `sqlite:FILE`, for example `sqlite:haechi.db`")]
    NoFile,
    /// Parameters after the file.
    #[error("an `sqlite` store takes no parameters; leave out `?` and what follows")]
    Parameters,
}

impl Location {
    /// Reads `sqlite:FILE`, `sqlite://FILE` or `sqlite::memory:`. The file's name is taken as it stands, without percent-decoding.
    ///
    /// # Errors
    /// [`BadLocation`], saying what would be right.
    pub fn parse(url: &str) -> Result<Self, BadLocation> {
        let (scheme, rest) = url.split_once(':').ok_or(BadLocation::NoScheme)?;
        match scheme {
            "sqlite" => sqlite(rest),
            "postgres" | "postgresql" | "redis" | "rediss" => Err(BadLocation::NotBuilt(scheme.to_owned())),
            _ => Err(BadLocation::UnknownScheme(scheme.to_owned())),
        }
    }

    /// The file, where it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(file) => Some(file),
            Self::Memory => None,
        }
    }

    /// The same, with a relative file taken from `folder`, as the configuration takes relative paths.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::Sqlite(file) => Self::Sqlite(folder.join(file)),
            Self::Memory => Self::Memory,
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
    fn what_is_not_built_is_refused_without_showing_the_password() {
        let error = Location::parse("postgres://haechi:hunter2@db/haechi").unwrap_err();
        assert_eq!(error, BadLocation::NotBuilt("postgres".into()));
        assert!(error.to_string().contains("sqlite:haechi.db"));
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn everything_else_says_what_would_be_right() {
        assert_eq!(Location::parse("haechi.db"), Err(BadLocation::NoScheme));
        assert_eq!(Location::parse("mysql://x"), Err(BadLocation::UnknownScheme("mysql".into())));
        assert_eq!(Location::parse("sqlite:"), Err(BadLocation::NoFile));
        assert_eq!(Location::parse("sqlite://"), Err(BadLocation::NoFile));
        assert_eq!(Location::parse("sqlite:a.db?mode=ro"), Err(BadLocation::Parameters));
    }
}
