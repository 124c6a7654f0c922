//! Why a store could not be opened.

use crate::BadLocation;
use std::path::PathBuf;

/// Why a store could not be opened. The message says what to do next and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The `store` setting is none that this version knows.
    #[error(transparent)]
    Location(#[from] BadLocation),
    /// The folder that the file should lie in is missing; making it would hide a typing error.
    #[error("the store's folder `{0}` does not exist; create it or name another under `store`")]
    NoFolder(PathBuf),
    /// A folder, a device or a socket.
    #[error("the store `{0}` is not a file; name a file under `store`")]
    NotAFile(PathBuf),
    /// A file with other content.
    #[error("`{0}` is not an sqlite database, or it is damaged; name another file or restore a backup")]
    NotADatabase(PathBuf),
    /// A database that is not a store of Haechi.
    #[error("`{0}` is a database of another program; name another under `store`")]
    Foreign(String),
    /// A store with a migration that this version does not have.
    #[error(
        "`{store}` was made by a newer version of haechi (its schema is {version}, this one knows {known}); \
         run that version or restore a backup"
    )]
    Newer {
        /// The store.
        store: String,
        /// The schema version found.
        version: i64,
        /// The newest schema version that this program has.
        known: i64,
    },
    /// A store with a migration whose text was another.
    #[error("the schema {version} of `{store}` is not the one this version makes; restore a backup")]
    Altered {
        /// The store.
        store: String,
        /// The schema version whose checksum differs.
        version: i64,
    },
    /// A store in which something is missing that its schema has.
    #[error("the schema of `{store}` lacks {what}; restore a backup or name another under `store`")]
    Incomplete {
        /// The store.
        store: String,
        /// A table, a column or an index, by its name.
        what: String,
    },
    /// The operating system or the database would not.
    #[error("the store `{store}` cannot be opened: {why}")]
    Unusable {
        /// The store.
        store: String,
        /// What was said.
        why: String,
    },
}
