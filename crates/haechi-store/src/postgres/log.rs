//! The log of changes, in PostgreSQL.

use super::fault::Fault;
use super::lease::Lease;
use crate::records::{Columns, change, epoch, no_epoch};
use haechi_core::Timestamp;
use haechi_core::ports::{CHANGES_KEPT, Change, Changes};
use sqlx::postgres::PgRow;

/// Where nodes listen.
pub(super) const CHANNEL: &str = "haechi_changes";

/// The changes after an epoch, beside the epochs that there are; one statement, so that they are of one moment.
pub(super) const SINCE: &str = "SELECT e.value, e.forgotten, c.epoch, c.kind, c.id, c.kept_until FROM haechi.change_epoch e \
     LEFT JOIN (SELECT epoch, kind, id, kept_until FROM haechi.changes WHERE epoch > $1 ORDER BY epoch LIMIT $2) c ON TRUE ORDER BY c.epoch";

/// Writes a change to the log, in the transaction of what it announces. What is revoked twice stays as long as either asked. The epoch's row is
/// locked until that transaction ends, so that nobody sees a later change before an earlier one.
pub(super) async fn record(write: &mut Lease, change: &Change) -> Result<(), Fault> {
    let (kind, id) = change.subject();
    let done = write
        .sql(
            "WITH advanced AS (UPDATE haechi.change_epoch SET value = value + 1 RETURNING value) \
             INSERT INTO haechi.changes (epoch, kind, id, kept_until) SELECT value, $1, $2, $3 FROM advanced \
             ON CONFLICT (kind, id) DO UPDATE SET \
             epoch = excluded.epoch, kept_until = greatest(changes.kept_until, excluded.kept_until)",
        )
        .bind(kind)
        .bind(id)
        .bind(change.until().map(Timestamp::as_millis))
        .execute(&mut **write)
        .await?;
    if done.rows_affected() == 0 {
        return Err(no_epoch().into());
    }
    // Sent when the transaction is committed, once for all of its changes.
    write.sql("SELECT pg_notify('haechi_changes', '')").execute(&mut **write).await?;
    Ok(())
}

/// The newest epoch, of a row with `value`.
pub(super) fn newest(row: Option<&PgRow>) -> Result<u64, Fault> {
    Ok(epoch(row.ok_or_else(no_epoch)?.number("value")?)?)
}

/// What the rows of [`SINCE`] say.
pub(super) fn changes(rows: &[PgRow], since: u64, limit: usize) -> Result<Changes, Fault> {
    let first = rows.first().ok_or_else(no_epoch)?;
    let newest = epoch(first.number("value")?)?;
    let forgotten = epoch(first.number("forgotten")?)?;
    let mut answer = Changes { changes: Vec::new(), epoch: newest, newest, forgotten };
    if since >= newest || first.optional_number("epoch")?.is_none() {
        return Ok(answer);
    }
    if let Some(last) = rows.last().filter(|_| rows.len() >= limit) {
        answer.epoch = epoch(last.number("epoch")?)?;
    }
    answer.changes = rows.iter().map(change).collect::<Result<_, _>>()?;
    Ok(answer)
}

/// Forgets what has expired, and sees to it that other changes are forgotten in time.
pub(super) async fn forget_expired(write: &mut Lease, now: Timestamp) -> Result<u64, Fault> {
    write
        .sql(
            "UPDATE haechi.change_epoch SET forgotten = greatest(forgotten, (SELECT max(epoch) FROM haechi.changes \
             WHERE kept_until < $1 AND kind NOT IN ('session', 'token')))",
        )
        .bind(now.as_millis())
        .execute(&mut **write)
        .await?;
    let done = write
        .sql("DELETE FROM haechi.changes WHERE kept_until < $1")
        .bind(now.as_millis())
        .execute(&mut **write)
        .await?;
    write
        .sql("UPDATE haechi.changes SET kept_until = $1 WHERE kept_until IS NULL")
        .bind(now.plus(CHANGES_KEPT).as_millis())
        .execute(&mut **write)
        .await?;
    Ok(done.rows_affected())
}
