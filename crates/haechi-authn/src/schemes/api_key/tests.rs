use super::{ApiKeyAuthenticator, BadHeader, Sources};
use crate::api_key::ApiKey;
use crate::control::Control;
use crate::declared::DeclaredAttributes;
use crate::test_support::{ask, clock, head, learn, refusal, verified};
use crate::{Attempt, Authenticator, CredentialPlace, Fault, Look, RevocationWatch, Scheme};
use haechi_core::ports::{ApiKeyRecord, Change, KeyState};
use haechi_core::{Attributes, CallerKind, Clock, RequestHead, Role, RoleTable};
use haechi_testkit::{Fault as StoreFault, FaultyStore, FixedClock};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

struct World {
    store: Arc<FaultyStore>,
    clock: Arc<FixedClock>,
    watch: Arc<RevocationWatch>,
    authenticator: ApiKeyAuthenticator,
}

impl World {
    fn new() -> Self {
        let (store, clock) = (FaultyStore::new(), clock());
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        learn(&watch, &[], &clock);
        let sources = Sources {
            keys: store.clone(),
            watch: watch.clone(),
            declared: Arc::new(DeclaredAttributes::default()),
            roles: Arc::new(RoleTable::default()),
            control: Control::new(Handle::current()),
        };
        let authenticator = ApiKeyAuthenticator::new("partner", "X-API-Key", sources).unwrap();
        Self { store, clock, watch, authenticator }
    }

    async fn with_key(change: impl FnOnce(&mut ApiKeyRecord)) -> (Self, Rc<dyn Scheme>, ApiKey) {
        let world = Self::new();
        let key = ApiKey::generate().unwrap();
        let mut record = ApiKeyRecord {
            id: "k-1".into(),
            sha256: key.sha256(),
            owner: "acme".into(),
            name: None,
            roles: vec!["USER".into()],
            scopes: vec!["orders:read".into()],
            attributes: Attributes::new(),
            expires_at: None,
            allowed_addresses: vec![],
            rate_limit: None,
            quota: None,
            created_at: world.clock.now(),
            last_used_at: None,
            state: KeyState::Active,
        };
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
    world.store.inner().api_keys.revoke("k-1").await.unwrap();
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
    let other_worker = world.authenticator.for_worker();
    for scheme in [&scheme, &scheme, &other_worker] {
        verified(world.ask(scheme, &with(&key)).await);
    }
    settle().await;
    assert_eq!(world.store.asked_for("api_keys.used"), 1);
    let record = world.store.inner().api_keys.by_id("k-1").await.unwrap().unwrap();
    assert_eq!(record.last_used_at, Some(world.clock.now()));
    world.clock.advance(Duration::from_secs(60));
    learn(&world.watch, &[], &world.clock);
    verified(world.ask(&scheme, &with(&key)).await);
    settle().await;
    assert_eq!(world.store.asked_for("api_keys.used"), 2);
}

/// Lets the tasks that nobody waits for run: they need no more than a few polls.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn fields_that_mean_something_else_are_refused() {
    for header in ["", "a b", "Authorization", "cookie", "X-Forwarded-For", "Host", "x:y"] {
        let world = World::new();
        let sources = Sources {
            keys: world.store.clone(),
            watch: world.watch.clone(),
            declared: Arc::default(),
            roles: Arc::default(),
            control: Control::new(Handle::current()),
        };
        let outcome = ApiKeyAuthenticator::new("partner", header, sources);
        assert_eq!(outcome.err(), Some(BadHeader(header.into())));
    }
}
