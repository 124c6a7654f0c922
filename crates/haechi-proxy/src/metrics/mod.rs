//! Counters and histograms of the data plane. Each worker counts in cells of its own; a scrape adds them up.
//!
//! A metric is a field and the line of `show` beside it, which has its name, help, kind and labels.

mod by_name;
mod cells;
mod named;
mod rate_limit;
mod route;
mod worker;

use crate::upstream::gauges;
use haechi_core::metrics::{Page, Source};
pub(crate) use named::ServiceMetrics;
use named::{AuthenticatorMetrics, DecisionPointMetrics};
pub(crate) use rate_limit::LimiterNumbers;
pub(crate) use route::RouteMetrics;
use std::sync::{Arc, Mutex, PoisonError};
pub(crate) use worker::{PlanMetrics, WorkerMetrics};

/// The data plane's metrics.
#[derive(Clone, Default)]
pub struct Metrics {
    workers: Arc<Mutex<Vec<Arc<WorkerMetrics>>>>,
}

impl Metrics {
    /// Metrics for one more worker.
    pub(crate) fn worker(&self) -> Arc<WorkerMetrics> {
        let metrics = Arc::new(WorkerMetrics::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(metrics.clone());
        metrics
    }
}

impl Source for Metrics {
    fn show(&self, page: &mut Page) {
        // Declares what nobody has counted yet.
        RouteMetrics::default().show(page, "");
        AuthenticatorMetrics::default().show(page, "");
        DecisionPointMetrics::default().show(page, "");
        ServiceMetrics::default().show(page, "");
        WorkerMetrics::default().show(page);
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().for_each(|worker| worker.show(page));
    }
}

/// Declares every metric of the data plane, without a value.
pub fn declare_metrics(page: &mut Page) {
    Metrics::default().show(page);
    LimiterNumbers::default().show(page);
    gauges::show(&[], page);
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
