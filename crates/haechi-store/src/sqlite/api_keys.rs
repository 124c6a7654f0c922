//! API keys, in SQLite.

use super::fault::{found, taken};
use super::{Sqlite, log};
use crate::json::{json, optional_json};
use crate::records::{Columns, api_key, key_state_text};
use crate::times::to_the_minute;
use haechi_core::Timestamp;
use haechi_core::ports::{ApiKeyRecord, ApiKeys, Change, StoreError, Stored};
use sqlx::query;

impl ApiKeys for Sqlite {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            let row = query("SELECT * FROM api_keys WHERE sha256 = ?")
                .bind(sha256.as_slice())
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            let row =
                query("SELECT * FROM api_keys WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<ApiKeyRecord>> {
        self.answer(async move {
            query("SELECT * FROM api_keys ORDER BY created_at DESC, rowid DESC")
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(api_key)
                .collect()
        })
    }

    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            query(
                "INSERT INTO api_keys \
                 (id, sha256, owner, name, roles, scopes, attributes, expires_at, allowed_addresses, \
                 rate_limit, quota, created_at, last_used_at, state) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&key.id)
            .bind(key.sha256.as_slice())
            .bind(&key.owner)
            .bind(&key.name)
            .bind(json(&key.roles)?)
            .bind(json(&key.scopes)?)
            .bind(json(&key.attributes)?)
            .bind(key.expires_at.map(Timestamp::as_millis))
            .bind(json(&key.allowed_addresses)?)
            .bind(optional_json(key.rate_limit.as_ref())?)
            .bind(optional_json(key.quota.as_ref())?)
            .bind(key.created_at.as_millis())
            .bind(key.last_used_at.map(Timestamp::as_millis))
            .bind(key_state_text(key.state))
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, named(&key.id)))?;
            self.commit(write).await
        })
    }

    fn revoke<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("UPDATE api_keys SET state = 'revoked' WHERE id = ?")
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, || named(id))?;
            log::record(&mut write, &Change::ApiKey(id.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn used<'a>(&'a self, id: &'a str, now: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let minute = to_the_minute(now);
            // Most calls find the minute noted already and need no write lock.
            let row = query("SELECT last_used_at FROM api_keys WHERE id = ?")
                .bind(id)
                .fetch_optional(&self.readers)
                .await?;
            let row = row.ok_or_else(|| StoreError::Missing(named(id)))?;
            if row.optional_time("last_used_at")? >= Some(minute) {
                return Ok(());
            }
            let mut write = self.write().await?;
            query("UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, ?1), ?1) WHERE id = ?2")
                .bind(minute.as_millis())
                .bind(id)
                .execute(&mut *write)
                .await?;
            self.commit(write).await
        })
    }
}

fn named(id: &str) -> String {
    format!("API key `{id}`")
}
