use super::{exists, missing, refused};
use crate::for_every_store;
use crate::samples::{at, signing_key};
use haechi_core::ports::SigningKeyRecord;
use haechi_core::{Secret, Timestamp};
use haechi_store::Store;

for_every_store![
    a_signing_key_comes_back_as_it_was,
    the_first_key_of_an_algorithm_stays,
    rotation_retires_its_own_algorithm_only,
    rotation_at_once_overtakes_a_planned_one,
    a_rotation_that_fails_changes_nothing,
    keys_are_forgotten_when_no_longer_published,
    of_two_rotations_of_the_latest_one_is_done,
    a_retired_key_is_withdrawn,
    a_key_is_resealed_unless_it_was_meanwhile,
];

type Span = (String, Option<Timestamp>, Option<Timestamp>);

/// Id, retirement and end of publication of all keys.
async fn spans(store: &Store) -> Vec<Span> {
    let keys = store.signing_keys.list().await.unwrap();
    keys.into_iter().map(|key| (key.id, key.retired_at, key.published_until)).collect()
}

fn span(id: &str, retired: Option<i64>, published: Option<i64>) -> Span {
    (id.into(), retired.map(at), published.map(at))
}

async fn a_signing_key_comes_back_as_it_was(store: Store) {
    let key = SigningKeyRecord { created_at: at(1), ..signing_key("k1", "EdDSA", 0) };
    store.signing_keys.add_first(&key).await.unwrap();
    let found = store.signing_keys.list().await.unwrap().remove(0);
    assert_eq!(found.pkcs8, key.pkcs8);
    assert_eq!((found.id, found.algorithm), (key.id, key.algorithm));
    assert_eq!((found.active_from, found.created_at), (key.active_from, key.created_at));
    assert_eq!((found.retired_at, found.published_until), (None, None));
}

async fn the_first_key_of_an_algorithm_stays(store: Store) {
    let first = |id, algorithm| {
        let (keys, key) = (store.signing_keys.clone(), signing_key(id, algorithm, 0));
        async move { keys.add_first(&key).await.unwrap().id }
    };
    assert_eq!(first("k1", "EdDSA").await, "k1");
    assert_eq!(first("k2", "EdDSA").await, "k1");
    assert_eq!(first("k3", "ES256").await, "k3");
    store.signing_keys.rotate(&signing_key("k4", "EdDSA", 10), at(99)).await.unwrap();
    assert_eq!(first("k5", "EdDSA").await, "k4");
    assert_eq!(spans(&store).await.len(), 3);
}

async fn rotation_retires_its_own_algorithm_only(store: Store) {
    store.signing_keys.add_first(&signing_key("ed1", "EdDSA", 0)).await.unwrap();
    store.signing_keys.add_first(&signing_key("es1", "ES256", 1)).await.unwrap();
    store.signing_keys.rotate(&signing_key("ed2", "EdDSA", 10), at(40)).await.unwrap();
    store.signing_keys.rotate(&signing_key("ed3", "EdDSA", 20), at(50)).await.unwrap();
    let expected = [
        span("ed1", Some(10), Some(40)),
        span("es1", None, None),
        span("ed2", Some(20), Some(50)),
        span("ed3", None, None),
    ];
    assert_eq!(spans(&store).await, expected);
}

async fn rotation_at_once_overtakes_a_planned_one(store: Store) {
    store.signing_keys.add_first(&signing_key("k1", "EdDSA", 0)).await.unwrap();
    store.signing_keys.rotate(&signing_key("k2", "EdDSA", 100), at(400)).await.unwrap();
    store.signing_keys.rotate(&signing_key("k3", "EdDSA", 50), at(80)).await.unwrap();
    let mut found = spans(&store).await;
    found.sort();
    let expected = [span("k1", Some(50), Some(80)), span("k2", Some(50), Some(80)), span("k3", None, None)];
    assert_eq!(found, expected);
}

async fn a_rotation_that_fails_changes_nothing(store: Store) {
    store.signing_keys.add_first(&signing_key("k1", "EdDSA", 0)).await.unwrap();
    let again = signing_key("k1", "EdDSA", 10);
    refused(&store, store.signing_keys.rotate(&again, at(40)), exists("signing key `k1`")).await;
    assert_eq!(spans(&store).await, [span("k1", None, None)]);
}

async fn of_two_rotations_of_the_latest_one_is_done(store: Store) {
    store.signing_keys.add_first(&signing_key("k1", "EdDSA", 0)).await.unwrap();
    let rotate = async |from: &str, next: &str| {
        let next = signing_key(next, "EdDSA", 10);
        store.signing_keys.rotate_from(from, &next, at(40)).await.unwrap()
    };
    assert!(!rotate("nobody", "k2").await);
    assert!(rotate("k1", "k2").await);
    assert!(!rotate("k1", "k3").await);
    assert_eq!(spans(&store).await, [span("k1", Some(10), Some(40)), span("k2", None, None)]);
}

async fn a_retired_key_is_withdrawn(store: Store) {
    store.signing_keys.add_first(&signing_key("k1", "EdDSA", 0)).await.unwrap();
    store.signing_keys.rotate(&signing_key("k2", "EdDSA", 10), at(40)).await.unwrap();
    store.signing_keys.unpublish("k1", at(12)).await.unwrap();
    assert_eq!(spans(&store).await, [span("k1", Some(10), Some(12)), span("k2", None, None)]);
    for id in ["k2", "nobody"] {
        let why = missing(&format!("retired signing key `{id}`"));
        refused(&store, store.signing_keys.unpublish(id, at(12)), why).await;
    }
}

async fn a_key_is_resealed_unless_it_was_meanwhile(store: Store) {
    let key = signing_key("k1", "EdDSA", 0);
    store.signing_keys.add_first(&key).await.unwrap();
    let (one, two) = (Secret::new(vec![1]), Secret::new(vec![2]));
    assert_eq!(store.signing_keys.reseal("k1", &key.pkcs8, &one).await, Ok(true));
    assert_eq!(store.signing_keys.reseal("k1", &key.pkcs8, &two).await, Ok(false));
    assert_eq!(store.signing_keys.reseal("nobody", &one, &two).await, Ok(false));
    assert_eq!(store.signing_keys.list().await.unwrap().remove(0).pkcs8, one);
}

async fn keys_are_forgotten_when_no_longer_published(store: Store) {
    store.signing_keys.add_first(&signing_key("k1", "EdDSA", 0)).await.unwrap();
    store.signing_keys.rotate(&signing_key("k2", "EdDSA", 10), at(40)).await.unwrap();
    assert_eq!(store.signing_keys.forget_unpublished(at(39)).await, Ok(0));
    assert_eq!(store.signing_keys.forget_unpublished(at(40)).await, Ok(1));
    assert_eq!(spans(&store).await, [span("k2", None, None)]);
}
