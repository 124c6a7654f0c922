//! A store that is gone says so; it never says "no such user" or "nothing is revoked".

use crate::Fixture;
use crate::samples::{
    api_key, approval, at, client, hash, key_use, policy_version, session, signing_key, user, web_session,
};
use crate::unopenable::raw;
use haechi_core::Secret;
use haechi_core::ports::{ApprovalState, BoxFuture, Exchange, KeyFilter, KeyPage, Revoked, StoreError};
use haechi_store::Store;
use sqlx::{Connection, Executor};
use std::fs;
use std::time::{Duration, Instant};

/// Asks every port everything and collects what was answered.
fn ask_all(store: &Store) -> BoxFuture<'_, Vec<(&'static str, Option<StoreError>)>> {
    Box::pin(async move {
        let (users, keys, sessions) = (&store.users, &store.api_keys, &store.sessions);
        let (clients, revocations, signing) = (&store.clients, &store.revocations, &store.signing_keys);
        vec![
            ("users.by_name", users.by_name("alice").await.err()),
            ("users.by_id", users.by_id("id-of-alice").await.err()),
            ("users.list", users.list().await.err()),
            ("users.add", users.add(&user("bob")).await.err()),
            ("users.set_roles", users.set_roles("alice".into(), &[]).await.err()),
            (
                "users.set_password",
                users.set_password("alice".into(), &Secret::from("x"), Default::default()).await.err(),
            ),
            ("users.set_disabled", users.set_disabled("alice".into(), true).await.err()),
            ("users.delete", users.delete("alice".into()).await.err()),
            ("users.login_failed", users.login_failed("id-of-alice", 5, at(0)).await.err()),
            ("users.login_succeeded", users.login_succeeded("id-of-alice").await.err()),
            ("clients.by_id", clients.by_id("c").await.err()),
            ("clients.list", clients.list().await.err()),
            ("clients.add", clients.add(&client("c")).await.err()),
            ("clients.set_proof", clients.set_proof("c".into(), &client("c").proof).await.err()),
            ("clients.rotate", clients.rotate("c".into(), &hash(1), None).await.err()),
            ("clients.delete", clients.delete("c".into(), at(9)).await.err()),
            ("clients.note_assertion", clients.note_assertion(&hash(1), at(9), at(0)).await.err()),
            ("api_keys.by_sha256", keys.by_sha256(&hash(1)).await.err()),
            ("api_keys.by_id", keys.by_id("k1").await.err()),
            ("api_keys.list", keys.list(&KeyFilter::default(), &KeyPage::first(9)).await.err()),
            ("api_keys.expiring", keys.expiring(at(0), &[at(9)]).await.err()),
            ("api_keys.add", keys.add(&api_key("k1", 1)).await.err()),
            ("api_keys.add_all", keys.add_all(&[api_key("k1", 1)]).await.err()),
            ("api_keys.rotate", keys.rotate("k1".into(), &hash(2), at(9)).await.err()),
            ("api_keys.revoke", keys.revoke("k1".into()).await.err()),
            ("api_keys.used", keys.used(&[key_use("k1", 0)]).await.err()),
            ("sessions.begin", sessions.begin(&session("s2", "alice", 2)).await.err()),
            ("sessions.rotate", sessions.rotate(Exchange::once(&hash(1), &hash(9), at(1))).await.err()),
            ("sessions.of_token", sessions.of_token(&hash(1), at(1)).await.err()),
            ("sessions.list", sessions.list(None, at(1), 10).await.err()),
            ("sessions.end", sessions.end("s1", at(9)).await.err()),
            ("sessions.end_all_of", sessions.end_all_of("alice", at(9)).await.err()),
            ("revocations.epoch", revocations.epoch().await.err()),
            ("revocations.changes_since", revocations.changes_since(0, 10).await.err()),
            ("revocations.revoke", revocations.revoke(&Revoked::Token("t".into()), at(9)).await.err()),
            ("revocations.forget_expired", revocations.forget_expired(at(0)).await.err()),
            ("signing_keys.list", signing.list().await.err()),
            ("signing_keys.add_first", signing.add_first(&signing_key("k", "EdDSA", 0)).await.err()),
            ("signing_keys.rotate", signing.rotate(&signing_key("k", "EdDSA", 0), at(9)).await.err()),
            (
                "signing_keys.rotate_from",
                signing.rotate_from("k", &signing_key("k2", "EdDSA", 0), at(9)).await.err(),
            ),
            ("signing_keys.unpublish", signing.unpublish("k", at(9)).await.err()),
            (
                "signing_keys.reseal",
                signing.reseal("k", &Secret::new(vec![1]), &Secret::new(vec![2])).await.err(),
            ),
            ("signing_keys.forget_unpublished", signing.forget_unpublished(at(0)).await.err()),
            ("ping", store.ping().await.err()),
        ]
    })
}

/// The same of browser sessions.
fn ask_web_sessions(store: &Store) -> BoxFuture<'_, Vec<(&'static str, Option<StoreError>)>> {
    let web = &store.web_sessions;
    Box::pin(async move {
        vec![
            ("web_sessions.begin", web.begin(&web_session("w2", "alice", 2)).await.err()),
            ("web_sessions.by_secret", web.by_secret(&hash(1), at(1)).await.err()),
            ("web_sessions.seen", web.seen("w1", at(1), at(2)).await.err()),
            ("web_sessions.list", web.list(None, at(1), 10).await.err()),
            ("web_sessions.end", web.end("w1").await.err()),
            ("web_sessions.claim_refresh", web.claim_refresh("w1", 0, at(1), at(2)).await.err()),
            ("web_sessions.login_key", web.login_key(&hash(1)).await.err()),
        ]
    })
}

/// The same of policies and of what waits for a second person.
fn ask_policies(store: &Store) -> BoxFuture<'_, Vec<(&'static str, Option<StoreError>)>> {
    let (policies, approvals) = (&store.policies, &store.approvals);
    let states = (ApprovalState::Pending, ApprovalState::Rejected);
    Box::pin(async move {
        vec![
            ("policies.in_force", policies.in_force().await.err()),
            ("policies.serial", policies.serial().await.err()),
            ("policies.versions", policies.versions("p", None, 9).await.err()),
            ("policies.version", policies.version("p", 1).await.err()),
            ("policies.add", policies.add(&policy_version(1, "p", 1, Some("x"))).await.err()),
            ("approvals.page", approvals.page(None, 9).await.err()),
            ("approvals.by_id", approvals.by_id("a").await.err()),
            ("approvals.add", approvals.add(&approval("a", 9)).await.err()),
            ("approvals.decide", approvals.decide("a", states, None, at(1)).await.err()),
            ("approvals.expire", approvals.expire(at(1)).await.err()),
        ]
    })
}

#[tokio::test]
async fn a_file_that_is_locked_at_the_start_is_opened_when_it_can_be() {
    let fixture = filled().await;
    fixture.store.close().await;
    let mut other = raw(&fixture.file()).await;
    other.execute("PRAGMA locking_mode = EXCLUSIVE; UPDATE users SET disabled = 0").await.unwrap();
    let store = fixture.again().await;
    let answer = store.users.by_name("alice").await;
    assert!(matches!(&answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(store.ping().await.is_err());
    other.close().await.unwrap();
    store.ping().await.unwrap();
    assert!(store.users.by_name("alice").await.unwrap().is_some());
}

async fn assert_unavailable(store: &Store) {
    let all = [ask_all(store).await, ask_web_sessions(store).await, ask_policies(store).await].concat();
    for (call, error) in all {
        assert!(matches!(error, Some(StoreError::Unavailable(_))), "{call}: {error:?}");
    }
}

async fn filled() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.store.users.add(&user("alice")).await.unwrap();
    fixture.store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    fixture
}

#[tokio::test]
async fn the_folder_is_removed() {
    let fixture = filled().await;
    fs::remove_dir_all(fixture.folder.path()).unwrap();
    assert_unavailable(&fixture.store).await;
}

#[tokio::test]
async fn the_file_is_replaced() {
    let fixture = filled().await;
    let other = Fixture::new().await;
    other.store.close().await;
    fs::rename(other.file(), fixture.file()).unwrap();
    assert_unavailable(&fixture.store).await;
}

#[tokio::test]
async fn the_file_is_emptied() {
    let fixture = filled().await;
    let mut raw = raw(&fixture.file()).await;
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    fs::File::options().write(true).open(fixture.file()).unwrap().set_len(0).unwrap();
    assert_unavailable(&fixture.store).await;
}

#[tokio::test]
async fn every_table_is_dropped() {
    let fixture = filled().await;
    let mut raw = raw(&fixture.file()).await;
    raw.execute(
        "PRAGMA foreign_keys = OFF; DROP TABLE users; DROP TABLE clients; DROP TABLE client_assertions; DROP TABLE api_keys; DROP TABLE refresh_tokens; \
         DROP TABLE sessions; DROP TABLE changes; DROP TABLE change_epoch; DROP TABLE signing_keys; \
         DROP TABLE web_sessions; DROP TABLE login_key; DROP TABLE policies; DROP TABLE approvals;",
    )
    .await
    .unwrap();
    raw.close().await.unwrap();
    assert_unavailable(&fixture.store).await;
}

#[tokio::test]
async fn the_epoch_cannot_grow_so_nothing_is_taken_away_unannounced() {
    let fixture = filled().await;
    let store = &fixture.store;
    raw(&fixture.file()).await.execute("DELETE FROM change_epoch").await.unwrap();
    let corrupt = |answer| matches!(answer, Err(StoreError::Corrupt(_)));
    assert!(corrupt(store.ping().await));
    assert!(corrupt(store.users.set_disabled("alice".into(), true).await));
    assert!(corrupt(store.sessions.end("s1", at(9)).await.map(drop)));
    assert!(!store.users.by_name("alice").await.unwrap().unwrap().disabled);
    assert!(corrupt(store.revocations.changes_since(0, 10).await.map(drop)));
    let mut raw = raw(&fixture.file()).await;
    raw.execute("INSERT INTO change_epoch VALUES (1, 9, 0)").await.unwrap();
    assert_eq!(store.revocations.changes_since(0, 10).await.unwrap().changes, []);
}

#[tokio::test]
async fn the_content_is_overwritten() {
    let fixture = filled().await;
    fixture.store.close().await;
    let store = fixture.again().await;
    let length = fs::metadata(fixture.file()).unwrap().len();
    fs::write(fixture.file(), vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    for (call, error) in ask_all(&store).await {
        assert!(
            matches!(error, Some(StoreError::Unavailable(_) | StoreError::Corrupt(_))),
            "{call}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt() {
    let fixture = filled().await;
    let mut raw = raw(&fixture.file()).await;
    raw.execute("UPDATE users SET roles = '{\"no\": \"list\"}'").await.unwrap();
    let answer = fixture.store.users.by_name("alice").await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

/// What SQLite does by itself when a write fails for want of room or by the disk: it rolls back, and a second rollback is an error.
#[tokio::test]
async fn a_write_that_sqlite_rolled_back_costs_no_later_one() {
    let fixture = filled().await;
    let store = &fixture.store;
    let mut raw = raw(&fixture.file()).await;
    raw.execute(
        "CREATE TRIGGER full BEFORE INSERT ON users BEGIN SELECT RAISE(ROLLBACK, 'no room'); END;
         CREATE TRIGGER full_too BEFORE UPDATE ON change_epoch BEGIN SELECT RAISE(ROLLBACK, 'no room'); END",
    )
    .await
    .unwrap();
    for _ in 0..3 {
        let answer = store.users.add(&user("bob")).await;
        assert!(
            matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("no room")),
            "{answer:?}"
        );
    }
    let ping = store.ping().await;
    assert!(matches!(&ping, Err(StoreError::Unavailable(why)) if why.contains("no room")), "{ping:?}");
    assert!(store.users.by_name("alice").await.unwrap().is_some(), "reading goes on");
    raw.execute("DROP TRIGGER full; DROP TRIGGER full_too").await.unwrap();
    store.ping().await.unwrap();
    store.users.add(&user("bob")).await.unwrap();
    store.sessions.end("s1", at(9)).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_changes_meanwhile_is_said_and_borne() {
    let fixture = filled().await;
    let store = &fixture.store;
    let mut raw = raw(&fixture.file()).await;
    for (change, back, said) in [
        (
            "ALTER TABLE users RENAME COLUMN roles TO r",
            "ALTER TABLE users RENAME COLUMN r TO roles",
            "`users.roles`",
        ),
        ("ALTER TABLE clients RENAME TO c", "ALTER TABLE c RENAME TO clients", "`clients`"),
        (
            "INSERT INTO migrations VALUES (99, 'x', 0, 1, x'00', 0)",
            "DELETE FROM migrations WHERE version = 99",
            "newer",
        ),
        (
            "UPDATE migrations SET version = 98 WHERE version = 2",
            "UPDATE migrations SET version = 2 WHERE version = 98",
            "newer",
        ),
    ] {
        raw.execute(change).await.unwrap();
        let ping = store.ping().await;
        assert!(
            matches!(&ping, Err(StoreError::Unavailable(why)) if why.contains(said)),
            "{change}: {ping:?}"
        );
        raw.execute(back).await.unwrap();
        store.ping().await.unwrap();
        store.users.by_name("alice").await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn damaged_pages_are_said_until_they_are_whole() {
    let fixture = filled().await;
    let file = fixture.file();
    for n in 0..200 {
        fixture.store.users.add(&user(&format!("user-{n}"))).await.unwrap();
    }
    fixture.store.close().await;
    let store = fixture.again().await;
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    // The first pages have the schema and the roots of tables; the last ones have rows.
    damaged.iter_mut().skip(whole.len() / 4096 * 3 / 4 * 4096).for_each(|byte| *byte = 0x5a);
    fs::write(&file, damaged).unwrap();
    let answer = store.users.list().await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    assert!(store.ping().await.is_err());
    fs::write(&file, whole).unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.users.list().await.unwrap().len(), 201);
}

#[tokio::test]
async fn another_process_keeps_the_write_lock() {
    let fixture = filled().await;
    let mut other = raw(&fixture.file()).await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let started = Instant::now();
    let answer = fixture.store.users.delete("alice".into()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(fixture.store.users.by_name("alice").await.unwrap().is_some(), "reading goes on meanwhile");
    let ping = fixture.store.ping().await;
    assert!(matches!(&ping, Err(StoreError::Unavailable(why)) if why.contains("locked")), "{ping:?}");
    let started = Instant::now();
    let second = fixture.again().await;
    assert!(started.elapsed() < Duration::from_secs(1), "a start waits for nobody who writes");
    assert!(second.users.by_name("alice").await.unwrap().is_some());
    held.rollback().await.unwrap();
    fixture.store.ping().await.unwrap();
    fixture.store.users.delete("alice".into()).await.unwrap();
}
