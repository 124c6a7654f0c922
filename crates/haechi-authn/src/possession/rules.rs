//! How possession is proved, as it is configured.

use super::replay::ReplayMemory;
use crate::jose::{Algorithm, AlgorithmSet};
use std::sync::Arc;
use std::time::Duration;

/// How old a proof may be, unless configured.
pub const DEFAULT_PROOF_AGE: Duration = Duration::from_secs(60);

/// What tokens must be bound to, whatever else they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredBinding {
    /// A key that signs DPoP proofs.
    Dpop,
    /// A client certificate.
    Certificate,
}

/// How possession is proved.
#[derive(Clone, Debug)]
pub struct ProofRules {
    /// The authenticator's name.
    pub name: Arc<str>,
    /// What tokens must be bound to; `None` where those without `cnf` are accepted from whoever bears them.
    pub required: Option<RequiredBinding>,
    /// The algorithms of proofs; asymmetric ones.
    pub algorithms: AlgorithmSet,
    /// How old a proof may be.
    pub max_age: Duration,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Which proofs were used.
    pub replays: Arc<ReplayMemory>,
}

impl ProofRules {
    /// Those of the authenticator with this name, where nothing is configured.
    pub fn new(name: Arc<str>, leeway: Duration, replays: Arc<ReplayMemory>) -> Self {
        let (algorithms, max_age) = (Algorithm::asymmetric(), DEFAULT_PROOF_AGE);
        Self { name, required: None, algorithms, max_age, leeway, replays }
    }
}
