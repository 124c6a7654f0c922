//! Many callers at once: of what may happen once, one does it.

use crate::samples::{at, hash, session, signing_key, user};
use crate::{Fixture, for_every_store};
use haechi_core::ports::{Change, Exchange, Revoked, Rotation};
use haechi_store::Store;
use std::slice;
use std::time::Duration;
use tokio::task::JoinSet;

for_every_store![
    of_many_presenters_one_is_served,
    every_failure_counts,
    all_nodes_agree_on_the_first_key,
    every_revocation_makes_the_epoch_grow
];

const TASKS: u8 = 24;

/// Runs `task` for 0..TASKS at once, on stores in turn.
async fn at_once<F, T>(stores: &[Store], task: impl Fn(Store, u8) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (n, store) in (0..TASKS).zip(stores.iter().cycle()) {
        tasks.spawn(task(store.clone(), n));
    }
    tasks.join_all().await
}

async fn of_many_presenters_one_is_served(store: Store) {
    present_at_once(&[store]).await;
}

async fn present_at_once(stores: &[Store]) {
    let store = &stores[0];
    store.sessions.begin(&session("s1", "alice", 255)).await.unwrap();
    let outcomes = at_once(stores, |store, n| async move {
        store.sessions.rotate(Exchange::once(&hash(255), &hash(n), at(10))).await.unwrap()
    })
    .await;
    let count = |wanted: fn(&Rotation) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    assert_eq!(count(|outcome| matches!(outcome, Rotation::Rotated(_))), 1);
    assert_eq!(count(|outcome| matches!(outcome, Rotation::Replayed { .. })), 1);
    let told = store.revocations.changes_since(0, 10).await.unwrap();
    let revoked = Change::Revoked { what: Revoked::Session("s1".into()), until: at(2000) };
    assert_eq!(told.changes, [revoked]);
}

async fn every_failure_counts(store: Store) {
    fail_at_once(&[store]).await;
}

async fn fail_at_once(stores: &[Store]) {
    stores[0].users.add(&user("alice")).await.unwrap();
    let states = at_once(stores, |store, _| async move {
        store.users.login_failed("id-of-alice", 5, at(60)).await.unwrap()
    })
    .await;
    // 24 failures at a limit of 5: every count from 0 to 4 comes up, 0 being the lock.
    let mut counts: Vec<u32> = states.iter().map(|state| state.failures).collect();
    counts.sort_unstable();
    let expected: Vec<u32> = (0..5).flat_map(|n| [n; 5]).skip(1).collect();
    assert_eq!(counts, expected);
}

async fn all_nodes_agree_on_the_first_key(store: Store) {
    add_first_at_once(&[store]).await;
}

async fn add_first_at_once(stores: &[Store]) {
    let mut winners = at_once(stores, |store, n| async move {
        store.signing_keys.add_first(&signing_key(&format!("k{n}"), "EdDSA", 0)).await.unwrap().id
    })
    .await;
    winners.dedup();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(stores[0].signing_keys.list().await.unwrap().len(), 1);
}

async fn every_revocation_makes_the_epoch_grow(store: Store) {
    let before = store.revocations.epoch().await.unwrap();
    at_once(slice::from_ref(&store), |store, n| async move {
        store.revocations.revoke(&Revoked::Token(n.to_string()), at(60)).await.unwrap();
    })
    .await;
    assert_eq!(store.revocations.epoch().await.unwrap(), before + u64::from(TASKS));
    let told = store.revocations.changes_since(before, usize::MAX).await.unwrap();
    assert_eq!((told.changes.len(), told.epoch), (usize::from(TASKS), told.newest));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_between_processes() {
    let fixture = Fixture::new().await;
    let stores = [fixture.store.clone(), fixture.again().await, fixture.again().await];
    present_at_once(&stores).await;
    fail_at_once(&stores).await;
    add_first_at_once(&stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_no_lock_and_no_half_of_a_change() {
    let fixture = Fixture::new().await;
    let (store, other) = (&fixture.store, fixture.again().await);
    for n in 0..200_u16 {
        let token = Revoked::Token(n.to_string());
        let patience = Duration::from_micros(u64::from(n) * 10);
        let _ = tokio::time::timeout(patience, store.revocations.revoke(&token, at(60))).await;
    }
    let last = Revoked::Token("last".into());
    store.revocations.revoke(&last, at(60)).await.unwrap();
    other.revocations.revoke(&last, at(60)).await.unwrap();
    let kept = other.revocations.changes_since(0, usize::MAX).await.unwrap().changes.len() as u64;
    assert!(kept > 1, "no revocation was waited for");
    assert_eq!(other.revocations.epoch().await.unwrap(), kept + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_may_make_the_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("haechi.db").display());
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        tasks.spawn(async move { Store::open(&url).await.unwrap().ping().await.unwrap() });
    }
    tasks.join_all().await;
}
