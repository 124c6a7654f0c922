//! Revocations and their epoch, in SQLite.

use super::fault::Fault;
use super::row::Columns;
use super::{Sqlite, advance_epoch};
use haechi_core::Timestamp;
use haechi_core::ports::{Revocations, Revoked, StoreError, Stored};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, query, query_scalar};

impl Revocations for Sqlite {
    fn epoch(&self) -> Stored<'_, u64> {
        self.answer(async move {
            let value: i64 =
                query_scalar("SELECT value FROM revocation_epoch").fetch_one(&self.readers).await?;
            u64::try_from(value)
                .map_err(|_| StoreError::Corrupt("the revocation epoch is negative".into()).into())
        })
    }

    fn current(&self, now: Timestamp) -> Stored<'_, Vec<Revoked>> {
        self.answer(async move {
            query("SELECT kind, id FROM revocations WHERE kept_until >= ?")
                .bind(now.as_millis())
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(revoked)
                .collect()
        })
    }

    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            revoke(&mut write, what, until).await?;
            Ok(write.commit().await?)
        })
    }

    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("DELETE FROM revocations WHERE kept_until < ?")
                .bind(now.as_millis())
                .execute(&mut *write)
                .await?;
            write.commit().await?;
            Ok(done.rows_affected())
        })
    }
}

/// Revokes in the transaction `write`.
pub(super) async fn revoke(
    write: &mut SqliteConnection,
    what: &Revoked,
    until: Timestamp,
) -> Result<(), Fault> {
    keep(write, what, until).await?;
    advance_epoch(write).await
}

/// Writes the entry alone; the caller makes the epoch grow. What is revoked twice stays as long as either asked.
pub(super) async fn keep(
    write: &mut SqliteConnection,
    what: &Revoked,
    until: Timestamp,
) -> Result<(), Fault> {
    let (kind, id) = match what {
        Revoked::Session(id) => ("session", id),
        Revoked::Token(id) => ("token", id),
    };
    query(
        "INSERT INTO revocations (kind, id, kept_until) VALUES (?, ?, ?) \
         ON CONFLICT DO UPDATE SET kept_until = max(kept_until, excluded.kept_until)",
    )
    .bind(kind)
    .bind(id)
    .bind(until.as_millis())
    .execute(write)
    .await?;
    Ok(())
}

fn revoked(row: &SqliteRow) -> Result<Revoked, Fault> {
    let columns = Columns(row);
    let id = columns.text("id")?;
    match columns.text("kind")?.as_str() {
        "session" => Ok(Revoked::Session(id)),
        "token" => Ok(Revoked::Token(id)),
        other => Err(StoreError::Corrupt(format!("a revocation is of the kind `{other}`")).into()),
    }
}
