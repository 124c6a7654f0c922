//! A store in memory that fails when told to, for the tests of this crate.

use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, Change, Changes, KeyState, LoginState, Revocations, Revoked, Rotation, Session,
    Sessions, SigningKeyRecord, SigningKeys, StoreError, Stored, UserRecord, Users,
};
use haechi_core::{Clock, Secret, Timestamp};
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A clock that tests move.
#[derive(Debug)]
pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Every call fails.
    Down,
    /// Every call panics.
    Panics,
    /// No call returns.
    Hangs,
}

#[derive(Default)]
struct Facts {
    users: Vec<UserRecord>,
    keys: Vec<ApiKeyRecord>,
    sessions: Vec<(Session, HashSet<[u8; 32]>)>,
    signing_keys: Vec<SigningKeyRecord>,
    changes: Vec<Change>,
}

pub(crate) struct FakeStore {
    facts: Mutex<Facts>,
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    used: Mutex<Vec<(String, Timestamp)>>,
    at_begin: Mutex<Option<fn(&mut UserRecord)>>,
}

impl FakeStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            facts: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            asked: AtomicUsize::new(0),
            used: Mutex::default(),
            at_begin: Mutex::default(),
        })
    }

    pub(crate) fn feels(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How many calls there were.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn used(&self) -> Vec<(String, Timestamp)> {
        self.used.lock().unwrap().clone()
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.facts.lock().unwrap().sessions.iter().map(|(session, _)| session.clone()).collect()
    }

    pub(crate) fn revoked(&self) -> Vec<Revoked> {
        let facts = self.facts.lock().unwrap();
        let revoked = facts.changes.iter().filter_map(|change| match change {
            Change::Revoked { what, .. } => Some(what.clone()),
            _ => None,
        });
        revoked.collect()
    }

    pub(crate) fn user(&self, name: &str) -> Option<UserRecord> {
        self.facts.lock().unwrap().users.iter().find(|user| user.name == name).cloned()
    }

    pub(crate) fn change_user(&self, name: &str, change: impl FnOnce(&mut UserRecord)) {
        change(self.facts.lock().unwrap().users.iter_mut().find(|user| user.name == name).unwrap());
    }

    /// Changes every user just before the next sessions begin.
    pub(crate) fn when_a_session_begins(&self, change: fn(&mut UserRecord)) {
        *self.at_begin.lock().unwrap() = Some(change);
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        answer: impl FnOnce(&mut Facts) -> Result<T, StoreError> + Send + 'a,
    ) -> Stored<'a, T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        Box::pin(async move {
            match mood {
                Mood::Well => answer(&mut self.facts.lock().unwrap()),
                Mood::Down => Err(StoreError::Unavailable("as told".into())),
                Mood::Panics => panic!("as told"),
                Mood::Hangs => std::future::pending().await,
            }
        })
    }

    fn with_user<'a, T: Send + 'a>(
        &'a self,
        matches: impl Fn(&UserRecord) -> bool + Send + 'a,
        change: impl FnOnce(&mut UserRecord) -> T + Send + 'a,
    ) -> Stored<'a, T> {
        self.answer(move |facts| {
            let user = facts.users.iter_mut().find(|user| matches(user));
            user.map(change).ok_or_else(|| StoreError::Missing("user".into()))
        })
    }

    fn takes_away<'a>(
        &'a self,
        name: &'a str,
        change: impl FnOnce(&mut UserRecord) + Send + 'a,
    ) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let user = facts.users.iter_mut().find(|user| user.name == name);
            let user = user.ok_or_else(|| StoreError::Missing("user".into()))?;
            change(user);
            facts.changes.push(Change::User(user.id.clone()));
            Ok(())
        })
    }
}

impl Facts {
    fn end(&mut self, ends: impl Fn(&Session) -> bool, until: Timestamp) {
        for (session, _) in self.sessions.extract_if(.., |(session, _)| ends(session)) {
            self.changes.push(Change::Revoked { what: Revoked::Session(session.id), until });
        }
    }
}

impl Users for FakeStore {
    fn by_name<'a>(&'a self, name: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(move |facts| Ok(facts.users.iter().find(|user| user.name == name).cloned()))
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(move |facts| Ok(facts.users.iter().find(|user| user.id == id).cloned()))
    }

    fn list(&self) -> Stored<'_, Vec<UserRecord>> {
        self.answer(|facts| Ok(facts.users.clone()))
    }

    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.users.iter().any(|known| known.name == user.name) {
                return Err(StoreError::Exists(format!("user `{}`", user.name)));
            }
            facts.users.push(user.clone());
            Ok(())
        })
    }

    fn set_roles<'a>(&'a self, name: &'a str, roles: &'a [String]) -> Stored<'a, ()> {
        self.takes_away(name, move |user| user.roles = roles.to_vec())
    }

    fn set_password<'a>(&'a self, name: &'a str, hash: &'a Secret<String>) -> Stored<'a, ()> {
        self.takes_away(name, move |user| {
            user.password_hash = hash.clone();
            user.login = LoginState::default();
        })
    }

    fn set_disabled<'a>(&'a self, name: &'a str, disabled: bool) -> Stored<'a, ()> {
        self.takes_away(name, move |user| user.disabled = disabled)
    }

    fn delete<'a>(&'a self, name: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let gone = facts.users.extract_if(.., |user| user.name == name).next();
            let gone = gone.ok_or_else(|| StoreError::Missing("user".into()))?;
            facts.changes.push(Change::User(gone.id));
            Ok(())
        })
    }

    fn login_failed<'a>(
        &'a self,
        id: &'a str,
        limit: u32,
        locked_until: Timestamp,
    ) -> Stored<'a, LoginState> {
        self.with_user(
            move |user| user.id == id,
            move |user| {
                user.login.failures += 1;
                if user.login.failures >= limit {
                    user.login = LoginState { failures: 0, locked_until: Some(locked_until) };
                }
                user.login
            },
        )
    }

    fn login_succeeded<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.with_user(move |user| user.id == id, |user| user.login = LoginState::default())
    }
}

impl ApiKeys for FakeStore {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(move |facts| Ok(facts.keys.iter().find(|key| key.sha256 == *sha256).cloned()))
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(move |facts| Ok(facts.keys.iter().find(|key| key.id == id).cloned()))
    }

    fn list(&self) -> Stored<'_, Vec<ApiKeyRecord>> {
        self.answer(|facts| Ok(facts.keys.clone()))
    }

    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.keys.push(key.clone());
            Ok(())
        })
    }

    fn revoke<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.changes.push(Change::ApiKey(id.to_owned()));
            let key = facts.keys.iter_mut().find(|key| key.id == id);
            key.map(|key| key.state = KeyState::Revoked).ok_or_else(|| StoreError::Missing("key".into()))
        })
    }

    fn used<'a>(&'a self, id: &'a str, now: Timestamp) -> Stored<'a, ()> {
        self.used.lock().unwrap().push((id.to_owned(), now));
        Box::pin(async { Ok(()) })
    }
}

impl Sessions for FakeStore {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if let Some(change) = *self.at_begin.lock().unwrap() {
                facts.users.iter_mut().for_each(change);
            }
            facts.sessions.push((session.clone(), HashSet::new()));
            Ok(())
        })
    }

    fn rotate<'a>(
        &'a self,
        presented_sha256: &'a [u8; 32],
        next_sha256: &'a [u8; 32],
        now: Timestamp,
    ) -> Stored<'a, Rotation> {
        self.answer(move |facts| {
            for (session, used) in &mut facts.sessions {
                if used.contains(presented_sha256) {
                    let session = session.id.clone();
                    facts.end(|other| other.id == session, Timestamp::MAX);
                    return Ok(Rotation::Replayed { session });
                }
                if session.token_sha256 == *presented_sha256 && session.expires_at > now {
                    used.insert(*presented_sha256);
                    session.token_sha256 = *next_sha256;
                    return Ok(Rotation::Rotated(session.clone()));
                }
            }
            Ok(Rotation::Unknown)
        })
    }

    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.end(|other| other.id == session, tokens_expire_at);
            Ok(())
        })
    }

    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.end(|other| other.user_id == user_id, tokens_expire_at);
            Ok(())
        })
    }
}

impl Revocations for FakeStore {
    fn epoch(&self) -> Stored<'_, u64> {
        self.answer(|facts| Ok(facts.changes.len() as u64))
    }

    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes> {
        self.answer(move |facts| {
            let newest = facts.changes.len();
            let from = usize::try_from(since).unwrap().min(newest);
            let to = newest.min(from + limit);
            let changes = facts.changes[from..to].to_vec();
            Ok(Changes { changes, epoch: to as u64, newest: newest as u64, forgotten: 0 })
        })
    }

    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.changes.push(Change::Revoked { what: what.clone(), until });
            Ok(())
        })
    }

    fn forget_expired(&self, _now: Timestamp) -> Stored<'_, u64> {
        self.answer(|_| Ok(0))
    }
}

impl SigningKeys for FakeStore {
    fn list(&self) -> Stored<'_, Vec<SigningKeyRecord>> {
        self.answer(|facts| Ok(facts.signing_keys.clone()))
    }

    fn add_first<'a>(&'a self, key: &'a SigningKeyRecord) -> Stored<'a, SigningKeyRecord> {
        self.answer(move |facts| {
            if let Some(first) = facts.signing_keys.iter().find(|known| known.algorithm == key.algorithm) {
                return Ok(first.clone());
            }
            facts.signing_keys.push(key.clone());
            Ok(key.clone())
        })
    }

    fn rotate<'a>(&'a self, next: &'a SigningKeyRecord, published_until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            for key in facts.signing_keys.iter_mut().filter(|key| key.algorithm == next.algorithm) {
                key.retired_at = key.retired_at.or(Some(next.active_from));
                key.published_until = key.published_until.or(Some(published_until));
            }
            facts.signing_keys.push(next.clone());
            Ok(())
        })
    }

    fn forget_unpublished(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(move |facts| {
            let forgotten = facts
                .signing_keys
                .extract_if(.., |key| key.published_until.is_some_and(|until| until <= now));
            Ok(forgotten.count() as u64)
        })
    }
}

/// A request from 192.0.2.7 with these fields and this query.
pub(crate) fn head(fields: &[(&str, &str)], query: Option<&str>) -> haechi_core::RequestHead {
    let mut all = haechi_core::Fields::default();
    for (name, value) in fields {
        all.push(name.as_bytes(), value.as_bytes());
    }
    haechi_core::RequestHead {
        id: haechi_core::id::RequestId::from_bits(1),
        received: Timestamp::from_millis(0),
        method: http::Method::GET,
        host: haechi_core::Host::parse(b"localhost").unwrap(),
        path: haechi_core::CanonicalPath::parse(b"/").unwrap(),
        query: query.map(Into::into),
        fields: all,
        client: [192, 0, 2, 7].into(),
        peer: ([192, 0, 2, 7], 4711).into(),
        secure: false,
    }
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

/// Makes the watch know these changes too, as of `as_of`.
pub(crate) fn learn(watch: &crate::RevocationWatch, changes: &[Change], as_of: Timestamp) {
    let view = crate::RevocationView::clone(&watch.view());
    let epoch = view.epoch + changes.len() as u64;
    watch.replace(view.with(changes, epoch, as_of));
}
