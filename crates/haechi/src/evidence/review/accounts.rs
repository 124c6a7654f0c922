//! Users, keys and clients of the store, with what they used.

use super::usage::{Usage, Use};
use super::{Account, ReviewError};
use haechi_audit::subjects::Subjects;
use haechi_core::ports::{KeyFilter, KeyPage, KeyState};
use haechi_store::Store;

/// Keys are asked for in pages of so many.
const AT_ONCE: usize = 1000;

/// Everybody in the store who may call.
pub(super) async fn accounts(
    store: &Store,
    (subjects, issuer): (Option<&Subjects>, &str),
    usage: &Usage,
) -> Result<Vec<Account>, ReviewError> {
    let mut accounts = Vec::new();
    for user in store.users.list().await?.into_iter().filter(|user| !user.disabled) {
        let used = of_subject(subjects, issuer, &user.id, usage)?;
        accounts.push(account("user", (user.name, user.id), user.roles, used));
    }
    for client in store.clients.list().await? {
        let used = of_subject(subjects, issuer, &client.id, usage)?;
        accounts.push(account("client", (client.name, client.id), client.roles, used));
    }
    let mut page = KeyPage::first(AT_ONCE);
    loop {
        let keys = store.api_keys.list(&KeyFilter::default(), &page).await?;
        let last = keys.last().map(|key| key.id.clone());
        let is_last = keys.len() < AT_ONCE;
        for key in keys.into_iter().filter(|key| key.state == KeyState::Active) {
            let used = usage.of_credential(&key.id).cloned();
            let name = key.name.unwrap_or(key.owner);
            accounts.push(account("key", (name, key.id), key.roles, used));
        }
        if is_last {
            return Ok(accounts);
        }
        page = KeyPage { after: last, limit: AT_ONCE };
    }
}

fn of_subject(
    subjects: Option<&Subjects>,
    issuer: &str,
    subject: &str,
    usage: &Usage,
) -> Result<Option<Use>, ReviewError> {
    let Some(subjects) = subjects else { return Ok(None) };
    let key = subjects.find(issuer, subject).map_err(super::EvidenceError::from)?;
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
