//! What the port of the identity provider's records promises.

use crate::for_every_store;
use crate::samples::{at, user};
use haechi_core::ports::{IdentityRecord, RecordKind};
use haechi_store::Store;

for_every_store![
    a_record_is_there_until_its_time_is_over,
    of_many_who_write_after_the_same_reading_one_does,
    of_many_who_add_at_once_one_does,
    records_are_told_apart_by_kind_and_id,
    records_of_a_user_are_listed_and_go_with_the_user,
    records_that_are_gone_are_forgotten,
];

fn record(kind: RecordKind, id: &str, until: Option<i64>) -> IdentityRecord {
    let (owner, value) = ("id-of-alice".into(), r#"{"a":"앨리스"}"#.into());
    IdentityRecord { kind, id: id.into(), owner, value, kept_until: until.map(at) }
}

fn with(value: &str, record: IdentityRecord) -> IdentityRecord {
    IdentityRecord { value: value.into(), ..record }
}

async fn put(store: &Store, record: &IdentityRecord, version: Option<u64>, seconds: i64) -> bool {
    store.identity_records.put(record, version, at(seconds)).await.unwrap()
}

async fn get(store: &Store, id: &str, seconds: i64) -> Option<(String, u64)> {
    store.identity_records.get(RecordKind::Code, id, at(seconds)).await.unwrap()
}

async fn a_record_is_there_until_its_time_is_over(store: Store) {
    let code = record(RecordKind::Code, "c1", Some(60));
    assert!(put(&store, &code, None, 0).await);
    assert_eq!(get(&store, "c1", 59).await, Some((code.value.clone(), 0)));
    assert_eq!(get(&store, "c1", 60).await, None);
    assert!(!put(&store, &code, None, 59).await, "it is there");
    assert!(put(&store, &with("{}", code.clone()), Some(0), 59).await);
    assert_eq!(get(&store, "c1", 59).await, Some(("{}".into(), 1)));
    let (value, _) = {
        let later = record(RecordKind::Code, "c1", Some(120));
        assert!(put(&store, &later, None, 60).await, "the one before is gone");
        get(&store, "c1", 61).await.unwrap()
    };
    assert_eq!(value, code.value);
    let for_ever = record(RecordKind::Code, "c2", None);
    assert!(put(&store, &for_ever, None, 0).await);
    assert!(get(&store, "c2", 1_000_000).await.is_some());
    assert!(store.identity_records.delete(RecordKind::Code, "c2").await.unwrap());
    assert!(!store.identity_records.delete(RecordKind::Code, "c2").await.unwrap());
    assert_eq!(get(&store, "c2", 0).await, None);
    assert_eq!(get(&store, "c\0", 0).await, None);
}

/// How many of twenty who write at once do.
async fn at_once(store: &Store, version: Option<u64>) -> u32 {
    let writes = (0..20).map(|n| {
        let store = store.clone();
        let own = with(&format!(r#"{{"n":{n}}}"#), record(RecordKind::Code, "c1", Some(60)));
        tokio::spawn(async move { put(&store, &own, version, 1).await })
    });
    let mut written = 0;
    for write in writes.collect::<Vec<_>>() {
        written += u32::from(write.await.unwrap());
    }
    written
}

async fn of_many_who_write_after_the_same_reading_one_does(store: Store) {
    assert!(put(&store, &record(RecordKind::Code, "c1", Some(60)), None, 0).await);
    assert_eq!(at_once(&store, Some(0)).await, 1);
    assert!(!put(&store, &record(RecordKind::Code, "c1", Some(60)), Some(0), 1).await);
    assert_eq!(get(&store, "c1", 1).await.unwrap().1, 1);
    assert!(!put(&store, &record(RecordKind::Code, "c9", Some(60)), Some(0), 1).await, "there is none");
}

async fn of_many_who_add_at_once_one_does(store: Store) {
    assert_eq!(at_once(&store, None).await, 1);
    assert_eq!(get(&store, "c1", 1).await.unwrap().1, 0);
}

async fn records_are_told_apart_by_kind_and_id(store: Store) {
    for kind in RecordKind::ALL {
        assert!(put(&store, &with(&format!("\"{}\"", kind.name()), record(kind, "x", None)), None, 0).await);
    }
    for kind in RecordKind::ALL {
        let found = store.identity_records.get(kind, "x", at(0)).await.unwrap();
        assert_eq!(found, Some((format!("\"{}\"", kind.name()), 0)));
    }
    assert_eq!(get(&store, "X", 0).await, None);
}

async fn records_of_a_user_are_listed_and_go_with_the_user(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    let theirs = async |seconds| {
        let all = store.identity_records.owned_by(RecordKind::Consent, "id-of-alice", at(seconds)).await;
        all.unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    for (id, until) in [("b", None), ("a", Some(60))] {
        assert!(put(&store, &record(RecordKind::Consent, id, until), None, 0).await);
    }
    assert!(put(&store, &record(RecordKind::Code, "f", None), None, 0).await);
    let bobs = IdentityRecord { owner: "id-of-bob".into(), ..record(RecordKind::Consent, "c", None) };
    assert!(put(&store, &bobs, None, 0).await);
    assert_eq!(theirs(1).await, ["a", "b"]);
    assert_eq!(theirs(60).await, ["b"]);
    store.users.delete("alice".into()).await.unwrap();
    assert!(theirs(1).await.is_empty());
    let code = store.identity_records.get(RecordKind::Code, "f", at(1)).await.unwrap();
    assert_eq!(code, None);
    assert!(store.identity_records.get(RecordKind::Consent, "c", at(1)).await.unwrap().is_some());
}

async fn records_that_are_gone_are_forgotten(store: Store) {
    assert!(put(&store, &record(RecordKind::Code, "c1", Some(60)), None, 0).await);
    assert!(put(&store, &record(RecordKind::Code, "c2", Some(200)), None, 100).await);
    assert_eq!(get(&store, "c1", 0).await, None, "its place was cleared");
    assert!(get(&store, "c2", 0).await.is_some());
}
