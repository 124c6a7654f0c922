use super::{AccountError, AccountStores, Accounts, UserSpec};
use crate::declared::DeclaredAttributes;
use crate::hashing::PasswordFault;
use crate::identity::key_accounts::{KeyGrant, KeySpec};
use crate::identity::passwords::tests::{PASSWORD, World, from};
use crate::test_support::{change_user, revoked, user};
use haechi_core::ports::{Exchange, Revoked, Rotation, Session, StoreError};
use haechi_core::{AttributeType, AttributeValue, Attributes, Clock, RoleTable, Secret};
use haechi_testkit::{Fault, FaultyStore};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn accounts(world: &World) -> Accounts {
    accounts_with(world, world.store.clone())
}

/// Whose sessions cannot be ended.
fn stuck(world: &World) -> Accounts {
    let sessions = FaultyStore::new();
    sessions.set_fault(Fault::Fails);
    accounts_with(world, sessions)
}

fn accounts_with(world: &World, sessions: Arc<FaultyStore>) -> Accounts {
    let stores = AccountStores {
        users: world.store.clone(),
        sessions,
        api_keys: world.store.clone(),
        identity_records: world.store.clone(),
    };
    let roles = RoleTable::new(&BTreeMap::from([("USER".to_owned(), vec![])])).unwrap();
    let declared = DeclaredAttributes::new([("tenant".into(), AttributeType::String)].into());
    let lifetime = Duration::from_secs(600);
    Accounts::new(
        stores,
        world.pool.clone(),
        world.clock.clone(),
        Arc::new(roles),
        Arc::new(declared),
        lifetime,
    )
}

async fn with_session(world: &World) {
    let session = Session {
        id: "s-1".into(),
        user_id: "u-1".into(),
        token_sha256: [1; 32],
        expires_at: world.clock.now().plus(Duration::from_secs(3600)),
        created_at: world.clock.now(),
        chain_key: None,
        details: Default::default(),
    };
    world.store.inner().sessions.begin(&session).await.unwrap();
}

/// Whether the session still works. Works once.
async fn is_alive(world: &World) -> bool {
    let rotation =
        world.store.inner().sessions.rotate(Exchange::once(&[1; 32], &[2; 32], world.clock.now())).await;
    matches!(rotation, Ok(Rotation::Rotated(_)))
}

#[tokio::test]
async fn an_added_user_can_log_in() {
    let world = World::new().await;
    let roles = ["USER", "haechi-admin", "USER"].map(str::to_owned).to_vec();
    let root = UserSpec { name: "root".into(), roles, ..UserSpec::default() };
    let accounts = accounts(&world);
    accounts.check_user(&root).await.unwrap();
    let user = accounts.add_user(root.clone(), Secret::from(PASSWORD)).await.unwrap();
    assert_eq!(user.roles, ["USER", "haechi-admin"]);
    assert_eq!(world.verifier().verify("root", Secret::from(PASSWORD), from(7)).await.unwrap().id, user.id);
    let taken = |refused| matches!(refused, Err(AccountError::Store(StoreError::Exists(_))));
    assert!(taken(accounts.check_user(&root).await));
    assert!(taken(accounts.add_user(root, Secret::from(PASSWORD)).await.map(drop)));
}

#[tokio::test]
async fn what_may_not_be_is_refused_before_anything_is_stored() {
    let world = World::new().await;
    let accounts = accounts(&world);
    let calls = world.store.asked();
    let add = async |name: &str, password: &str, role: &str, attribute: AttributeValue| {
        let attributes = Attributes::from([("tenant".into(), attribute)]);
        let spec = UserSpec { name: name.into(), roles: vec![role.into()], attributes };
        accounts.add_user(spec, Secret::from(password)).await.unwrap_err()
    };
    let acme = || AttributeValue::String("acme".into());
    for name in ["", "a:b", " a", "a\nb", &"x".repeat(129)] {
        assert!(matches!(add(name, PASSWORD, "USER", acme()).await, AccountError::Name(_)), "{name}");
    }
    assert_eq!(add("a", "short", "USER", acme()).await, AccountError::Password(PasswordFault::TooShort));
    let error = add("a", PASSWORD, "ROOT", acme()).await.to_string();
    assert!(error.starts_with("there is no role `ROOT`; ") && error.contains("`USER`"), "{error}");
    assert!(matches!(add("a", PASSWORD, "USER", AttributeValue::Long(1)).await, AccountError::Attribute(_)));
    assert_eq!(world.store.asked(), calls);
}

#[tokio::test]
async fn whatever_takes_away_ends_sessions() {
    for change in ["password", "roles", "disable", "delete"] {
        let world = World::new().await;
        with_session(&world).await;
        let accounts = accounts(&world);
        match change {
            "password" => accounts.set_password("mina", Secret::from("nine bees under a hat"), false).await,
            "roles" => accounts.set_roles("mina", vec!["USER".into()]).await.map(drop),
            "disable" => accounts.set_disabled("mina", true).await,
            _ => accounts.delete("mina").await,
        }
        .unwrap();
        assert!(!is_alive(&world).await, "{change}");
        assert_eq!(revoked(&world.store).await, [Revoked::Session("s-1".into())], "{change}");
    }
}

#[tokio::test]
async fn whoever_only_gains_a_role_stays_logged_in() {
    let world = World::new().await;
    with_session(&world).await;
    change_user(&world.store, "mina", |mina| mina.roles = vec!["USER".into()]).await;
    let more = ["USER", "haechi-auditor", "USER"].map(str::to_owned).to_vec();
    let now = accounts(&world).set_roles("mina", more).await.unwrap();
    assert_eq!(now, ["USER", "haechi-auditor"]);
    assert_eq!(user(&world.store, "mina").await.unwrap().roles, now);
    assert!(is_alive(&world).await);
}

#[tokio::test]
async fn what_could_not_end_sessions_is_run_again() {
    for change in ["password", "roles", "disable", "delete"] {
        let world = World::new().await;
        with_session(&world).await;
        let run = async |accounts: Accounts| match change {
            "password" => accounts.set_password("mina", Secret::from("nine bees under a hat"), false).await,
            "roles" => accounts.set_roles("mina", vec!["USER".into()]).await.map(drop),
            "disable" => accounts.set_disabled("mina", true).await,
            _ => accounts.delete("mina").await,
        };
        let first = run(stuck(&world)).await;
        assert!(matches!(first, Err(AccountError::SessionsNotEnded(_))), "{change}: {first:?}");
        let mina = user(&world.store, "mina").await.unwrap();
        assert_eq!(mina.disabled, ["disable", "delete"].contains(&change));
        run(accounts(&world)).await.unwrap();
        assert!(!is_alive(&world).await, "{change}");
        assert_eq!(user(&world.store, "mina").await.is_none(), change == "delete");
    }
}

#[tokio::test]
async fn enabling_ends_nothing_and_nobody_is_missing_silently() {
    let world = World::new().await;
    with_session(&world).await;
    accounts(&world).set_disabled("mina", false).await.unwrap();
    assert!(is_alive(&world).await);
    let missing = accounts(&world).delete("nobody").await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no user `nobody`");
    world.store.set_fault(Fault::Fails);
    assert!(matches!(accounts(&world).delete("mina").await, Err(AccountError::Store(_))));
}

#[tokio::test]
async fn a_key_is_kept_as_its_hash_only() {
    let world = World::new().await;
    let grant = KeyGrant { owner: "acme".into(), scopes: vec!["orders:read".into()], ..KeyGrant::default() };
    let spec = |grant| KeySpec { grant, lasts: Some(Duration::from_secs(60)) };
    let (record, key) = accounts(&world).create_key(spec(grant.clone())).await.unwrap();
    assert_eq!(record.sha256, key.sha256());
    assert_eq!(record.expires_at, Some(world.clock.now().plus(Duration::from_secs(60))));
    assert!(!format!("{record:?}").contains(key.expose()));
    let bad = KeyGrant { scopes: vec!["two words".into()], ..grant.clone() };
    assert!(matches!(accounts(&world).create_key(spec(bad)).await, Err(AccountError::Scope(_))));
    let nobody = KeyGrant { owner: String::new(), ..grant.clone() };
    assert!(matches!(accounts(&world).create_key(spec(nobody)).await, Err(AccountError::Name(_))));
    let odd = KeyGrant { name: Some("a\nb".into()), ..grant };
    assert!(matches!(accounts(&world).create_key(spec(odd)).await, Err(AccountError::Name(_))));
}
