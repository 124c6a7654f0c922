//! Multiplexed (HTTP/2) connections of a worker to one endpoint, each shared by many requests.

use super::circuit::Full;
use super::connect::ConnectFailure;
use super::pool::OpenPermit;
use crate::http2::client::Multiplexed;
use crate::settings::Keepalive;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::watch;

/// Connections per endpoint and worker, at most. Past that, exchanges wait for their turn on those that are there.
const MAX_CONNECTIONS: usize = 8;

/// What came of making a connection; `None` when the backend chose HTTP/1.1, where it was asked.
pub(crate) type ConnectResult = Result<Option<Rc<Multiplexed>>, ConnectFailure>;

/// The connections.
#[derive(Default)]
pub(crate) struct SharedConnections {
    made: RefCell<Vec<Rc<Multiplexed>>>,
    /// One that is being made. Whoever comes meanwhile waits for it.
    making: RefCell<Option<watch::Receiver<Option<ConnectResult>>>>,
}

/// How an exchange comes to a connection.
pub(crate) enum Found {
    Ready(Rc<Multiplexed>),
    /// Somebody is making one.
    Wait(watch::Receiver<Option<ConnectResult>>),
    /// This exchange makes one.
    Make(ConnectPermit),
}

/// Leave to make a connection, for this exchange and those that wait for it.
pub(crate) struct ConnectPermit {
    pub(crate) opening: OpenPermit,
    tell: watch::Sender<Option<ConnectResult>>,
}

impl SharedConnections {
    /// The least busy connection that takes another exchange, or how to come to one. `open` gives leave to make one, knowing whether there is none.
    pub(crate) fn find(
        &self,
        most: &Keepalive,
        open: impl FnOnce(bool) -> Result<OpenPermit, Full>,
    ) -> Result<Found, Full> {
        let mut made = self.made.borrow_mut();
        made.retain(|connection| connection.is_usable(most));
        let least = made.iter().min_by_key(|connection| connection.streams()).cloned();
        if let Some(connection) = least
            && (!connection.is_full() || made.len() >= MAX_CONNECTIONS)
        {
            return Ok(Found::Ready(connection));
        }
        let mut making = self.making.borrow_mut();
        // Whoever was making it may have been given up; then the next one makes it.
        if let Some(waiting) = making.as_ref().filter(|waiting| waiting.has_changed().is_ok()) {
            return Ok(Found::Wait(waiting.clone()));
        }
        let (tell, waiting) = watch::channel(None);
        let opening = open(made.is_empty())?;
        *making = Some(waiting);
        Ok(Found::Make(ConnectPermit { opening, tell }))
    }

    /// Keeps what was made, and tells those who wait.
    pub(crate) fn made(&self, tell: &watch::Sender<Option<ConnectResult>>, made: &ConnectResult) {
        if let Ok(Some(connection)) = made {
            self.made.borrow_mut().push(connection.clone());
        }
        *self.making.borrow_mut() = None;
        tell.send_replace(Some(made.clone()));
    }

    /// Forgets all: exchanges in progress finish, and the connections end with them.
    pub(crate) fn forget(&self) {
        self.made.take();
    }

    /// Forgets connections that the backend has closed or is about to.
    pub(crate) fn sweep(&self, most: &Keepalive) {
        self.made.borrow_mut().retain(|connection| connection.is_usable(most));
    }
}

impl ConnectPermit {
    /// The leave itself, and where to tell what came of it.
    pub(crate) fn begin(self) -> (OpenPermit, watch::Sender<Option<ConnectResult>>) {
        (self.opening, self.tell)
    }
}

/// What the others have made; `None` when they gave up without an outcome.
pub(crate) async fn outcome(mut waiting: watch::Receiver<Option<ConnectResult>>) -> Option<ConnectResult> {
    let made = waiting.wait_for(Option::is_some).await.ok()?;
    made.clone()
}
