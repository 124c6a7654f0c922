//! API keys, in SQLite.

use super::edit::edit;
use super::fault::{Fault, found, taken};
use super::{Sqlite, Write, log};
use crate::edits::Kind;
use crate::key_rows::{ROWS_AT_ONCE, key_rows, use_rows, write_filter};
use crate::records::api_key;
use haechi_core::Timestamp;
use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, Change, Edit, KeyFilter, KeyPage, KeyUse, StoreError, Stored,
};
use sqlx::{QueryBuilder, query, query_scalar};
use std::time::Duration;

/// How long many keys may take to be added. Others who write wait meanwhile, or give up.
const ADDED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Where a role stands in the list of a key.
const HAS_ROLE: (&str, &str) = ("EXISTS (SELECT 1 FROM json_each(roles) WHERE value = ", ")");

impl ApiKeys for Sqlite {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.look_up(async move {
            let row = self.lookups.find(sha256).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn is_bound_to_its_runtime(&self) -> bool {
        false
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            let row =
                query("SELECT * FROM api_keys WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn list<'a>(&'a self, filter: &'a KeyFilter, page: &'a KeyPage) -> Stored<'a, Vec<ApiKeyRecord>> {
        self.answer(async move {
            let mut read = self.read().await?;
            let mut sql = QueryBuilder::<sqlx::Sqlite>::new("SELECT * FROM api_keys WHERE ");
            write_filter(&mut sql, filter, HAS_ROLE);
            if let Some(after) = &page.after {
                let created: Option<i64> = query_scalar("SELECT created_at FROM api_keys WHERE id = ?")
                    .bind(after)
                    .fetch_optional(&mut *read)
                    .await?;
                let created = created.ok_or_else(|| StoreError::Missing(named(after)))?;
                sql.push(" AND (created_at, id) < (").push_bind(created);
                sql.push(", ").push_bind(after.clone()).push(")");
            }
            sql.push(" ORDER BY created_at DESC, id DESC LIMIT ");
            sql.push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
            let rows = sql.build().fetch_all(&mut *read).await?;
            read.commit().await?;
            rows.iter().map(api_key).collect()
        })
    }

    fn expiring<'a>(&'a self, now: Timestamp, by: &'a [Timestamp]) -> Stored<'a, Vec<u64>> {
        self.answer(async move {
            let mut counts = Vec::with_capacity(by.len());
            for by in by {
                let count: i64 = query_scalar(
                    "SELECT count(*) FROM api_keys WHERE state = 'active' AND expires_at > ? AND expires_at <= ?",
                )
                .bind(now.as_millis())
                .bind(by.as_millis())
                .fetch_one(&self.readers)
                .await?;
                counts.push(u64::try_from(count).unwrap_or(0));
            }
            Ok(counts)
        })
    }

    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            insert(&mut write, std::slice::from_ref(key)).await?;
            self.commit(write).await
        })
    }

    fn add_all<'a>(&'a self, keys: &'a [ApiKeyRecord]) -> Stored<'a, ()> {
        self.answer_within(ADDED_WITHIN, async move {
            let mut write = self.write().await?;
            for some in keys.chunks(ROWS_AT_ONCE) {
                insert(&mut write, some).await?;
            }
            self.commit(write).await
        })
    }

    fn rotate<'a>(
        &'a self,
        key: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Timestamp,
    ) -> Stored<'a, ()> {
        self.answer(async move {
            let id = key.of;
            let mut write = self.write().await?;
            edit(&mut write, Kind::ApiKey, key).await?;
            let is_taken: bool = query_scalar(
                "SELECT EXISTS (SELECT 1 FROM api_keys WHERE sha256 = ?1 OR previous_sha256 = ?1)",
            )
            .bind(sha256.as_slice())
            .fetch_one(&mut *write)
            .await?;
            if is_taken {
                return Err(StoreError::Exists(named(id)).into());
            }
            let done = query(
                "UPDATE api_keys SET previous_sha256 = sha256, previous_until = ?, sha256 = ? \
                 WHERE id = ? AND state = 'active'",
            )
            .bind(previous_until.as_millis())
            .bind(sha256.as_slice())
            .bind(id)
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, named(id)))?;
            found(&done, || named(id))?;
            log::record(&mut write, &Change::ApiKey(id.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn revoke<'a>(&'a self, key: Edit<'a>) -> Stored<'a, ()> {
        self.answer(async move {
            let id = key.of;
            let mut write = self.write().await?;
            edit(&mut write, Kind::ApiKey, key).await?;
            let done = query("UPDATE api_keys SET state = 'revoked' WHERE id = ?")
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, || named(id))?;
            log::record(&mut write, &Change::ApiKey(id.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn used<'a>(&'a self, uses: &'a [KeyUse]) -> Stored<'a, ()> {
        self.answer(async move {
            let rows = use_rows(uses)?;
            let mut write = self.write().await?;
            query(
                "UPDATE api_keys SET last_used_at = uses.at, last_used_from = uses.place FROM \
                 (SELECT value ->> 'id' AS id, value ->> 'at' AS at, value ->> 'from' AS place FROM json_each(?)) AS uses \
                 WHERE api_keys.id = uses.id AND (last_used_at IS NULL OR last_used_at < uses.at)",
            )
            .bind(rows)
            .execute(&mut *write)
            .await?;
            self.commit(write).await
        })
    }
}

async fn insert(write: &mut Write, keys: &[ApiKeyRecord]) -> Result<(), Fault> {
    let Some(first) = keys.first() else { return Ok(()) };
    let rows = key_rows(keys)?;
    // No secret of one key is the one before of another.
    let is_taken: bool = query_scalar(
        "SELECT EXISTS (SELECT 1 FROM api_keys WHERE previous_sha256 IN (SELECT unhex(value ->> 'sha256') FROM json_each(?1))) \
         OR EXISTS (SELECT 1 FROM api_keys WHERE sha256 IN (SELECT unhex(value ->> 'previous_sha256') FROM json_each(?1)))",
    )
    .bind(&rows)
    .fetch_one(&mut **write)
    .await?;
    if is_taken {
        return Err(StoreError::Exists(named(&first.id)).into());
    }
    query(
        "INSERT INTO api_keys (id, sha256, previous_sha256, previous_until, owner, name, roles, scopes, attributes, \
         expires_at, allowed_addresses, rate_limit, quota, created_at, last_used_at, last_used_from, state, imported, revision) \
         SELECT value ->> 'id', unhex(value ->> 'sha256'), unhex(value ->> 'previous_sha256'), value ->> 'previous_until', \
         value ->> 'owner', value ->> 'name', value ->> 'roles', value ->> 'scopes', value ->> 'attributes', \
         value ->> 'expires_at', value ->> 'allowed_addresses', value ->> 'rate_limit', value ->> 'quota', \
         value ->> 'created_at', value ->> 'last_used_at', value ->> 'last_used_from', value ->> 'state', \
         value ->> 'imported', value ->> 'revision' FROM json_each(?)",
    )
    .bind(rows)
    .execute(&mut **write)
    .await
    .map_err(|error| taken(error, named(&first.id)))?;
    Ok(())
}

fn named(id: &str) -> String {
    Kind::ApiKey.named(id)
}
