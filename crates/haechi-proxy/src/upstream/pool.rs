//! A worker's idle connections to one endpoint.

use super::circuit::{Full, InFlight, OpenConnection, Waiting};
use super::endpoint::EndpointState;
use super::settings::Circuit;
use crate::http1::client::UpstreamConnection;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Idle connections kept per endpoint and worker.
const MAX_IDLE: usize = 256;

/// The connections of one worker to one endpoint.
pub(crate) struct Pool {
    state: Arc<EndpointState>,
    idle: RefCell<Vec<UpstreamConnection>>,
    in_use: Cell<u32>,
    turn: Cell<usize>,
    /// Whether no plan in force has its endpoint: requests finish, and nothing is kept.
    retired: Cell<bool>,
}

/// Where a connection came from; counts as one request in flight until it is dropped.
pub(crate) struct Home {
    pool: Rc<Pool>,
    _in_flight: Option<InFlight>,
}

/// How an endpoint is reached.
pub(crate) enum Way {
    /// Over a connection that was kept.
    Kept(UpstreamConnection),
    /// Over a new one.
    Open(Opening),
}

/// Leave to make a connection.
pub(crate) struct Opening {
    pub(crate) open: OpenConnection,
    /// Which of the endpoint's addresses is tried first.
    pub(crate) turn: usize,
    _waiting: Waiting,
}

impl Pool {
    /// Without any connection yet.
    pub(crate) const fn new(state: Arc<EndpointState>) -> Self {
        let (in_use, turn, retired) = (Cell::new(0), Cell::new(0), Cell::new(false));
        Self { state, idle: RefCell::new(Vec::new()), in_use, turn, retired }
    }

    /// To which endpoint its connections lead.
    pub(crate) const fn state(&self) -> &Arc<EndpointState> {
        &self.state
    }

    /// Takes up one more request, over a kept connection, or over a new one where that must be or nothing is kept.
    pub(crate) fn admit(self: &Rc<Self>, circuit: &Circuit, must_be_new: bool) -> Result<(Home, Way), Full> {
        let in_flight = InFlight::count(&self.state, circuit)?;
        let kept = if must_be_new { None } else { self.idle() };
        let way = match kept {
            Some(connection) => Way::Kept(connection),
            None => Way::Open(self.opening(circuit)?),
        };
        self.in_use.set(self.in_use.get() + 1);
        Ok((Home { pool: self.clone(), _in_flight: in_flight }, way))
    }

    fn opening(&self, circuit: &Circuit) -> Result<Opening, Full> {
        let has_none = self.in_use.get() == 0 && self.idle.borrow().is_empty();
        let open = OpenConnection::count(&self.state, circuit, has_none)?;
        let waiting = Waiting::count(&self.state, circuit)?;
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        Ok(Opening { open, turn, _waiting: waiting })
    }

    /// The idle connection used last that still holds.
    fn idle(&self) -> Option<UpstreamConnection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(connection) = idle.pop() {
            if connection.is_reusable() {
                return Some(connection);
            }
        }
        None
    }

    /// Requests in flight.
    pub(crate) const fn in_use(&self) -> u32 {
        self.in_use.get()
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

    /// Closes idle connections that the backend has closed, or that lead where the endpoint no longer is.
    pub(crate) fn sweep(&self) {
        self.idle.borrow_mut().retain(UpstreamConnection::is_fresh);
    }

    /// Closes idle connections and keeps none from now on.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.idle.take();
    }
}

impl Home {
    /// Keeps a connection for the next request.
    pub(crate) fn take_back(&self, connection: UpstreamConnection) {
        let mut idle = self.pool.idle.borrow_mut();
        if idle.len() < MAX_IDLE && !self.pool.retired.get() {
            idle.push(connection);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.pool.in_use.set(self.pool.in_use.get().saturating_sub(1));
    }
}
