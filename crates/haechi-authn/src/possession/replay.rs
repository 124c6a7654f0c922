//! Which proofs were used: each is good for one request (RFC 9449 11.1).

use haechi_core::Clock;
use haechi_core::ports::{LimitCheck, SharedLimits};
use haechi_core::rate::{Gcra, LimitTable, Rate};
use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Proofs that are remembered at once, at 16 bytes each.
const PLACES: usize = 1 << 20;
/// The nodes' common memory gives up by itself before.
const SHARED_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What tells a proof from all others: a hash of its key and its `jti`.
pub(crate) type ProofId = [u8; 16];

/// Remembers proofs for as long as they would be accepted: of this process, and of all nodes where they share a state. It takes no lock. Where it is full, nothing is
/// forgotten: proofs are then refused with 503.
pub struct ReplayMemory {
    /// Made when the first proof comes.
    table: OnceLock<LimitTable>,
    shared: Option<Arc<dyn SharedLimits>>,
    clock: Arc<dyn Clock>,
}

/// Whether a proof is used for the first time; or why that is not known.
pub(crate) enum FirstUse {
    /// Known at once.
    Known(Result<bool, String>),
    /// The other nodes are asked.
    Asked(Pin<Box<dyn Future<Output = Result<bool, String>> + Send>>),
}

impl ReplayMemory {
    /// Of this process alone, or of all nodes through `shared`.
    pub fn new(shared: Option<Arc<dyn SharedLimits>>, clock: Arc<dyn Clock>) -> Self {
        Self { table: OnceLock::new(), shared, clock }
    }

    /// Whether the proof is used for the first time within `window`, after which it is not accepted any more.
    pub(crate) fn first_use(&self, proof: ProofId, window: Duration) -> FirstUse {
        let rate = Rate { requests: NonZeroU32::MIN, per: window, burst: NonZeroU32::MIN };
        let table = self.table.get_or_init(|| LimitTable::new(PLACES));
        match table.take_if_room(table.key(&proof), &Gcra::new(&rate), self.clock.uptime()) {
            None => {
                return FirstUse::Known(Err(
                    "too many proofs of possession are in use to remember one more".to_owned()
                ));
            }
            Some(answer) if !answer.is_within => return FirstUse::Known(Ok(false)),
            Some(_) => {}
        }
        let Some(shared) = &self.shared else { return FirstUse::Known(Ok(true)) };
        let asked = shared.take(vec![LimitCheck { key: proof, rate }]);
        FirstUse::Asked(Box::pin(async move {
            let unknown = |why: &str| {
                Err(format!("cannot find out from the shared state whether the proof was used: {why}"))
            };
            match tokio::time::timeout(SHARED_ANSWERS_WITHIN, asked).await {
                Ok(Ok(answers)) => match answers.as_slice() {
                    [answer] => Ok(answer.is_within),
                    _ => unknown("it gives no answer"),
                },
                Ok(Err(error)) => unknown(&error.to_string()),
                Err(_) => unknown("it does not answer in time"),
            }
        }))
    }
}

impl fmt::Debug for ReplayMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayMemory")
            .field("used", &self.table.get().map(LimitTable::stats))
            .finish_non_exhaustive()
    }
}
