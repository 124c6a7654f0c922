//! The log of changes, in SQLite.

use super::fault::Fault;
use crate::records::{Columns, change, epoch, no_epoch};
use haechi_core::Timestamp;
use haechi_core::ports::{CHANGES_KEPT, Change, Changes};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

/// Writes a change to the log, in the transaction of what it announces. What is revoked twice stays as long as either asked.
pub(super) async fn record(write: &mut SqliteConnection, change: &Change) -> Result<(), Fault> {
    let epoch = advance(write).await?;
    let (kind, id) = change.subject();
    query(
        "INSERT INTO changes (epoch, kind, id, kept_until) VALUES (?, ?, ?, ?) \
         ON CONFLICT (kind, id) DO UPDATE SET \
         epoch = excluded.epoch, kept_until = max(kept_until, excluded.kept_until)",
    )
    .bind(epoch)
    .bind(kind)
    .bind(id)
    .bind(change.until().map(Timestamp::as_millis))
    .execute(write)
    .await?;
    Ok(())
}

async fn advance(write: &mut SqliteConnection) -> Result<i64, Fault> {
    let advanced = query_scalar("UPDATE change_epoch SET value = value + 1 RETURNING value");
    Ok(advanced.fetch_optional(write).await?.ok_or_else(no_epoch)?)
}

/// The newest epoch, and the one up to which changes were forgotten.
pub(super) async fn epochs(read: &mut SqliteConnection) -> Result<(u64, u64), Fault> {
    let row: Option<(i64, i64)> =
        query_as("SELECT value, forgotten FROM change_epoch").fetch_optional(read).await?;
    let (newest, forgotten) = row.ok_or_else(no_epoch)?;
    Ok((epoch(newest)?, epoch(forgotten)?))
}

/// Changes after `since`; `read` is a transaction, so that they are of one moment.
pub(super) async fn since(read: &mut SqliteConnection, since: u64, limit: usize) -> Result<Changes, Fault> {
    let (newest, forgotten) = epochs(read).await?;
    let mut answer = Changes { changes: Vec::new(), epoch: newest, newest, forgotten };
    if since >= newest {
        return Ok(answer);
    }
    let limit = limit.max(1);
    let rows =
        query("SELECT epoch, kind, id, kept_until FROM changes WHERE epoch > ? ORDER BY epoch LIMIT ?")
            .bind(i64::try_from(since).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(read)
            .await?;
    if let Some(last) = rows.last().filter(|_| rows.len() >= limit) {
        answer.epoch = epoch(last.number("epoch")?)?;
    }
    answer.changes = rows.iter().map(change).collect::<Result<_, _>>()?;
    Ok(answer)
}

/// Forgets what has expired, and sees to it that other changes are forgotten in time.
pub(super) async fn forget_expired(write: &mut SqliteConnection, now: Timestamp) -> Result<u64, Fault> {
    query(
        "UPDATE change_epoch SET forgotten = max(forgotten, coalesce((SELECT max(epoch) FROM changes \
         WHERE kept_until < ? AND kind NOT IN ('session', 'token')), 0))",
    )
    .bind(now.as_millis())
    .execute(&mut *write)
    .await?;
    let done =
        query("DELETE FROM changes WHERE kept_until < ?").bind(now.as_millis()).execute(&mut *write).await?;
    query("UPDATE changes SET kept_until = ? WHERE kept_until IS NULL")
        .bind(now.plus(CHANGES_KEPT).as_millis())
        .execute(write)
        .await?;
    Ok(done.rows_affected())
}
