//! Counters and histograms of the data plane. Each worker counts in cells of its own; a scrape adds them up.
//!
//! A metric is a field and the line of `show` beside it, which has its name, help, kind and labels.

mod by_name;
mod cells;
mod named;
mod route;
mod worker;

use crate::upstream::gauges;
use haechi_core::metrics::{Page, Source};
use named::{AuthenticatorMetrics, DecisionPointMetrics, ServiceMetrics};
use route::RouteMetrics;
use std::sync::{Arc, Mutex, PoisonError};
use worker::Cells;
pub(crate) use worker::WorkerMetrics;

/// The data plane's metrics.
#[derive(Clone, Default)]
pub struct Metrics {
    workers: Arc<Mutex<Vec<Arc<Cells>>>>,
}

impl Metrics {
    /// Cells for one more worker.
    pub(crate) fn worker(&self) -> WorkerMetrics {
        let cells = Arc::new(Cells::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(cells.clone());
        WorkerMetrics::new(cells)
    }
}

impl Source for Metrics {
    fn show(&self, page: &mut Page) {
        // Declares what nobody has counted yet.
        RouteMetrics::default().show(page, "");
        AuthenticatorMetrics::default().show(page, "");
        DecisionPointMetrics::default().show(page, "");
        ServiceMetrics::default().show(page, "");
        Cells::default().show(page);
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().for_each(|cells| cells.show(page));
    }
}

/// Declares every metric of the data plane, without a value.
pub fn declare_metrics(page: &mut Page) {
    Metrics::default().show(page);
    gauges::show(&[], page);
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
