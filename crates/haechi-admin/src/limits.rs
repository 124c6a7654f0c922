//! How often somebody may call: by caller where the credential holds, by address where none does. A credential is looked at first: what others send from
//! the same address refuses nobody who is known. That costs a signature check for a call at most, of few connections at once.

use crate::context::Peer;
use crate::error::AdminError;
use haechi_core::ports::{AuditActor, Rate};
use haechi_core::rate::{Gcra, LimitTable};
use haechi_core::{Clock, address_block};
use std::hash::Hash;
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

    /// Counts a call of `peer` that nobody vouches for.
    ///
    /// # Errors
    /// [`AdminError::TooMany`].
    pub(crate) fn unverified(&self, peer: Peer) -> Result<(), AdminError> {
        match peer {
            Peer::Address(address) => self.count(&("unverified", address_block(address.ip()))),
            Peer::Process { .. } => Ok(()),
        }
    }

    /// Counts a probe of `peer`. Those of this machine are not counted: no process here is to keep another from asking whether the gate is well.
    ///
    /// # Errors
    /// [`AdminError::TooMany`].
    pub(crate) fn probe(&self, peer: Peer) -> Result<(), AdminError> {
        match peer {
            Peer::Address(address) if !address.ip().to_canonical().is_loopback() => {
                self.count(&("probe", address_block(address.ip())))
            }
            Peer::Address(_) | Peer::Process { .. } => Ok(()),
        }
    }

    /// Counts a call of `actor`. Whoever may open the socket could change everything at once anyway, and is not counted.
    ///
    /// # Errors
    /// [`AdminError::TooMany`].
    pub(crate) fn by(&self, peer: Peer, actor: &AuditActor) -> Result<(), AdminError> {
        match peer {
            Peer::Address(_) => self.count(&(&actor.authenticator, &actor.who)),
            Peer::Process { .. } => Ok(()),
        }
    }

    fn count(&self, key: &impl Hash) -> Result<(), AdminError> {
        let answer = self.table.take(self.table.key(key), &self.limit, self.clock.uptime());
        if answer.is_within { Ok(()) } else { Err(AdminError::TooMany(answer)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, CallLimits, Peer};
    use haechi_core::SystemClock;
    use haechi_core::ports::AuditActor;
    use std::sync::Arc;

    fn peer(address: &str) -> Peer {
        Peer::Address((address.parse::<std::net::IpAddr>().unwrap(), 1).into())
    }

    #[test]
    fn who_calls_too_often_is_told_so_and_others_are_not() {
        let limits = CallLimits::new(Arc::new(SystemClock));
        let from = |address: &str| limits.unverified(peer(address));
        // Time goes on meanwhile, and gives a few back.
        let refused = (0..BURST.get() * 4).filter(|_| from("192.0.2.1").is_err()).count();
        assert!(refused > 0);
        assert!(from("192.0.2.2").is_ok());
        let actor = |name: &str| AuditActor {
            authenticator: name.to_owned(),
            who: None,
            credential_id: None,
            uid: None,
            pid: None,
            client: None,
        };
        assert!(limits.by(peer("192.0.2.1"), &actor("a")).is_ok(), "junk refuses nobody who is known");
        assert!(limits.probe(peer("192.0.2.1")).is_ok(), "nor does it hide how the gate is");
        let refused = (0..BURST.get() * 4).filter(|_| limits.by(peer("192.0.2.1"), &actor("a")).is_err());
        assert!(refused.count() > 0);
        assert!(limits.by(peer("192.0.2.1"), &actor("b")).is_ok());
    }

    #[test]
    fn probes_of_this_machine_and_the_socket_are_not_counted() {
        let limits = CallLimits::new(Arc::new(SystemClock));
        let many = 0..BURST.get() * 4;
        assert!(many.clone().all(|_| limits.probe(peer("127.0.0.1")).is_ok()));
        assert!(!many.clone().all(|_| limits.probe(peer("192.0.2.1")).is_ok()));
        let process = Peer::Process { uid: 0, pid: None };
        assert!(many.clone().all(|_| limits.unverified(process).is_ok() && limits.probe(process).is_ok()));
    }
}
