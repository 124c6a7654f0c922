//! Users, keys and clients of the store, with what they used.

use super::super::subjects::keys;
use super::Account;
use super::usage::{Usage, Use};
use crate::cli::store::with_store;
use crate::cli::{Common, Failure};
use crate::config::Config;
use crate::wire::own_issuer;
use haechi_audit::subjects::Subjects;
use haechi_core::ports::{KeyFilter, KeyPage, KeyState};

/// Keys are asked for in pages of so many.
const AT_ONCE: usize = 1000;

/// Everybody in the store who may call; nobody without a store.
pub(super) fn accounts(common: &Common, config: &Config, usage: &Usage) -> Result<Vec<Account>, Failure> {
    if config.store.is_none() {
        return Ok(Vec::new());
    }
    let (subjects, issuer) = (keys(common).ok(), own_issuer(config));
    let mut accounts = Vec::new();
    with_store(common, "", async |opened| {
        for user in opened.store.users.list().await?.into_iter().filter(|user| !user.disabled) {
            let used = of_subject(subjects.as_ref(), &issuer, &user.id, usage)?;
            accounts.push(account("user", (user.name, user.id), user.roles, used));
        }
        for client in opened.store.clients.list().await? {
            let used = of_subject(subjects.as_ref(), &issuer, &client.id, usage)?;
            accounts.push(account("client", (client.name, client.id), client.roles, used));
        }
        let mut page = KeyPage::first(AT_ONCE);
        loop {
            let keys = opened.store.api_keys.list(&KeyFilter::default(), &page).await?;
            let last = keys.last().map(|key| key.id.clone());
            let is_last = keys.len() < AT_ONCE;
            for key in keys.into_iter().filter(|key| key.state == KeyState::Active) {
                let used = usage.of_credential(&key.id).cloned();
                let name = key.name.unwrap_or(key.owner);
                accounts.push(account("key", (name, key.id), key.roles, used));
            }
            if is_last {
                return Ok(());
            }
            page = KeyPage { after: last, limit: AT_ONCE };
        }
    })?;
    Ok(accounts)
}

fn of_subject(
    subjects: Option<&Subjects>,
    issuer: &str,
    subject: &str,
    usage: &Usage,
) -> Result<Option<Use>, Failure> {
    let Some(subjects) = subjects else { return Ok(None) };
    let key = subjects.find(issuer, subject).map_err(Failure::fault)?;
    Ok(key.and_then(|key| usage.of_person(key.pseudonym()).cloned()))
}

fn account(
    kind: &'static str,
    (name, id): (String, String),
    roles: Vec<String>,
    used: Option<Use>,
) -> Account {
    Account {
        kind,
        name,
        id,
        roles,
        requests: used.as_ref().map_or(0, |used| used.requests),
        unused: used.is_none(),
        last_used: used.map(|used| used.last),
    }
}
