//! Upstream: load balancing, connection pools, health checks, outlier detection, circuit breaker and retries.

pub(crate) mod attempts;
pub(crate) mod balance;
pub(crate) mod circuit;
pub(crate) mod connect;
pub(crate) mod dialer;
pub(crate) mod ejection;
pub(crate) mod endpoint;
pub(crate) mod gauges;
mod health;
pub(crate) mod pool;
pub(crate) mod reach;
pub(crate) mod registry;
pub(crate) mod resolve;
pub(crate) mod retry;
pub(crate) mod shared;
pub(crate) mod upkeep;
pub(crate) mod wear;
