//! Why a `store` setting names no store.

/// A `store` setting that names no store of this version. Shows the scheme and nothing else, as the rest may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Shared state, which is no store of facts.
    #[error("`{0}` is for `shared_state`; a store is `sqlite:haechi.db` or `postgres://HOST/DATABASE`")]
    SharedState(String),
    /// Something else before the colon.
    #[error("`{0}` is no kind of store; write `sqlite:haechi.db` or `postgres://HOST/DATABASE`")]
    UnknownScheme(String),
    /// No colon.
    #[error("a store is named with its kind; write `sqlite:haechi.db` or `postgres://HOST/DATABASE`")]
    NoScheme,
    /// No file after the colon.
    #[error("the store names no file; write `sqlite:FILE`, for example `sqlite:haechi.db`")]
    NoFile,
    /// Not an address of a PostgreSQL database.
    #[error("this is no address of a PostgreSQL database; write `postgres://USER:PASSWORD@HOST/DATABASE`")]
    NotPostgres,
    /// A parameter of a PostgreSQL address that nobody knows. It is not shown: it may be a part of a password.
    #[error(
        "the store has an unknown parameter; known are `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host`, `port`, `dbname`, `user`, \
         `password`, `application_name`, `pool_size`, `statement_timeout` and `pooler`"
    )]
    UnknownParameter,
    /// A parameter of a PostgreSQL address that has a wrong value.
    #[error("the store's parameter `{key}` is wrong; {right}")]
    Parameter {
        /// Before the `=`.
        key: String,
        /// What would be right.
        right: &'static str,
    },
    /// An authority is named, and the mode does not ask it.
    #[error("`sslrootcert` is not looked at in this `sslmode`; write `sslmode=verify-full`")]
    RootCertificateUnused,
    /// Parameters after the file.
    #[error("an `sqlite` store takes no parameters; leave out `?` and what follows")]
    Parameters,
}
