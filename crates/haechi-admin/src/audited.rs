//! Stores that write to the audit trail before they change anything: whoever has no other cannot forget it.

mod identity_records;
mod policies;
mod web_sessions;

use crate::context::Stores;
use haechi_core::Attributes;
use haechi_core::Secret;
use haechi_core::Timestamp;
use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, AuditError, AuditEvent, AuditOutcome, AuditTrail, Changes, ClientProof,
    ClientRecord, Clients, Edit, Exchange, KeyFilter, KeyPage, KeyUse, LoginState, PasswordState,
    Revocations, Revoked, Rotation, Session, Sessions, SigningKeyRecord, SigningKeys, StoreError, Stored,
    UserRecord, Users,
};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Writes the one event of a call, before the first change that the call makes.
pub(crate) struct Recorder {
    trail: Arc<dyn AuditTrail>,
    state: Mutex<State>,
}

struct State {
    event: AuditEvent,
    written: bool,
    refused: Option<AuditError>,
}

impl Recorder {
    pub(crate) fn new(trail: Arc<dyn AuditTrail>, event: AuditEvent) -> Self {
        Self { trail, state: Mutex::new(State { event, written: false, refused: None }) }
    }

    /// Says more of the event, as long as it is not written.
    pub(crate) async fn tell(&self, tell: impl FnOnce(&mut AuditEvent)) {
        tell(&mut self.state.lock().await.event);
    }

    /// Writes the event, unless it is. `about` is the subject where the call has not named one.
    pub(crate) async fn write(&self, about: Option<&str>) -> Result<(), AuditError> {
        let mut state = self.state.lock().await;
        if state.written {
            return Ok(());
        }
        if let (Some(known), Some(subject)) = (&mut state.event.about, about)
            && known.subject.is_empty()
        {
            subject.clone_into(&mut known.subject);
        }
        let mut event = state.event.clone();
        // Whom it concerns is said only where somebody is known.
        event.about = event.about.filter(|about| !about.subject.is_empty());
        let written = self.trail.record(event).await;
        state.written = written.is_ok();
        state.refused = written.clone().err();
        written
    }

    /// Writes that the change was asked for by somebody who may not make it.
    pub(crate) async fn refused(&self) -> Result<(), AuditError> {
        self.tell(|event| event.outcome = AuditOutcome::Refused).await;
        self.write(None).await
    }

    /// Why it could not be written, and the event where it was.
    pub(crate) async fn outcome(&self) -> (Option<AuditError>, Option<AuditEvent>) {
        let state = self.state.lock().await;
        (state.refused.clone(), state.written.then(|| state.event.clone()))
    }
}

/// Stores that write `event` to `trail` before the first change that is made through them.
pub fn recorded(stores: &Stores, trail: Arc<dyn AuditTrail>, event: AuditEvent) -> Stores {
    recorded_by(stores, &Arc::new(Recorder::new(trail, event)))
}

pub(crate) fn recorded_by(stores: &Stores, recorder: &Arc<Recorder>) -> Stores {
    fn audited<S: ?Sized>(store: &Arc<S>, recorder: &Arc<Recorder>) -> Arc<Audited<S>> {
        Arc::new(Audited { store: store.clone(), recorder: recorder.clone() })
    }
    Stores {
        users: audited(&stores.users, recorder),
        clients: audited(&stores.clients, recorder),
        api_keys: audited(&stores.api_keys, recorder),
        sessions: audited(&stores.sessions, recorder),
        web_sessions: audited(&stores.web_sessions, recorder),
        identity_records: audited(&stores.identity_records, recorder),
        revocations: audited(&stores.revocations, recorder),
        signing_keys: audited(&stores.signing_keys, recorder),
        policies: audited(&stores.policies, recorder),
        approvals: audited(&stores.approvals, recorder),
    }
}

/// A store whose changes are written to the trail first.
pub(crate) struct Audited<S: ?Sized> {
    pub(crate) store: Arc<S>,
    pub(crate) recorder: Arc<Recorder>,
}

impl<S: ?Sized + Send + Sync> Audited<S> {
    fn write<'a, T: 'a>(&'a self, about: Option<&'a str>, change: Stored<'a, T>) -> Stored<'a, T> {
        Box::pin(async move {
            let written = self.recorder.write(about).await;
            written.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            change.await
        })
    }

    /// The same, of a change to `target`, unless the call has named another.
    fn write_to<'a, T: 'a>(&'a self, target: String, change: Stored<'a, T>) -> Stored<'a, T> {
        Box::pin(async move {
            let tell = |event: &mut AuditEvent| {
                event.target.get_or_insert(target);
            };
            self.recorder.tell(tell).await;
            self.write(None, change).await
        })
    }
}

impl Audited<dyn Users> {
    /// The same, of the user of this name: people are known to the trail by id.
    fn write_of<'a, T: 'a>(&'a self, name: &'a str, change: Stored<'a, T>) -> Stored<'a, T> {
        Box::pin(async move {
            let user = self.store.by_name(name).await?;
            self.write(user.as_ref().map(|user| &*user.id), change).await
        })
    }
}

impl Users for Audited<dyn Users> {
    fn by_name<'a>(&'a self, name: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.store.by_name(name)
    }
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.store.by_id(id)
    }
    fn list(&self) -> Stored<'_, Vec<UserRecord>> {
        self.store.list()
    }
    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<UserRecord>> {
        self.store.page(after, limit)
    }
    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()> {
        self.write(Some(&user.id), self.store.add(user))
    }
    fn set_roles<'a>(&'a self, user: Edit<'a>, roles: &'a [String]) -> Stored<'a, ()> {
        self.write_of(user.of, self.store.set_roles(user, roles))
    }
    fn set_attributes<'a>(&'a self, user: Edit<'a>, attributes: &'a Attributes) -> Stored<'a, ()> {
        self.write_of(user.of, self.store.set_attributes(user, attributes))
    }
    fn set_password<'a>(
        &'a self,
        user: Edit<'a>,
        hash: &'a Secret<String>,
        state: PasswordState,
    ) -> Stored<'a, ()> {
        self.write_of(user.of, self.store.set_password(user, hash, state))
    }
    fn set_disabled<'a>(&'a self, user: Edit<'a>, disabled: bool) -> Stored<'a, ()> {
        self.write_of(user.of, self.store.set_disabled(user, disabled))
    }
    fn delete<'a>(&'a self, user: Edit<'a>) -> Stored<'a, ()> {
        self.write_of(user.of, self.store.delete(user))
    }
    fn login_failed<'a>(
        &'a self,
        id: &'a str,
        limit: u32,
        locked_until: Timestamp,
    ) -> Stored<'a, LoginState> {
        self.write(Some(id), self.store.login_failed(id, limit, locked_until))
    }
    fn login_succeeded<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.write(Some(id), self.store.login_succeeded(id))
    }
    fn unlock<'a>(&'a self, name: &'a str) -> Stored<'a, ()> {
        self.write_of(name, self.store.unlock(name))
    }
}

impl ApiKeys for Audited<dyn ApiKeys> {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.store.by_sha256(sha256)
    }
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.store.by_id(id)
    }
    fn list<'a>(&'a self, filter: &'a KeyFilter, page: &'a KeyPage) -> Stored<'a, Vec<ApiKeyRecord>> {
        self.store.list(filter, page)
    }
    fn expiring<'a>(&'a self, now: Timestamp, by: &'a [Timestamp]) -> Stored<'a, Vec<u64>> {
        self.store.expiring(now, by)
    }
    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        Box::pin(async move {
            self.recorder.tell(|event| event.target = Some(format!("key {}", key.id))).await;
            self.write(Some(&key.owner), self.store.add(key)).await
        })
    }
    fn add_all<'a>(&'a self, keys: &'a [ApiKeyRecord]) -> Stored<'a, ()> {
        self.write_to(format!("{} keys", keys.len()), self.store.add_all(keys))
    }
    fn rotate<'a>(
        &'a self,
        key: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Timestamp,
    ) -> Stored<'a, ()> {
        self.write_to(format!("key {}", key.of), self.store.rotate(key, sha256, previous_until))
    }
    fn revoke<'a>(&'a self, key: Edit<'a>) -> Stored<'a, ()> {
        self.write_to(format!("key {}", key.of), self.store.revoke(key))
    }
    fn used<'a>(&'a self, uses: &'a [KeyUse]) -> Stored<'a, ()> {
        self.write(None, self.store.used(uses))
    }
}

impl Clients for Audited<dyn Clients> {
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>> {
        self.store.by_id(id)
    }
    fn list(&self) -> Stored<'_, Vec<ClientRecord>> {
        self.store.list()
    }
    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<ClientRecord>> {
        self.store.page(after, limit)
    }
    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        Box::pin(async move {
            self.recorder.tell(|event| event.target = Some(format!("client {}", client.id))).await;
            self.write(Some(&client.id), self.store.add(client)).await
        })
    }
    fn set_proof<'a>(&'a self, client: Edit<'a>, proof: &'a ClientProof) -> Stored<'a, ()> {
        self.write(Some(client.of), self.store.set_proof(client, proof))
    }
    fn rotate<'a>(
        &'a self,
        client: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Option<Timestamp>,
    ) -> Stored<'a, ()> {
        self.write(Some(client.of), self.store.rotate(client, sha256, previous_until))
    }
    fn delete<'a>(&'a self, client: Edit<'a>, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.write(Some(client.of), self.store.delete(client, tokens_expire_at))
    }
    fn note_assertion<'a>(
        &'a self,
        sha256: &'a [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Stored<'a, bool> {
        self.write(None, self.store.note_assertion(sha256, until, now))
    }
}

impl Sessions for Audited<dyn Sessions> {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.write(Some(&session.user_id), self.store.begin(session))
    }
    fn rotate<'a>(&'a self, exchange: Exchange<'a>) -> Stored<'a, Rotation> {
        self.write(None, self.store.rotate(exchange))
    }
    fn of_token<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<Session>> {
        self.store.of_token(sha256, now)
    }
    fn list<'a>(
        &'a self,
        user_id: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<Session>> {
        self.store.list(user_id, now, limit)
    }
    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, bool> {
        self.write_to(format!("session {session}"), self.store.end(session, tokens_expire_at))
    }
    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.write(Some(user_id), self.store.end_all_of(user_id, tokens_expire_at))
    }
}

impl Revocations for Audited<dyn Revocations> {
    fn epoch(&self) -> Stored<'_, u64> {
        self.store.epoch()
    }
    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes> {
        self.store.changes_since(since, limit)
    }
    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.write(None, self.store.revoke(what, until))
    }
    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64> {
        self.write(None, self.store.forget_expired(now))
    }
}

impl SigningKeys for Audited<dyn SigningKeys> {
    fn list(&self) -> Stored<'_, Vec<SigningKeyRecord>> {
        self.store.list()
    }
    fn add_first<'a>(&'a self, key: &'a SigningKeyRecord) -> Stored<'a, SigningKeyRecord> {
        self.write(None, self.store.add_first(key))
    }
    fn rotate<'a>(&'a self, next: &'a SigningKeyRecord, published_until: Timestamp) -> Stored<'a, ()> {
        Box::pin(async move {
            self.recorder.tell(|event| event.target = Some(format!("signing key {}", next.id))).await;
            self.write(None, self.store.rotate(next, published_until)).await
        })
    }
    fn rotate_from<'a>(
        &'a self,
        latest: &'a str,
        next: &'a SigningKeyRecord,
        published_until: Timestamp,
    ) -> Stored<'a, bool> {
        self.write(None, self.store.rotate_from(latest, next, published_until))
    }
    fn unpublish<'a>(&'a self, id: &'a str, published_until: Timestamp) -> Stored<'a, ()> {
        self.write_to(format!("signing key {id}"), self.store.unpublish(id, published_until))
    }
    fn reseal<'a>(
        &'a self,
        id: &'a str,
        from: &'a Secret<Vec<u8>>,
        to: &'a Secret<Vec<u8>>,
    ) -> Stored<'a, bool> {
        self.write(None, self.store.reseal(id, from, to))
    }
    fn forget_unpublished(&self, now: Timestamp) -> Stored<'_, u64> {
        self.write(None, self.store.forget_unpublished(now))
    }
}
