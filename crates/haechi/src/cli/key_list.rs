//! `haechi key list` and `show`.

pub(super) mod remote;

use super::output::{self, said, words};
use super::store::Opened;
use super::{Common, Failure, Format, input};
use clap::{Args, ValueEnum};
use haechi_core::ports::{ApiKeyRecord, KeyFilter, KeyPage, KeyStanding, StoreError};
use haechi_core::{Attributes, Clock, SystemClock, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// The store is asked for so many at once.
const ASKED_FOR: usize = 1000;
/// So many ids of keys with the same name are shown.
const NAMESAKES: usize = 20;

/// `haechi key list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only the keys of this owner.
    #[arg(long, value_name = "O")]
    owner: Option<String>,
    /// Only the keys of this name.
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Only keys that were given this role.
    #[arg(long, value_name = "R")]
    role: Option<String>,
    /// Only keys in this state.
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// Only keys that work and expire within this span, such as `14d`.
    #[arg(long, value_name = "SPAN", value_parser = input::span, conflicts_with = "state")]
    expires_within: Option<Duration>,
    /// Only keys that were not used for this span, such as `90d`, or since this time; a key that was never used counts from when it was made.
    #[arg(long, value_name = "SPAN|TIME", value_parser = input::past)]
    unused_since: Option<Timestamp>,
    /// At most so many keys; the last line tells how to go on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: Option<u32>,
    /// Only what follows the key of this id, for the next page.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Keys that work.
    Active,
    /// Keys whose time is over.
    Expired,
    /// Keys that were revoked.
    Revoked,
}

impl ListArgs {
    /// The same as a gate is asked.
    fn query(&self) -> Vec<(&'static str, String)> {
        let state = self.state.map(|state| match state {
            State::Active => word(KeyStanding::Active),
            State::Expired => word(KeyStanding::Expired),
            State::Revoked => word(KeyStanding::Revoked),
        });
        let seconds = |millis: u128| millis.div_ceil(1000).to_string();
        let since =
            self.unused_since.map(|since| SystemClock.now().as_millis().saturating_sub(since.as_millis()));
        let all = [
            ("owner", self.owner.clone()),
            ("name", self.name.clone()),
            ("role", self.role.clone()),
            ("state", state.map(str::to_owned)),
            ("expires_within", self.expires_within.map(|span| seconds(span.as_millis()))),
            ("unused_for", since.map(|millis| seconds(u128::try_from(millis).unwrap_or(0)))),
            ("cursor", self.after.clone()),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn filter(&self, now: Timestamp) -> KeyFilter {
        let standing = match self.state {
            Some(State::Active) => Some(KeyStanding::Active),
            Some(State::Expired) => Some(KeyStanding::Expired),
            Some(State::Revoked) => Some(KeyStanding::Revoked),
            None => self.expires_within.map(|_| KeyStanding::Active),
        };
        KeyFilter {
            owner: self.owner.clone(),
            role: self.role.clone(),
            name: self.name.clone(),
            standing: standing.map(|standing| (standing, now)),
            expires_by: self.expires_within.map(|span| now.plus(span)),
            unused_since: self.unused_since,
            imported: None,
        }
    }
}

/// Prints the keys, page by page from the store.
pub(super) async fn list(opened: &Opened, arguments: ListArgs, common: &Common) -> Result<(), Failure> {
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    let filter = arguments.filter(SystemClock.now());
    let mut after = arguments.after;
    if let Some(id) = &after {
        not_a_key(id)?;
    }
    let mut keys: Vec<KeyView> = Vec::new();
    // One more than was asked for, to tell whether there are more.
    while keys.len() <= limit {
        let asked = limit.saturating_add(1).saturating_sub(keys.len()).min(ASKED_FOR);
        let some = opened.store.api_keys.list(&filter, &KeyPage { after, limit: asked }).await?;
        let is_last = some.len() < asked;
        after = some.last().map(|key| key.id.clone());
        keys.extend(some.into_iter().map(KeyView::from));
        if is_last {
            break;
        }
    }
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    print(common, &keys)?;
    tell_rest(&keys, has_more);
    Ok(())
}

fn tell_rest(keys: &[KeyView], has_more: bool) {
    if let Some(last) = keys.last().filter(|_| has_more) {
        said(&format!("there are more: add `--after {}`", last.id));
    }
}

fn print(common: &Common, keys: &[KeyView]) -> Result<(), Failure> {
    let never = |time: &Option<String>| time.clone().unwrap_or_else(|| "never".into());
    let row = |key: &KeyView| {
        vec![
            key.id.clone(),
            key.name.clone().unwrap_or_else(|| "-".into()),
            key.owner.clone(),
            words(&key.roles),
            words(&key.scopes),
            key.state.clone(),
            never(&key.expires_at),
            never(&key.last_used_at),
        ]
    };
    let heads = ["id", "name", "owner", "roles", "scopes", "state", "expires", "last used"];
    output::list_or_csv(common, keys, (&heads, row), (&KeyView::COLUMNS, KeyView::cells))
}

/// Prints one key, with everything that it has.
pub(super) async fn show(opened: &Opened, key: &str, format: Format) -> Result<(), Failure> {
    print_one(&KeyView::from(known(opened, key).await?), format)
}

fn print_one(key: &KeyView, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(key),
        Format::Text => key
            .lines()
            .iter()
            .try_for_each(|(head, value)| output::line(&format!("{head:<23}{}", output::shown(value)))),
    }
}

/// The key of this id, or the only one of this name. A key given in place of its id is not repeated.
pub(super) async fn known(opened: &Opened, key: &str) -> Result<ApiKeyRecord, Failure> {
    not_a_key(key)?;
    if let Some(found) = opened.store.api_keys.by_id(key).await? {
        return Ok(found);
    }
    let filter = KeyFilter { name: Some(key.to_owned()), ..KeyFilter::default() };
    let mut named = opened.store.api_keys.list(&filter, &KeyPage::first(NAMESAKES + 1)).await?;
    match (named.pop(), named.is_empty()) {
        (None, _) => Err(StoreError::Missing(format!("key with the id or the name `{key}`")).into()),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            named.push(last);
            Err(ambiguous(key, &named.into_iter().map(KeyView::from).collect::<Vec<_>>()))
        }
    }
}

fn ambiguous(name: &str, keys: &[KeyView]) -> Failure {
    let line = |key: &KeyView| format!("\n  {}  of `{}`, {}", key.id, output::shown(&key.owner), key.state);
    let ids: String = keys.iter().take(NAMESAKES).map(line).collect();
    let more = if keys.len() > NAMESAKES { "\n  and more" } else { "" };
    Failure::fault(format!("several keys have the name `{name}`; give the id of one of them:{ids}{more}"))
}

fn not_a_key(text: &str) -> Result<(), Failure> {
    if haechi_authn::api_key::looks_like_a_key(text.as_bytes()) {
        return Err(Failure::usage("this is a key, not its id; `haechi key list` shows the ids"));
    }
    Ok(())
}

/// A key's state in one word.
pub(super) const fn word(standing: KeyStanding) -> &'static str {
    match standing {
        KeyStanding::Active => "active",
        KeyStanding::Expired => "expired",
        KeyStanding::Revoked => "revoked",
    }
}

/// A key as printed: everything but what tells the secret.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeyView {
    pub(super) id: String,
    name: Option<String>,
    owner: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: Attributes,
    allowed_addresses: Vec<IpNet>,
    rate_limit: Option<String>,
    quota: Option<String>,
    state: String,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    last_used_from: Option<IpAddr>,
    /// Until when the secret before the last rotation works, while it does.
    previous_works_until: Option<String>,
    imported: bool,
}

impl From<ApiKeyRecord> for KeyView {
    fn from(key: ApiKeyRecord) -> Self {
        let (now, written) = (SystemClock.now(), |at: Timestamp| at.rfc3339().to_string());
        let standing = key.standing(now);
        let previous =
            key.previous.filter(|previous| standing == KeyStanding::Active && previous.until > now);
        Self {
            id: key.id,
            name: key.name,
            owner: key.owner,
            roles: key.roles,
            scopes: key.scopes,
            attributes: key.attributes,
            allowed_addresses: key.allowed_addresses,
            rate_limit: key.rate_limit.map(|limit| limit.to_string()),
            quota: key.quota.map(|quota| quota.to_string()),
            state: word(standing).to_owned(),
            created_at: written(key.created_at),
            expires_at: key.expires_at.map(written),
            last_used_at: key.last_used_at.map(written),
            last_used_from: key.last_used_from,
            previous_works_until: previous.map(|previous| written(previous.until)),
            imported: key.imported,
        }
    }
}

impl KeyView {
    const COLUMNS: [&str; 16] = [
        "id",
        "name",
        "owner",
        "roles",
        "scopes",
        "attributes",
        "allowed_addresses",
        "rate_limit",
        "quota",
        "state",
        "created_at",
        "expires_at",
        "last_used_at",
        "last_used_from",
        "previous_works_until",
        "imported",
    ];

    fn cells(&self) -> Vec<String> {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.id.clone(),
            or_empty(&self.name),
            self.owner.clone(),
            output::csv_cell(&self.roles),
            output::csv_cell(&self.scopes),
            output::csv_cell(&self.attribute_texts()),
            output::csv_cell(&self.allowed_addresses),
            or_empty(&self.rate_limit),
            or_empty(&self.quota),
            self.state.clone(),
            self.created_at.clone(),
            or_empty(&self.expires_at),
            or_empty(&self.last_used_at),
            self.last_used_from.map_or_else(String::new, |from| from.to_string()),
            or_empty(&self.previous_works_until),
            self.imported.to_string(),
        ]
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let or = |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        let from = &self.allowed_addresses;
        let allowed = if from.is_empty() { "anywhere".to_owned() } else { words(from) };
        let mut lines = vec![
            ("id", self.id.clone()),
            ("name", or(&self.name, "-")),
            ("owner", self.owner.clone()),
            ("roles", words(&self.roles)),
            ("scopes", words(&self.scopes)),
            ("attributes", words(&self.attribute_texts())),
            ("allowed from", allowed),
            ("rate limit", or(&self.rate_limit, "none")),
            ("quota", or(&self.quota, "none")),
            ("state", self.state.clone()),
            ("created", self.created_at.clone()),
            ("expires", or(&self.expires_at, "never")),
            ("last used", or(&self.last_used_at, "never")),
        ];
        lines.extend(self.last_used_from.map(|from| ("last used from", from.to_string())));
        lines.extend(
            self.previous_works_until.clone().map(|until| ("earlier secret works", format!("until {until}"))),
        );
        if self.imported {
            lines.push(("made", "elsewhere, and imported".to_owned()));
        }
        lines
    }

    fn attribute_texts(&self) -> Vec<String> {
        self.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}
