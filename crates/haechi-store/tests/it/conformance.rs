//! What the ports promise, held against every store.

mod api_keys;
mod approvals;
mod changes;
mod clients;
mod identity_records;
mod policies;
mod quotas;
mod sessions;
mod signing_keys;
mod users;
mod web_sessions;

use haechi_core::Timestamp;
use haechi_core::ports::{Change, Revoked, StoreError, Stored};
use haechi_store::Store;

async fn epoch(store: &Store) -> u64 {
    store.revocations.epoch().await.unwrap()
}

/// Everything that changed after `since`.
async fn changes(store: &Store, since: u64) -> Vec<Change> {
    store.revocations.changes_since(since, usize::MAX).await.unwrap().changes
}

/// What is revoked, sorted.
async fn revoked(store: &Store) -> Vec<(Revoked, Timestamp)> {
    let all = changes(store, 0).await.into_iter();
    let mut revoked: Vec<_> = all
        .filter_map(|change| match change {
            Change::Revoked { what, until } => Some((what, until)),
            _ => None,
        })
        .collect();
    revoked.sort();
    revoked
}

/// Does `change` and asserts that nodes learn of just this.
async fn announced<T>(store: &Store, change: Stored<'_, T>, expected: &[Change]) {
    let before = epoch(store).await;
    change.await.unwrap();
    assert_eq!(epoch(store).await, before + expected.len() as u64);
    assert_eq!(changes(store, before).await, expected);
}

/// Does `change` and asserts that it failed as it should, and announced nothing.
async fn refused(store: &Store, change: Stored<'_, ()>, error: StoreError) {
    let before = epoch(store).await;
    assert_eq!(change.await, Err(error));
    assert_eq!(epoch(store).await, before, "the epoch grew although nothing changed");
}

fn missing(what: &str) -> StoreError {
    StoreError::Missing(what.into())
}

fn exists(what: &str) -> StoreError {
    StoreError::Exists(what.into())
}
