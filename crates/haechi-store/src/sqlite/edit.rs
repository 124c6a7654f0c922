//! The first step of every change to a record that has revisions, in SQLite.

use super::Write;
use super::fault::Fault;
use crate::edits::Kind;
use haechi_core::ports::{Edit, Revision};
use sqlx::query;

/// Gives the record its next revision, if it is there and has the one that is asked for. What follows in the transaction changes it.
pub(super) async fn edit(write: &mut Write, kind: Kind, edit: Edit<'_>) -> Result<(), Fault> {
    let (next, look) = match kind {
        Kind::User => (
            "UPDATE users SET revision = revision + 1 WHERE name = ?1 AND (?2 IS NULL OR revision = ?2)",
            "SELECT 1 FROM users WHERE name = ?",
        ),
        Kind::ApiKey => (
            "UPDATE api_keys SET revision = revision + 1 WHERE id = ?1 AND (?2 IS NULL OR revision = ?2)",
            "SELECT 1 FROM api_keys WHERE id = ?",
        ),
        Kind::Client => (
            "UPDATE clients SET revision = revision + 1 WHERE id = ?1 AND (?2 IS NULL OR revision = ?2)",
            "SELECT 1 FROM clients WHERE id = ?",
        ),
    };
    let done =
        query(next).bind(edit.of).bind(edit.revision.map(Revision::number)).execute(&mut **write).await?;
    if done.rows_affected() > 0 {
        return Ok(());
    }
    let found = query(look).bind(edit.of).fetch_optional(&mut **write).await?;
    Err(kind.refused(edit, found.is_some()).into())
}
