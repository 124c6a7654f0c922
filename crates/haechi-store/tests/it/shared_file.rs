//! The SQLite file between processes and from one start to the next.

use crate::Fixture;
use crate::samples::{at, hash, session, user};
use haechi_core::ports::{Change, Exchange, Revoked, Rotation, StoreError};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn revoked(token: &str, until: i64) -> Change {
    Change::Revoked { what: Revoked::Token(token.into()), until: at(until) }
}

#[tokio::test]
async fn one_process_sees_what_another_did() {
    let gateway = Fixture::new().await;
    let command = gateway.again().await;
    let before = gateway.store.revocations.epoch().await.unwrap();
    command.users.add(&user("alice")).await.unwrap();
    assert!(gateway.store.users.by_name("alice").await.unwrap().is_some());
    command.revocations.revoke(&Revoked::Token("t1".into()), at(60)).await.unwrap();
    assert_eq!(gateway.store.revocations.epoch().await.unwrap(), before + 1);
    let new = gateway.store.revocations.changes_since(before, 10).await.unwrap();
    assert_eq!(new.changes, [revoked("t1", 60)]);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let first = Fixture::new().await;
    first.store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    first.store.sessions.rotate(Exchange::once(&hash(1), &hash(2), at(1))).await.unwrap();
    first.store.revocations.revoke(&Revoked::Token("t1".into()), at(60)).await.unwrap();
    let epoch = first.store.revocations.epoch().await.unwrap();
    first.store.close().await;

    let second = first.again().await;
    assert_eq!(second.revocations.epoch().await.unwrap(), epoch);
    assert_eq!(second.revocations.changes_since(0, 10).await.unwrap().changes, [revoked("t1", 60)]);
    let replay = second.sessions.rotate(Exchange::once(&hash(1), &hash(3), at(2))).await.unwrap();
    assert_eq!(replay, Rotation::Replayed { session: "s1".into() });
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let fixture = Fixture::new().await;
    fixture.store.ping().await.unwrap();
    fixture.store.close().await;
    assert!(matches!(fixture.store.ping().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    let fixture = Fixture::new().await;
    fixture.store.users.add(&user("alice")).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    names.sort();
    assert_eq!(names, ["haechi.db", "haechi.db-shm", "haechi.db-wal"]);
}

#[tokio::test]
async fn an_empty_file_left_open_to_all_is_closed_to_others_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haechi.db");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    crate::open(&folder).await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}
