//! Finding a key in the store, judging it, and noting its use.

use super::Sources;
use crate::control::{Control, STORE_ANSWERS_WITHIN};
use crate::declared::DeclaredAttributes;
use crate::{Attempt, Unavailable};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::ports::{ApiKeyRecord, ApiKeys, KeyState};
use haechi_core::{Caller, CallerKind, RoleTable, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who vouches for the owner of an API key: the gate.
const ISSUER: &str = "haechi";
/// `last used` is exact to this.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// A key as found in the store, with the caller that it makes.
pub(super) struct KnownKey {
    record: ApiKeyRecord,
    caller: Arc<Caller>,
    /// When this worker last said that the key is used, in milliseconds.
    noted: AtomicI64,
}

impl KnownKey {
    pub(super) fn id(&self) -> &str {
        &self.record.id
    }
}

pub(super) struct Lookup {
    authenticator: Arc<str>,
    keys: Arc<dyn ApiKeys>,
    declared: Arc<DeclaredAttributes>,
    roles: Arc<RoleTable>,
    control: Control,
    noted: Arc<LastUses>,
}

/// When each key's use was last noted, by whichever worker. Touched on the control runtime only.
#[derive(Default)]
struct LastUses(Mutex<HashMap<String, Timestamp>>);

impl Lookup {
    pub(super) fn new(authenticator: Arc<str>, sources: Sources) -> Self {
        let Sources { keys, declared, roles, control, watch: _ } = sources;
        Self { authenticator, keys, declared, roles, control, noted: Arc::default() }
    }

    pub(super) async fn find(&self, sha256: [u8; 32]) -> Result<Option<KnownKey>, Unavailable> {
        let keys = self.keys.clone();
        let question = async move { keys.by_sha256(&sha256).await };
        match self.control.ask(STORE_ANSWERS_WITHIN, question).await? {
            Ok(record) => Ok(record.map(|record| self.known(record))),
            Err(error) => Err(Unavailable::new(error.to_string())),
        }
    }

    /// Whether the key holds now, from there; and if it does, that it was used.
    pub(super) fn judge(&self, key: &KnownKey, client: IpAddr, now: Timestamp) -> Attempt {
        if let Err(reason) = holds(&key.record, client, now) {
            return Attempt::invalid_credentials(reason);
        }
        if now.since(Timestamp::from_millis(key.noted.load(Ordering::Relaxed))) >= NOTED_EVERY {
            key.noted.store(now.as_millis(), Ordering::Relaxed);
            self.note(&key.record.id, now);
        }
        Attempt::Verified(key.caller.clone())
    }

    fn known(&self, record: ApiKeyRecord) -> KnownKey {
        let claimed = Claimed {
            subject: record.owner.clone(),
            issuer: ISSUER.to_owned(),
            roles: record.roles.clone(),
            scopes: record.scopes.clone(),
            attributes: self.declared.keep(&record.attributes),
            expires_at: record.expires_at,
            credential_id: Some(record.id.clone()),
            session: None,
        };
        let caller =
            Caller::new(CallerKind::ApiKey, &self.authenticator, Vouched::BySelf, &self.roles, claimed);
        let noted = AtomicI64::new(record.last_used_at.map_or(0, Timestamp::as_millis));
        KnownKey { record, caller: Arc::new(caller), noted }
    }

    fn note(&self, id: &str, now: Timestamp) {
        let (keys, noted, id) = (self.keys.clone(), self.noted.clone(), id.to_owned());
        self.control.tell(async move {
            if noted.is_due(&id, now) {
                let outcome = tokio::time::timeout(STORE_ANSWERS_WITHIN, keys.used(&id, now)).await;
                if !matches!(outcome, Ok(Ok(()))) {
                    tracing::warn!(key = id, "cannot record the last use of an API key");
                }
            }
        });
    }
}

impl LastUses {
    fn is_due(&self, id: &str, now: Timestamp) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, last| now.since(*last) < NOTED_EVERY);
        if noted.contains_key(id) {
            return false;
        }
        noted.insert(id.to_owned(), now);
        true
    }
}

fn holds(record: &ApiKeyRecord, client: IpAddr, now: Timestamp) -> Result<(), &'static str> {
    if record.state != KeyState::Active {
        return Err("the API key is revoked");
    }
    if record.expires_at.is_some_and(|end| end <= now) {
        return Err("the API key has expired");
    }
    // An IPv4 client of a dual-stack listener is written `::ffff:a.b.c.d`.
    let client = client.to_canonical();
    if !record.allowed_addresses.is_empty()
        && !record.allowed_addresses.iter().any(|net| net.contains(&client))
    {
        return Err("the API key is not accepted from this address");
    }
    Ok(())
}
