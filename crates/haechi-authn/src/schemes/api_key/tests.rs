mod rotation;

use super::{ApiKeyAuthenticator, BadHeader, KeyForm, Sources};
use crate::api_key::ApiKey;
use crate::control::Control;
use crate::declared::DeclaredAttributes;
use crate::key_uses::KeyUses;
use crate::quotas::QuotaKeeper;
use crate::test_support::{api_key, ask, clock, head, learn, refusal, verified};
use crate::{Attempt, Authenticator, CredentialPlace, Fault, Look, RevocationWatch, Scheme};
use haechi_core::ports::{ApiKeyRecord, Change, KeyState};
use haechi_core::{CallerKind, Clock, RequestHead, Role, RoleTable};
use haechi_testkit::{Fault as StoreFault, FaultyStore, FixedClock};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

struct World {
    store: Arc<FaultyStore>,
    clock: Arc<FixedClock>,
    watch: Arc<RevocationWatch>,
    uses: Arc<KeyUses>,
    authenticator: ApiKeyAuthenticator,
}

impl World {
    fn new() -> Self {
        Self::taking(false)
    }

    fn taking(imported_keys: bool) -> Self {
        Self::over(FaultyStore::new(), clock(), imported_keys)
    }

    /// Another node on the same store, at the same time.
    fn beside(&self) -> Self {
        Self::over(self.store.clone(), self.clock.clone(), false)
    }

    fn over(store: Arc<FaultyStore>, clock: Arc<FixedClock>, imported_keys: bool) -> Self {
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        learn(&watch, &[], &clock);
        let uses = Arc::new(KeyUses::default());
        let sources = Sources {
            keys: store.clone(),
            uses: uses.clone(),
            watch: watch.clone(),
            declared: Arc::new(DeclaredAttributes::default()),
            roles: Arc::new(RoleTable::default()),
            quotas: QuotaKeeper::new(store.clone(), clock.clone()),
            control: Control::new(Handle::current()),
        };
        let form = KeyForm { header: "X-API-Key", imported_keys };
        let authenticator = ApiKeyAuthenticator::new("partner", form, sources).unwrap();
        Self { store, clock, watch, uses, authenticator }
    }

    async fn with_key(change: impl FnOnce(&mut ApiKeyRecord)) -> (Self, Rc<dyn Scheme>, ApiKey) {
        let world = Self::new();
        let key = ApiKey::generate().unwrap();
        let mut record = api_key(&key.sha256(), world.clock.now());
        change(&mut record);
        world.store.inner().api_keys.add(&record).await.unwrap();
        let scheme = world.authenticator.for_worker();
        (world, scheme, key)
    }

    async fn ask(&self, scheme: &Rc<dyn Scheme>, head: &RequestHead) -> Attempt {
        ask(&**scheme, head, self.clock.now()).await
    }
}

fn with(key: &ApiKey) -> RequestHead {
    head(&[("X-Api-KEY", key.expose())], None)
}

#[tokio::test]
async fn a_key_makes_its_owner_the_caller() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    let caller = verified(world.ask(&scheme, &with(&key)).await);
    assert_eq!(caller.kind, CallerKind::ApiKey);
    assert_eq!((&*caller.subject, &*caller.issuer, &*caller.authenticator), ("acme", "haechi", "partner"));
    assert_eq!(caller.credential_id.as_deref(), Some("k-1"));
    assert!(caller.has_scope("orders:read"));
    assert_eq!(caller.roles, [Role::from("USER")]);
    assert_eq!(scheme.challenge().unwrap().to_string(), r#"ApiKey realm="partner""#);
    assert_eq!(scheme.credential_places(), [CredentialPlace::Field("x-api-key".into())]);
}

#[tokio::test]
async fn what_is_no_key_asks_no_store() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    let calls = world.store.asked();
    let flipped = key.expose().replace("hk_", "hk-");
    for text in ["", "secret", &flipped, &format!("{}x", key.expose())] {
        let refused = refusal(world.ask(&scheme, &head(&[("x-api-key", text)], None)).await);
        assert_eq!(refused.0, Fault::InvalidCredentials, "{text}");
    }
    assert!(matches!(world.ask(&scheme, &head(&[], None)).await, Attempt::Absent));
    assert_eq!(world.store.asked(), calls);
    let unknown = refusal(world.ask(&scheme, &with(&ApiKey::generate().unwrap())).await);
    assert_eq!(unknown, (Fault::InvalidCredentials, "no such API key".into()));
}

#[tokio::test]
async fn a_key_stands_once_and_never_in_the_query() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    let key = key.expose().as_str();
    let twice = head(&[("x-api-key", key), ("X-API-Key", key)], None);
    assert_eq!(refusal(world.ask(&scheme, &twice).await).0, Fault::InvalidRequest);
    for query in ["api_key=", "a=b&X-API-Key=", "KEY=", "apikey=%", "%61pi_key="] {
        let value = key.replacen("hk_", if query.ends_with('%') { "68k_" } else { "hk_" }, 1);
        let query = format!("{query}{value}");
        let alone = world.ask(&scheme, &head(&[], Some(&query))).await;
        assert!(matches!(alone, Attempt::Absent), "{query}");
        let beside = head(&[("x-api-key", key)], Some(&query));
        assert_eq!(refusal(world.ask(&scheme, &beside).await).0, Fault::InvalidRequest, "{query}");
    }
    let other = head(&[("x-api-key", key)], Some("key=value&sort=hk_"));
    verified(world.ask(&scheme, &other).await);
}

#[tokio::test]
async fn expired_revoked_and_from_elsewhere() {
    let (world, scheme, key) = World::with_key(|key| key.expires_at = Some(key.created_at)).await;
    assert_eq!(refusal(world.ask(&scheme, &with(&key)).await).1, "the API key has expired");
    let (world, scheme, key) = World::with_key(|key| key.state = KeyState::Revoked).await;
    assert_eq!(refusal(world.ask(&scheme, &with(&key)).await).1, "the API key is revoked");
    let (world, scheme, key) =
        World::with_key(|key| key.allowed_addresses = vec!["10.0.0.0/8".parse().unwrap()]).await;
    assert_eq!(
        refusal(world.ask(&scheme, &with(&key)).await).1,
        "the API key is not accepted from this address"
    );
    for client in ["10.1.2.3", "::ffff:10.1.2.3"] {
        let near = with(&key).with_client(client.parse().unwrap(), false);
        verified(world.ask(&scheme, &near).await);
    }
    assert_eq!(
        refusal(world.ask(&scheme, &with(&key)).await).0,
        Fault::InvalidCredentials,
        "cached, and judged anew"
    );
}

#[tokio::test]
async fn a_cached_key_expires_in_time() {
    let (world, scheme, key) =
        World::with_key(|key| key.expires_at = Some(key.created_at.plus(Duration::from_secs(3)))).await;
    verified(world.ask(&scheme, &with(&key)).await);
    world.clock.advance(Duration::from_secs(3));
    let Look::Done(attempt) = scheme.look(&with(&key), world.clock.now()) else { panic!("not cached") };
    assert_eq!(refusal(attempt).1, "the API key has expired");
}

#[tokio::test]
async fn revoking_ends_what_is_cached() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    verified(world.ask(&scheme, &with(&key)).await);
    assert!(matches!(scheme.look(&with(&key), world.clock.now()), Look::Done(Attempt::Verified(_))));
    world.store.inner().api_keys.revoke("k-1".into()).await.unwrap();
    learn(&world.watch, &[Change::ApiKey("k-1".into())], &world.clock);
    assert_eq!(refusal(world.ask(&scheme, &with(&key)).await).1, "the API key is revoked");
}

#[tokio::test]
async fn revoking_others_asks_no_store() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    verified(world.ask(&scheme, &with(&key)).await);
    let calls = world.store.asked_for("api_keys.by_sha256");
    for second in 0..59 {
        world.clock.advance(Duration::from_secs(1));
        let others = [Change::ApiKey(format!("k-1{second}")), Change::User("k-1".into())];
        learn(&world.watch, &others, &world.clock);
        assert!(matches!(scheme.look(&with(&key), world.clock.now()), Look::Done(Attempt::Verified(_))));
    }
    assert_eq!(world.store.asked_for("api_keys.by_sha256"), calls);
}

#[tokio::test]
async fn nothing_cached_holds_while_nobody_knows_what_is_revoked_or_after_a_minute() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    verified(world.ask(&scheme, &with(&key)).await);
    world.clock.advance(Duration::from_secs(6));
    assert!(matches!(scheme.look(&with(&key), world.clock.now()), Look::Wait(_)));
    learn(&world.watch, &[], &world.clock);
    assert!(matches!(scheme.look(&with(&key), world.clock.now()), Look::Done(_)));
    world.clock.advance(Duration::from_secs(60));
    learn(&world.watch, &[], &world.clock);
    assert!(matches!(scheme.look(&with(&key), world.clock.now()), Look::Wait(_)));
}

#[tokio::test]
async fn could_not_find_out_is_unavailable_and_not_remembered() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    for fault in [StoreFault::Fails, StoreFault::Panics] {
        world.store.set_fault(fault);
        let attempt = world.ask(&scheme, &with(&key)).await;
        assert!(matches!(attempt, Attempt::Unavailable(_)), "{fault:?}: {attempt:?}");
    }
    world.store.set_fault(StoreFault::Hangs);
    tokio::time::pause();
    assert!(matches!(world.ask(&scheme, &with(&key)).await, Attempt::Unavailable(_)));
    world.store.set_fault(StoreFault::None);
    verified(world.ask(&scheme, &with(&key)).await);
}

#[tokio::test]
async fn use_is_noted_once_a_minute_whichever_worker_sees_it() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    tokio::spawn(world.uses.clone().follow(world.store.clone()));
    let other_worker = world.authenticator.for_worker();
    for scheme in [&scheme, &scheme, &other_worker] {
        verified(world.ask(scheme, &with(&key)).await);
    }
    world.uses.written().await;
    assert_eq!(world.store.asked_for("api_keys.used"), 1);
    let record = world.store.inner().api_keys.by_id("k-1").await.unwrap().unwrap();
    assert_eq!(record.last_used_at, Some(world.clock.now()));
    assert_eq!(record.last_used_from, Some([192, 0, 2, 7].into()));
    world.clock.advance(Duration::from_secs(59));
    learn(&world.watch, &[], &world.clock);
    verified(world.ask(&scheme, &with(&key)).await);
    world.uses.written().await;
    assert_eq!(world.store.asked_for("api_keys.used"), 1, "within the minute");
    world.clock.advance(Duration::from_secs(1));
    verified(world.ask(&scheme, &with(&key)).await);
    world.uses.written().await;
    assert_eq!(world.store.asked_for("api_keys.used"), 2);
}

#[tokio::test]
async fn a_rotated_key_works_by_both_secrets_until_the_earlier_one_ends() {
    let (world, scheme, earlier) = World::with_key(|_| {}).await;
    verified(world.ask(&scheme, &with(&earlier)).await);
    let next = ApiKey::generate().unwrap();
    let until = world.clock.now().plus(Duration::from_secs(3));
    world.store.inner().api_keys.rotate("k-1".into(), &next.sha256(), until).await.unwrap();
    learn(&world.watch, &[Change::ApiKey("k-1".into())], &world.clock);
    let caller = verified(world.ask(&scheme, &with(&earlier)).await);
    assert_eq!((caller.credential_id.as_deref(), caller.expires_at), (Some("k-1"), Some(until)));
    assert_eq!(verified(world.ask(&scheme, &with(&next)).await).expires_at, None);
    world.clock.advance(Duration::from_secs(3));
    let refused = refusal(world.ask(&scheme, &with(&earlier)).await).1;
    assert_eq!(refused, "the API key was replaced by another when it was rotated");
    verified(world.ask(&scheme, &with(&next)).await);
}

#[tokio::test]
async fn imported_keys_are_looked_up_only_where_that_was_asked_for() {
    const SECRET: &str = "GQMqzkxqbVfDgaQgNZxQoYvnjsU8RtHp";
    for imported_keys in [false, true] {
        let world = World::taking(imported_keys);
        let mut record = api_key(&crate::random::sha256(SECRET.as_bytes()), world.clock.now());
        record.imported = true;
        world.store.inner().api_keys.add(&record).await.unwrap();
        let ours = ApiKey::generate().unwrap();
        let (id, sha256) = ("k-2".into(), ours.sha256());
        world.store.inner().api_keys.add(&ApiKeyRecord { id, sha256, ..record }).await.unwrap();
        let scheme = world.authenticator.for_worker();
        let theirs = head(&[("x-api-key", SECRET)], None);
        for _ in 0..2 {
            verified(world.ask(&scheme, &with(&ours)).await);
            let attempt = world.ask(&scheme, &theirs).await;
            assert_eq!(matches!(attempt, Attempt::Verified(_)), imported_keys, "{attempt:?}");
        }
        let asked = world.store.asked();
        for text in ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "GQMqzkxqbVfDgaQg ZxQoYvnjsU8RtHp"] {
            let refused = refusal(world.ask(&scheme, &head(&[("x-api-key", text)], None)).await);
            assert_eq!(refused.0, Fault::InvalidCredentials, "{text}");
        }
        assert_eq!(world.store.asked(), asked, "nobody is asked for what cannot be a key");
        let beside = head(&[("x-api-key", SECRET)], Some(&format!("api_key={SECRET}")));
        let attempt = refusal_of(world.ask(&scheme, &beside).await);
        assert_eq!(attempt, if imported_keys { Fault::InvalidRequest } else { Fault::InvalidCredentials });
    }
}

fn refusal_of(attempt: Attempt) -> Fault {
    refusal(attempt).0
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_bounded_and_ends() {
    let (world, scheme, key) = World::with_key(|_| {}).await;
    verified(world.ask(&scheme, &with(&key)).await);
    world.store.set_fault(StoreFault::Hangs);
    tokio::time::pause();
    let heads: Vec<RequestHead> = (0..2100).map(|_| with(&ApiKey::generate().unwrap())).collect();
    let looks = heads.iter().map(|head| match scheme.look(head, world.clock.now()) {
        Look::Wait(later) => later,
        Look::Done(attempt) => panic!("{attempt:?}"),
    });
    let flood = tokio::task::LocalSet::new();
    let attempts = flood.run_until(async {
        let tasks: Vec<_> = looks.map(|look| tokio::task::spawn_local(look)).collect();
        tokio::task::yield_now().await;
        assert!(matches!(scheme.look(&with(&key), world.clock.now()), Look::Done(Attempt::Verified(_))));
        let mut reasons = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Attempt::Unavailable(unavailable) => reasons.push(unavailable.reason),
                other => panic!("{other:?}"),
            }
        }
        reasons
    });
    let reasons = attempts.await;
    let refused = reasons.iter().filter(|reason| **reason == "too many API keys are being looked up").count();
    assert_eq!((reasons.len(), refused), (2100, 2100 - 2048));
    world.store.set_fault(StoreFault::None);
    let other = with(&ApiKey::generate().unwrap());
    assert_eq!(refusal(world.ask(&scheme, &other).await).1, "no such API key");
}

#[tokio::test]
async fn fields_that_mean_something_else_are_refused() {
    for header in ["", "a b", "Authorization", "cookie", "X-Forwarded-For", "Host", "x:y"] {
        let world = World::new();
        let sources = Sources {
            keys: world.store.clone(),
            uses: world.uses.clone(),
            watch: world.watch.clone(),
            declared: Arc::default(),
            roles: Arc::default(),
            quotas: QuotaKeeper::new(world.store.clone(), world.clock.clone()),
            control: Control::new(Handle::current()),
        };
        let outcome = ApiKeyAuthenticator::new("partner", KeyForm { header, imported_keys: false }, sources);
        assert_eq!(outcome.err(), Some(BadHeader(header.into())));
    }
}
