//! A worker's thread: its listeners, its ticks and its end.

use super::{Shared, Worker};
use crate::connection;
use crate::limits::{AddressCount, ClientCount, Limit};
use crate::panic;
use crate::settings::ListenerIndex;
use crate::ticks::TICK;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions};

/// When buffers are short, a client that has stood still for so long is closed.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// Starts a worker on a thread of its own, which takes connections from `listeners`, each with its index in the plan. It ends when it was told to drain and its last connection has closed, or [`Limits::grace`] has
/// passed.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(
    shared: Shared,
    listeners: Vec<(ListenerIndex, TcpListener)>,
    index: usize,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(run(shared, listeners))
    })
}

/// Runs a worker on the current thread, to its end.
async fn run(shared: Shared, listeners: Vec<(ListenerIndex, TcpListener)>) -> io::Result<()> {
    let worker = Worker::new(shared);
    for (index, listener) in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(tokio::task::spawn_local(accept(worker.clone(), listener, index)));
    }
    tick_until_drained(&worker).await;
    worker.recorder().hand_over();
    worker.audit().tick(worker.uptime());
    Ok(())
}

/// The worker's heartbeat: timeouts, log lines, dead idle connections, and the end.
async fn tick_until_drained(worker: &Worker) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for tick in 0u64.. {
        interval.tick().await;
        worker.ticks.advance();
        worker.recorder().hand_over();
        worker.audit().tick(worker.uptime());
        worker.answer_queries();
        worker.metrics().connections(worker.connections.get());
        worker.metrics().buffered(worker.buffers().held());
        if worker.buffers().are_short() {
            worker.ticks.press(STOOD_STILL).for_each(|()| worker.metrics().limit(Limit::Buffers));
        }
        if tick % 20 == 0 {
            // A worker without requests sees a new plan here, and lets go of connections that nobody needs any more.
            worker.plan().sweep();
        }
        if worker.is_draining() {
            let Some(since) = worker.draining_since.get() else {
                worker.draining_since.set(Some(Instant::now()));
                worker.no_more.notify_waiters();
                continue;
            };
            worker.ticks.wake_all();
            if worker.connections.get() == 0 || since.elapsed() >= worker.limits().grace {
                return;
            }
        }
    }
}

/// Takes connections of the listener with this index in the plan, until no more are to be taken: then those that the kernel holds already are
/// the last.
async fn accept(worker: Rc<Worker>, listener: tokio::net::TcpListener, index: ListenerIndex) {
    let mut no_more = pin!(worker.no_more.notified());
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = &mut no_more => break,
        };
        match accepted {
            Ok((socket, peer)) => serve(&worker, socket, peer, index),
            Err(error) => {
                // Out of descriptors, or a connection that was gone before we took it. The next attempt waits for a tick, so as not to spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(TICK).await;
            }
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((socket, peer)) = listener.accept() {
        let socket = socket.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(socket));
        if let Ok(socket) = socket {
            serve(&worker, socket, peer, index);
        }
    }
}

fn serve(worker: &Rc<Worker>, socket: tokio::net::TcpStream, peer: SocketAddr, index: ListenerIndex) {
    let open = match Open::count(worker, peer) {
        Ok(open) => open,
        // It is closed at once. Nothing was read, so nothing was half done, and no answer is due before a request.
        Err(limit) => return worker.metrics().limit(limit),
    };
    let serving = worker.clone();
    drop(tokio::task::spawn_local(async move {
        let work = pin!(connection::serve(serving.clone(), socket, peer, index));
        panic::serve_safely(&serving, work).await;
        drop(open);
    }));
}

/// One open client connection.
struct Open {
    worker: Rc<Worker>,
    _client: ClientCount,
    _address: Option<AddressCount>,
}

impl Open {
    fn count(worker: &Rc<Worker>, peer: SocketAddr) -> Result<Self, Limit> {
        let client = worker.shared.budget.client(worker.limits().connections)?;
        let address = worker.count_address(peer.ip())?;
        worker.connections.set(worker.connections.get() + 1);
        Ok(Self { worker: worker.clone(), _client: client, _address: address })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.connections.set(self.worker.connections.get().saturating_sub(1));
    }
}
