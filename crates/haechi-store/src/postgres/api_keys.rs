//! API keys, in PostgreSQL.

use super::fault::{found, taken};
use super::{Postgres, can_be_kept, log};
use crate::json::{json, optional_json};
use crate::records::{Columns, api_key, key_state_text};
use crate::times::to_the_minute;
use haechi_core::Timestamp;
use haechi_core::ports::{ApiKeyRecord, ApiKeys, Change, StoreError, Stored};

impl ApiKeys for Postgres {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            let text = "SELECT * FROM haechi.api_keys WHERE sha256 = $1";
            let row = self.row(text, |sql| sql.bind(sha256.as_slice())).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let row = self.row("SELECT * FROM haechi.api_keys WHERE id = $1", |sql| sql.bind(id)).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<ApiKeyRecord>> {
        self.answer(async move {
            let text = "SELECT * FROM haechi.api_keys ORDER BY created_at DESC, number DESC";
            self.rows(text, |sql| sql).await?.iter().map(api_key).collect()
        })
    }

    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            write
                .sql(
                    "INSERT INTO haechi.api_keys \
                     (id, sha256, owner, name, roles, scopes, attributes, expires_at, allowed_addresses, \
                     rate_limit, quota, created_at, last_used_at, state) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
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
            if !can_be_kept(id) {
                return Err(StoreError::Missing(named(id)).into());
            }
            let mut write = self.write().await?;
            let done = write
                .sql("UPDATE haechi.api_keys SET state = 'revoked' WHERE id = $1")
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
            let minute = to_the_minute(now).as_millis();
            // Most calls find the minute noted already and lock nothing.
            let text = "SELECT last_used_at FROM haechi.api_keys WHERE id = $1";
            let row = self.row(text, |sql| sql.bind(id)).await?;
            let row = row.ok_or_else(|| StoreError::Missing(named(id)))?;
            if row.optional_number("last_used_at")? >= Some(minute) {
                return Ok(());
            }
            let mut write = self.write().await?;
            write
                .sql("UPDATE haechi.api_keys SET last_used_at = greatest(last_used_at, $1) WHERE id = $2")
                .bind(minute)
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
