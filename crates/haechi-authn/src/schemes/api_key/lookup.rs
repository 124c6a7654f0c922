//! Finding a key in the store, judging it, and noting its use.

use super::Sources;
use crate::control::{Control, STORE_ANSWERS_WITHIN};
use crate::declared::DeclaredAttributes;
use crate::key_uses::KeyUses;
use crate::quotas::QuotaKeeper;
use crate::{Attempt, Unavailable};
use haechi_core::caller::{CallerLimits, Claimed, LoginFacts, Vouched};
use haechi_core::ports::{ApiKeyRecord, ApiKeys, KeyStanding, KeyUse, StoreError};
use haechi_core::{Caller, CallerKind, RoleTable, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

/// Who vouches for the owner of an API key: the gate.
const ISSUER: &str = "haechi";
/// `last used` is exact to this.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// So many keys are looked up at once. Whoever floods the gate with keys that nobody knows fills this, and takes nothing from those whose keys are
/// cached or who come with tokens.
const MOST_LOOKED_UP: usize = 2048;

/// A key as found in the store by one of its secrets, with the caller that it makes.
pub(super) struct KnownKey {
    record: ApiKeyRecord,
    /// When the secret by which it was found was replaced, and stops working.
    secret_until: Option<Timestamp>,
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
    uses: Arc<KeyUses>,
    declared: Arc<DeclaredAttributes>,
    roles: Arc<RoleTable>,
    quotas: Arc<QuotaKeeper>,
    control: Control,
    under_way: AtomicUsize,
}

/// A place among those that are looked up.
struct Place<'a>(&'a AtomicUsize);

impl Lookup {
    pub(super) fn new(authenticator: Arc<str>, sources: Sources) -> Self {
        let Sources { keys, uses, declared, roles, quotas, control, watch: _ } = sources;
        let under_way = AtomicUsize::new(0);
        Self { authenticator, keys, uses, declared, roles, quotas, control, under_way }
    }

    pub(super) async fn find(&self, sha256: [u8; 32]) -> Result<Option<KnownKey>, Unavailable> {
        let _place = self.place()?;
        match self.ask(sha256).await? {
            Ok(None) => Ok(None),
            Ok(Some(record)) => {
                let limits = self.limits(&record).await?;
                Ok(Some(self.known(record, &sha256, limits)))
            }
            Err(error) => Err(Unavailable::new(error.to_string())),
        }
    }

    /// A store that may be asked from anywhere is asked from here: the control runtime would only be a detour.
    async fn ask(&self, sha256: [u8; 32]) -> Result<Result<Option<ApiKeyRecord>, StoreError>, Unavailable> {
        if self.keys.is_bound_to_its_runtime() {
            let keys = self.keys.clone();
            return self
                .control
                .ask(STORE_ANSWERS_WITHIN, async move { keys.by_sha256(&sha256).await })
                .await;
        }
        let answer = tokio::time::timeout(STORE_ANSWERS_WITHIN, self.keys.by_sha256(&sha256)).await;
        answer.map_err(|_| Unavailable::new(format!("no answer within {STORE_ANSWERS_WITHIN:?}")))
    }

    /// The limits that the key brings itself; few do.
    async fn limits(&self, record: &ApiKeyRecord) -> Result<Option<Arc<CallerLimits>>, Unavailable> {
        if record.rate_limit.is_none() && record.quota.is_none() {
            return Ok(None);
        }
        let (quotas, record) = (self.quotas.clone(), record.clone());
        let known = self.control.ask(STORE_ANSWERS_WITHIN, async move { quotas.limits(&record).await });
        known.await?.map_err(|error| Unavailable::new(error.to_string()))
    }

    fn place(&self) -> Result<Place<'_>, Unavailable> {
        let place = Place(&self.under_way);
        if self.under_way.fetch_add(1, Ordering::Relaxed) < MOST_LOOKED_UP {
            Ok(place)
        } else {
            Err(Unavailable::new("too many API keys are being looked up"))
        }
    }

    /// Whether the key holds now, from there; and if it does, that it was used.
    pub(super) fn judge(&self, key: &KnownKey, client: IpAddr, now: Timestamp) -> Attempt {
        if let Err(reason) = holds(key, client, now) {
            return Attempt::invalid_credentials(reason);
        }
        if now.since(Timestamp::from_millis(key.noted.load(Ordering::Relaxed))) >= NOTED_EVERY {
            key.noted.store(now.as_millis(), Ordering::Relaxed);
            self.uses.note(KeyUse { id: key.record.id.clone(), at: now, from: client.to_canonical() });
        }
        Attempt::Verified(key.caller.clone())
    }

    fn known(&self, record: ApiKeyRecord, sha256: &[u8; 32], limits: Option<Arc<CallerLimits>>) -> KnownKey {
        let previous = record.previous.filter(|previous| previous.sha256 == *sha256);
        let secret_until = previous.map(|previous| previous.until);
        let claimed = Claimed {
            subject: record.owner.clone(),
            issuer: ISSUER.to_owned(),
            roles: record.roles.clone(),
            scopes: record.scopes.clone(),
            attributes: self.declared.keep(&record.attributes),
            expires_at: [record.expires_at, secret_until].into_iter().flatten().min(),
            credential_id: Some(record.id.clone()),
            session: None,
            login: LoginFacts::default(),
        };
        let caller =
            Caller::new(CallerKind::ApiKey, &self.authenticator, Vouched::BySelf, &self.roles, claimed);
        let caller = Caller { limits, ..caller };
        let noted = AtomicI64::new(record.last_used_at.map_or(0, Timestamp::as_millis));
        KnownKey { record, secret_until, caller: Arc::new(caller), noted }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn holds(key: &KnownKey, client: IpAddr, now: Timestamp) -> Result<(), &'static str> {
    match key.record.standing(now) {
        KeyStanding::Revoked => return Err("the API key is revoked"),
        KeyStanding::Expired => return Err("the API key has expired"),
        KeyStanding::Active => {}
    }
    if key.secret_until.is_some_and(|end| end <= now) {
        return Err("the API key was replaced by another when it was rotated");
    }
    // An IPv4 client of a dual-stack listener is written `::ffff:a.b.c.d`.
    let (client, allowed) = (client.to_canonical(), &key.record.allowed_addresses);
    if !allowed.is_empty() && !allowed.iter().any(|net| net.contains(&client)) {
        return Err("the API key is not accepted from this address");
    }
    Ok(())
}
