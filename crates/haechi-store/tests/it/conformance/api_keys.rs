use super::{announced, exists, missing, refused};
use crate::for_every_store;
use crate::samples::{api_key, at, hash, key_use};
use haechi_core::ports::{
    ApiKeyRecord, Change, Edit, KeyFilter, KeyPage, KeyStanding, KeyState, PreviousSecret, StoreError,
};
use haechi_store::Store;

for_every_store![
    a_key_comes_back_as_it_was,
    a_key_without_limits_comes_back_without_them,
    ids_and_secrets_are_unique,
    keys_are_listed_newest_first_by_page,
    a_filter_leaves_out_what_does_not_fit,
    keys_that_expire_are_counted,
    all_are_added_or_none,
    a_rotated_key_has_two_secrets_at_most,
    a_revoked_key_stays_and_is_announced,
    use_is_noted_to_the_minute_and_never_goes_back,
    a_key_that_was_changed_meanwhile_is_not_changed,
];

async fn by_id(store: &Store, id: &str) -> ApiKeyRecord {
    store.api_keys.by_id(id).await.unwrap().unwrap()
}

async fn add(store: &Store, n: u8, change: impl FnOnce(&mut ApiKeyRecord)) {
    let mut key = api_key(&format!("k{n}"), n);
    change(&mut key);
    store.api_keys.add(&key).await.unwrap();
}

async fn ids(store: &Store, filter: &KeyFilter, page: &KeyPage) -> Vec<String> {
    let listed = store.api_keys.list(filter, page).await.unwrap();
    listed.into_iter().map(|key| key.id).collect()
}

async fn a_key_comes_back_as_it_was(store: Store) {
    let key = ApiKeyRecord {
        last_used_at: Some(at(60)),
        last_used_from: Some("2001:db8::1".parse().unwrap()),
        previous: Some(PreviousSecret { sha256: hash(3), until: at(9) }),
        imported: true,
        ..api_key("k1", 1)
    };
    store.api_keys.add(&key).await.unwrap();
    assert_eq!(by_id(&store, "k1").await, key);
    assert_eq!(store.api_keys.by_sha256(&hash(1)).await.unwrap(), Some(key.clone()));
    assert_eq!(store.api_keys.by_sha256(&hash(3)).await.unwrap(), Some(key));
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

async fn ids_and_secrets_are_unique(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    store.api_keys.rotate("k1".into(), &hash(2), at(9)).await.unwrap();
    refused(&store, store.api_keys.add(&api_key("k1", 3)), exists("API key `k1`")).await;
    for taken in [1, 2] {
        refused(&store, store.api_keys.add(&api_key("k2", taken)), exists("API key `k2`")).await;
    }
    let previous = Some(PreviousSecret { sha256: hash(2), until: at(9) });
    let key = ApiKeyRecord { previous, ..api_key("k2", 3) };
    refused(&store, store.api_keys.add(&key), exists("API key `k2`")).await;
}

async fn keys_are_listed_newest_first_by_page(store: Store) {
    for (n, (id, created)) in [("old", 0), ("new", 9), ("tie", 9), ("mid", 5)].into_iter().enumerate() {
        let key = ApiKeyRecord { created_at: at(created), ..api_key(id, u8::try_from(n).unwrap()) };
        store.api_keys.add(&key).await.unwrap();
    }
    let all = KeyFilter::default();
    assert_eq!(ids(&store, &all, &KeyPage::first(99)).await, ["tie", "new", "mid", "old"]);
    for limit in 1..5 {
        let mut page = KeyPage::first(limit);
        let mut seen = Vec::new();
        loop {
            let some = ids(&store, &all, &page).await;
            assert!(some.len() <= limit);
            let Some(last) = some.last().cloned() else { break };
            seen.extend(some);
            page.after = Some(last);
        }
        assert_eq!(seen, ["tie", "new", "mid", "old"], "in pages of {limit}");
    }
    let page = KeyPage { after: Some("nobody".into()), limit: 9 };
    assert_eq!(store.api_keys.list(&all, &page).await, Err(missing("API key `nobody`")));
}

async fn a_filter_leaves_out_what_does_not_fit(store: Store) {
    let created = |n| move |key: &mut ApiKeyRecord| key.created_at = at(n);
    add(&store, 1, created(1)).await;
    add(&store, 2, |key| {
        (key.owner, key.created_at, key.expires_at) = ("it's".into(), at(2), Some(at(50)));
    })
    .await;
    add(&store, 3, |key| {
        (key.name, key.expires_at, key.created_at) = (None, None, at(3));
        (key.roles, key.last_used_at) = (vec!["A".into(), "역할 \"%_".into()], Some(at(60)));
    })
    .await;
    add(&store, 4, |key| (key.state, key.created_at, key.imported) = (KeyState::Revoked, at(4), true)).await;
    let none = KeyFilter::default;
    let standing = |standing, now| KeyFilter { standing: Some((standing, at(now))), ..none() };
    let cases: [(KeyFilter, &[&str]); 13] = [
        (none(), &["k4", "k3", "k2", "k1"]),
        (KeyFilter { owner: Some("it's".into()), ..none() }, &["k2"]),
        (KeyFilter { owner: Some("a\0".into()), ..none() }, &[]),
        (KeyFilter { name: Some("nightly".into()), ..none() }, &["k4", "k2", "k1"]),
        (KeyFilter { role: Some("역할 \"%_".into()), ..none() }, &["k3"]),
        (KeyFilter { role: Some("USE".into()), ..none() }, &[]),
        (standing(KeyStanding::Active, 50), &["k3", "k1"]),
        (standing(KeyStanding::Expired, 50), &["k2"]),
        (standing(KeyStanding::Revoked, 50), &["k4"]),
        (KeyFilter { expires_by: Some(at(50)), ..none() }, &["k2"]),
        (KeyFilter { unused_since: Some(at(3)), ..none() }, &["k2", "k1"]),
        (KeyFilter { imported: Some(true), ..none() }, &["k4"]),
        (
            KeyFilter {
                owner: Some("partner".into()),
                role: Some("USER".into()),
                imported: Some(false),
                ..none()
            },
            &["k1"],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&store, &filter, &KeyPage::first(99)).await, expected, "{filter:?}");
        let (first, rest) = expected.split_at(expected.len().min(1));
        assert_eq!(ids(&store, &filter, &KeyPage::first(1)).await, first, "{filter:?}");
        if let Some(after) = first.first() {
            let page = KeyPage { after: Some((*after).into()), limit: 99 };
            assert_eq!(ids(&store, &filter, &page).await, rest, "{filter:?}");
        }
    }
}

async fn keys_that_expire_are_counted(store: Store) {
    for (n, expires) in [(1, Some(10)), (2, Some(20)), (3, Some(30)), (4, None), (5, Some(20))] {
        add(&store, n, |key| key.expires_at = expires.map(at)).await;
    }
    store.api_keys.revoke("k5".into()).await.unwrap();
    let by = [at(10), at(20), at(99)];
    assert_eq!(store.api_keys.expiring(at(0), &by).await.unwrap(), [1, 2, 3]);
    assert_eq!(store.api_keys.expiring(at(10), &by).await.unwrap(), [0, 1, 2], "one has expired");
    assert!(store.api_keys.expiring(at(0), &[]).await.unwrap().is_empty());
}

async fn all_are_added_or_none(store: Store) {
    let many: Vec<ApiKeyRecord> = (0..1201_u16)
        .map(|n| {
            let mut key = api_key(&format!("k{n}"), 0);
            key.sha256[..2].copy_from_slice(&n.to_be_bytes());
            key
        })
        .collect();
    let mut twice = many.clone();
    twice.push(ApiKeyRecord { id: "other".into(), ..many[7].clone() });
    let refused = store.api_keys.add_all(&twice).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    assert_eq!(ids(&store, &KeyFilter::default(), &KeyPage::first(9)).await, Vec::<String>::new());
    store.api_keys.add_all(&many).await.unwrap();
    store.api_keys.add_all(&[]).await.unwrap();
    assert_eq!(ids(&store, &KeyFilter::default(), &KeyPage::first(9999)).await.len(), many.len());
    assert_eq!(store.api_keys.by_sha256(&many[1200].sha256).await.unwrap().as_ref(), many.last());
}

async fn a_rotated_key_has_two_secrets_at_most(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    store.api_keys.add(&api_key("k2", 9)).await.unwrap();
    let told = [Change::ApiKey("k1".into())];
    announced(&store, store.api_keys.rotate("k1".into(), &hash(2), at(30)), &told).await;
    let rotated = ApiKeyRecord {
        sha256: hash(2),
        previous: Some(PreviousSecret { sha256: hash(1), until: at(30) }),
        revision: api_key("k1", 1).revision.next(),
        ..api_key("k1", 1)
    };
    for secret in [1, 2] {
        assert_eq!(store.api_keys.by_sha256(&hash(secret)).await.unwrap().as_ref(), Some(&rotated));
    }
    announced(&store, store.api_keys.rotate("k1".into(), &hash(3), at(5)), &told).await;
    assert_eq!(store.api_keys.by_sha256(&hash(1)).await.unwrap(), None, "the one before the last");
    assert_eq!(by_id(&store, "k1").await.previous, Some(PreviousSecret { sha256: hash(2), until: at(5) }));
    // Neither another's secret, nor one that the key has or had.
    for taken in [9, 3, 2] {
        let taken = hash(taken);
        let rotated = store.api_keys.rotate("k1".into(), &taken, at(9));
        refused(&store, rotated, exists("API key `k1`")).await;
    }
    refused(&store, store.api_keys.rotate("k3".into(), &hash(4), at(9)), missing("API key `k3`")).await;
    store.api_keys.revoke("k1".into()).await.unwrap();
    refused(&store, store.api_keys.rotate("k1".into(), &hash(4), at(9)), missing("API key `k1`")).await;
    assert_eq!(by_id(&store, "k1").await.sha256, hash(3));
}

async fn a_revoked_key_stays_and_is_announced(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    store.api_keys.add(&api_key("k2", 2)).await.unwrap();
    announced(&store, store.api_keys.revoke("k1".into()), &[Change::ApiKey("k1".into())]).await;
    assert_eq!(by_id(&store, "k1").await.state, KeyState::Revoked);
    assert_eq!(by_id(&store, "k2").await.state, KeyState::Active);
    refused(&store, store.api_keys.revoke("k3".into()), missing("API key `k3`")).await;
}

async fn use_is_noted_to_the_minute_and_never_goes_back(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    store.api_keys.add(&api_key("k2", 2)).await.unwrap();
    for (used, noted, from) in [(61, 60, 61), (119, 60, 61), (59, 60, 61), (120, 120, 120)] {
        store.api_keys.used(&[key_use("k1", used)]).await.unwrap();
        let key = by_id(&store, "k1").await;
        assert_eq!(key.last_used_at, Some(at(noted)), "after {used}");
        assert_eq!(key.last_used_from, Some([192, 0, 2, from].into()), "after {used}");
    }
    // Of many, each key's own last one counts; one that is not there is no fault.
    let uses =
        [key_use("k3", 1), key_use("k2", 181), key_use("k1", 10), key_use("k2", 60), key_use("k1", 180)];
    store.api_keys.used(&uses).await.unwrap();
    for id in ["k1", "k2"] {
        assert_eq!(by_id(&store, id).await.last_used_at, Some(at(180)), "{id}");
    }
    store.api_keys.add(&ApiKeyRecord { created_at: at(230), ..api_key("k3", 3) }).await.unwrap();
    store.api_keys.used(&[key_use("k3", 235)]).await.unwrap();
    assert_eq!(by_id(&store, "k3").await.last_used_at, Some(at(230)), "not before it was made");
    store.api_keys.used(&[]).await.unwrap();
    assert_eq!(by_id(&store, "k2").await.last_used_from, Some([192, 0, 2, 181].into()));
}

async fn a_key_that_was_changed_meanwhile_is_not_changed(store: Store) {
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    let (keys, read) = (&store.api_keys, by_id(&store, "k1").await.revision);
    let of = |revision| Edit { of: "k1", revision: Some(revision) };
    keys.used(&[key_use("k1", 90)]).await.unwrap();
    keys.rotate(of(read), &hash(2), at(30)).await.unwrap();
    let (now, next) = (by_id(&store, "k1").await.revision, hash(3));
    assert!(now > read, "a use is no change, another secret is");
    for change in [keys.rotate(of(read), &next, at(30)), keys.revoke(of(read))] {
        refused(&store, change, StoreError::Changed("API key `k1`".into())).await;
    }
    assert_eq!(by_id(&store, "k1").await.sha256, hash(2));
    keys.revoke(of(now)).await.unwrap();
    assert!(by_id(&store, "k1").await.revision > now);
}
