//! A worker's idle connections to one endpoint.

use crate::http1::client::UpstreamConnection;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Idle connections kept per endpoint and worker.
const MAX_IDLE: usize = 256;

/// The connections of one worker to one endpoint.
#[derive(Default)]
pub(crate) struct Pool {
    idle: RefCell<Vec<UpstreamConnection>>,
    in_use: Cell<u32>,
}

/// Where a connection came from; counts as one request in flight until it is dropped.
pub(crate) struct Home(Rc<Pool>);

impl Pool {
    /// Counts one more request to the endpoint.
    pub(crate) fn enter(self: &Rc<Self>) -> Home {
        self.in_use.set(self.in_use.get() + 1);
        Home(self.clone())
    }

    /// The idle connection used last that still holds.
    pub(crate) fn idle(&self) -> Option<UpstreamConnection> {
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

    /// Closes idle connections that the backend has closed.
    pub(crate) fn sweep(&self) {
        self.idle.borrow_mut().retain(UpstreamConnection::is_fresh);
    }
}

impl Home {
    /// Keeps a connection for the next request.
    pub(crate) fn take_back(&self, connection: UpstreamConnection) {
        let mut idle = self.0.idle.borrow_mut();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.0.in_use.set(self.0.in_use.get().saturating_sub(1));
    }
}
