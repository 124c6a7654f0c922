use super::{changes, epoch, revoked};
use crate::for_every_store;
use crate::samples::{api_key, at, user};
use haechi_core::ports::{CHANGES_KEPT, Change, Changes, Revoked};
use haechi_store::Store;

for_every_store![
    a_new_store_has_no_changes,
    only_what_is_new_is_told,
    many_changes_are_told_in_parts,
    a_later_change_to_the_same_takes_the_place_of_an_earlier_one,
    what_is_revoked_stays_until_it_has_expired,
    the_later_of_two_revocations_counts,
    a_change_is_kept_for_a_while_and_then_said_to_be_forgotten,
    an_epoch_that_never_was_is_not_followed,
];

fn token(id: &str, until: i64) -> Change {
    Change::Revoked { what: Revoked::Token(id.into()), until: at(until) }
}

async fn revoke(store: &Store, id: &str, until: i64) {
    store.revocations.revoke(&Revoked::Token(id.into()), at(until)).await.unwrap();
}

async fn since(store: &Store, since: u64, limit: usize) -> Changes {
    store.revocations.changes_since(since, limit).await.unwrap()
}

async fn a_new_store_has_no_changes(store: Store) {
    let none = Changes { changes: vec![], epoch: 0, newest: 0, forgotten: 0 };
    assert_eq!(since(&store, 0, 10).await, none);
    assert!(none.follows(0));
}

async fn only_what_is_new_is_told(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    store.api_keys.add(&api_key("k1", 1)).await.unwrap();
    revoke(&store, "t1", 10).await;
    let first = since(&store, 0, 10).await;
    assert_eq!(first, Changes { changes: vec![token("t1", 10)], epoch: 1, newest: 1, forgotten: 0 });
    store.users.set_disabled("alice".into(), true).await.unwrap();
    store.api_keys.revoke("k1".into()).await.unwrap();
    let second = since(&store, first.epoch, 10).await;
    assert_eq!(second.changes, [Change::User("id-of-alice".into()), Change::ApiKey("k1".into())]);
    assert!(second.follows(first.epoch));
    let third = since(&store, second.epoch, 10).await;
    assert_eq!(third, Changes { changes: vec![], ..second });
}

async fn many_changes_are_told_in_parts(store: Store) {
    for id in ["a", "b", "c", "d", "e"] {
        revoke(&store, id, 10).await;
    }
    let (mut told, mut known) = (Vec::new(), 0);
    loop {
        let part = since(&store, known, 2).await;
        assert!(part.follows(known) && part.newest == 5);
        told.push(part.changes.len());
        known = part.epoch;
        if known == part.newest {
            break;
        }
    }
    assert_eq!(told, [2, 2, 1]);
    assert_eq!(since(&store, 0, 5).await.epoch, 5);
    assert_eq!(since(&store, 0, 0).await.changes.len(), 1, "it always goes on");
}

async fn a_later_change_to_the_same_takes_the_place_of_an_earlier_one(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    revoke(&store, "t1", 10).await;
    store.users.set_disabled("alice".into(), true).await.unwrap();
    revoke(&store, "t2", 10).await;
    store.users.set_disabled("alice".into(), false).await.unwrap();
    let alice = Change::User("id-of-alice".into());
    assert_eq!(changes(&store, 0).await, [token("t1", 10), token("t2", 10), alice.clone()]);
    assert_eq!(changes(&store, 3).await, [alice]);
}

async fn what_is_revoked_stays_until_it_has_expired(store: Store) {
    let (token, session) = (Revoked::Token("t1".into()), Revoked::Session("t1".into()));
    store.revocations.revoke(&token, at(10)).await.unwrap();
    store.revocations.revoke(&session, at(20)).await.unwrap();
    assert_eq!(revoked(&store).await, [(session.clone(), at(20)), (token, at(10))]);
    assert_eq!(store.revocations.forget_expired(at(10)).await, Ok(0));
    assert_eq!(store.revocations.forget_expired(at(11)).await, Ok(1));
    assert_eq!(revoked(&store).await, [(session, at(20))]);
    let left = since(&store, 0, 10).await;
    assert_eq!((left.epoch, left.forgotten), (2, 0), "what has expired is missed by nobody");
}

async fn the_later_of_two_revocations_counts(store: Store) {
    for until in [10, 30, 20] {
        revoke(&store, "t1", until).await;
    }
    assert_eq!(changes(&store, 0).await, [token("t1", 30)]);
    assert_eq!(store.revocations.forget_expired(at(30)).await, Ok(0));
    assert_eq!(store.revocations.forget_expired(at(31)).await, Ok(1));
}

async fn a_change_is_kept_for_a_while_and_then_said_to_be_forgotten(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    store.users.set_disabled("alice".into(), true).await.unwrap();
    revoke(&store, "t1", 100_000).await;
    let kept = i64::try_from(CHANGES_KEPT.as_secs()).unwrap();
    for now in [1000, 1000 + kept] {
        assert_eq!(store.revocations.forget_expired(at(now)).await, Ok(0));
        assert!(since(&store, 0, 10).await.follows(0));
    }
    assert_eq!(store.revocations.forget_expired(at(1001 + kept)).await, Ok(1));
    let left = since(&store, 0, 10).await;
    assert_eq!(left.changes, [token("t1", 100_000)]);
    assert!(!left.follows(0) && left.follows(1) && left.follows(2), "alice's change was number 1");
    assert_eq!(epoch(&store).await, 2);
}

async fn an_epoch_that_never_was_is_not_followed(store: Store) {
    revoke(&store, "t1", 10).await;
    let none = since(&store, 7, 10).await;
    assert_eq!(none, Changes { changes: vec![], epoch: 1, newest: 1, forgotten: 0 });
    assert!(!none.follows(7));
}
