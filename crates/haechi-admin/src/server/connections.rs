//! Open connections, so that the one that has been idle for longest can make room for another.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long the requests in flight may take when the listener ends.
const GRACE: Duration = Duration::from_secs(1);

/// The connections that are open, at most so many.
pub(super) struct Connections {
    most: usize,
    shared: Arc<Shared>,
}

struct Shared {
    open: Mutex<Vec<Arc<Connection>>>,
    /// Sockets that are not closed yet; those of connections that were told to close are among them.
    sockets: AtomicUsize,
    /// Told when a connection closes.
    closed: Notify,
}

struct Connection {
    /// Requests that are being answered.
    in_flight: AtomicUsize,
    /// When the connection opened, or its last request was answered.
    idle_since: Mutex<Instant>,
    close: Notify,
    finish: Notify,
}

/// One open connection; dropped when it has closed.
pub(super) struct OpenConnection {
    connection: Arc<Connection>,
    shared: Arc<Shared>,
}

/// Counts the requests of one connection.
pub(super) struct Requests(Arc<Connection>);

/// A request in flight, until it is dropped.
pub(super) struct InFlight(Arc<Connection>);

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        let shared = Shared { open: Mutex::default(), sockets: AtomicUsize::new(0), closed: Notify::new() };
        Self { most, shared: Arc::new(shared) }
    }

    /// Counts one more connection. When that is too many, the one that has been idle for longest is closed; `None` when none is idle.
    pub(super) fn open(&self) -> Option<OpenConnection> {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            let (index, _) = open
                .iter()
                .enumerate()
                .filter(|(_, connection)| connection.in_flight.load(Relaxed) == 0)
                .min_by_key(|(_, connection)| connection.idle_since())?;
            open.swap_remove(index).close.notify_one();
        }
        let connection = Arc::new(Connection {
            in_flight: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            close: Notify::new(),
            finish: Notify::new(),
        });
        open.push(connection.clone());
        self.shared.sockets.fetch_add(1, Relaxed);
        Some(OpenConnection { connection, shared: self.shared.clone() })
    }

    /// Waits until those that were told to close have closed. Until then their file descriptors are in use.
    pub(super) async fn settle(&self) {
        while self.shared.sockets.load(Relaxed) > self.most {
            self.shared.closed.notified().await;
        }
    }

    /// Closes idle connections, and waits for requests in flight, for a second at most.
    pub(super) async fn finish(&self) {
        self.each(|connection| connection.finish.notify_one());
        let all_closed = async {
            loop {
                let closed = self.shared.closed.notified();
                if self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                    return;
                }
                closed.await;
            }
        };
        if tokio::time::timeout(GRACE, all_closed).await.is_err() {
            self.each(|connection| connection.close.notify_one());
        }
    }

    fn each(&self, tell: impl FnMut(&Arc<Connection>)) {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(tell);
    }
}

impl Connection {
    fn idle_since(&self) -> Instant {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnection {
    pub(super) fn requests(&self) -> Requests {
        Requests(self.connection.clone())
    }

    /// Comes true when the connection must go, whatever it does.
    pub(super) async fn told_to_close(&self) {
        self.connection.close.notified().await;
    }

    /// Comes true when the connection is to answer what it has read, and no more.
    pub(super) async fn told_to_finish(&self) {
        self.connection.finish.notified().await;
    }
}

impl Requests {
    pub(super) fn begin(&self) -> InFlight {
        self.0.in_flight.fetch_add(1, Relaxed);
        InFlight(self.0.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connection| !Arc::ptr_eq(connection, &self.connection));
        drop(open);
        self.shared.sockets.fetch_sub(1, Relaxed);
        self.shared.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::Connections;

    #[tokio::test]
    async fn the_connection_idle_for_longest_makes_room() {
        let connections = Connections::new(2);
        let (first, second) = (connections.open().unwrap(), connections.open().unwrap());
        let in_flight = first.requests().begin();
        let third = connections.open().expect("the second is idle");
        second.told_to_close().await;
        let _busy = third.requests().begin();
        assert!(connections.open().is_none(), "both others are in the middle of a request");
        drop(in_flight);
        let _fourth = connections.open().expect("the first is idle again");
        first.told_to_close().await;
    }

    #[tokio::test]
    async fn the_end_waits_for_open_connections() {
        let connections = Connections::new(2);
        let open = connections.open().unwrap();
        let told = tokio::spawn(async move { open.told_to_finish().await });
        connections.finish().await;
        told.await.unwrap();
    }
}
