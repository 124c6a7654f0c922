//! What people have let clients have, remembered for each client and its scopes.

use super::authorization::Authorization;
use haechi_core::Timestamp;
use haechi_core::ports::{Clients, IdentityRecord, IdentityRecords, RecordKind, StoreError};
use serde::{Deserialize, Serialize};

/// What a user has let a client have.
#[derive(Default, Serialize, Deserialize)]
struct Given {
    client: String,
    scopes: Vec<String>,
    audiences: Vec<String>,
}

/// What a user has let a client have, as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenConsent {
    /// The client's id.
    pub client: String,
    /// Its name.
    pub name: String,
    /// What it may have.
    pub scopes: Vec<String>,
}

/// All that a user has let clients have.
pub(super) async fn of(
    records: &dyn IdentityRecords,
    clients: &dyn Clients,
    user: &str,
    now: Timestamp,
) -> Result<Vec<GivenConsent>, StoreError> {
    let mut all = Vec::new();
    for (_, value) in records.owned_by(RecordKind::Consent, user, now).await? {
        let Given { client, scopes, .. } = read(&value);
        // What was let a client have that is no more is nothing.
        if let Some(known) = clients.by_id(&client).await? {
            all.push(GivenConsent { client, name: known.name, scopes });
        }
    }
    Ok(all)
}

/// Takes back what a user has let a client have. Whether there was anything.
pub(super) async fn withdraw(
    records: &dyn IdentityRecords,
    user: &str,
    client: &str,
) -> Result<bool, StoreError> {
    records.delete(RecordKind::Consent, &id(user, client)).await
}

fn id(user: &str, client: &str) -> String {
    format!("{user} {client}")
}

/// Whether all that the request asks for was given before.
pub(super) async fn is_given(
    records: &dyn IdentityRecords,
    user: &str,
    request: &Authorization,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let kept = records.get(RecordKind::Consent, &id(user, &request.client.id), now).await?;
    let given = kept.map(|(value, _)| read(&value)).unwrap_or_default();
    let has = |given: &[String], asked: &[String]| asked.iter().all(|one| given.contains(one));
    Ok(!given.client.is_empty()
        && has(&given.scopes, &request.scopes)
        && has(&given.audiences, &request.audiences))
}

/// Remembers what the person has just given, beside what they gave before.
pub(super) async fn give(
    records: &dyn IdentityRecords,
    user: &str,
    request: &Authorization,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = id(user, &request.client.id);
    for _ in 0..8 {
        let kept = records.get(RecordKind::Consent, &id, now).await?;
        let (mut given, version) = match kept {
            Some((value, version)) => (read(&value), Some(version)),
            None => (Given::default(), None),
        };
        given.client.clone_from(&request.client.id);
        add(&mut given.scopes, &request.scopes);
        add(&mut given.audiences, &request.audiences);
        let value = serde_json::to_string(&given).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let record = IdentityRecord {
            kind: RecordKind::Consent,
            id: id.clone(),
            owner: user.to_owned(),
            value,
            kept_until: None,
        };
        if records.put(&record, version, now).await? {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable("too many write one consent at once".to_owned()))
}

fn read(value: &str) -> Given {
    // What cannot be read was given by nobody: people are asked again.
    serde_json::from_str(value).unwrap_or_default()
}

fn add(given: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !given.contains(one) {
            given.push(one.clone());
        }
    }
}
