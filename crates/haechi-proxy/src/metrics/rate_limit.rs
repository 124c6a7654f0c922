//! What is counted of the process's table of rate limits.

use haechi_core::metrics::Page;
use haechi_core::rate::TableStats;

/// Numbers at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimiterNumbers {
    pub(crate) table: TableStats,
    /// Requests that were counted by this node's share, because the nodes could not count together.
    pub(crate) by_share: u64,
    /// Requests that were refused for the same reason.
    pub(crate) denied: u64,
}

impl LimiterNumbers {
    pub(crate) fn show(&self, page: &mut Page) {
        let help = "Places in the table of rate limit counts that have been given to a key";
        page.gauge("haechi_rate_limit_places_used", help, &[]).set(&[], self.table.used as f64);
        let help = "Rate limit counts forgotten while they mattered because the table was full";
        page.counter("haechi_rate_limit_forgotten_total", help, &[]).add(&[], self.table.forgotten);
        let help = "Requests that could not be counted over all nodes by what became of them";
        let mut uncounted = page.counter("haechi_rate_limit_shared_failures_total", help, &["result"]);
        uncounted.add(&["local"], self.by_share).add(&["denied"], self.denied);
    }
}
