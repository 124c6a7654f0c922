//! What the tests of this crate share.

use haechi_core::ports::{ApiKeyRecord, Change, KeyState, Revoked, UserRecord};
use haechi_core::{Clock, Timestamp};
use haechi_testkit::{FaultyStore, FixedClock};
use std::sync::Arc;

/// A clock that tests move. It begins at a whole minute.
pub(crate) fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(Timestamp::from_seconds(1_800_000_000)))
}

/// The user as the store has it.
pub(crate) async fn user(store: &FaultyStore, name: &str) -> Option<UserRecord> {
    store.inner().users.by_name(name).await.unwrap()
}

/// Puts a changed user in the place of the user of this name.
pub(crate) async fn change_user(store: &FaultyStore, name: &str, change: impl FnOnce(&mut UserRecord)) {
    let mut changed = user(store, name).await.unwrap();
    change(&mut changed);
    store.inner().users.delete(name.into()).await.unwrap();
    store.inner().users.add(&changed).await.unwrap();
}

/// An API key of `acme` with this secret's hash and the role `USER`.
pub(crate) fn api_key(sha256: &[u8; 32], created_at: Timestamp) -> ApiKeyRecord {
    ApiKeyRecord {
        id: "k-1".into(),
        sha256: *sha256,
        previous: None,
        owner: "acme".into(),
        name: None,
        roles: vec!["USER".into()],
        scopes: vec!["orders:read".into()],
        attributes: haechi_core::Attributes::new(),
        expires_at: None,
        allowed_addresses: vec![],
        rate_limit: None,
        quota: None,
        created_at,
        revision: haechi_core::ports::Revision::first(created_at),
        last_used_at: None,
        last_used_from: None,
        state: KeyState::Active,
        imported: false,
    }
}

/// Everything that is revoked for good, oldest first.
pub(crate) async fn revoked(store: &FaultyStore) -> Vec<Revoked> {
    let all = store.inner().revocations.changes_since(0, usize::MAX).await.unwrap().changes.into_iter();
    let revoked = all.filter_map(|change| match change {
        Change::Revoked { what, .. } => Some(what),
        _ => None,
    });
    revoked.collect()
}

/// A request from 192.0.2.7 with these fields and this query.
pub(crate) fn head(fields: &[(&str, &str)], query: Option<&str>) -> haechi_core::RequestHead {
    let mut all = haechi_core::Fields::default();
    for (name, value) in fields {
        all.push(name.as_bytes(), value.as_bytes());
    }
    haechi_core::RequestHead::new(
        haechi_core::id::RequestId::from_bits(1),
        Timestamp::from_millis(0),
        haechi_core::ConnectionFacts::plain(([192, 0, 2, 7], 4711).into()),
        http::Method::GET,
        haechi_core::Host::parse(b"localhost").unwrap(),
        haechi_core::CanonicalPath::parse(b"/").unwrap(),
    )
    .with_query(query.map(Into::into))
    .with_fields(all)
}

/// The answer of a scheme.
pub(crate) async fn ask(
    scheme: &dyn crate::Scheme,
    head: &haechi_core::RequestHead,
    now: Timestamp,
) -> crate::Attempt {
    match scheme.look(head, now) {
        crate::Look::Done(attempt) => attempt,
        crate::Look::Wait(later) => later.await,
    }
}

/// The fault and the reason of a refusal; a panic for anything else.
pub(crate) fn refusal(attempt: crate::Attempt) -> (crate::Fault, String) {
    match attempt {
        crate::Attempt::Rejected(rejection) => (rejection.fault, rejection.reason.into_owned()),
        other => panic!("{other:?}"),
    }
}

/// The caller; a panic for anything else.
pub(crate) fn verified(attempt: crate::Attempt) -> Arc<haechi_core::Caller> {
    match attempt {
        crate::Attempt::Verified(caller) => caller,
        other => panic!("{other:?}"),
    }
}

/// Makes the watch know these changes too, as of now.
pub(crate) fn learn(watch: &crate::RevocationWatch, changes: &[Change], clock: &FixedClock) {
    let view = crate::RevocationView::clone(&watch.view());
    let epoch = view.epoch + changes.len() as u64;
    watch.replace(view.with(changes, epoch, clock.uptime()));
}
