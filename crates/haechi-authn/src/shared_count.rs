//! Counting against limits: over all nodes where they share a state, or by this node's share of the limit.

use haechi_core::Clock;
use haechi_core::ports::{LimitAnswer, LimitCheck, SharedLimits};
use haechi_core::rate::{Gcra, LimitTable, Rate};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The nodes' common count gives up by itself long before (`timeout` of `shared_state`); nothing waits for it without end.
const SHARED_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Who counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommonCount {
    /// All nodes did together: one answer for each question.
    Together(Vec<LimitAnswer>),
    /// There is no other node.
    Alone,
    /// The nodes cannot count together. This one is to count its share, as one of so many.
    Apart(NonZeroU32),
}

/// Counts against all limits of `checks`, or against none, through `shared`.
pub async fn count_together(
    shared: Option<&Arc<dyn SharedLimits>>,
    checks: impl FnOnce() -> Vec<LimitCheck>,
) -> CommonCount {
    let Some(shared) = shared else { return CommonCount::Alone };
    if shared.is_reachable() {
        let checks = checks();
        let asked = checks.len();
        let answers = tokio::time::timeout(SHARED_ANSWERS_WITHIN, shared.take(checks)).await;
        if let Ok(Ok(answers)) = answers
            && answers.len() == asked
        {
            return CommonCount::Together(answers);
        }
    }
    CommonCount::Apart(shared.nodes())
}

/// Counts of many keys, one at a time: all nodes' where there are others, and this node's else.
pub(crate) struct CommonTable {
    table: LimitTable,
    shared: Option<Arc<dyn SharedLimits>>,
    clock: Arc<dyn Clock>,
}

impl CommonTable {
    pub(crate) fn new(places: usize, shared: Option<Arc<dyn SharedLimits>>, clock: Arc<dyn Clock>) -> Self {
        Self { table: LimitTable::new(places), shared, clock }
    }

    /// Counts one for `key`; and, where it was counted here, by what it can be given back.
    pub(crate) async fn take(&self, key: [u8; 16], rate: Rate) -> (LimitAnswer, Option<Gcra>) {
        let check = || vec![LimitCheck { key, rate }];
        let share = match count_together(self.shared.as_ref(), check).await {
            CommonCount::Together(answers) => match answers.first() {
                Some(answer) => return (*answer, None),
                None => rate,
            },
            CommonCount::Alone => rate,
            CommonCount::Apart(nodes) => rate.share_of(nodes),
        };
        let gcra = Gcra::new(&share);
        let answer = self.table.take(self.table.key(&key), &gcra, self.clock.uptime());
        (answer, answer.is_within.then_some(gcra))
    }

    /// Takes back what was counted here.
    pub(crate) fn give_back(&self, key: &[u8; 16], gcra: &Gcra) {
        self.table.give_back(self.table.key(key), gcra);
    }
}
