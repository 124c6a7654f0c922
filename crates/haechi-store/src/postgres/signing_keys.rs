//! Signing keys, in PostgreSQL.

use super::fault::{Fault, found, taken};
use super::lease::Lease;
use super::{Postgres, can_be_kept};
use crate::records::signing_key;
use haechi_core::ports::{SigningKeyRecord, SigningKeys, StoreError, Stored};
use haechi_core::{Secret, Timestamp};

/// Named one by one: a statement that was prepared for `*` is refused once a newer node has added a column.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, algorithm, pkcs8, active_from, retired_at, published_until, created_at FROM haechi.signing_keys ", $rest)
    };
}

impl SigningKeys for Postgres {
    fn list(&self) -> Stored<'_, Vec<SigningKeyRecord>> {
        self.answer(async move {
            let rows = self.rows(select!("ORDER BY created_at, number"), |sql| sql).await?;
            rows.iter().map(signing_key).collect()
        })
    }

    fn add_first<'a>(&'a self, key: &'a SigningKeyRecord) -> Stored<'a, SigningKeyRecord> {
        self.answer(async move {
            let mut write = self.one_at_a_time().await?;
            if let Some(first) = latest(&mut write, &key.algorithm).await? {
                write.done().await?;
                return Ok(first);
            }
            insert(&mut write, key).await?;
            self.commit(write).await?;
            Ok(key.clone())
        })
    }

    fn rotate<'a>(&'a self, next: &'a SigningKeyRecord, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.one_at_a_time().await?;
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
            let mut write = self.one_at_a_time().await?;
            if latest(&mut write, &next.algorithm).await?.is_none_or(|latest| latest.id != from) {
                write.done().await?;
                return Ok(false);
            }
            replace(&mut write, next, published_until).await?;
            self.commit(write).await?;
            Ok(true)
        })
    }

    fn unpublish<'a>(&'a self, id: &'a str, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let named = || format!("retired signing key `{id}`");
            if !can_be_kept(id) {
                return Err(StoreError::Missing(named()).into());
            }
            let mut write = self.one_at_a_time().await?;
            let done = write
                .sql("UPDATE haechi.signing_keys SET published_until = $1 WHERE id = $2 AND retired_at IS NOT NULL")
                .bind(published_until.as_millis())
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, named)?;
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
            let mut write = self.one_at_a_time().await?;
            let done = write
                .sql("UPDATE haechi.signing_keys SET pkcs8 = $1 WHERE id = $2 AND pkcs8 = $3")
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
            let done = write
                .sql("DELETE FROM haechi.signing_keys WHERE published_until <= $1")
                .bind(now.as_millis())
                .execute(&mut *write)
                .await?;
            self.commit(write).await?;
            Ok(done.rows_affected())
        })
    }
}

impl Postgres {
    /// A transaction that waits for others that change signing keys. Readers do not wait.
    async fn one_at_a_time(&self) -> Result<Lease, Fault> {
        let mut write = self.write().await?;
        let lock = write.sql("LOCK TABLE haechi.signing_keys IN SHARE ROW EXCLUSIVE MODE");
        lock.execute(&mut *write).await?;
        Ok(write)
    }
}

async fn latest(write: &mut Lease, algorithm: &str) -> Result<Option<SigningKeyRecord>, Fault> {
    let row = write
        .sql(select!("WHERE algorithm = $1 AND retired_at IS NULL"))
        .bind(algorithm)
        .fetch_optional(&mut **write)
        .await?;
    row.as_ref().map(signing_key).transpose()
}

async fn replace(
    write: &mut Lease,
    next: &SigningKeyRecord,
    published_until: Timestamp,
) -> Result<(), Fault> {
    // A key whose retirement lies ahead is in force too.
    write
        .sql(
            "UPDATE haechi.signing_keys SET retired_at = $1, published_until = $2 \
             WHERE algorithm = $3 AND (retired_at IS NULL OR retired_at > $1)",
        )
        .bind(next.active_from.as_millis())
        .bind(published_until.as_millis())
        .bind(&next.algorithm)
        .execute(&mut **write)
        .await?;
    insert(write, next).await
}

async fn insert(write: &mut Lease, key: &SigningKeyRecord) -> Result<(), Fault> {
    write
        .sql(
            "INSERT INTO haechi.signing_keys \
             (id, algorithm, pkcs8, active_from, retired_at, published_until, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&key.id)
        .bind(&key.algorithm)
        .bind(key.pkcs8.expose().as_slice())
        .bind(key.active_from.as_millis())
        .bind(key.retired_at.map(Timestamp::as_millis))
        .bind(key.published_until.map(Timestamp::as_millis))
        .bind(key.created_at.as_millis())
        .execute(&mut **write)
        .await
        .map_err(|error| taken(error, format!("signing key `{}`", key.id)))?;
    Ok(())
}
