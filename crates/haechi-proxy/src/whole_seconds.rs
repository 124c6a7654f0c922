//! Times that answers tell in whole seconds.

use std::time::Duration;

/// Whole seconds, never too early and never none (RFC 9110 10.2.3).
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
