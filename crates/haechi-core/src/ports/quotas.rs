//! How much of their quotas API keys have used (docs/rate-limits.md).

use super::stored::Stored;
use crate::Timestamp;
use std::sync::Arc;

/// Requests of one key in one window of its quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// The key's id.
    pub key: Arc<str>,
    /// When the window began.
    pub window_start: Timestamp,
    /// When it ends.
    pub window_end: Timestamp,
    /// How many more there were; none only asks.
    pub requests: u32,
}

/// Where the use of quotas is kept.
pub trait Quotas: Send + Sync {
    /// Adds these, all or none, each key once, and returns what all nodes have counted in each of the windows, in the same order.
    fn add<'a>(&'a self, uses: &'a [QuotaUse]) -> Stored<'a, Vec<u64>>;
    /// Forgets windows that ended before `before`.
    fn forget(&self, before: Timestamp) -> Stored<'_, ()>;
}
