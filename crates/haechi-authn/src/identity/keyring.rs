//! The keys that the gate signs with.

use super::seal::{SealError, Seals};
use crate::jose::{Signer, SigningAlgorithm, SigningFault, public_jwks};
use crate::keys::{KeySet, Keys, SetFault};
use arc_swap::{ArcSwap, ArcSwapOption};
use haechi_core::ports::{SigningKeyRecord, SigningKeys, StoreError};
use haechi_core::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Signing keys from the store: one signs, all that are published verify. Holds none until the first [`Keyring::reload`] succeeds.
pub struct Keyring {
    store: Arc<dyn SigningKeys>,
    clock: Arc<dyn Clock>,
    algorithm: SigningAlgorithm,
    seals: Arc<Seals>,
    /// Whether it was said that keys lie unsealed.
    warned: AtomicBool,
    signer: ArcSwapOption<Signer>,
    jwks: ArcSwapOption<Vec<u8>>,
    verifying: Arc<ArcSwap<KeySet>>,
}

/// Why the keys could not be loaded. What was loaded before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringFault {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be made or read.
    #[error("signing key `{id}`: {fault}")]
    Key {
        /// The `kid`; empty for one that was to be made.
        id: String,
        /// Why.
        fault: SigningFault,
    },
    /// The store names an algorithm that the gate does not sign with.
    #[error("signing key `{id}` is for `{algorithm}`, which the gate does not sign with")]
    Algorithm {
        /// The `kid`.
        id: String,
        /// The algorithm.
        algorithm: String,
    },
    /// A key is sealed and does not open. No other is made in its place: others sign with it.
    #[error("signing key `{id}` is {fault}")]
    Sealed {
        /// The `kid`.
        id: String,
        /// Why.
        fault: SealError,
    },
    /// The public keys make no set.
    #[error(transparent)]
    Set(#[from] SetFault),
    /// All keys of the configured algorithm are retired.
    #[error("no {0} signing key is in force: all that the store has are retired")]
    NoneInForce(SigningAlgorithm),
}

impl Keyring {
    /// A keyring that will sign with `algorithm`, of keys that are sealed with `seals`, where there are any.
    pub fn new(
        store: Arc<dyn SigningKeys>,
        clock: Arc<dyn Clock>,
        algorithm: SigningAlgorithm,
        seals: Arc<Seals>,
    ) -> Self {
        Self {
            store,
            clock,
            algorithm,
            seals,
            warned: AtomicBool::new(false),
            signer: ArcSwapOption::empty(),
            jwks: ArcSwapOption::empty(),
            verifying: Arc::new(ArcSwap::from_pointee(KeySet::none())),
        }
    }

    /// Loads the keys, makes the first one where there is none, and puts all in force. Call it again every few seconds: another node
    /// or a command may have rotated.
    ///
    /// # Errors
    /// [`KeyringFault`]; nothing changes then.
    pub async fn reload(&self) -> Result<(), KeyringFault> {
        let mut records = self.store.list().await?;
        if !records.iter().any(|record| record.algorithm == self.algorithm.name()) {
            let first = self.first_key()?;
            let sealed = self.seals.seal(&first);
            let sealed = sealed.map_err(|fault| KeyringFault::Sealed { id: first.id, fault })?;
            records.push(self.store.add_first(&sealed).await?);
        }
        let now = self.clock.now();
        records.retain(|record| record.published_until.is_none_or(|until| until > now));
        self.warn_of_unsealed(&records);
        let open = |record: SigningKeyRecord| {
            let id = record.id.clone();
            self.seals.open(record).map_err(|fault| KeyringFault::Sealed { id, fault })
        };
        let records = records.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let signers = records.iter().map(signer_of).collect::<Result<Vec<_>, _>>()?;
        let current = current(&records, self.algorithm, now)
            .or_else(|| self.youngest(&records, now))
            .ok_or(KeyringFault::NoneInForce(self.algorithm))?;
        let jwks = public_jwks(signers.iter()).to_string().into_bytes();
        let keys = Keys::from_jwks(&jwks, now)?;
        let current = signers.into_iter().find(|signer| signer.kid() == current.id);
        self.put_in_force(current, jwks, keys);
        Ok(())
    }

    fn warn_of_unsealed(&self, records: &[SigningKeyRecord]) {
        if records.iter().any(|record| self.seals.wants_reseal(record)) && !self.warned.swap(true, Relaxed) {
            tracing::warn!(
                "signing keys in the store are not sealed with the first of `identity.signing_keys.seal`; run `haechi signing-key reseal`"
            );
        }
    }

    /// The key that signs now; `None` before the first successful reload.
    pub fn signer(&self) -> Option<Arc<Signer>> {
        self.signer.load_full()
    }

    /// The published keys as a JWK Set (RFC 7517 5); `None` before the first successful reload.
    pub fn jwks_json(&self) -> Option<Arc<Vec<u8>>> {
        self.jwks.load_full()
    }

    /// The published keys as the `jwt` scheme reads them.
    pub fn verifying(&self) -> Arc<ArcSwap<KeySet>> {
        self.verifying.clone()
    }

    /// What the gate signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Verifiers first: nothing is signed that is not yet accepted.
    fn put_in_force(&self, signer: Option<Signer>, jwks: Vec<u8>, keys: Keys) {
        let next = self.verifying.load().replaced_by(keys);
        self.verifying.store(Arc::new(next));
        self.jwks.store(Some(Arc::new(jwks)));
        let same = self.signer.load().as_ref().map(|signer| signer.kid().to_owned());
        if same.as_deref() != signer.as_ref().map(Signer::kid) {
            self.signer.store(signer.map(Arc::new));
        }
    }

    /// The key to sign with where none is in force yet: another node, whose clock is ahead of ours, has only just made it.
    fn youngest<'a>(&self, records: &'a [SigningKeyRecord], now: Timestamp) -> Option<&'a SigningKeyRecord> {
        let ours = |record: &&SigningKeyRecord| {
            record.algorithm == self.algorithm.name() && record.retired_at.is_none_or(|retired| retired > now)
        };
        let youngest = records.iter().filter(ours).max_by_key(|record| record.active_from)?;
        let ahead = youngest.active_from.since(now);
        tracing::warn!(
            key = youngest.id,
            ahead_seconds = ahead.as_secs(),
            "the clock is behind the time at which the signing key was made; the key is used all the same: check the clocks of all nodes"
        );
        Some(youngest)
    }

    fn first_key(&self) -> Result<SigningKeyRecord, KeyringFault> {
        new_signing_key(self.algorithm, self.clock.now(), self.clock.now())
    }
}

/// A new key, named by its thumbprint, that signs from `active_from` on.
///
/// # Errors
/// [`KeyringFault::Key`] when the library fails.
pub fn new_signing_key(
    algorithm: SigningAlgorithm,
    created_at: Timestamp,
    active_from: Timestamp,
) -> Result<SigningKeyRecord, KeyringFault> {
    let fault = |fault| KeyringFault::Key { id: String::new(), fault };
    let pkcs8 = Signer::generate(algorithm).map_err(fault)?;
    let id = Signer::from_pkcs8(algorithm, None, pkcs8.expose()).map_err(fault)?.kid().to_owned();
    Ok(SigningKeyRecord {
        id,
        algorithm: algorithm.name().to_owned(),
        pkcs8,
        active_from,
        retired_at: None,
        published_until: None,
        created_at,
    })
}

fn signer_of(record: &SigningKeyRecord) -> Result<Signer, KeyringFault> {
    let unknown = |_| KeyringFault::Algorithm { id: record.id.clone(), algorithm: record.algorithm.clone() };
    let algorithm = record.algorithm.parse().map_err(unknown)?;
    let signer = Signer::from_pkcs8(algorithm, Some(record.id.clone()), record.pkcs8.expose());
    signer.map_err(|fault| KeyringFault::Key { id: record.id.clone(), fault })
}

/// The youngest key that is in force. A retired one goes on signing until its successor does.
pub(super) fn current(
    records: &[SigningKeyRecord],
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> Option<&SigningKeyRecord> {
    let in_force = records.iter().filter(|record| {
        record.algorithm == algorithm.name()
            && record.active_from <= now
            && record.retired_at.is_none_or(|retired| retired > now)
    });
    in_force.max_by_key(|record| record.active_from)
}

#[cfg(test)]
mod tests {
    use super::{Keyring, KeyringFault, new_signing_key};
    use crate::identity::{Seal, Seals};
    use crate::jose::SigningAlgorithm;
    use crate::test_support::clock;
    use haechi_core::Clock;
    use haechi_core::ports::SigningKeys;
    use haechi_testkit::{Fault, FaultyStore, FixedClock};
    use std::sync::Arc;
    use std::time::Duration;

    fn keyring(store: &Arc<FaultyStore>, clock: &Arc<FixedClock>) -> Keyring {
        Keyring::new(store.clone(), clock.clone(), SigningAlgorithm::EdDsa, Arc::default())
    }

    fn kid(keyring: &Keyring) -> String {
        keyring.signer().unwrap().kid().to_owned()
    }

    fn published(keyring: &Keyring) -> Vec<String> {
        let jwks: serde_json::Value = serde_json::from_slice(&keyring.jwks_json().unwrap()).unwrap();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn the_first_key_is_made_once_for_all_nodes() {
        let (store, clock) = (FaultyStore::new(), clock());
        let (a, b) = (keyring(&store, &clock), keyring(&store, &clock));
        assert!(a.signer().is_none() && a.jwks_json().is_none());
        a.reload().await.unwrap();
        b.reload().await.unwrap();
        assert_eq!(kid(&a), kid(&b));
        assert_eq!(published(&a), [kid(&a)]);
        let generation = a.verifying().load().generation();
        a.reload().await.unwrap();
        assert_eq!(a.verifying().load().generation(), generation, "nothing changed, nothing cached is lost");
    }

    #[tokio::test]
    async fn a_rotation_is_published_first_then_signs_then_the_old_one_goes() {
        let (store, clock) = (FaultyStore::new(), clock());
        let keyring = keyring(&store, &clock);
        keyring.reload().await.unwrap();
        let old = kid(&keyring);
        let starts = clock.now().plus(Duration::from_secs(60));
        let next = new_signing_key(SigningAlgorithm::EdDsa, clock.now(), starts).unwrap();
        store.rotate(&next, starts.plus(Duration::from_secs(600))).await.unwrap();
        keyring.reload().await.unwrap();
        assert_eq!(kid(&keyring), old, "not active yet");
        assert_eq!(published(&keyring), [old.clone(), next.id.clone()]);
        clock.advance(Duration::from_secs(60));
        keyring.reload().await.unwrap();
        assert_eq!(kid(&keyring), next.id);
        assert_eq!(published(&keyring).len(), 2, "what the old one signed still verifies");
        clock.advance(Duration::from_secs(600));
        keyring.reload().await.unwrap();
        assert_eq!(published(&keyring), [next.id]);
    }

    #[tokio::test]
    async fn a_clock_behind_the_keys_creation_signs_with_the_youngest() {
        let (store, clock) = (FaultyStore::new(), clock());
        keyring(&store, &clock).reload().await.unwrap();
        let before = clock.now().minus(Duration::from_secs(10));
        clock.set(before);
        let behind = keyring(&store, &clock);
        behind.reload().await.unwrap();
        let first = kid(&behind);
        let next =
            new_signing_key(SigningAlgorithm::EdDsa, clock.now(), before.plus(Duration::from_secs(60)))
                .unwrap();
        store.rotate(&next, before.plus(Duration::from_secs(600))).await.unwrap();
        behind.reload().await.unwrap();
        assert_eq!(kid(&behind), next.id);
        assert!(published(&behind).contains(&first));
    }

    #[tokio::test]
    async fn what_cannot_be_loaded_changes_nothing() {
        let (store, clock) = (FaultyStore::new(), clock());
        let keyring = keyring(&store, &clock);
        store.set_fault(Fault::Fails);
        assert!(matches!(keyring.reload().await, Err(KeyringFault::Store(_))));
        assert!(keyring.signer().is_none());
        store.set_fault(Fault::None);
        keyring.reload().await.unwrap();
        let before = kid(&keyring);
        let mut broken = new_signing_key(SigningAlgorithm::EdDsa, clock.now(), clock.now()).unwrap();
        broken.pkcs8 = haechi_core::Secret::new(vec![1, 2, 3]);
        store.rotate(&broken, clock.now().plus(Duration::from_secs(600))).await.unwrap();
        assert!(matches!(keyring.reload().await, Err(KeyringFault::Key { id, .. }) if id == broken.id));
        assert_eq!(kid(&keyring), before);
    }

    #[tokio::test]
    async fn a_sealed_key_opens_with_its_seal_alone_and_no_other_is_made() {
        let (store, clock) = (FaultyStore::new(), clock());
        let with = |n: &str| {
            let seals = Seals::new(vec![Seal::parse(&format!("{}{n}", "5a".repeat(31))).unwrap()]);
            Keyring::new(store.clone(), clock.clone(), SigningAlgorithm::EdDsa, Arc::new(seals))
        };
        let one = with("01");
        one.reload().await.unwrap();
        let kept = store.inner().signing_keys.list().await.unwrap();
        assert!(crate::identity::sealed_with(&kept[0]).is_some());
        for other in [with("02"), keyring(&store, &clock)] {
            let fault = other.reload().await.unwrap_err();
            assert!(matches!(&fault, KeyringFault::Sealed { id, .. } if *id == kid(&one)), "{fault}");
            assert!(other.signer().is_none() && other.jwks_json().is_none());
        }
        assert_eq!(store.inner().signing_keys.list().await.unwrap().len(), 1);
        let again = with("01");
        again.reload().await.unwrap();
        assert_eq!(kid(&again), kid(&one));
    }

    #[tokio::test]
    async fn another_algorithm_gets_a_first_key_of_its_own() {
        let (store, clock) = (FaultyStore::new(), clock());
        keyring(&store, &clock).reload().await.unwrap();
        let es256 = Keyring::new(store.clone(), clock.clone(), SigningAlgorithm::Es256, Arc::default());
        es256.reload().await.unwrap();
        assert_eq!(es256.signer().unwrap().algorithm(), SigningAlgorithm::Es256);
        assert_eq!(published(&es256).len(), 2, "tokens signed before the change still verify");
    }
}
