//! A steady stream of requests, each of which is counted: what a client sees of a gate that is reloaded, upgraded or ended.

use crate::http1::Head;
use std::io::{BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a client waits for anything.
const TIMEOUT: Duration = Duration::from_secs(20);
/// So many failures are kept in words.
const KEPT: usize = 20;

/// A backend that answers every request with 200 and `steady`, and remembers none.
pub struct Steady(SocketAddr);

impl Steady {
    /// Starts it. It ends with the process.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || answer(&socket));
            }
        });
        Self(address)
    }

    /// Where it listens, as a URL without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

fn answer(mut socket: &TcpStream) {
    drop(socket.set_nodelay(true));
    let mut reader = BufReader::new(socket);
    while let Ok(Some(_)) = Head::read(&mut reader) {
        if socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsteady").is_err() {
            return;
        }
    }
}

/// Where the next connection goes.
pub type Target = Arc<dyn Fn() -> SocketAddr + Send + Sync>;

/// Clients that are sending.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<u32>>>,
}

struct Shared {
    target: Target,
    stop: AtomicBool,
    sent: AtomicU64,
    failed: AtomicU64,
    connections: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Requests that were sent, or for which no connection could be made.
    pub sent: u64,
    /// Those of them that were not answered as they should be.
    pub failed: u64,
    /// Connections that were made.
    pub connections: u64,
    /// The first failures in words.
    pub failures: Vec<String>,
    /// From when a request was due to the end of its answer, in microseconds: median, 99th percentile, 99.9th, maximum.
    pub latency: [u32; 4],
}

impl Load {
    /// Starts `clients` clients with a connection each, which together send `rate` requests a second, evenly spaced.
    pub fn start(target: Target, clients: u32, rate: u32) -> Self {
        let shared = Arc::new(Shared {
            target,
            stop: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            failures: Mutex::default(),
        });
        let begun = Instant::now();
        let every = Duration::from_secs(1) * clients / rate;
        let client = |index| {
            let (shared, first) = (shared.clone(), begun + every * index / clients);
            std::thread::spawn(move || Client { shared, connection: None }.run(first, every))
        };
        Self { clients: (0..clients).map(client).collect(), shared }
    }

    /// Requests so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Lets the clients finish their requests.
    ///
    /// # Panics
    /// Where a client has.
    pub fn stop(self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut latencies: Vec<u32> =
            self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            latencies.get(index.min(latencies.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        Report {
            sent: self.shared.sent.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            connections: self.shared.connections.load(Ordering::Relaxed),
            failures: self.shared.failures.lock().unwrap().clone(),
            latency: [at(0.5), at(0.99), at(0.999), at(1.0)],
        }
    }
}

struct Client {
    shared: Arc<Shared>,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    fn run(mut self, first: Instant, every: Duration) -> Vec<u32> {
        let mut latencies = Vec::new();
        let mut due = first;
        while !self.shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.shared.sent.fetch_add(1, Ordering::Relaxed);
            match self.exchange() {
                Ok(()) => latencies.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX)),
                Err(why) => {
                    self.connection = None;
                    self.shared.failed.fetch_add(1, Ordering::Relaxed);
                    let mut failures = self.shared.failures.lock().unwrap();
                    if failures.len() < KEPT {
                        failures.push(why);
                    }
                }
            }
            due += every;
        }
        latencies
    }

    /// One request and its answer. A connection that was closed while nothing was under way is made anew, as any client would.
    fn exchange(&mut self) -> Result<(), String> {
        if self.connection.as_ref().is_some_and(|connection| is_over(connection.get_ref())) {
            self.connection = None;
        }
        let fresh = self.connection.is_none();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(|fault| format!("connecting: {fault}"))?,
        };
        let said = |what: &'static str| {
            move |fault: std::io::Error| format!("{what} on a {} connection: {fault}", age(fresh))
        };
        let request = b"GET /steady HTTP/1.1\r\nHost: steady\r\n\r\n";
        connection.get_mut().write_all(request).map_err(said("sending"))?;
        let head = Head::read(&mut connection).map_err(said("reading"))?;
        let head = head.ok_or_else(|| format!("a {} connection closed without an answer", age(fresh)))?;
        let mut body = Vec::new();
        let read = head.read_answer_body(&mut connection, &mut |piece| body.extend_from_slice(piece));
        read.map_err(said("reading a body"))?;
        if head.word(1) != "200" || body != b"steady" {
            return Err(format!("{}: {}", head.start_line, String::from_utf8_lossy(&body)));
        }
        if !head.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close")) {
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn connect(&self) -> std::io::Result<BufReader<TcpStream>> {
        let socket = TcpStream::connect_timeout(&(self.shared.target)(), TIMEOUT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        Ok(BufReader::new(socket))
    }
}

const fn age(fresh: bool) -> &'static str {
    if fresh { "new" } else { "kept" }
}

/// Whether the other side has closed.
fn is_over(socket: &TcpStream) -> bool {
    let mut byte = [0];
    drop(socket.set_nonblocking(true));
    let peeked = socket.peek(&mut byte);
    drop(socket.set_nonblocking(false));
    !matches!(peeked, Err(fault) if fault.kind() == ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::{Load, Steady};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};
    use std::sync::Arc;

    fn load(address: SocketAddr) -> super::Report {
        let load = Load::start(Arc::new(move || address), 4, 400);
        crate::eventually(crate::PATIENCE, || (load.sent() >= 40).then_some(()));
        load.stop()
    }

    #[test]
    fn what_is_answered_is_no_failure_and_what_is_not_is() {
        let steady = Steady::start();
        let well = load(steady.0);
        assert!(well.failed == 0 && well.connections == 4 && well.sent >= 40, "{well:?}");
        let address = crate::port::unused_address();
        let refused = load(address);
        assert_eq!(refused.failed, refused.sent, "{refused:?}");
        // One that closes instead of answering.
        let closing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = closing.local_addr().unwrap();
        std::thread::spawn(move || closing.incoming().for_each(drop));
        assert!(load(address).failed > 0);
    }
}
