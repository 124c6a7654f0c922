use super::{announced, exists, missing, refused};
use crate::for_every_store;
use crate::samples::{at, user};
use haechi_core::ports::{Change, Edit, LoginState, PasswordState, StoreError, UserRecord};
use haechi_core::{Attributes, Secret};
use haechi_store::Store;

for_every_store![
    a_user_comes_back_as_it_was,
    names_and_ids_are_unique,
    names_are_compared_exactly,
    users_are_listed_by_name,
    what_takes_something_away_is_announced,
    a_new_password_clears_the_lockout,
    failures_lock_at_the_limit_and_start_anew,
    a_success_clears_failures,
    changes_to_nobody_are_missing,
    a_user_that_was_changed_meanwhile_is_not_changed,
    users_come_in_pages,
];

fn assert_same(found: &UserRecord, expected: &UserRecord) {
    assert_eq!(found.password_hash, expected.password_hash);
    assert_eq!(
        (&found.id, &found.name, &found.roles, &found.attributes, found.disabled, found.created_at),
        (
            &expected.id,
            &expected.name,
            &expected.roles,
            &expected.attributes,
            expected.disabled,
            expected.created_at
        )
    );
    assert_eq!(found.login, expected.login);
    assert_eq!(found.revision, expected.revision);
}

async fn by_name(store: &Store, name: &str) -> UserRecord {
    store.users.by_name(name).await.unwrap().unwrap()
}

async fn a_user_comes_back_as_it_was(store: Store) {
    let alice = UserRecord {
        disabled: true,
        login: LoginState { failures: 3, locked_until: Some(at(5)) },
        ..user("alice")
    };
    store.users.add(&alice).await.unwrap();
    assert_same(&by_name(&store, "alice").await, &alice);
    assert_same(&store.users.by_id(&alice.id).await.unwrap().unwrap(), &alice);
    assert!(store.users.by_name("bob").await.unwrap().is_none());
    assert!(store.users.by_id("alice").await.unwrap().is_none());
}

async fn names_and_ids_are_unique(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    let other_id = UserRecord { id: "another".into(), ..user("alice") };
    refused(&store, store.users.add(&other_id), exists("user `alice`")).await;
    let other_name = UserRecord { name: "mallory".into(), ..user("alice") };
    refused(&store, store.users.add(&other_name), exists("user `mallory`")).await;
    assert_eq!(store.users.list().await.unwrap().len(), 1);
}

async fn names_are_compared_exactly(store: Store) {
    for name in ["alice", "Alice", "alice ", "Ålice", "' OR 1=1 --"] {
        store.users.add(&user(name)).await.unwrap();
    }
    assert_eq!(by_name(&store, "Alice").await.id, "id-of-Alice");
    assert!(store.users.by_name("ALICE").await.unwrap().is_none());
    assert!(store.users.by_name("alic_").await.unwrap().is_none());
}

async fn users_are_listed_by_name(store: Store) {
    for name in ["mina", "alice", "root", "Zoe"] {
        store.users.add(&user(name)).await.unwrap();
    }
    let listed = store.users.list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["Zoe", "alice", "mina", "root"]);
}

async fn what_takes_something_away_is_announced(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    store.users.add(&user("bob")).await.unwrap();
    let users = &store.users;
    let alice = [Change::User("id-of-alice".into())];
    announced(&store, users.set_roles("alice".into(), &["ADMIN".into()]), &alice).await;
    let unlocked = [alice[0].clone(), Change::Unlock("alice".into())];
    announced(
        &store,
        users.set_password("alice".into(), &Secret::from("$new"), PasswordState::default()),
        &unlocked,
    )
    .await;
    announced(&store, users.set_disabled("alice".into(), true), &alice).await;
    let changed = by_name(&store, "alice").await;
    assert_eq!(changed.roles, ["ADMIN"]);
    assert_eq!(changed.password_hash, Secret::from("$new"));
    assert!(changed.disabled);
    users.set_disabled("alice".into(), false).await.unwrap();
    assert!(!by_name(&store, "alice").await.disabled);
    let attributes = user("mina").attributes.into_iter().take(1).collect();
    announced(&store, users.set_attributes("alice".into(), &attributes), &alice).await;
    assert_eq!(by_name(&store, "alice").await.attributes, attributes);
    announced(&store, users.delete("alice".into()), &alice).await;
    assert!(users.by_name("alice").await.unwrap().is_none());
    assert_same(&by_name(&store, "bob").await, &user("bob"));
}

async fn a_new_password_clears_the_lockout(store: Store) {
    let login = LoginState { failures: 4, locked_until: Some(at(60)) };
    store.users.add(&UserRecord { login, ..user("alice") }).await.unwrap();
    store.users.set_password("alice".into(), &Secret::from("$new"), PasswordState::default()).await.unwrap();
    assert_eq!(by_name(&store, "alice").await.login, LoginState::default());
}

async fn failures_lock_at_the_limit_and_start_anew(store: Store) {
    let alice = user("alice");
    store.users.add(&alice).await.unwrap();
    store.users.add(&user("bob")).await.unwrap();
    let mut seen = Vec::new();
    for round in 1..=4 {
        let state = store.users.login_failed(&alice.id, 3, at(round)).await.unwrap();
        assert_eq!(by_name(&store, "alice").await.login, state);
        seen.push((state.failures, state.locked_until));
    }
    assert_eq!(seen, [(1, None), (2, None), (0, Some(at(3))), (1, Some(at(3)))]);
    assert_eq!(by_name(&store, "bob").await.login, LoginState::default());
    let at_once = store.users.login_failed("id-of-bob", 1, at(9)).await.unwrap();
    assert_eq!(at_once, LoginState { failures: 0, locked_until: Some(at(9)) });
}

async fn a_success_clears_failures(store: Store) {
    let login = LoginState { failures: 4, locked_until: Some(at(60)) };
    store.users.add(&UserRecord { login, ..user("alice") }).await.unwrap();
    store.users.login_succeeded("id-of-alice").await.unwrap();
    assert_eq!(by_name(&store, "alice").await.login, LoginState::default());
    store.users.login_failed("id-of-alice", 1, at(60)).await.unwrap();
    announced(&store, store.users.unlock("alice"), &[Change::Unlock("alice".into())]).await;
    assert_eq!(by_name(&store, "alice").await.login, LoginState::default());
}

async fn changes_to_nobody_are_missing(store: Store) {
    let (users, nobody) = (&store.users, missing("user `nobody`"));
    refused(&store, users.set_roles("nobody".into(), &[]), nobody.clone()).await;
    refused(
        &store,
        users.set_password("nobody".into(), &Secret::from("x"), PasswordState::default()),
        nobody.clone(),
    )
    .await;
    refused(&store, users.set_disabled("nobody".into(), true), nobody.clone()).await;
    refused(&store, users.delete("nobody".into()), nobody.clone()).await;
    refused(&store, users.set_attributes("nobody".into(), &Attributes::default()), nobody.clone()).await;
    refused(&store, users.login_succeeded("nobody"), nobody.clone()).await;
    refused(&store, users.unlock("nobody"), nobody.clone()).await;
    assert_eq!(users.login_failed("nobody", 5, at(0)).await, Err(nobody));
}

async fn a_user_that_was_changed_meanwhile_is_not_changed(store: Store) {
    store.users.add(&user("alice")).await.unwrap();
    let (users, hash, attributes) = (&store.users, Secret::from("$new"), Attributes::default());
    let read = by_name(&store, "alice").await.revision;
    let of = |revision| Edit { of: "alice", revision: Some(revision) };
    users.set_roles(of(read), &[]).await.unwrap();
    let now = by_name(&store, "alice").await;
    assert!(now.revision > read);
    for change in [
        users.set_roles(of(read), &[]),
        users.set_attributes(of(read), &attributes),
        users.set_password(of(read), &hash, PasswordState::default()),
        users.set_disabled(of(read), true),
        users.delete(of(read)),
    ] {
        refused(&store, change, StoreError::Changed("user `alice`".into())).await;
    }
    assert_same(&by_name(&store, "alice").await, &now);
    // Logins are no changes.
    users.login_failed(&now.id, 5, at(60)).await.unwrap();
    users.unlock("alice").await.unwrap();
    users.set_disabled(of(now.revision), true).await.unwrap();
    let mut last = now.revision;
    for change in [
        users.set_attributes("alice".into(), &attributes),
        users.set_password("alice".into(), &hash, PasswordState::default()),
        users.set_disabled("alice".into(), true),
    ] {
        change.await.unwrap();
        let next = by_name(&store, "alice").await.revision;
        assert!(next > last);
        last = next;
    }
    // Of many who change what they read, one does.
    let others = (0..8).map(|_| {
        let users = store.users.clone();
        tokio::spawn(async move { users.set_disabled(of(last), false).await })
    });
    let mut done = 0;
    for other in others.collect::<Vec<_>>() {
        done += usize::from(other.await.unwrap().is_ok());
    }
    assert_eq!(done, 1);
    users.delete(of(last.next())).await.unwrap();
    refused(&store, users.set_disabled(of(last), true), missing("user `alice`")).await;
}

async fn users_come_in_pages(store: Store) {
    for name in ["mina", "alice", "root", "Zoe", "용"] {
        store.users.add(&user(name)).await.unwrap();
    }
    let page = async |after: Option<&str>, limit| {
        let page = store.users.page(after, limit).await.unwrap();
        page.into_iter().map(|user| user.name).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["Zoe", "alice"]);
    assert_eq!(page(Some("alice"), 2).await, ["mina", "root"]);
    assert_eq!(page(Some("b"), 9).await, ["mina", "root", "용"], "a name that is not there");
    assert!(page(Some("용"), 9).await.is_empty());
}
