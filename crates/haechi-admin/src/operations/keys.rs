//! `/api/v1/keys`: API keys in the store.

use crate::answer::{Done, Made, Page, Revised, Shown, Tagged, limit};
use crate::call::{Asked, Condition, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::{SecretText, shape};
use haechi_authn::identity::{KeyGrant, KeySpec};
use haechi_core::ports::{ApiKeyRecord, Edit, KeyFilter, KeyPage, KeyStanding, Quota, Revision, StoreError};
use haechi_core::{AttributeValue, Secret, Timestamp};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// The longest that a key may be made to live, in seconds: 10 years.
const LONGEST: u64 = 3650 * 86_400;

shape! {
    /// Which key.
    pub(crate) KeyPath {
        /// Its id, not the key.
        required id: String,
    }

    /// Which keys.
    pub(crate) KeysQuery {
        /// Only those of this owner.
        optional owner: Option<String>,
        /// Only those of this name.
        optional name: Option<String>,
        /// Only those that were given this role.
        optional role: Option<String>,
        /// Only those in this state: `active`, `expired` or `revoked`.
        optional state: Option<String>,
        /// Only those that work and expire within so many seconds.
        optional expires_within: Option<u32>,
        /// Only those that were not used for so many seconds; one that was never used counts from when it was made.
        optional unused_for: Option<u32>,
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// A key to be made.
    pub(crate) NewKey {
        /// Who answers for the key; the subject of its caller.
        required owner: String,
        /// What people call it.
        optional name: Option<String>,
        /// Roles.
        optional roles: Vec<String>,
        /// Scopes.
        optional scopes: Vec<String>,
        /// Declared attributes.
        optional attributes: BTreeMap<Box<str>, AttributeValue>,
        /// For how long the key works, in seconds; for good where this is left out.
        optional expires_in: Option<u32>,
        /// Networks and addresses from which the key works; from anywhere where this is left out.
        optional allowed_addresses: Vec<String>,
        /// How many requests in how much time, such as `100/1m`.
        optional rate_limit: Option<String>,
        /// How many requests in a longer time, such as `10000/1d`.
        optional quota: Option<String>,
    }

    /// How a key gets a new secret.
    pub(crate) KeyRotation {
        /// For how long the secret that the key has now goes on working, in seconds; not at all where this is left out.
        optional overlap: Option<u32>,
    }

    /// A key and its secret, which is shown this once.
    pub(crate) KeySecret {
        /// Names the key without being it.
        required id: String,
        /// The key.
        required key: SecretText,
        /// Until when the secret before works; left out where there was none.
        optional previous_works_until: Option<String>,
    }

    /// A key: everything but what tells the secret.
    pub(crate) KeyView {
        /// Names the key without being it.
        required id: String,
        /// What people call it.
        required name: Option<String>,
        /// Who answers for it.
        required owner: String,
        /// Roles.
        required roles: Vec<String>,
        /// Scopes.
        required scopes: Vec<String>,
        /// Declared attributes.
        required attributes: BTreeMap<Box<str>, AttributeValue>,
        /// Accepted only from these; from anywhere where this is empty.
        required allowed_addresses: Vec<String>,
        /// Requests per time span.
        required rate_limit: Option<String>,
        /// Requests per longer time span.
        required quota: Option<String>,
        /// `active`, `expired` or `revoked`.
        required state: String,
        /// When it was made.
        required created_at: String,
        /// When it ends.
        required expires_at: Option<String>,
        /// When it was last accepted, to the minute.
        required last_used_at: Option<String>,
        /// From where it was then.
        required last_used_from: Option<String>,
        /// Until when the secret before the last rotation works, while it does.
        required previous_works_until: Option<String>,
        /// Whether it was made elsewhere.
        required imported: bool,
        /// Grows with every change; the `ETag` is this number in quotes. Uses do not count.
        required revision: i64,
    }
}

impl Revised for KeyView {
    fn revision(&self) -> Revision {
        Revision::from_number(self.revision)
    }
}

impl KeyView {
    fn of(key: ApiKeyRecord, now: Timestamp) -> Self {
        let written = |at: Timestamp| at.rfc3339().to_string();
        let standing = key.standing(now);
        let works = |until: &Timestamp| standing == KeyStanding::Active && *until > now;
        Self {
            id: key.id,
            name: key.name,
            owner: key.owner,
            roles: key.roles,
            scopes: key.scopes,
            attributes: key.attributes,
            allowed_addresses: key.allowed_addresses.iter().map(ToString::to_string).collect(),
            rate_limit: key.rate_limit.map(|limit| limit.to_string()),
            quota: key.quota.map(|quota| quota.to_string()),
            state: word(standing).to_owned(),
            created_at: written(key.created_at),
            expires_at: key.expires_at.map(written),
            last_used_at: key.last_used_at.map(written),
            last_used_from: key.last_used_from.map(|from| from.to_string()),
            previous_works_until: key.previous.map(|previous| previous.until).filter(works).map(written),
            imported: key.imported,
            revision: key.revision.number(),
        }
    }
}

const STANDINGS: [KeyStanding; 3] = [KeyStanding::Active, KeyStanding::Expired, KeyStanding::Revoked];

const fn word(standing: KeyStanding) -> &'static str {
    match standing {
        KeyStanding::Active => "active",
        KeyStanding::Expired => "expired",
        KeyStanding::Revoked => "revoked",
    }
}

pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, KeysQuery, Nothing>,
) -> Result<Page<KeyView>, AdminError> {
    let KeysQuery { owner, name, role, state, expires_within, unused_for, cursor, limit: most } = asked.query;
    let (limit, now) = (limit(most)?, reader.now());
    let standing = state.map(|state| {
        let found = STANDINGS.into_iter().find(|standing| word(*standing) == state);
        found.ok_or_else(|| AdminError::BadQuery("`state` is `active`, `expired` or `revoked`".to_owned()))
    });
    let standing = standing.transpose()?.or(expires_within.map(|_| KeyStanding::Active));
    let standing = standing.map(|standing| (standing, now));
    let span = |seconds: u32| Duration::from_secs(seconds.into());
    let expires_by = expires_within.map(|seconds| now.plus(span(seconds)));
    let unused_since = unused_for.map(|seconds| now.minus(span(seconds)));
    let filter = KeyFilter { owner, role, name, standing, expires_by, unused_since, imported: None };
    let page = KeyPage { after: cursor, limit: limit + 1 };
    let found = reader.stores()?.api_keys.list(&filter, &page).await;
    let found = found.map_err(|error| match error {
        StoreError::Missing(_) => AdminError::BadQuery("`cursor` is not one that a page gave".to_owned()),
        other => other.into(),
    })?;
    let views = found.into_iter().map(|key| KeyView::of(key, now)).collect();
    Ok(Page::of(views, limit, |last: &KeyView| last.id.clone()))
}

pub(super) async fn show(
    reader: Reader,
    asked: Asked<KeyPath, Nothing, Nothing>,
) -> Result<Tagged<KeyView>, AdminError> {
    Ok(Tagged(KeyView::of(existing(&reader, &asked.path.id).await?, reader.now())))
}

pub(super) async fn create(
    change: Change,
    asked: Asked<Nothing, Nothing, Json<NewKey>>,
) -> Result<Made<KeySecret>, AdminError> {
    let new = asked.body.0;
    change.detail("roles", new.roles.clone()).await;
    change.detail("scopes", new.scopes.clone()).await;
    let lasts = new.expires_in.map(span).transpose()?;
    let grant = KeyGrant {
        owner: new.owner,
        name: new.name,
        roles: new.roles,
        scopes: new.scopes,
        attributes: new.attributes,
        allowed_addresses: new
            .allowed_addresses
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()?,
        rate_limit: new.rate_limit.map(|text| quota("rate_limit", &text)).transpose()?,
        quota: new.quota.map(|text| quota("quota", &text)).transpose()?,
    };
    let spec = KeySpec { grant, lasts };
    let (record, key) = change.accounts()?.create_key(spec).await?;
    let key = SecretText::new(Secret::new(key.expose().to_owned()));
    Ok(Made(KeySecret { id: record.id, key, previous_works_until: None }))
}

pub(super) async fn rotate(
    change: Change,
    asked: Asked<KeyPath, Nothing, Json<KeyRotation>>,
) -> Result<Shown<KeySecret>, AdminError> {
    let (key, edit) = concerned(&change, &asked.path.id, &asked.condition).await?;
    let overlap = Duration::from_secs(asked.body.0.overlap.unwrap_or_default().into());
    if overlap.as_secs() > LONGEST {
        return Err(AdminError::Invalid("`overlap` is at most 10 years, in seconds".to_owned()));
    }
    change.detail("overlap_seconds", overlap.as_secs()).await;
    let (until, next) = change.accounts()?.rotate_key(&key, edit.revision, overlap).await?;
    let next = SecretText::new(Secret::new(next.expose().to_owned()));
    let until = until.rfc3339().to_string();
    Ok(Shown(KeySecret { id: key.id, key: next, previous_works_until: Some(until) }))
}

pub(super) async fn revoke(
    change: Change,
    asked: Asked<KeyPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.id, &asked.condition).await?;
    change.stores()?.api_keys.revoke(edit).await?;
    Ok(Done)
}

async fn concerned<'a>(
    change: &Change,
    id: &'a str,
    condition: &Condition,
) -> Result<(ApiKeyRecord, Edit<'a>), AdminError> {
    let key = existing(&change.look, id).await?;
    let edit = condition.edit(id, key.revision)?;
    change.about(&key.owner).await;
    change.target(format!("key {}", key.id)).await;
    Ok((key, edit))
}

async fn existing(reader: &Reader, id: &str) -> Result<ApiKeyRecord, AdminError> {
    if haechi_authn::api_key::looks_like_a_key(id.as_bytes()) {
        return Err(AdminError::BadPath("this is a key, not its id".to_owned()));
    }
    let found = reader.stores()?.api_keys.by_id(id).await?;
    found.ok_or_else(|| StoreError::Missing(format!("key with the id `{id}`")).into())
}

fn span(seconds: u32) -> Result<Duration, AdminError> {
    match u64::from(seconds) {
        seconds @ 1..=LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err(AdminError::Invalid("`expires_in` is 1 second to 10 years, in seconds".to_owned())),
    }
}

pub(super) fn network(text: &str) -> Result<IpNet, AdminError> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let found = text.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(address);
    found.ok_or_else(|| AdminError::Invalid(format!("`{}` is no network or address", text.escape_debug())))
}

/// Bounded as the command's arguments are.
pub(super) fn quota(name: &str, text: &str) -> Result<Quota, AdminError> {
    const MOST: u32 = 1_000_000_000;
    const LONGEST_SPAN: u32 = 366 * 24 * 60 * 60;
    let read: Quota = text.parse().map_err(|error| AdminError::Invalid(format!("`{name}`: {error}")))?;
    let sane = read.requests <= MOST
        && read.per_seconds <= LONGEST_SPAN
        && u64::from(read.requests) <= u64::from(read.per_seconds) * 1_000_000;
    let over = || {
        AdminError::Invalid(format!("`{name}` is over 1,000,000 requests a second, or longer than 366 days"))
    };
    if sane { Ok(read) } else { Err(over()) }
}
