use super::refused;
use crate::for_every_store;
use crate::samples::policy_version as version;
use haechi_core::ports::StoreError;
use haechi_store::Store;

for_every_store![
    a_policy_comes_back_as_it_was,
    each_change_of_a_policy_is_a_version,
    a_change_that_does_not_follow_is_not_made,
    of_many_who_change_at_once_one_succeeds,
];

async fn a_policy_comes_back_as_it_was(store: Store) {
    let policies = &store.policies;
    assert_eq!(policies.in_force().await.unwrap(), Default::default());
    assert_eq!(policies.serial().await.unwrap(), 0);
    let (first, second) = (
        version(1, "zebra", 1, Some("permit(principal, action, resource); // \"o'brien\" 해치")),
        version(2, "Orders", 1, Some("")),
    );
    policies.add(&first).await.unwrap();
    policies.add(&second).await.unwrap();
    let found = policies.in_force().await.unwrap();
    assert_eq!((found.serial, &found.policies), (2, &vec![second, first.clone()]), "by name");
    assert_eq!(policies.serial().await.unwrap(), 2);
    assert_eq!(policies.version("zebra", 1).await.unwrap(), Some(first));
    for (name, number) in [("zebra", 2), ("zebra", 0), ("zebr", 1), ("ze\0bra", 1)] {
        assert_eq!(policies.version(name, number).await.unwrap(), None);
    }
    assert!(policies.versions("ze\0bra", None, 9).await.unwrap().is_empty());
}

async fn each_change_of_a_policy_is_a_version(store: Store) {
    let policies = &store.policies;
    let all = [
        version(1, "a", 1, Some("one")),
        version(2, "b", 1, Some("other")),
        version(3, "a", 2, None),
        version(4, "a", 3, Some("three")),
        version(5, "b", 2, None),
    ];
    for (count, one) in (1..).zip(&all) {
        policies.add(one).await.unwrap();
        assert_eq!(policies.serial().await.unwrap(), count);
    }
    let found = policies.in_force().await.unwrap();
    assert_eq!((found.serial, found.policies), (5, vec![all[3].clone()]));
    let of = async |before, limit| policies.versions("a", before, limit).await.unwrap();
    assert_eq!(of(None, 9).await, [all[3].clone(), all[2].clone(), all[0].clone()]);
    assert_eq!(of(None, 1).await, [all[3].clone()]);
    assert_eq!(of(Some(3), 1).await, [all[2].clone()]);
    assert!(of(Some(1), 9).await.is_empty());
    policies.add(&version(6, "a", 4, None)).await.unwrap();
    let found = policies.in_force().await.unwrap();
    assert_eq!((found.serial, found.policies), (6, Vec::new()), "none is left, and it is known since when");
}

async fn a_change_that_does_not_follow_is_not_made(store: Store) {
    let policies = &store.policies;
    policies.add(&version(1, "a", 1, Some("one"))).await.unwrap();
    for odd in [
        version(1, "a", 2, Some("x")),
        version(3, "a", 2, Some("x")),
        version(2, "a", 1, Some("x")),
        version(2, "a", 3, Some("x")),
        version(2, "b", 2, Some("x")),
    ] {
        let changed = StoreError::Changed(format!("policy `{}`, or another policy,", odd.name));
        refused(&store, policies.add(&odd), changed).await;
    }
    assert_eq!(policies.serial().await.unwrap(), 1);
}

async fn of_many_who_change_at_once_one_succeeds(store: Store) {
    let racing = (0..8).map(|n| {
        let policies = store.policies.clone();
        tokio::spawn(async move { policies.add(&version(1, &format!("p{n}"), 1, Some("x"))).await })
    });
    let mut done = 0;
    for one in racing.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(()) => done += 1,
            Err(StoreError::Changed(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((done, store.policies.in_force().await.unwrap().policies.len()), (1, 1));
}
