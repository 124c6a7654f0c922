//! Signing keys, in SQLite.

use super::Sqlite;
use super::fault::{Fault, found, taken};
use crate::records::signing_key;
use haechi_core::ports::{SigningKeyRecord, SigningKeys, Stored};
use haechi_core::{Secret, Timestamp};
use sqlx::{SqliteConnection, query};

impl SigningKeys for Sqlite {
    fn list(&self) -> Stored<'_, Vec<SigningKeyRecord>> {
        self.answer(async move {
            query("SELECT * FROM signing_keys ORDER BY created_at, rowid")
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(signing_key)
                .collect()
        })
    }

    fn add_first<'a>(&'a self, key: &'a SigningKeyRecord) -> Stored<'a, SigningKeyRecord> {
        self.answer(async move {
            let mut write = self.write().await?;
            if let Some(first) = latest(&mut write, &key.algorithm).await? {
                return Ok(first);
            }
            insert(&mut write, key).await?;
            self.commit(write).await?;
            Ok(key.clone())
        })
    }

    fn rotate<'a>(&'a self, next: &'a SigningKeyRecord, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            replace(&mut write, next, published_until).await?;
            self.commit(write).await
        })
    }

    fn rotate_from<'a>(
        &'a self,
        from: &'a str,
        next: &'a SigningKeyRecord,
        published_until: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            if latest(&mut write, &next.algorithm).await?.is_none_or(|latest| latest.id != from) {
                return Ok(false);
            }
            replace(&mut write, next, published_until).await?;
            self.commit(write).await?;
            Ok(true)
        })
    }

    fn unpublish<'a>(&'a self, id: &'a str, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done =
                query("UPDATE signing_keys SET published_until = ? WHERE id = ? AND retired_at IS NOT NULL")
                    .bind(published_until.as_millis())
                    .bind(id)
                    .execute(&mut *write)
                    .await?;
            found(&done, || format!("retired signing key `{id}`"))?;
            self.commit(write).await
        })
    }

    fn reseal<'a>(
        &'a self,
        id: &'a str,
        from: &'a Secret<Vec<u8>>,
        to: &'a Secret<Vec<u8>>,
    ) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("UPDATE signing_keys SET pkcs8 = ? WHERE id = ? AND pkcs8 = ?")
                .bind(to.expose().as_slice())
                .bind(id)
                .bind(from.expose().as_slice())
                .execute(&mut *write)
                .await?;
            self.commit(write).await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn forget_unpublished(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("DELETE FROM signing_keys WHERE published_until <= ?")
                .bind(now.as_millis())
                .execute(&mut *write)
                .await?;
            self.commit(write).await?;
            Ok(done.rows_affected())
        })
    }
}

async fn latest(write: &mut SqliteConnection, algorithm: &str) -> Result<Option<SigningKeyRecord>, Fault> {
    let row = query("SELECT * FROM signing_keys WHERE algorithm = ? AND retired_at IS NULL")
        .bind(algorithm)
        .fetch_optional(write)
        .await?;
    row.as_ref().map(signing_key).transpose()
}

async fn replace(
    write: &mut SqliteConnection,
    next: &SigningKeyRecord,
    published_until: Timestamp,
) -> Result<(), Fault> {
    // A key whose retirement lies ahead is in force too.
    query(
        "UPDATE signing_keys SET retired_at = ?1, published_until = ?2 \
         WHERE algorithm = ?3 AND (retired_at IS NULL OR retired_at > ?1)",
    )
    .bind(next.active_from.as_millis())
    .bind(published_until.as_millis())
    .bind(&next.algorithm)
    .execute(&mut *write)
    .await?;
    insert(write, next).await
}

async fn insert(write: &mut SqliteConnection, key: &SigningKeyRecord) -> Result<(), Fault> {
    query(
        "INSERT INTO signing_keys \
         (id, algorithm, pkcs8, active_from, retired_at, published_until, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.id)
    .bind(&key.algorithm)
    .bind(key.pkcs8.expose().as_slice())
    .bind(key.active_from.as_millis())
    .bind(key.retired_at.map(Timestamp::as_millis))
    .bind(key.published_until.map(Timestamp::as_millis))
    .bind(key.created_at.as_millis())
    .execute(write)
    .await
    .map_err(|error| taken(error, format!("signing key `{}`", key.id)))?;
    Ok(())
}
