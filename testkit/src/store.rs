//! A store in memory whose operations fail, hang or panic when they are told to, and are counted.

use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, BoxFuture, Changes, ClientProof, ClientRecord, Clients, Edit, EndedByProvider,
    Exchange, IdentityRecord, IdentityRecords, KeyFilter, KeyPage, KeyUse, LoginState, PasswordState,
    QuotaUse, Quotas, RecordKind, RefreshedSession, Revocations, Revoked, Rotation, Session, Sessions,
    SigningKeyRecord, SigningKeys, StoreError, Stored, UserRecord, Users, WebSession, WebSessions,
};
use haechi_core::{Attributes, Secret, Timestamp};
use haechi_store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What it should.
    None,
    /// It gives an error: the store cannot be reached.
    Fails,
    /// It panics.
    Panics,
    /// It never gives anything.
    Hangs,
}

/// The real store in memory, behind a wall that tests can break. Operations are named `users.by_name`, `api_keys.used` and so on.
pub struct FaultyStore {
    inner: Store,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of all operations that have none of their own.
    fault: Option<Fault>,
    faults: HashMap<&'static str, Fault>,
    before: HashMap<&'static str, Hook>,
    asked: HashMap<&'static str, usize>,
}

type Hook = Arc<dyn Fn(Store) -> BoxFuture<'static, ()> + Send + Sync>;

impl FaultyStore {
    /// An empty store that works.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { inner: Store::in_memory(), state: Mutex::default() })
    }

    /// The store behind the wall: it always works, and is not counted.
    pub const fn inner(&self) -> &Store {
        &self.inner
    }

    /// What every operation does from now on.
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.fault = Some(fault);
        state.faults.clear();
    }

    /// What this operation does from now on.
    pub fn set_fault_of(&self, operation: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.insert(operation, fault);
    }

    /// Does this before each call of `operation`.
    pub fn before(
        &self,
        operation: &'static str,
        hook: impl Fn(Store) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        self.state.lock().unwrap().before.insert(operation, Arc::new(hook));
    }

    /// How many calls there were.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked.values().sum()
    }

    /// How many calls of `operation` there were.
    pub fn asked_for(&self, operation: &str) -> usize {
        self.state.lock().unwrap().asked.get(operation).copied().unwrap_or(0)
    }

    fn call<'a, T: Send + 'a>(&'a self, operation: &'static str, answer: Stored<'a, T>) -> Stored<'a, T> {
        let mut state = self.state.lock().unwrap();
        *state.asked.entry(operation).or_default() += 1;
        let fault = state.faults.get(operation).copied().or(state.fault).unwrap_or(Fault::None);
        let before = state.before.get(operation).cloned();
        Box::pin(async move {
            match fault {
                Fault::None => {}
                Fault::Fails => return Err(StoreError::Unavailable("as told".into())),
                Fault::Panics => panic!("as told"),
                Fault::Hangs => std::future::pending().await,
            }
            if let Some(before) = before {
                before(self.inner.clone()).await;
            }
            answer.await
        })
    }
}

/// Implements a port: each operation by the inner store's, through [`FaultyStore::call`].
macro_rules! port {
    ($port:ident, $field:ident: $($operation:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $port for FaultyStore {
            $(
                fn $operation<'a>(&'a self, $($name: $type),*) -> Stored<'a, $answer> {
                    let name = concat!(stringify!($field), ".", stringify!($operation));
                    self.call(name, self.inner.$field.$operation($($name),*))
                }
            )*
        }
    };
}

port! { Users, users:
    by_name(name: &'a str) -> Option<UserRecord>;
    by_id(id: &'a str) -> Option<UserRecord>;
    list() -> Vec<UserRecord>;
    add(user: &'a UserRecord) -> ();
    page(after: Option<&'a str>, limit: usize) -> Vec<UserRecord>;
    set_roles(user: Edit<'a>, roles: &'a [String]) -> ();
    set_attributes(user: Edit<'a>, attributes: &'a Attributes) -> ();
    set_password(user: Edit<'a>, hash: &'a Secret<String>, state: PasswordState) -> ();
    set_disabled(user: Edit<'a>, disabled: bool) -> ();
    delete(user: Edit<'a>) -> ();
    login_failed(id: &'a str, limit: u32, locked_until: Timestamp) -> LoginState;
    login_succeeded(id: &'a str) -> ();
    unlock(name: &'a str) -> ();
}

port! { Clients, clients:
    by_id(id: &'a str) -> Option<ClientRecord>;
    list() -> Vec<ClientRecord>;
    page(after: Option<&'a str>, limit: usize) -> Vec<ClientRecord>;
    add(client: &'a ClientRecord) -> ();
    set_proof(client: Edit<'a>, proof: &'a ClientProof) -> ();
    rotate(client: Edit<'a>, sha256: &'a [u8; 32], previous_until: Option<Timestamp>) -> ();
    delete(client: Edit<'a>, tokens_expire_at: Timestamp) -> ();
    note_assertion(sha256: &'a [u8; 32], until: Timestamp, now: Timestamp) -> bool;
}

port! { ApiKeys, api_keys:
    by_sha256(sha256: &'a [u8; 32]) -> Option<ApiKeyRecord>;
    by_id(id: &'a str) -> Option<ApiKeyRecord>;
    list(filter: &'a KeyFilter, page: &'a KeyPage) -> Vec<ApiKeyRecord>;
    expiring(now: Timestamp, by: &'a [Timestamp]) -> Vec<u64>;
    add(key: &'a ApiKeyRecord) -> ();
    add_all(keys: &'a [ApiKeyRecord]) -> ();
    rotate(key: Edit<'a>, sha256: &'a [u8; 32], previous_until: Timestamp) -> ();
    revoke(key: Edit<'a>) -> ();
    used(uses: &'a [KeyUse]) -> ();
}

port! { Quotas, quotas:
    add(uses: &'a [QuotaUse]) -> Vec<u64>;
    forget(before: Timestamp) -> ();
}

port! { Sessions, sessions:
    begin(session: &'a Session) -> ();
    rotate(exchange: Exchange<'a>) -> Rotation;
    of_token(sha256: &'a [u8; 32], now: Timestamp) -> Option<Session>;
    list(user_id: Option<&'a str>, now: Timestamp, limit: usize) -> Vec<Session>;
    end(session: &'a str, tokens_expire_at: Timestamp) -> bool;
    end_all_of(user_id: &'a str, tokens_expire_at: Timestamp) -> ();
}

port! { WebSessions, web_sessions:
    begin(session: &'a WebSession) -> ();
    by_secret(sha256: &'a [u8; 32], now: Timestamp) -> Option<WebSession>;
    seen(id: &'a str, at: Timestamp, idle_until: Timestamp) -> ();
    list(subject: Option<&'a str>, now: Timestamp, limit: usize) -> Vec<WebSession>;
    end(id: &'a str) -> bool;
    end_by_provider(which: EndedByProvider<'a>) -> Vec<String>;
    claim_refresh(id: &'a str, version: u64, now: Timestamp, until: Timestamp) -> bool;
    refreshed(refreshed: RefreshedSession<'a>) -> bool;
    login_key(candidate: &'a [u8; 32]) -> [u8; 32];
}

port! { IdentityRecords, identity_records:
    get(kind: RecordKind, id: &'a str, now: Timestamp) -> Option<(String, u64)>;
    put(record: &'a IdentityRecord, version: Option<u64>, now: Timestamp) -> bool;
    delete(kind: RecordKind, id: &'a str) -> bool;
    owned_by(kind: RecordKind, owner: &'a str, now: Timestamp) -> Vec<(String, String)>;
}

port! { Revocations, revocations:
    epoch() -> u64;
    changes_since(since: u64, limit: usize) -> Changes;
    revoke(what: &'a Revoked, until: Timestamp) -> ();
    forget_expired(now: Timestamp) -> u64;
}

port! { SigningKeys, signing_keys:
    list() -> Vec<SigningKeyRecord>;
    add_first(key: &'a SigningKeyRecord) -> SigningKeyRecord;
    rotate(next: &'a SigningKeyRecord, published_until: Timestamp) -> ();
    rotate_from(latest: &'a str, next: &'a SigningKeyRecord, published_until: Timestamp) -> bool;
    unpublish(id: &'a str, published_until: Timestamp) -> ();
    reseal(id: &'a str, from: &'a Secret<Vec<u8>>, to: &'a Secret<Vec<u8>>) -> bool;
    forget_unpublished(now: Timestamp) -> u64;
}
