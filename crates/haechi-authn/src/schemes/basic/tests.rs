use super::{Accounts, Basic, FileUsers, StoreUsers};
use crate::control::Control;
use crate::declared::DeclaredAttributes;
use crate::hashing::{Htpasswd, PasswordPool};
use crate::identity::passwords::tests::{PASSWORD, World};
use crate::test_support::{ask, change_user, head, learn, refusal, verified};
use crate::{Attempt, Authenticator, CredentialMatch, CredentialPlace, Fault, Look, RevocationWatch, Scheme};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::ports::{Change, Revoked};
use haechi_core::{AttributeType, Clock, Role, RoleTable};
use haechi_testkit::Fault as StoreFault;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

fn authorization(name: &str, password: &str) -> haechi_core::RequestHead {
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    head(&[("Authorization", &value)], None)
}

fn roles() -> Arc<RoleTable> {
    let direct =
        BTreeMap::from([("USER".to_owned(), vec![]), ("MANAGER".to_owned(), vec!["USER".to_owned()])]);
    Arc::new(RoleTable::new(&direct).unwrap())
}

fn scheme(accounts: Accounts) -> Rc<dyn Scheme> {
    Basic::new("staff", "st\"aff", accounts, roles(), Control::new(Handle::current())).unwrap().for_worker()
}

fn over_store(world: &World) -> (Rc<dyn Scheme>, Arc<RevocationWatch>) {
    let watch = Arc::new(RevocationWatch::new(world.clock.clone()));
    learn(&watch, &[], &world.clock);
    let users = StoreUsers {
        verifier: Arc::new(world.verifier()),
        watch: watch.clone(),
        issuer: "http://localhost:8080".into(),
        declared: Arc::new(DeclaredAttributes::new([("tenant".into(), AttributeType::String)].into())),
    };
    (scheme(Accounts::Store(users)), watch)
}

fn file_users(world: &World, users: Htpasswd, pool: Arc<PasswordPool>, roles: Vec<String>) -> FileUsers {
    FileUsers { users, pool, roles, lockout: World::lockout(), clock: world.clock.clone() }
}

fn over_file(world: &World, text: &str) -> Rc<dyn Scheme> {
    let users = Htpasswd::parse(text).unwrap();
    let roles = vec!["USER".to_owned(), "haechi-admin".to_owned()];
    scheme(Accounts::File(file_users(world, users, world.pool.clone(), roles)))
}

#[tokio::test]
async fn a_user_of_the_store() {
    let world = World::new().await;
    let (scheme, _) = over_store(&world);
    let caller = verified(ask(&*scheme, &authorization("mina", PASSWORD), world.clock.now()).await);
    assert_eq!(
        (&*caller.subject, &*caller.issuer, &*caller.authenticator),
        ("u-1", "http://localhost:8080", "staff")
    );
    assert_eq!(caller.roles, ["MANAGER", "USER"].map(Role::from));
    assert_eq!(caller.attributes.len(), 1);
    assert_eq!(scheme.challenge().unwrap().to_string(), r#"Basic realm="st\"aff", charset="UTF-8""#);
    assert_eq!(scheme.credential_places(), [CredentialPlace::Authorization]);
}

#[tokio::test]
async fn wrong_unknown_disabled_and_locked_are_one_answer() {
    let world = World::new().await;
    let (scheme, _) = over_store(&world);
    for (name, password, matched) in
        [("mina", "wrong", CredentialMatch::Named), ("nobody", PASSWORD, CredentialMatch::Other)]
    {
        let attempt = ask(&*scheme, &authorization(name, password), world.clock.now()).await;
        let Attempt::Rejected(rejection) = attempt else { panic!("{name}") };
        assert_eq!((rejection.fault, rejection.matched), (Fault::InvalidCredentials, matched));
    }
    change_user(&world.store, "mina", |mina| mina.disabled = true).await;
    let (fault, _) = refusal(ask(&*scheme, &authorization("mina", PASSWORD), world.clock.now()).await);
    assert_eq!(fault, Fault::InvalidCredentials);
    change_user(&world.store, "mina", |mina| {
        mina.disabled = false;
        mina.login.locked_until = Some(haechi_core::Timestamp::MAX);
    })
    .await;
    let (fault, _) = refusal(ask(&*scheme, &authorization("mina", PASSWORD), world.clock.now()).await);
    assert_eq!(fault, Fault::InvalidCredentials);
}

#[tokio::test]
async fn what_is_not_basic_is_absent_and_what_is_ill_formed_is_refused() {
    let world = World::new().await;
    let (scheme, _) = over_store(&world);
    let now = world.clock.now();
    for fields in [&[][..], &[("Authorization", "Bearer abc")]] {
        assert!(matches!(scheme.look(&head(fields, None), now), Look::Done(Attempt::Absent)));
    }
    let encode = |text: &[u8]| format!("Basic {}", STANDARD.encode(text));
    let calls = world.store.asked();
    for value in [
        "Basic".to_owned(),
        "Basic %%%".into(),
        "Basic bWluYTp4eA".into(),
        "Basic bWluYTp4eB==".into(),
        "Basic bWluYTo_Pz8_".into(),
        encode(b"no colon"),
        encode(b":password"),
        encode(b"mina:a\nb"),
        encode(b"mi\0na:a"),
        encode(b"mina:\xff"),
    ] {
        let head = head(&[("Authorization", &value)], None);
        let Look::Done(attempt) = scheme.look(&head, now) else { panic!("{value} was asked about") };
        assert_eq!(refusal(attempt).0, Fault::InvalidCredentials, "{value}");
    }
    let twice = head(&[("Authorization", "Basic eDp5"), ("authorization", "Basic eDp5")], None);
    assert_eq!(refusal(ask(&*scheme, &twice, now).await).0, Fault::InvalidRequest);
    assert_eq!(world.store.asked(), calls, "none of these reached the store");
}

#[tokio::test]
async fn a_password_may_have_colons_and_any_letters() {
    let world = World::new().await;
    let hash = world.pool.hash("비밀: a:b".into()).await.unwrap();
    let scheme = over_file(&world, &format!("해태:{}", hash.expose()));
    let caller = verified(ask(&*scheme, &authorization("해태", "비밀: a:b"), world.clock.now()).await);
    assert_eq!((&*caller.subject, &*caller.issuer), ("해태", "basic:st\"aff"));
    assert_eq!(caller.roles, ["USER"].map(Role::from), "a file makes no administrators of the gate");
}

#[tokio::test]
async fn what_is_cached_ends_with_a_change_to_the_user_with_time_and_with_knowledge() {
    let world = World::new().await;
    let (scheme, watch) = over_store(&world);
    let request = authorization("mina", PASSWORD);
    let hashes = async || {
        let before = world.pool.done();
        verified(ask(&*scheme, &request, world.clock.now()).await);
        world.pool.done() - before
    };
    assert_eq!(hashes().await, 1);
    assert_eq!(hashes().await, 0, "cached");
    world.clock.advance(Duration::from_secs(6));
    let asked = world.store.asked();
    assert_eq!(hashes().await, 0, "nobody knows what was revoked since: the store does");
    assert_eq!(world.store.asked() - asked, 2, "the user, and whether there is a second factor");
    learn(&watch, &[], &world.clock);
    assert_eq!((hashes().await, world.store.asked() - asked), (0, 2), "what was cached before still holds");
    learn(&watch, &[user("u-1")], &world.clock);
    assert_eq!((hashes().await, world.store.asked() - asked), (0, 4), "the user was changed");
    assert_eq!((hashes().await, world.store.asked() - asked), (0, 4));
    world.clock.advance(Duration::from_secs(60));
    learn(&watch, &[], &world.clock);
    assert_eq!(hashes().await, 1, "a minute is over");
    assert_eq!(
        refusal(ask(&*scheme, &authorization("mina", "wrong"), world.clock.now()).await).0,
        Fault::InvalidCredentials
    );
}

fn user(id: &str) -> Change {
    Change::User(id.into())
}

#[tokio::test]
async fn a_revocation_a_second_of_others_costs_no_hash_and_one_s_own_counts() {
    let world = World::new().await;
    let (scheme, watch) = over_store(&world);
    let request = authorization("mina", PASSWORD);
    verified(ask(&*scheme, &request, world.clock.now()).await);
    let (hashes, calls) = (world.pool.done(), world.store.asked());
    for second in 0..59 {
        world.clock.advance(Duration::from_secs(1));
        let session = Change::Revoked {
            what: Revoked::Session(format!("s-{second}")),
            until: world.clock.now().plus(Duration::from_secs(600)),
        };
        let others = [user(&format!("u-1{second}")), Change::ApiKey("u-1".into()), session];
        learn(&watch, &others, &world.clock);
        verified(ask(&*scheme, &request, world.clock.now()).await);
    }
    assert_eq!((world.pool.done(), world.store.asked()), (hashes, calls));
    world.store.inner().users.set_disabled("mina".into(), true).await.unwrap();
    learn(&watch, &[user("u-1")], &world.clock);
    let (fault, _) = refusal(ask(&*scheme, &request, world.clock.now()).await);
    assert_eq!(fault, Fault::InvalidCredentials);
}

/// Each change to a user costs a read, and no hash unless it changed the password: many users who are changed at once keep nobody from logging in.
#[tokio::test]
async fn a_change_to_a_user_costs_no_hash_unless_it_changes_the_password() {
    let world = World::new().await;
    let (scheme, watch) = over_store(&world);
    let request = authorization("mina", PASSWORD);
    let ask = async || ask(&*scheme, &request, world.clock.now()).await;
    let changed = || learn(&watch, &[user("u-1")], &world.clock);
    verified(ask().await);
    let users = &world.store.inner().users;
    let hashes = world.pool.done();
    users.set_roles("mina".into(), &["USER".to_owned()]).await.unwrap();
    changed();
    assert_eq!(verified(ask().await).roles, ["USER"].map(Role::from), "as the store has the user now");
    users.set_disabled("mina".into(), true).await.unwrap();
    changed();
    let asked = world.store.asked();
    for _ in 0..3 {
        let refused = refusal(ask().await);
        assert_eq!(refused, (Fault::InvalidCredentials, "the user is disabled".into()));
    }
    assert_eq!(world.store.asked() - asked, 1, "asked once, and known from then on");
    users.set_disabled("mina".into(), false).await.unwrap();
    changed();
    verified(ask().await);
    assert_eq!(world.pool.done(), hashes);
    // A stranger who tries another password is told nothing sooner.
    refusal(crate::test_support::ask(&*scheme, &authorization("mina", "wrong"), world.clock.now()).await);
    assert_eq!(world.pool.done() - hashes, 1);
}

#[tokio::test]
async fn who_still_comes_with_the_password_before_is_hashed_once() {
    let world = World::new().await;
    let (scheme, watch) = over_store(&world);
    let request = authorization("mina", PASSWORD);
    let ask = async || ask(&*scheme, &request, world.clock.now()).await;
    verified(ask().await);
    let users = &world.store.inner().users;
    users
        .set_password(
            "mina".into(),
            &world.pool.hash("another-orbit-mango".into()).await.unwrap(),
            Default::default(),
        )
        .await
        .unwrap();
    learn(&watch, &[user("u-1")], &world.clock);
    let hashes = world.pool.done();
    for _ in 0..10 {
        assert_eq!(refusal(ask().await), (Fault::InvalidCredentials, "wrong password".into()));
    }
    assert_eq!(world.pool.done() - hashes, 1);
    // The same password once more, under another hash.
    users
        .set_password("mina".into(), &world.pool.hash(PASSWORD.into()).await.unwrap(), Default::default())
        .await
        .unwrap();
    learn(&watch, &[user("u-1")], &world.clock);
    verified(ask().await);
}

#[tokio::test]
async fn who_was_deleted_may_come_again_under_the_same_name() {
    let world = World::new().await;
    let (scheme, watch) = over_store(&world);
    let request = authorization("mina", PASSWORD);
    let ask = async || ask(&*scheme, &request, world.clock.now()).await;
    verified(ask().await);
    let mina = crate::test_support::user(&world.store, "mina").await.unwrap();
    world.store.inner().users.delete("mina".into()).await.unwrap();
    learn(&watch, &[user("u-1")], &world.clock);
    let hashes = world.pool.done();
    for _ in 0..3 {
        assert_eq!(refusal(ask().await).1, "no such user");
    }
    assert_eq!(world.pool.done(), hashes);
    world
        .store
        .inner()
        .users
        .add(&haechi_core::ports::UserRecord { id: "u-2".into(), ..mina })
        .await
        .unwrap();
    assert_eq!(&*verified(ask().await).subject, "u-2");
    world.store.set_fault(StoreFault::Fails);
    learn(&watch, &[user("u-2")], &world.clock);
    assert!(matches!(ask().await, Attempt::Unavailable(_)), "could not be found out");
}

#[tokio::test]
async fn what_is_changed_while_it_is_verified_is_not_cached_as_if_it_were_not() {
    let world = World::new().await;
    let (scheme, watch) = over_store(&world);
    let request = authorization("mina", PASSWORD);
    let Look::Wait(answer) = scheme.look(&request, world.clock.now()) else { panic!("cached by whom?") };
    learn(&watch, &[user("u-1")], &world.clock);
    verified(answer.await);
    assert!(matches!(scheme.look(&request, world.clock.now()), Look::Wait(_)));
}

#[tokio::test]
async fn unknown_users_of_a_file_are_hashed_as_long() {
    let world = World::new().await;
    let scheme = over_file(&world, &format!("anna:{}", bcrypt::hash("secret", 4).unwrap()));
    for (name, password, reason) in
        [("nobody", "secret", "no such user"), ("anna", "wrong", "wrong password")]
    {
        let before = world.pool.done();
        let refused = refusal(ask(&*scheme, &authorization(name, password), world.clock.now()).await);
        assert_eq!(refused, (Fault::InvalidCredentials, reason.into()));
        assert_eq!(world.pool.done() - before, 1);
    }
    verified(ask(&*scheme, &authorization("anna", "secret"), world.clock.now()).await);
}

#[tokio::test]
async fn could_not_find_out_is_unavailable() {
    let world = World::new().await;
    let (scheme, _) = over_store(&world);
    for fault in [StoreFault::Fails, StoreFault::Panics] {
        world.store.set_fault(fault);
        let attempt = ask(&*scheme, &authorization("mina", PASSWORD), world.clock.now()).await;
        assert!(matches!(attempt, Attempt::Unavailable(_)), "{fault:?}: {attempt:?}");
    }
    world.store.set_fault(StoreFault::Hangs);
    tokio::time::pause();
    let attempt = ask(&*scheme, &authorization("mina", PASSWORD), world.clock.now()).await;
    assert!(matches!(attempt, Attempt::Unavailable(_)));
}

#[tokio::test]
async fn a_full_pool_is_unavailable() {
    let world = World::new().await;
    let full = PasswordPool::new(Handle::current(), std::num::NonZeroUsize::MIN, 0).unwrap();
    let full = Arc::new(full);
    let hash = bcrypt::hash("secret", 4).unwrap();
    let users = Htpasswd::parse(&format!("anna:{hash}")).unwrap();
    let scheme = scheme(Accounts::File(file_users(&world, users, full.clone(), vec![])));
    let request = authorization("anna", "secret");
    let place = full.occupy();
    let Attempt::Unavailable(why) = ask(&*scheme, &request, world.clock.now()).await else {
        panic!("decided")
    };
    assert_eq!(why.reason, "the password hashing pool is full");
    drop(place);
    verified(ask(&*scheme, &request, world.clock.now()).await);
}

#[tokio::test]
async fn users_of_a_file_are_guessed_no_more_often_than_others() {
    let world = World::new().await;
    let scheme = over_file(&world, &format!("anna:{}", bcrypt::hash("secret", 4).unwrap()));
    for n in 0..3 {
        refusal(ask(&*scheme, &authorization("anna", &format!("wrong {n}")), world.clock.now()).await);
    }
    let hashes = world.pool.done();
    let locked = refusal(ask(&*scheme, &authorization("anna", "secret"), world.clock.now()).await);
    assert_eq!(locked, (Fault::InvalidCredentials, "the user is locked for this address".into()));
    assert_eq!(world.pool.done(), hashes, "and nothing was hashed");
    world.clock.advance(World::lockout().lasts);
    verified(ask(&*scheme, &authorization("anna", "secret"), world.clock.now()).await);
}
