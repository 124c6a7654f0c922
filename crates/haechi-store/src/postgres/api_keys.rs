//! API keys, in PostgreSQL.

use super::edit::edit;
use super::fault::{Fault, found, taken};
use super::lease::Lease;
use super::{Postgres, can_be_kept, log};
use crate::edits::Kind;
use crate::key_rows::{ROWS_AT_ONCE, key_rows, use_rows, write_filter};
use crate::records::{Columns, api_key};
use haechi_core::Timestamp;
use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, Change, Edit, KeyFilter, KeyPage, KeyUse, StoreError, Stored,
};
use sqlx::QueryBuilder;
use std::time::Duration;

/// How long many keys may take to be added.
const ADDED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Named one by one: a statement that was prepared for `*` is refused once a newer node has added a column.
macro_rules! columns {
    () => {
        "id, sha256, previous_sha256, previous_until, owner, name, roles, scopes, attributes, expires_at, allowed_addresses, rate_limit, \
         quota, created_at, last_used_at, last_used_from, state, imported, revision"
    };
}

const SELECT: &str = concat!("SELECT ", columns!(), " FROM haechi.api_keys WHERE ");
const BY_SECRET: &str =
    concat!("SELECT ", columns!(), " FROM haechi.api_keys WHERE sha256 = $1 OR previous_sha256 = $1");
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM haechi.api_keys WHERE id = $1");

/// Where a role stands in the list of a key.
const HAS_ROLE: (&str, &str) = ("jsonb_exists(roles::jsonb, ", ")");

impl ApiKeys for Postgres {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            let row = self.row(BY_SECRET, |sql| sql.bind(sha256.as_slice())).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let row = self.row(BY_ID, |sql| sql.bind(id)).await?;
            row.as_ref().map(api_key).transpose()
        })
    }

    fn list<'a>(&'a self, filter: &'a KeyFilter, page: &'a KeyPage) -> Stored<'a, Vec<ApiKeyRecord>> {
        self.answer(async move {
            let after = match &page.after {
                None => None,
                Some(id) if !can_be_kept(id) => return Err(StoreError::Missing(named(id)).into()),
                Some(id) => {
                    let text = "SELECT created_at FROM haechi.api_keys WHERE id = $1";
                    let row = self.row(text, |sql| sql.bind(id)).await?;
                    let row = row.ok_or_else(|| StoreError::Missing(named(id)))?;
                    Some((row.number("created_at")?, id))
                }
            };
            if ![&filter.owner, &filter.name, &filter.role]
                .into_iter()
                .flatten()
                .all(|text| can_be_kept(text))
            {
                return Ok(Vec::new());
            }
            let mut sql = QueryBuilder::<sqlx::Postgres>::new(SELECT);
            write_filter(&mut sql, filter, HAS_ROLE);
            if let Some((created, id)) = after {
                sql.push(" AND (created_at, id COLLATE \"C\") < (").push_bind(created);
                sql.push(", ").push_bind(id.clone()).push(")");
            }
            sql.push(" ORDER BY created_at DESC, id COLLATE \"C\" DESC LIMIT ");
            sql.push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
            let mut read = Lease::to_read(&self.pool, &self.location).await?;
            let rows = sql.build().persistent(false).fetch_all(&mut *read).await?;
            read.done().await?;
            rows.iter().map(api_key).collect()
        })
    }

    fn expiring<'a>(&'a self, now: Timestamp, by: &'a [Timestamp]) -> Stored<'a, Vec<u64>> {
        self.answer(async move {
            let mut counts = Vec::with_capacity(by.len());
            for by in by {
                let text = "SELECT count(*) AS count FROM haechi.api_keys \
                            WHERE state = 'active' AND expires_at > $1 AND expires_at <= $2";
                let row = self.row(text, |sql| sql.bind(now.as_millis()).bind(by.as_millis())).await?;
                let count = row.map_or(Ok(0), |row| row.number("count"))?;
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
            let before = write.sql("SELECT 1 FROM haechi.api_keys WHERE sha256 = $1 OR previous_sha256 = $1");
            if before.bind(sha256.as_slice()).fetch_optional(&mut *write).await?.is_some() {
                return Err(StoreError::Exists(named(id)).into());
            }
            let done = write
                .sql(
                    "UPDATE haechi.api_keys SET previous_sha256 = sha256, previous_until = $1, sha256 = $2 \
                     WHERE id = $3 AND state = 'active'",
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

    fn used<'a>(&'a self, uses: &'a [KeyUse]) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            // Locked in the order of their ids, so that no two nodes wait for each other.
            write
                .sql(
                    "WITH uses AS (SELECT * FROM json_to_recordset($1::json) AS r (id TEXT, at BIGINT, \"from\" TEXT)), \
                     locked AS (SELECT k.id, u.at, u.\"from\" AS place FROM haechi.api_keys k JOIN uses u ON u.id = k.id \
                     WHERE k.last_used_at IS NULL OR k.last_used_at < u.at ORDER BY k.id FOR UPDATE OF k) \
                     UPDATE haechi.api_keys k SET last_used_at = locked.at, last_used_from = locked.place \
                     FROM locked WHERE k.id = locked.id",
                )
                .bind(use_rows(uses)?)
                .execute(&mut *write)
                .await?;
            self.commit(write).await
        })
    }
}

async fn insert(write: &mut Lease, keys: &[ApiKeyRecord]) -> Result<(), Fault> {
    let Some(first) = keys.first() else { return Ok(()) };
    if let Some(key) = keys.iter().find(|key| !can_be_kept(&key.id)) {
        return Err(StoreError::Unavailable(format!("{} has a NUL in its id", named(&key.id))).into());
    }
    let rows = key_rows(keys)?;
    // No secret of one key is the one before of another.
    let is_taken = write
        .sql(
            "SELECT 1 FROM json_to_recordset($1::json) AS r (sha256 TEXT, previous_sha256 TEXT) JOIN haechi.api_keys k \
             ON k.previous_sha256 = decode(r.sha256, 'hex') OR k.sha256 = decode(r.previous_sha256, 'hex') LIMIT 1",
        )
        .bind(&rows)
        .fetch_optional(&mut **write)
        .await?;
    if is_taken.is_some() {
        return Err(StoreError::Exists(named(&first.id)).into());
    }
    write
        .sql(
            "INSERT INTO haechi.api_keys (id, sha256, previous_sha256, previous_until, owner, name, roles, scopes, \
             attributes, expires_at, allowed_addresses, rate_limit, quota, created_at, last_used_at, last_used_from, \
             state, imported, revision) \
             SELECT id, decode(sha256, 'hex'), decode(previous_sha256, 'hex'), previous_until, owner, name, roles, scopes, \
             attributes, expires_at, allowed_addresses, rate_limit, quota, created_at, last_used_at, last_used_from, \
             state, imported, revision FROM json_to_recordset($1::json) AS r (id TEXT, sha256 TEXT, previous_sha256 TEXT, \
             previous_until BIGINT, owner TEXT, name TEXT, roles TEXT, scopes TEXT, attributes TEXT, expires_at BIGINT, \
             allowed_addresses TEXT, rate_limit TEXT, quota TEXT, created_at BIGINT, last_used_at BIGINT, \
             last_used_from TEXT, state TEXT, imported BOOLEAN, revision BIGINT)",
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
