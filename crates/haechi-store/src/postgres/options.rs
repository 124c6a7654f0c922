//! What the driver connects with.

use super::fault::words;
use crate::{OpenError, PostgresLocation};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// For the operations: the database ends what takes too long by itself.
pub(super) fn limited(location: &PostgresLocation) -> Result<PgConnectOptions, OpenError> {
    let options = unlimited(location)?;
    if location.transaction_pooler {
        return Ok(options);
    }
    let millis = location.statement_timeout.as_millis();
    Ok(options.options([
        ("statement_timeout", millis),
        ("lock_timeout", millis),
        ("idle_in_transaction_session_timeout", millis.saturating_mul(2)),
    ]))
}

/// For changing the schema, which may take longer than any operation.
pub(super) fn unlimited(location: &PostgresLocation) -> Result<PgConnectOptions, OpenError> {
    let unusable =
        |error: sqlx::Error| OpenError::Unusable { store: location.to_string(), why: words(&error) };
    let mut options =
        PgConnectOptions::from_str(location.url()).map_err(unusable)?.disable_statement_logging();
    if options.get_application_name().is_none() {
        options = options.application_name("haechi");
    }
    let files = location.files();
    if let Some(file) = &files.root {
        options = options.ssl_root_cert(file);
    }
    if let Some(file) = &files.certificate {
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &files.key {
        options = options.ssl_client_key(file);
    }
    if location.transaction_pooler {
        // Poolers refuse what they do not know at the start of a session, and a statement is prepared on one connection and asked for on another.
        options = options.extra_float_digits(None).statement_cache_capacity(0);
    }
    Ok(options)
}
