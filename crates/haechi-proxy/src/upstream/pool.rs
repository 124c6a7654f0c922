//! Connection pool: a worker's idle connections to one endpoint.

use super::circuit::{Full, InFlight, OpenConnection, Waiting};
use super::endpoint::EndpointState;
use super::shared::{ConnectResult, Found, SharedConnections};
use crate::http1::client::UpstreamConnection;
use crate::metrics::ServiceMetrics;
use crate::settings::{Circuit, Keepalive, Protocol};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::watch;

/// The connections of one worker to one endpoint.
pub(crate) struct Pool {
    state: Arc<EndpointState>,
    /// As the plan in force says; a pool outlives plans.
    keepalive: Cell<Keepalive>,
    idle: RefCell<Vec<UpstreamConnection>>,
    shared: SharedConnections,
    /// Whether the backend was asked which protocol it speaks, and chose HTTP/1.1.
    chose_http1: Cell<bool>,
    /// Written here alone, and read by whoever wants to know how busy the endpoint is.
    in_use: Arc<AtomicU32>,
    turn: Cell<usize>,
    /// Whether no plan in force has its endpoint: requests finish, and nothing is kept.
    retired: Cell<bool>,
    /// Those of the service.
    metrics: Arc<ServiceMetrics>,
}

/// Where a connection came from; counts as one request in flight until it is dropped.
pub(crate) struct ConnectionLease {
    pool: Rc<Pool>,
    _in_flight: Option<InFlight>,
}

/// How an endpoint is reached.
pub(crate) enum Acquired {
    /// Over a connection that was kept.
    Kept(UpstreamConnection),
    /// Over a new one.
    Open(OpenPermit),
    /// Over one that carries many exchanges at once.
    Shared,
}

/// Leave to make a connection.
pub(crate) struct OpenPermit {
    pub(crate) open: OpenConnection,
    /// Which of the endpoint's addresses is tried first.
    pub(crate) turn: usize,
    metrics: Arc<ServiceMetrics>,
    _waiting: Waiting,
}

impl Pool {
    /// Without any connection yet.
    pub(crate) fn new(state: Arc<EndpointState>, metrics: Arc<ServiceMetrics>) -> Self {
        let in_use = Arc::default();
        state.counted_in(&in_use);
        Self {
            state,
            keepalive: Cell::default(),
            idle: RefCell::default(),
            shared: SharedConnections::default(),
            chose_http1: Cell::new(false),
            in_use,
            turn: Cell::new(0),
            retired: Cell::new(false),
            metrics,
        }
    }

    /// To which endpoint its connections lead.
    pub(crate) const fn state(&self) -> &Arc<EndpointState> {
        &self.state
    }

    /// From now on connections are kept like this.
    pub(crate) fn keep(&self, keepalive: Keepalive) {
        self.keepalive.set(keepalive);
    }

    /// Takes up one more request, over a kept connection, or over a new one where that must be or nothing is kept.
    pub(crate) fn admit(
        self: &Rc<Self>,
        circuit: &Circuit,
        protocol: Protocol,
        must_be_new: bool,
    ) -> Result<(ConnectionLease, Acquired), Full> {
        let shares = self.shares(protocol);
        let in_flight = InFlight::count(&self.state, circuit, shares)?;
        let kept = if must_be_new || shares { None } else { self.idle() };
        let way = match kept {
            Some(connection) => Acquired::Kept(connection),
            None if shares => Acquired::Shared,
            None => {
                let has_none = self.in_use() == 0 && self.idle.borrow().is_empty();
                Acquired::Open(self.opening(circuit, has_none)?)
            }
        };
        self.in_use.store(self.in_use() + 1, Relaxed);
        Ok((ConnectionLease { pool: self.clone(), _in_flight: in_flight }, way))
    }

    /// Whether its connections carry many exchanges each, as far as is known.
    fn shares(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => true,
            Protocol::Auto => self.state.tls().is_some() && !self.chose_http1.get(),
        }
    }

    fn opening(&self, circuit: &Circuit, has_none: bool) -> Result<OpenPermit, Full> {
        let open = OpenConnection::count(&self.state, circuit, has_none)?;
        let waiting = Waiting::count(&self.state, circuit)?;
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        Ok(OpenPermit { open, turn, metrics: self.metrics.clone(), _waiting: waiting })
    }

    /// The idle connection used last that still holds.
    fn idle(&self) -> Option<UpstreamConnection> {
        let (mut idle, most) = (self.idle.borrow_mut(), self.keepalive.get());
        while let Some(connection) = idle.pop() {
            if connection.is_reusable(&most) {
                return Some(connection);
            }
        }
        None
    }

    /// Requests in flight.
    pub(crate) fn in_use(&self) -> u32 {
        self.in_use.load(Relaxed)
    }

    /// Closes the connection that was idle for longest. Returns whether there was one.
    pub(crate) fn close_one(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        let any = !idle.is_empty();
        if any {
            idle.remove(0);
        }
        any
    }

    /// Closes idle connections that the backend has closed, that lead where the endpoint no longer is, or that are not to be kept.
    pub(crate) fn sweep(&self) {
        let most = self.keepalive.get();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| connection.is_fresh(&most));
        let over = idle.len().saturating_sub(most.max_idle);
        idle.drain(..over);
        self.shared.sweep(&most);
    }

    /// Closes idle connections and keeps none from now on.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.idle.take();
        self.shared.forget();
    }
}

impl OpenPermit {
    /// The connection is being made.
    pub(crate) fn count(&self) {
        self.metrics.connections.count("new");
    }
}

impl ConnectionLease {
    /// A connection that was there already is used again.
    pub(crate) fn count_reused(&self) {
        self.pool.metrics.connections.count("reused");
    }

    /// A connection that carries many exchanges, or how to come to one.
    pub(crate) fn shared(&self, circuit: &Circuit) -> Result<Found, Full> {
        self.pool.shared.find(&self.pool.keepalive.get(), |has_none| self.pool.opening(circuit, has_none))
    }

    /// Keeps the connection that was made for many, and tells those who wait for it.
    pub(crate) fn made(&self, tell: &watch::Sender<Option<ConnectResult>>, made: &ConnectResult) {
        self.pool.chose_http1.set(matches!(made, Ok(None)));
        self.pool.shared.made(tell, made);
    }

    /// Leave to make a connection for one exchange at a time.
    pub(crate) fn opening(&self, circuit: &Circuit) -> Result<OpenPermit, Full> {
        self.pool.opening(circuit, false)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn take_back(&self, connection: UpstreamConnection) {
        let mut idle = self.pool.idle.borrow_mut();
        if idle.len() < self.pool.keepalive.get().max_idle && !self.pool.retired.get() {
            idle.push(connection);
        }
    }
}

impl Drop for ConnectionLease {
    fn drop(&mut self) {
        self.pool.in_use.store(self.pool.in_use().saturating_sub(1), Relaxed);
    }
}
