//! Circuit breaker: limits on the connections, pending requests and requests of one endpoint, counted over all workers with one atomic number each.

use super::endpoint::EndpointState;
use crate::limits::Descriptor;
use crate::settings::Circuit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Connections,
    Pending,
    Requests,
}

impl Full {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Pending => "pending",
            Self::Requests => "requests",
        }
    }
}

/// One open connection.
pub(crate) struct OpenConnection {
    state: Arc<EndpointState>,
    _descriptor: Option<Descriptor>,
}

/// One request that waits for a connection.
pub(crate) struct Waiting(Arc<EndpointState>);

/// One request in flight.
pub(crate) struct InFlight(Arc<EndpointState>);

impl OpenConnection {
    /// Counts one more. A worker that has none may go over the limit by one: others may keep all of them, idle.
    pub(crate) fn count(state: &Arc<EndpointState>, circuit: &Circuit, has_none: bool) -> Result<Self, Full> {
        let limit = if has_none { u32::MAX } else { circuit.connections };
        if enter(&state.connections, limit) {
            Ok(Self { state: state.clone(), _descriptor: None })
        } else {
            Err(Full::Connections)
        }
    }

    /// Keeps the descriptor that the connection was granted for as long as the connection.
    pub(crate) fn hold(&mut self, descriptor: Descriptor) {
        self._descriptor = Some(descriptor);
    }

    /// The endpoint to which it leads.
    pub(crate) const fn endpoint(&self) -> &Arc<EndpointState> {
        &self.state
    }
}

impl Waiting {
    /// Counts one more.
    pub(crate) fn count(state: &Arc<EndpointState>, circuit: &Circuit) -> Result<Self, Full> {
        if enter(&state.pending, circuit.pending) { Ok(Self(state.clone())) } else { Err(Full::Pending) }
    }
}

impl InFlight {
    /// Counts one more, where counting can ever matter.
    pub(crate) fn count(
        state: &Arc<EndpointState>,
        circuit: &Circuit,
        shares: bool,
    ) -> Result<Option<Self>, Full> {
        if !shares && !circuit.counts_requests() {
            return Ok(None);
        }
        if enter(&state.requests, circuit.requests) {
            Ok(Some(Self(state.clone())))
        } else {
            Err(Full::Requests)
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.state.connections.fetch_sub(1, Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// Adds one unless that is over the limit.
fn enter(count: &AtomicU32, limit: u32) -> bool {
    let entered = count.fetch_add(1, Relaxed) < limit;
    if !entered {
        count.fetch_sub(1, Relaxed);
    }
    entered
}
