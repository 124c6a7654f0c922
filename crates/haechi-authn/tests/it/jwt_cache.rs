//! Remembered tokens: what ends them, and that remembering never makes a difference to the answer.

use crate::support::{
    NOW, bearer, claims, config, fixed, invalid_token, key_set, learn, now, own_config, replaceable,
    unavailable, verified, worker,
};
use haechi_authn::schemes::jwt::{JwtAuthenticator, JwtConfig};
use haechi_authn::{Authenticator, Readiness, RevocationWatch};
use haechi_core::Timestamp;
use haechi_core::ports::Revoked;
use haechi_testkit::FixedClock;
use haechi_testkit::jose::{Key, with};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
}

#[test]
fn a_second_look_gives_the_very_same_caller() {
    let key = Key::rsa("k1");
    let scheme = worker(config(fixed(&[&key])));
    let token = bearer(&key.token(&claims()));
    let first = verified(now(&*scheme, &token, NOW));
    assert!(Arc::ptr_eq(&first, &verified(now(&*scheme, &token, NOW))));
}

#[test]
fn it_ends_with_the_token() {
    let key = Key::rsa("k1");
    let scheme = worker(config(fixed(&[&key])));
    let token = bearer(&key.token(&claims()));
    verified(now(&*scheme, &token, NOW));
    verified(now(&*scheme, &token, Timestamp::from_millis(at(630).as_millis() - 1)));
    assert_eq!(invalid_token(&now(&*scheme, &token, at(630))), "the token has expired");
}

#[test]
fn it_ends_with_the_keys() {
    let (old, new) = (Key::rsa("k1"), Key::rsa("k2"));
    let (current, source) = replaceable(&[&old]);
    let scheme = worker(config(source));
    let token = bearer(&old.token(&claims()));
    let first = verified(now(&*scheme, &token, NOW));
    current.store(Arc::new(current.load().replaced_by(key_set(&[&old]))));
    assert!(Arc::ptr_eq(&first, &verified(now(&*scheme, &token, NOW))), "the same keys again change nothing");
    current.store(Arc::new(current.load().replaced_by(key_set(&[&old, &new]))));
    assert!(!Arc::ptr_eq(&first, &verified(now(&*scheme, &token, NOW))), "other keys: verified anew");
    current.store(Arc::new(current.load().replaced_by(key_set(&[&new]))));
    let attempt = now(&*scheme, &token, NOW);
    assert_eq!(invalid_token(&attempt), "no key of the issuer fits the token's `kid` and `alg`");
}

#[test]
fn it_ends_with_a_revocation_of_the_token_or_its_session() {
    let key = Key::ed25519("k1");
    for what in [Revoked::Token("t1".into()), Revoked::Session("s1".into())] {
        let clock = Arc::new(FixedClock::at(NOW));
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        let scheme = worker(own_config(fixed(&[&key]), &watch));
        let own = with(&claims(), &json!({ "sid": "s1", "for": format!("{what:?}") }));
        let token = bearer(&key.token(&own));
        learn(&watch, &clock, &[]);
        let first = verified(now(&*scheme, &token, NOW));
        learn(&watch, &clock, &[Revoked::Session("s2".into()), Revoked::Token("s1".into())]);
        assert!(
            Arc::ptr_eq(&first, &verified(now(&*scheme, &token, NOW))),
            "another's revocation changes nothing"
        );
        learn(&watch, &clock, std::slice::from_ref(&what));
        for _ in 0..2 {
            let attempt = now(&*scheme, &token, NOW);
            assert_eq!(invalid_token(&attempt), "the token or its session was revoked");
        }
    }
}

#[test]
fn revocations_not_known_recently_are_not_known() {
    let key = Key::ed25519("k1");
    let clock = Arc::new(FixedClock::at(NOW));
    let watch = Arc::new(RevocationWatch::new(clock.clone()));
    let config = own_config(fixed(&[&key]), &watch);
    let authenticator = JwtAuthenticator::new(config).unwrap();
    let scheme = authenticator.for_worker();
    let token = bearer(&key.token(&claims()));
    assert!(matches!(authenticator.readiness(), Readiness::NotReady(_)));
    unavailable(&now(&*scheme, &token, NOW));
    learn(&watch, &clock, &[]);
    assert_eq!(authenticator.readiness(), Readiness::Ready);
    verified(now(&*scheme, &token, NOW));
    clock.advance(Duration::from_secs(5));
    verified(now(&*scheme, &token, at(5)));
    clock.advance(Duration::from_secs(1));
    unavailable(&now(&*scheme, &token, at(6)));
    unavailable(&now(&*scheme, &token, at(-86_400)));
    let stranger = bearer(&key.token(&with(&claims(), &json!({ "iss": "https://other.example.com" }))));
    let attempt = now(&*scheme, &stranger, at(6));
    assert!(invalid_token(&attempt).starts_with("other issuer"), "not ours to find out");
}

#[test]
fn a_forged_twin_of_a_remembered_token_is_refused() {
    let key = Key::ed25519("k1");
    let scheme = worker(config(fixed(&[&key])));
    let token = key.token(&claims());
    verified(now(&*scheme, &bearer(&token), NOW));
    let last = if token.ends_with('A') { "Q" } else { "A" };
    let twin = format!("{}{last}", &token[..token.len() - 1]);
    invalid_token(&now(&*scheme, &bearer(&twin), NOW));
    verified(now(&*scheme, &bearer(&token), NOW));
}

#[test]
fn only_so_many_and_only_short_ones_are_remembered() {
    let key = Key::ed25519("k1");
    let scheme = worker(JwtConfig { cache_entries: 10, ..config(fixed(&[&key])) });
    let token = |n: u32| bearer(&key.token(&with(&claims(), &json!({ "n": n }))));
    let first: Vec<_> = (0..100).map(|n| verified(now(&*scheme, &token(n), NOW))).collect();
    let again = (0..100).map(|n| verified(now(&*scheme, &token(n), NOW)));
    let kept = first.iter().zip(again).filter(|(before, after)| Arc::ptr_eq(before, after)).count();
    assert!(kept <= 10, "{kept}");
    let long = bearer(&key.token(&with(&claims(), &json!({ "x": "a".repeat(4000) }))));
    let before = verified(now(&*scheme, &long, NOW));
    assert!(!Arc::ptr_eq(&before, &verified(now(&*scheme, &long, NOW))));
}

#[test]
fn workers_share_no_cache() {
    let key = Key::ed25519("k1");
    let authenticator = JwtAuthenticator::new(config(fixed(&[&key]))).unwrap();
    let token = bearer(&key.token(&claims()));
    let one = verified(now(&*authenticator.for_worker(), &token, NOW));
    let two = verified(now(&*authenticator.for_worker(), &token, NOW));
    assert!(!Arc::ptr_eq(&one, &two));
    assert_eq!(one, two);
}
