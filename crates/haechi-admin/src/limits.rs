//! How often somebody may call: by address before anything is verified, by caller after it.

use crate::error::AdminError;
use haechi_core::ports::{AuditActor, Rate};
use haechi_core::rate::{Gcra, LimitTable};
use haechi_core::{Clock, address_block};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Calls of one address, and of one caller, in a second.
const CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// So many may come at once after a time of rest.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(499);
/// So many addresses and callers are counted.
const PLACES: usize = 4096;

/// Counts calls.
pub(crate) struct CallLimits {
    table: LimitTable,
    limit: Gcra,
    clock: Arc<dyn Clock>,
}

impl CallLimits {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let rate = Rate { requests: CALLS, per: Duration::from_secs(1), burst: BURST };
        Self { table: LimitTable::new(PLACES), limit: Gcra::new(&rate), clock }
    }

    /// Counts a call from `client`.
    ///
    /// # Errors
    /// [`AdminError::TooMany`].
    pub(crate) fn from(&self, client: IpAddr) -> Result<(), AdminError> {
        self.count(&address_block(client))
    }

    /// Counts a call of `actor`.
    ///
    /// # Errors
    /// [`AdminError::TooMany`].
    pub(crate) fn by(&self, actor: &AuditActor) -> Result<(), AdminError> {
        self.count(&(&actor.authenticator, &actor.who, actor.uid))
    }

    fn count(&self, key: &impl Hash) -> Result<(), AdminError> {
        let answer = self.table.take(self.table.key(key), &self.limit, self.clock.uptime());
        if answer.is_within { Ok(()) } else { Err(AdminError::TooMany(answer)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, CallLimits};
    use haechi_core::SystemClock;
    use std::sync::Arc;

    #[test]
    fn who_calls_too_often_is_told_so_and_others_are_not() {
        let limits = CallLimits::new(Arc::new(SystemClock));
        let from = |address: &str| limits.from(address.parse().unwrap());
        // Time goes on meanwhile, and gives a few back.
        let refused = (0..BURST.get() * 4).filter(|_| from("192.0.2.1").is_err()).count();
        assert!(refused > 0);
        assert!(from("192.0.2.2").is_ok());
    }
}
