//! The first step of every change to a record that has revisions, in PostgreSQL.

use super::can_be_kept;
use super::fault::Fault;
use super::lease::Lease;
use crate::edits::Kind;
use haechi_core::ports::{Edit, Revision};

/// Gives the record its next revision, if it is there and has the one that is asked for, and locks it. What follows in the transaction changes it.
pub(super) async fn edit(write: &mut Lease, kind: Kind, edit: Edit<'_>) -> Result<(), Fault> {
    if !can_be_kept(edit.of) {
        return Err(kind.refused(edit, false).into());
    }
    let (next, look) = match kind {
        Kind::User => (
            "UPDATE haechi.users SET revision = revision + 1 WHERE name = $1 AND ($2::bigint IS NULL OR revision = $2)",
            "SELECT 1 FROM haechi.users WHERE name = $1",
        ),
        Kind::ApiKey => (
            "UPDATE haechi.api_keys SET revision = revision + 1 WHERE id = $1 AND ($2::bigint IS NULL OR revision = $2)",
            "SELECT 1 FROM haechi.api_keys WHERE id = $1",
        ),
        Kind::Client => (
            "UPDATE haechi.clients SET revision = revision + 1 WHERE id = $1 AND ($2::bigint IS NULL OR revision = $2)",
            "SELECT 1 FROM haechi.clients WHERE id = $1",
        ),
    };
    let revision = edit.revision.map(Revision::number);
    let done = write.sql(next).bind(edit.of).bind(revision).execute(&mut **write).await?;
    if done.rows_affected() > 0 {
        return Ok(());
    }
    let found = write.sql(look).bind(edit.of).fetch_optional(&mut **write).await?;
    Err(kind.refused(edit, found.is_some()).into())
}
