use super::{announced, exists, missing, refused};
use crate::for_every_store;
use crate::samples::{api_key, at, hash};
use haechi_core::ports::{ApiKeyRecord, Change, KeyState};
use haechi_store::Store;

for_every_store![
    a_key_comes_back_as_it_was,
    a_key_without_limits_comes_back_without_them,
    ids_and_hashes_are_unique,
    keys_are_listed_newest_first,
    a_revoked_key_stays_and_is_announced,
    use_is_noted_to_the_minute_and_never_goes_back,
];

async fn by_id(store: &Store, id: &str) -> ApiKeyRecord {
    store.api_keys.by_id(id).await.unwrap().unwrap()
}

async fn a_key_comes_back_as_it_was(store: Store) {
    let key = ApiKeyRecord { last_used_at: Some(at(60)), ..api_key("k1", 1) };
    store.api_keys.add(&key).await.unwrap();
    assert_eq!(by_id(&store, "k1").await, key);
    assert_eq!(store.api_keys.by_sha256(&hash(1)).await.unwrap(), Some(key));
    assert_eq!(store.api_keys.by_sha256(&hash(2)).await.unwrap(), None);
    assert_eq!(store.api_keys.by_id("k2").await.unwrap(), None);
}

async fn a_key_without_limits_comes_back_without_them(store: Store) {
    let key = ApiKeyRecord {
        name: None,
        roles: vec![],
        scopes: vec![],
        attributes: [].into(),
        expires_at: None,
        allowed_addresses: vec![],
        rate_limit: None,
        quota: None,
        ..api_key("k1", 1)
    };
    store.api_keys.add(&key).await.unwrap();
    assert_eq!(by_id(&store, "k1").await, key);
}

async fn ids_and_hashes_are_unique(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    refused(&store, store.api_keys.add(&api_key("k1", 2)), exists("API key `k1`")).await;
    refused(&store, store.api_keys.add(&api_key("k2", 1)), exists("API key `k2`")).await;
}

async fn keys_are_listed_newest_first(store: Store) {
    for (n, (id, created)) in [("old", 0), ("new", 9), ("tie", 9), ("mid", 5)].into_iter().enumerate() {
        let key = ApiKeyRecord { created_at: at(created), ..api_key(id, u8::try_from(n).unwrap()) };
        store.api_keys.add(&key).await.unwrap();
    }
    let listed = store.api_keys.list().await.unwrap();
    assert_eq!(listed.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["tie", "new", "mid", "old"]);
}

async fn a_revoked_key_stays_and_is_announced(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    store.api_keys.add(&api_key("k2", 2)).await.unwrap();
    announced(&store, store.api_keys.revoke("k1"), &[Change::ApiKey("k1".into())]).await;
    assert_eq!(by_id(&store, "k1").await.state, KeyState::Revoked);
    assert_eq!(by_id(&store, "k2").await.state, KeyState::Active);
    refused(&store, store.api_keys.revoke("k3"), missing("API key `k3`")).await;
}

async fn use_is_noted_to_the_minute_and_never_goes_back(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    for (used, noted) in [(61, 60), (119, 60), (59, 60), (120, 120)] {
        store.api_keys.used("k1", at(used)).await.unwrap();
        assert_eq!(by_id(&store, "k1").await.last_used_at, Some(at(noted)), "after {used}");
    }
    refused(&store, store.api_keys.used("k2", at(0)), missing("API key `k2`")).await;
}
