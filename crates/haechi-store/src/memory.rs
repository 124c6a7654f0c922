//! A store that is gone with the process. It is also the plainest statement of what the ports ask, and the tests hold the others against it.

mod api_keys;
mod approvals;
mod clients;
mod edit;
mod identity_records;
mod keys;
mod log;
mod policies;
mod quotas;
mod revocations;
mod sessions;
mod signing_keys;
mod users;
mod web_sessions;

use haechi_core::Timestamp;
use haechi_core::ports::{
    Approval, ClientRecord, IdentityRecord, PolicyVersion, RecordKind, Session, SigningKeyRecord, StoreError,
    Stored, UserRecord, WebSession,
};
use keys::Keys;
use log::Log;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The store. Each port is a file of its own.
#[derive(Default)]
pub(crate) struct Memory {
    facts: Mutex<Facts>,
}

/// A browser session, and until when somebody refreshes its tokens.
type KeptSession = (WebSession, Option<Timestamp>);

/// Everything kept. One lock over all of it makes each call one step.
#[derive(Default)]
struct Facts {
    /// By name.
    users: BTreeMap<String, UserRecord>,
    /// By id.
    clients: BTreeMap<String, ClientRecord>,
    /// By SHA-256, and until when each is known.
    client_assertions: BTreeMap<[u8; 32], Timestamp>,
    api_keys: Keys,
    /// By kind and id, each with its version.
    identity_records: BTreeMap<(RecordKind, String), (IdentityRecord, u64)>,
    /// By id.
    sessions: BTreeMap<String, Session>,
    /// Every remembered refresh token, its session, and when it was used.
    refresh_tokens: BTreeMap<[u8; 32], (String, Option<Timestamp>)>,
    /// By key and window.
    quota_uses: BTreeMap<(String, Timestamp, Timestamp), u64>,
    /// By id.
    web_sessions: BTreeMap<String, KeptSession>,
    /// What logins under way are sealed with.
    login_key: Option<[u8; 32]>,
    log: Log,
    /// In the order they were added.
    signing_keys: Vec<SigningKeyRecord>,
    /// Every version, by serial.
    policies: Vec<PolicyVersion>,
    /// By id.
    approvals: BTreeMap<String, Approval>,
}

impl Memory {
    fn answer<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut Facts) -> Result<T, StoreError> + Send + 'a,
    ) -> Stored<'a, T> {
        Box::pin(async move {
            match self.facts.lock() {
                Ok(mut facts) => work(&mut facts),
                Err(_) => Err(StoreError::Unavailable("an earlier call broke off halfway".into())),
            }
        })
    }
}
