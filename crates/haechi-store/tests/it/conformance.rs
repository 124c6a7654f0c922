//! What the ports promise, held against every store.

mod api_keys;
mod clients;
mod sessions;
mod signing_keys;
mod users;

use haechi_core::ports::{StoreError, Stored};
use haechi_store::Store;

async fn epoch(store: &Store) -> u64 {
    store.revocations.epoch().await.unwrap()
}

/// Does `change` and asserts that nodes learn of it.
async fn announced(store: &Store, change: Stored<'_, ()>) {
    let before = epoch(store).await;
    change.await.unwrap();
    assert!(epoch(store).await > before, "the epoch did not grow");
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
