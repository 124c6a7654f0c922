//! What the embedded identity provider keeps beside users, clients and sessions, in PostgreSQL.

use super::{Postgres, can_be_kept};
use crate::records::{Columns, record_version};
use haechi_core::Timestamp;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, StoreError, Stored};

/// Others that write meanwhile leave the same rows to whoever came first.
const FORGET: &str = "DELETE FROM haechi.identity_records WHERE (kind, id) IN (SELECT kind, id FROM haechi.identity_records \
     WHERE kept_until <= $1 ORDER BY kept_until LIMIT 100 FOR UPDATE SKIP LOCKED)";

/// One that is gone stands in nobody's way.
const ADD: &str = "INSERT INTO haechi.identity_records AS kept (kind, id, owner, value, version, kept_until) VALUES ($1, $2, $3, $4, 0, $5) \
     ON CONFLICT (kind, id) DO UPDATE SET owner = $3, value = $4, version = kept.version + 1, kept_until = $5 WHERE kept.kept_until <= $6";

const REPLACE: &str = "UPDATE haechi.identity_records SET owner = $3, value = $4, kept_until = $5, version = version + 1 \
     WHERE kind = $1 AND id = $2 AND version = $6";

impl IdentityRecords for Postgres {
    fn get<'a>(&'a self, kind: RecordKind, id: &'a str, now: Timestamp) -> Stored<'a, Option<(String, u64)>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let text = "SELECT value, version FROM haechi.identity_records WHERE kind = $1 AND id = $2 \
                        AND (kept_until IS NULL OR kept_until > $3)";
            let row = self.row(text, |sql| sql.bind(kind.name()).bind(id).bind(now.as_millis())).await?;
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
            if ![&record.id, &record.owner, &record.value].into_iter().all(|text| can_be_kept(text)) {
                return Err(StoreError::Corrupt("a record with a NUL in it cannot be kept".to_owned()).into());
            }
            let mut write = self.write().await?;
            write.sql(FORGET).bind(now.as_millis()).execute(&mut *write).await?;
            let (text, last) = match version {
                None => (ADD, now.as_millis()),
                Some(version) => (REPLACE, i64::try_from(version).unwrap_or(i64::MAX)),
            };
            let done = write
                .sql(text)
                .bind(record.kind.name())
                .bind(&record.id)
                .bind(&record.owner)
                .bind(&record.value)
                .bind(record.kept_until.map(Timestamp::as_millis))
                .bind(last)
                .execute(&mut *write)
                .await?;
            self.commit(write).await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn delete<'a>(&'a self, kind: RecordKind, id: &'a str) -> Stored<'a, bool> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(false);
            }
            let mut write = self.write().await?;
            let done = write
                .sql("DELETE FROM haechi.identity_records WHERE kind = $1 AND id = $2")
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
            if !can_be_kept(owner) {
                return Ok(Vec::new());
            }
            let text = "SELECT id, value FROM haechi.identity_records WHERE kind = $1 AND owner = $2 \
                        AND (kept_until IS NULL OR kept_until > $3) ORDER BY id COLLATE \"C\"";
            let rows = self.rows(text, |sql| sql.bind(kind.name()).bind(owner).bind(now.as_millis())).await?;
            rows.iter().map(|row| Ok((row.text("id")?, row.text("value")?))).collect()
        })
    }
}
