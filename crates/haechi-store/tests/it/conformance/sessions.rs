use super::{announced, epoch, exists, refused, revoked};
use crate::for_every_store;
use crate::samples::{at, hash, session};
use haechi_core::ports::{Change, Exchange, Revoked, Rotation, Session};
use haechi_store::Store;
use std::time::Duration;

for_every_store![
    each_refresh_token_works_once,
    a_replay_ends_the_family,
    any_earlier_token_is_a_replay,
    an_expired_session_is_unknown,
    an_ended_session_is_unknown_and_revoked,
    ending_what_is_not_there_still_revokes,
    all_sessions_of_a_user_end,
    hashes_and_ids_are_never_given_twice,
    sessions_are_forgotten_when_nothing_of_them_can_be_valid,
    a_refresh_is_repeated_within_its_interval,
    a_token_tells_its_session,
    living_sessions_are_listed,
];

fn of(session: &str) -> Revoked {
    Revoked::Session(session.into())
}

fn ended(session: &str, until: i64) -> Change {
    Change::Revoked { what: of(session), until: at(until) }
}

async fn rotate(store: &Store, presented: u8, next: u8, now: i64) -> Rotation {
    store.sessions.rotate(Exchange::once(&hash(presented), &hash(next), at(now))).await.unwrap()
}

async fn each_refresh_token_works_once(store: Store) {
    let first = session("s1", "alice", 1);
    store.sessions.begin(&first).await.unwrap();
    let before = epoch(&store).await;
    let expected = |n| Rotation::Rotated(Session { token_sha256: hash(n), ..first.clone() });
    assert_eq!(rotate(&store, 1, 2, 10).await, expected(2));
    assert_eq!(rotate(&store, 2, 3, 20).await, expected(3));
    assert_eq!(rotate(&store, 9, 4, 20).await, Rotation::Unknown);
    assert_eq!(epoch(&store).await, before, "nothing was taken away");
}

async fn a_replay_ends_the_family(store: Store) {
    store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    store.sessions.begin(&session("s2", "alice", 100)).await.unwrap();
    rotate(&store, 1, 2, 10).await;
    let before = epoch(&store).await;
    assert_eq!(rotate(&store, 1, 3, 20).await, Rotation::Replayed { session: "s1".into() });
    assert!(epoch(&store).await > before);
    // The last access token of the family may have been given at second 1000 and live for another 1000.
    assert_eq!(revoked(&store).await, [(of("s1"), at(2000))]);
    for token in [1, 2, 3] {
        assert_eq!(rotate(&store, token, 4, 30).await, Rotation::Unknown);
    }
    assert!(matches!(rotate(&store, 100, 101, 30).await, Rotation::Rotated(_)), "another family goes on");
}

async fn a_refresh_is_repeated_within_its_interval(store: Store) {
    let first = session("s1", "alice", 1);
    store.sessions.begin(&first).await.unwrap();
    let rotate = async |presented, next, now| {
        let (presented, next) = (hash(presented), hash(next));
        let reuse_interval = Duration::from_secs(5);
        let exchange = Exchange { presented: &presented, next: &next, now: at(now), reuse_interval };
        store.sessions.rotate(exchange).await.unwrap()
    };
    let after = Session { token_sha256: hash(2), ..first.clone() };
    assert_eq!(rotate(1, 2, 10).await, Rotation::Rotated(after.clone()));
    let before = epoch(&store).await;
    assert_eq!(rotate(1, 2, 10).await, Rotation::Repeated(after.clone()));
    assert_eq!(rotate(1, 2, 14).await, Rotation::Repeated(after));
    assert_eq!(epoch(&store).await, before);
    assert!(matches!(rotate(2, 3, 14).await, Rotation::Rotated(_)));
    // What came of the first was used meanwhile: somebody else has it.
    assert_eq!(rotate(1, 2, 14).await, Rotation::Replayed { session: "s1".into() });
    for (now, next) in [(15, 2), (9, 2), (12, 9)] {
        let (id, n) = (format!("s-{now}-{next}"), u8::try_from(100 + now + i64::from(next)).unwrap());
        store.sessions.begin(&session(&id, "alice", n)).await.unwrap();
        let (presented, other) = (hash(n), hash(n + 60));
        let exchange = Exchange::once(&presented, &other, at(10));
        assert!(matches!(store.sessions.rotate(exchange).await.unwrap(), Rotation::Rotated(_)));
        let other = if next == 2 { other } else { hash(255) };
        let late = Exchange {
            presented: &presented,
            next: &other,
            now: at(now),
            reuse_interval: Duration::from_secs(5),
        };
        assert_eq!(store.sessions.rotate(late).await.unwrap(), Rotation::Replayed { session: id });
    }
}

async fn a_token_tells_its_session(store: Store) {
    let first = session("s1", "alice", 1);
    store.sessions.begin(&first).await.unwrap();
    rotate(&store, 1, 2, 10).await;
    let now = Session { token_sha256: hash(2), ..first };
    for token in [1, 2] {
        assert_eq!(store.sessions.of_token(&hash(token), at(11)).await.unwrap().as_ref(), Some(&now));
        assert_eq!(store.sessions.of_token(&hash(token), at(1000)).await, Ok(None), "expired");
    }
    assert_eq!(store.sessions.of_token(&hash(3), at(11)).await, Ok(None));
    assert_eq!(store.sessions.end("s1", at(2000)).await, Ok(true));
    assert_eq!(store.sessions.of_token(&hash(2), at(11)).await, Ok(None));
    assert_eq!(store.sessions.end("s1", at(2000)).await, Ok(false), "it has ended");
}

async fn living_sessions_are_listed(store: Store) {
    for (n, (id, user)) in (0..).zip([("s1", "alice"), ("s2", "bob"), ("s3", "alice"), ("s4", "bob")]) {
        let begun = Session { created_at: at(i64::from(n)), ..session(id, user, n) };
        store.sessions.begin(&begun).await.unwrap();
    }
    store.sessions.end("s4", at(2000)).await.unwrap();
    let list = async |user, now, limit| {
        let found = store.sessions.list(user, at(now), limit).await.unwrap();
        found.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10, 10).await, ["s3", "s2", "s1"]);
    assert_eq!(list(None, 10, 2).await, ["s3", "s2"]);
    assert_eq!(list(Some("alice"), 10, 10).await, ["s3", "s1"]);
    assert_eq!(list(Some("nobody"), 10, 10).await, [""; 0]);
    assert_eq!(list(None, 1000, 10).await, [""; 0], "expired");
}

async fn any_earlier_token_is_a_replay(store: Store) {
    store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    for n in 1..10 {
        assert!(matches!(rotate(&store, n, n + 1, 10).await, Rotation::Rotated(_)));
    }
    assert_eq!(rotate(&store, 3, 99, 999).await, Rotation::Replayed { session: "s1".into() });
}

async fn an_expired_session_is_unknown(store: Store) {
    store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    assert_eq!(rotate(&store, 1, 2, 1000).await, Rotation::Unknown);
    assert!(matches!(rotate(&store, 1, 2, 999).await, Rotation::Rotated(_)));
}

async fn an_ended_session_is_unknown_and_revoked(store: Store) {
    store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    announced(&store, store.sessions.end("s1", at(600)), &[ended("s1", 600)]).await;
    assert_eq!(rotate(&store, 1, 2, 10).await, Rotation::Unknown);
}

async fn ending_what_is_not_there_still_revokes(store: Store) {
    announced(&store, store.sessions.end("s1", at(600)), &[ended("s1", 600)]).await;
}

async fn all_sessions_of_a_user_end(store: Store) {
    for (id, user, token) in [("s1", "alice", 1), ("s2", "alice", 2), ("s3", "bob", 3)] {
        store.sessions.begin(&session(id, user, token)).await.unwrap();
    }
    let all = [ended("s1", 600), ended("s2", 600), Change::User("alice".into())];
    announced(&store, store.sessions.end_all_of("alice", at(600)), &all).await;
    announced(&store, store.sessions.end_all_of("nobody", at(600)), &[Change::User("nobody".into())]).await;
    assert_eq!(rotate(&store, 1, 11, 10).await, Rotation::Unknown);
    assert_eq!(rotate(&store, 2, 12, 10).await, Rotation::Unknown);
    assert!(matches!(rotate(&store, 3, 13, 10).await, Rotation::Rotated(_)));
}

async fn hashes_and_ids_are_never_given_twice(store: Store) {
    store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    refused(&store, store.sessions.begin(&session("s1", "alice", 2)), exists("session `s1`")).await;
    let taken = exists("a refresh token with this hash");
    refused(&store, store.sessions.begin(&session("s2", "alice", 1)), taken.clone()).await;
    assert_eq!(store.sessions.rotate(Exchange::once(&hash(1), &hash(1), at(1))).await, Err(taken));
    assert!(matches!(rotate(&store, 1, 2, 10).await, Rotation::Rotated(_)), "what failed left no trace");
}

async fn sessions_are_forgotten_when_nothing_of_them_can_be_valid(store: Store) {
    let begin_at = |id: &str, n: u8, from: i64| Session {
        created_at: at(from),
        expires_at: at(from + 1000),
        ..session(id, "alice", n)
    };
    store.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    // Expired, but an access token of it may still live: it must be found by `end_all_of`.
    store.sessions.begin(&begin_at("s2", 2, 2000)).await.unwrap();
    store.sessions.end_all_of("alice", at(3000)).await.unwrap();
    let first = [(of("s1"), at(3000)), (of("s2"), at(3000))];
    assert_eq!(revoked(&store).await, first);
    store.sessions.begin(&begin_at("s3", 3, 0)).await.unwrap();
    store.sessions.begin(&begin_at("s4", 4, 2001)).await.unwrap();
    store.sessions.end_all_of("alice", at(9000)).await.unwrap();
    assert_eq!(revoked(&store).await, [&first[..], &[(of("s4"), at(9000))]].concat());
}
