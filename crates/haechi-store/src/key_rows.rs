//! API keys as rows, for every kind of store that has rows.

use crate::json::{json, optional_json};
use crate::records::key_state_text;
use crate::times::to_the_minute;
use haechi_core::Timestamp;
use haechi_core::ports::{ApiKeyRecord, KeyFilter, KeyStanding, KeyUse, StoreError};
use serde::Serialize;
use sqlx::{Database, Encode, QueryBuilder, Type};
use std::collections::BTreeMap;

/// So many keys are written by one statement.
pub(crate) const ROWS_AT_ONCE: usize = 500;

/// A key's columns, as JSON that the database takes apart.
#[derive(Serialize)]
struct KeyRow<'a> {
    id: &'a str,
    sha256: String,
    previous_sha256: Option<String>,
    previous_until: Option<i64>,
    owner: &'a str,
    name: Option<&'a str>,
    roles: String,
    scopes: String,
    attributes: String,
    expires_at: Option<i64>,
    allowed_addresses: String,
    rate_limit: Option<String>,
    quota: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
    last_used_from: Option<String>,
    state: &'static str,
    imported: bool,
    revision: i64,
}

/// A use's columns, likewise.
#[derive(Serialize)]
struct UseRow {
    id: String,
    at: i64,
    from: String,
}

impl<'a> KeyRow<'a> {
    fn of(key: &'a ApiKeyRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: &key.id,
            sha256: hex(&key.sha256),
            previous_sha256: key.previous.map(|previous| hex(&previous.sha256)),
            previous_until: key.previous.map(|previous| previous.until.as_millis()),
            owner: &key.owner,
            name: key.name.as_deref(),
            roles: json(&key.roles)?,
            scopes: json(&key.scopes)?,
            attributes: json(&key.attributes)?,
            expires_at: key.expires_at.map(Timestamp::as_millis),
            allowed_addresses: json(&key.allowed_addresses)?,
            rate_limit: optional_json(key.rate_limit.as_ref())?,
            quota: optional_json(key.quota.as_ref())?,
            created_at: key.created_at.as_millis(),
            last_used_at: key.last_used_at.map(Timestamp::as_millis),
            last_used_from: key.last_used_from.map(|from| from.to_string()),
            state: key_state_text(key.state),
            imported: key.imported,
            revision: key.revision.number(),
        })
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

/// The rows of `keys`, as one JSON text.
pub(crate) fn key_rows(keys: &[ApiKeyRecord]) -> Result<String, StoreError> {
    json(&keys.iter().map(KeyRow::of).collect::<Result<Vec<_>, _>>()?)
}

/// The last use of each key, to the minute, as one JSON text in the order of their ids.
pub(crate) fn use_rows(uses: &[KeyUse]) -> Result<String, StoreError> {
    let mut last: BTreeMap<&str, &KeyUse> = BTreeMap::new();
    for of in uses {
        let known = last.entry(&of.id).or_insert(of);
        if known.at < of.at {
            *known = of;
        }
    }
    let row = |of: &KeyUse| UseRow {
        id: of.id.clone(),
        at: to_the_minute(of.at).as_millis(),
        from: of.from.to_string(),
    };
    json(&last.into_values().map(row).collect::<Vec<_>>())
}

/// Writes what `filter` asks for behind a `WHERE`. `has_role` says in the database's words that a role stands in the column `roles`; it is bound
/// behind it.
pub(crate) fn write_filter<'a, D: Database>(
    sql: &mut QueryBuilder<D>,
    filter: &'a KeyFilter,
    has_role: (&'static str, &'static str),
) where
    String: Encode<'a, D> + Type<D>,
    i64: Encode<'a, D> + Type<D>,
    bool: Encode<'a, D> + Type<D>,
{
    let KeyFilter { owner, role, name, standing, expires_by, unused_since, imported } = filter;
    sql.push("1 = 1");
    if let Some(owner) = owner {
        sql.push(" AND owner = ").push_bind(owner.clone());
    }
    if let Some(name) = name {
        sql.push(" AND name = ").push_bind(name.clone());
    }
    if let Some(role) = role {
        sql.push(" AND ").push(has_role.0).push_bind(role.clone()).push(has_role.1);
    }
    match standing {
        None => {}
        Some((KeyStanding::Revoked, _)) => {
            sql.push(" AND state = 'revoked'");
        }
        Some((KeyStanding::Active, now)) => {
            sql.push(" AND state = 'active' AND (expires_at IS NULL OR expires_at > ");
            sql.push_bind(now.as_millis()).push(")");
        }
        Some((KeyStanding::Expired, now)) => {
            sql.push(" AND state = 'active' AND expires_at <= ").push_bind(now.as_millis());
        }
    }
    if let Some(by) = expires_by {
        sql.push(" AND expires_at <= ").push_bind(by.as_millis());
    }
    if let Some(since) = unused_since {
        sql.push(" AND coalesce(last_used_at, created_at) < ").push_bind(since.as_millis());
    }
    if let Some(imported) = imported {
        sql.push(" AND imported = ").push_bind(*imported);
    }
}
