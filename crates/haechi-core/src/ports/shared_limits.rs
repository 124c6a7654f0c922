//! Rate limits that all nodes count together.

use super::stored::BoxFuture;
use std::num::NonZeroU32;
use std::time::Duration;

/// How many requests in how much time, for the generic cell rate algorithm (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// So many requests are let through, evenly, in each `per`.
    pub requests: NonZeroU32,
    /// The time span; longer than zero.
    pub per: Duration,
    /// So many may come at once after a time of rest.
    pub burst: NonZeroU32,
}

/// One request that is to be counted against one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCheck {
    /// Whom and which limit the count is for. The same on every node, and no text that a client chose.
    pub key: [u8; 16],
    /// The limit.
    pub rate: Rate,
}

/// What a count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitAnswer {
    /// Whether the request is within the limit. One that is not was not counted.
    pub is_within: bool,
    /// How many more could come at once now.
    pub remaining: u32,
    /// When the next could come; zero where one could come now.
    pub retry_after: Duration,
    /// When there is more than `remaining`; zero where the whole burst is there.
    pub more_after: Duration,
    /// When the whole burst is there again.
    pub full_after: Duration,
}

/// The counts could not be asked, or did not answer in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared state cannot be reached: {0}")]
pub struct SharedStateError(pub String);

/// Where limits are counted for all nodes.
pub trait SharedLimits: Send + Sync {
    /// Counts one request against all of `checks`, in one step: against all of them, or against none where one of them is used up. One answer for
    /// each, in their order.
    fn take(&self, checks: Vec<LimitCheck>)
    -> BoxFuture<'static, Result<Vec<LimitAnswer>, SharedStateError>>;

    /// Whether the last question was answered: while it is not, whoever counts gives every node a share and does not wait.
    fn is_reachable(&self) -> bool;

    /// How many nodes were last known to count together; at least one.
    fn nodes(&self) -> NonZeroU32;
}
