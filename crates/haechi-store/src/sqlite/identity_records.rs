//! What the embedded identity provider keeps beside users, clients and sessions, in SQLite.

use super::Sqlite;
use crate::records::{Columns, record_version};
use haechi_core::Timestamp;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, Stored};
use sqlx::query;

impl IdentityRecords for Sqlite {
    fn get<'a>(&'a self, kind: RecordKind, id: &'a str, now: Timestamp) -> Stored<'a, Option<(String, u64)>> {
        self.answer(async move {
            let row = query(
                "SELECT value, version FROM identity_records WHERE kind = ? AND id = ? AND (kept_until IS NULL OR kept_until > ?)",
            )
            .bind(kind.name())
            .bind(id)
            .bind(now.as_millis())
            .fetch_optional(&self.readers)
            .await?;
            row.as_ref().map(record_version).transpose()
        })
    }

    fn put<'a>(
        &'a self,
        record: &'a IdentityRecord,
        version: Option<u64>,
        now: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            // One that is gone stands in nobody's way; of the others a few at a time: nobody waits for more.
            query(
                "DELETE FROM identity_records WHERE kind = ?1 AND id = ?2 AND kept_until <= ?3 OR (kind, id) IN \
                 (SELECT kind, id FROM identity_records WHERE kept_until <= ?3 ORDER BY kept_until LIMIT 100)",
            )
            .bind(record.kind.name())
            .bind(&record.id)
            .bind(now.as_millis())
            .execute(&mut *write)
            .await?;
            let statement = match version {
                None => {
                    "INSERT INTO identity_records (kind, id, owner, value, version, kept_until) VALUES (?1, ?2, ?3, ?4, 0, ?5) \
                     ON CONFLICT DO NOTHING"
                }
                Some(_) => {
                    "UPDATE identity_records SET owner = ?3, value = ?4, kept_until = ?5, version = version + 1 \
                     WHERE kind = ?1 AND id = ?2 AND version = ?6"
                }
            };
            let statement = query(statement)
                .bind(record.kind.name())
                .bind(&record.id)
                .bind(&record.owner)
                .bind(&record.value)
                .bind(record.kept_until.map(Timestamp::as_millis));
            let statement = match version {
                None => statement,
                Some(version) => statement.bind(i64::try_from(version).unwrap_or(i64::MAX)),
            };
            let done = statement.execute(&mut *write).await?;
            self.commit(write).await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn delete<'a>(&'a self, kind: RecordKind, id: &'a str) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("DELETE FROM identity_records WHERE kind = ? AND id = ?")
                .bind(kind.name())
                .bind(id)
                .execute(&mut *write)
                .await?;
            self.commit(write).await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn owned_by<'a>(
        &'a self,
        kind: RecordKind,
        owner: &'a str,
        now: Timestamp,
    ) -> Stored<'a, Vec<(String, String)>> {
        self.answer(async move {
            let rows = query(
                "SELECT id, value FROM identity_records WHERE kind = ? AND owner = ? AND (kept_until IS NULL OR kept_until > ?) \
                 ORDER BY id",
            )
            .bind(kind.name())
            .bind(owner)
            .bind(now.as_millis())
            .fetch_all(&self.readers)
            .await?;
            rows.iter().map(|row| Ok((row.text("id")?, row.text("value")?))).collect()
        })
    }
}
