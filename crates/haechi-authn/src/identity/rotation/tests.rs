use super::{RotationError, SOONEST, SigningKeyAccounts};
use crate::identity::own_tokens::OwnToken;
use crate::identity::{Keyring, Seal, Seals, sealed_with};
use crate::jose::SigningAlgorithm;
use crate::test_support::clock;
use haechi_core::{Clock, Timestamp};
use haechi_testkit::{FaultyStore, FixedClock};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const ISSUER: &str = "http://localhost:8080";
const LONGEST: Duration = Duration::from_secs(300);
/// How often nodes read the keys.
const EVERY: Duration = Duration::from_secs(5);

fn accounts(store: &Arc<FaultyStore>, clock: &Arc<FixedClock>, seals: Vec<Seal>) -> SigningKeyAccounts {
    SigningKeyAccounts {
        keys: store.clone(),
        clock: clock.clone(),
        algorithm: SigningAlgorithm::EdDsa,
        seals: Arc::new(Seals::new(seals)),
        longest_lifetime: LONGEST,
    }
}

fn keyring(store: &Arc<FaultyStore>, clock: &Arc<FixedClock>) -> Keyring {
    Keyring::new(store.clone(), clock.clone(), SigningAlgorithm::EdDsa, Arc::default())
}

fn seal(n: u8) -> Seal {
    Seal::parse(&format!("{}{n:02x}", "5a".repeat(31))).unwrap()
}

#[tokio::test]
async fn keys_are_sealed_anew_by_command() {
    let (store, clock) = (FaultyStore::new(), clock());
    keyring(&store, &clock).reload().await.unwrap();
    let plain = accounts(&store, &clock, Vec::new());
    assert!(matches!(plain.reseal().await, Err(RotationError::NoSeal)));
    plain.rotate(SOONEST).await.unwrap();
    let sealing = accounts(&store, &clock, vec![seal(1)]);
    assert_eq!((sealing.reseal().await.unwrap(), sealing.reseal().await.unwrap()), (2, 0));
    let both = accounts(&store, &clock, vec![seal(2), seal(1)]);
    assert_eq!(both.reseal().await.unwrap(), 2);
    let kept = store.inner().signing_keys.list().await.unwrap();
    assert!(kept.iter().all(|key| sealed_with(key) == Some(seal(2).id())));
    assert!(matches!(sealing.reseal().await, Err(RotationError::Seal { .. })), "without the newer seal");
}

#[tokio::test]
async fn the_key_that_signs_is_not_retired() {
    let (store, clock) = (FaultyStore::new(), clock());
    let node = keyring(&store, &clock);
    node.reload().await.unwrap();
    let accounts = accounts(&store, &clock, Vec::new());
    let old = node.signer().unwrap().kid().to_owned();
    assert!(matches!(accounts.retire(&old).await, Err(RotationError::Signs(_))));
    assert!(matches!(accounts.retire("nobody").await, Err(RotationError::Missing(_))));
    assert!(matches!(accounts.rotate(Duration::from_secs(1)).await, Err(RotationError::TooSoon)));
    let next = accounts.rotate(SOONEST).await.unwrap();
    assert!(
        matches!(accounts.retire(&old).await, Err(RotationError::Signs(_))),
        "its successor does not sign yet"
    );
    assert!(matches!(accounts.retire(&next.id).await, Err(RotationError::Signs(_))));
    clock.advance(SOONEST);
    accounts.retire(&old).await.unwrap();
    node.reload().await.unwrap();
    assert_eq!(node.signer().unwrap().kid(), next.id);
    assert!(!String::from_utf8(node.jwks_json().unwrap().to_vec()).unwrap().contains(&old));
}

#[tokio::test]
async fn a_key_that_is_old_is_replaced_once() {
    let (store, clock) = (FaultyStore::new(), clock());
    keyring(&store, &clock).reload().await.unwrap();
    let day = Duration::from_secs(86_400);
    let nodes = [0, 1].map(|_| accounts(&store, &clock, Vec::new()));
    let ask = async || {
        let mut rotated = 0;
        for node in &nodes {
            rotated += usize::from(node.rotate_when_old(day, SOONEST).await.unwrap());
        }
        rotated
    };
    assert_eq!(ask().await, 0);
    clock.advance(day);
    assert_eq!(ask().await, 1);
    assert_eq!(ask().await, 0, "its successor is young");
    clock.advance(day);
    assert_eq!(ask().await, 1);
    clock.advance(day);
    assert_eq!(ask().await, 1);
    assert_eq!(store.inner().signing_keys.list().await.unwrap().len(), 2, "the first is forgotten");
}

#[derive(Clone, Debug)]
enum Step {
    /// Time passes, and each node reads the keys as often as it does.
    Pass(u64),
    /// An operator rotates, with a lead of so many seconds.
    Rotate(u64),
    /// A node finds the latest key old.
    RotateWhenOld,
    /// A node signs a token of so many seconds.
    Sign(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..120_u64).prop_map(Step::Pass),
        1 => (SOONEST.as_secs()..90).prop_map(Step::Rotate),
        1 => Just(Step::RotateWhenOld),
        4 => (0..3_usize, 1..=LONGEST.as_secs()).prop_map(|(node, seconds)| Step::Sign(node, seconds)),
    ]
}

/// Nodes that read the store every five seconds, each at a moment of its own, on clocks that agree.
struct Nodes {
    store: Arc<FaultyStore>,
    clock: Arc<FixedClock>,
    nodes: Vec<(Keyring, Duration)>,
    /// What was signed and has not expired: the model says that all of it verifies everywhere.
    alive: Vec<(String, Timestamp)>,
    second: u64,
}

impl Nodes {
    async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.second += 1;
            for (node, offset) in &self.nodes {
                if self.second % EVERY.as_secs() == offset.as_secs() {
                    node.reload().await.unwrap();
                }
            }
        }
    }

    fn sign(&mut self, node: usize, seconds: u64) {
        let now = self.clock.now();
        let ends = now.plus(Duration::from_secs(seconds));
        let claims =
            json!({ "iss": ISSUER, "aud": ISSUER, "sub": "a", "jti": "j", "exp": ends.as_seconds() });
        let signer = self.nodes[node].0.signer().unwrap();
        self.alive.push((signer.sign("at+jwt", &claims).unwrap(), ends));
    }

    fn all_hold(&mut self) {
        let now = self.clock.now();
        self.alive.retain(|(_, ends)| *ends > now);
        for (node, _) in &self.nodes {
            let keys = node.verifying();
            for (token, ends) in &self.alive {
                let read = OwnToken::read(token, ISSUER, &keys.load(), self.clock.uptime(), now);
                assert!(read.is_ok(), "a token that lives until {ends:?}: {read:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn at_any_time_any_nodes_token_verifies_at_any_other(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, clock) = (FaultyStore::new(), clock());
            let nodes = (0..3).map(|n| (keyring(&store, &clock), Duration::from_secs(n))).collect();
            let mut world = Nodes { store, clock, nodes, alive: Vec::new(), second: 0 };
            world.pass(EVERY.as_secs()).await;
            let accounts = accounts(&world.store, &world.clock, Vec::new());
            for step in steps {
                match step {
                    Step::Pass(seconds) => world.pass(seconds).await,
                    Step::Rotate(lead) => drop(accounts.rotate(Duration::from_secs(lead)).await.unwrap()),
                    Step::RotateWhenOld => {
                        accounts.rotate_when_old(Duration::from_secs(200), SOONEST).await.unwrap();
                    }
                    Step::Sign(node, seconds) => world.sign(node, seconds),
                }
                world.all_hold();
            }
        });
    }
}
