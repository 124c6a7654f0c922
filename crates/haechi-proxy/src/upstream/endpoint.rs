//! What all workers and the control side know of one endpoint. Nothing here waits: requests read and write single numbers.

use crate::tls::ServiceTls;
use arc_swap::ArcSwap;
use haechi_core::Host;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The share of an endpoint of weight 1 that is neither out nor coming back.
pub(crate) const FULL_SHARE: u64 = 64;
/// An endpoint that comes back starts with this part of its share, so that it is asked at all.
const FIRST_STEP: u64 = 10;
const NEVER: u64 = 0;

/// One endpoint of one service, for as long as any plan names it.
pub struct EndpointState {
    service: Arc<str>,
    host: Arc<str>,
    port: u16,
    named: bool,
    tls: Option<Arc<ServiceTls>>,
    /// As a `Host` names it, without its port, and with it where it is not the usual one.
    own_names: Option<(Host, Host)>,
    /// What the host stands for.
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Whether there is any address; false while a name has never been resolved.
    located: AtomicBool,
    /// What health checks say.
    healthy: AtomicBool,
    /// Whether an operator keeps new requests from it. Of the place, not of how it is spoken to: an endpoint that follows at the same place has the same.
    drained: Arc<AtomicBool>,
    /// Each worker's count of requests in flight: the worker alone writes it. Locked where a worker comes to know the endpoint, never on the way of a request.
    in_flight: Mutex<Vec<Weak<AtomicU32>>>,
    /// In a row.
    pub(super) failures: AtomicU32,
    /// That came soon after one another.
    pub(super) ejections: AtomicU32,
    pub(super) ejected_until: AtomicU64,
    /// When the latest ejection ended, or will end.
    pub(super) latest_return: AtomicU64,
    /// Since when its share grows.
    back_since: AtomicU64,
    pub(super) connections: AtomicU32,
    pub(super) pending: AtomicU32,
    pub(super) requests: AtomicU32,
}

/// Milliseconds on a clock that only goes forward; never 0.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed()) + 1
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

/// `None` for a name that no `Host` could be.
fn own_names(host: &str, port: u16, usual: u16) -> Option<(Host, Host)> {
    let name = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let with_port = if port == usual { name.clone() } else { format!("{name}:{port}") };
    Some((Host::parse(name.as_bytes()).ok()?, Host::parse(with_port.as_bytes()).ok()?))
}

impl EndpointState {
    /// An endpoint of which nothing bad is known.
    pub(crate) fn new(service: Arc<str>, host: Arc<str>, port: u16, tls: Option<Arc<ServiceTls>>) -> Self {
        let literal = host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        Self {
            own_names: own_names(&host, port, if tls.is_some() { 443 } else { 80 }),
            service,
            host,
            port,
            named: literal.is_none(),
            tls,
            located: AtomicBool::new(literal.is_some()),
            addresses: ArcSwap::from_pointee(literal.into_iter().collect()),
            healthy: AtomicBool::new(true),
            drained: Arc::default(),
            in_flight: Mutex::default(),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(NEVER),
            latest_return: AtomicU64::new(NEVER),
            back_since: AtomicU64::new(NEVER),
            connections: AtomicU32::new(0),
            pending: AtomicU32::new(0),
            requests: AtomicU32::new(0),
        }
    }

    /// The same, kept from new requests while `drained` says so.
    pub(crate) fn drained_by(self, drained: Arc<AtomicBool>) -> Self {
        Self { drained, ..self }
    }

    /// The service's name.
    pub const fn service(&self) -> &Arc<str> {
        &self.service
    }

    /// Name or address.
    pub const fn host(&self) -> &Arc<str> {
        &self.host
    }

    /// As a `Host` names it, without its port.
    pub(crate) fn own_name(&self) -> Option<&Host> {
        self.own_names.as_ref().map(|(name, _)| name)
    }

    /// As a `Host` names it, with its port where it is not the usual one.
    pub(crate) fn own_host(&self) -> Option<&Host> {
        self.own_names.as_ref().map(|(_, host)| host)
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How it is spoken to over TLS; `None` where it is spoken to without.
    pub const fn tls(&self) -> Option<&Arc<ServiceTls>> {
        self.tls.as_ref()
    }

    /// Whether the host is a name that must be resolved.
    pub const fn is_named(&self) -> bool {
        self.named
    }

    /// Where it is; empty while its name has never been resolved.
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.load_full()
    }

    /// Whether `address` is, or still is, one of its addresses.
    pub(crate) fn is_at(&self, address: SocketAddr) -> bool {
        !self.named || self.addresses.load().contains(&address)
    }

    /// Sets what its name stands for. An answer without an address is none, and changes nothing.
    pub(crate) fn resolved(&self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        if self.named && !addresses.is_empty() && **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
            self.located.store(true, Relaxed);
        }
    }

    /// Whether health checks find it well, or nobody checks.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Whether it was taken out because requests failed.
    pub fn is_ejected(&self) -> bool {
        self.ejected_until.load(Relaxed) > now()
    }

    /// Whether an operator keeps new requests from it.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Relaxed)
    }

    /// Keeps new requests from it, or lets them come again: then it starts with a small share. What is in flight goes on.
    pub fn set_drained(&self, drained: bool) {
        if self.drained.swap(drained, Relaxed) && !drained {
            self.back_since.store(now(), Relaxed);
        }
    }

    /// Requests in flight of all workers, WebSockets among them.
    pub fn in_flight(&self) -> u32 {
        let cells = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().filter_map(Weak::upgrade).map(|cell| cell.load(Relaxed)).sum()
    }

    /// A worker counts its requests in flight in `cell`, for as long as it has it.
    pub(super) fn counted_in(&self, cell: &Arc<AtomicU32>) {
        let mut cells = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|known| known.strong_count() > 0);
        cells.push(Arc::downgrade(cell));
    }

    /// Requests that wait for a connection, of all workers.
    pub fn pending(&self) -> u32 {
        self.pending.load(Relaxed)
    }

    /// Whether there is an address: a name may never have been resolved.
    pub fn is_located(&self) -> bool {
        self.located.load(Relaxed)
    }

    /// Connections of all workers.
    pub fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }

    /// Why it takes no requests at all; `None` where it does.
    pub fn trouble(&self) -> Option<&'static str> {
        match () {
            () if self.is_drained() => Some("drained by an operator"),
            () if !self.located.load(Relaxed) => Some("its name has never been resolved"),
            () if !self.is_healthy() => Some("unhealthy"),
            () if self.is_ejected() => Some("ejected"),
            () => None,
        }
    }

    /// Sets what health checks say. One that recovers starts with a small share.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        if self.healthy.swap(healthy, Relaxed) != healthy && healthy {
            self.failures.store(0, Relaxed);
            self.back_since.store(now(), Relaxed);
        }
    }

    /// How much of the traffic it gets beside the others: 0 while it takes none, [`FULL_SHARE`] for each unit of weight when all is well.
    pub(crate) fn share(&self, weight: u32, slow_start: Duration, now: impl Fn() -> u64) -> u64 {
        if !self.healthy.load(Relaxed) || !self.located.load(Relaxed) || self.is_drained() {
            return 0;
        }
        let full = u64::from(weight) * FULL_SHARE;
        let until = self.ejected_until.load(Relaxed);
        if until == NEVER && self.back_since.load(Relaxed) == NEVER {
            return full;
        }
        let now = now();
        if until > now {
            return 0;
        }
        if until != NEVER && self.ejected_until.compare_exchange(until, NEVER, Relaxed, Relaxed).is_ok() {
            self.failures.store(0, Relaxed);
            self.back_since.store(until, Relaxed);
            tracing::info!(service = %self.service, endpoint = %self, "the ejected endpoint takes requests again");
        }
        self.ramped(full, millis(slow_start), now)
    }

    fn ramped(&self, full: u64, slow_start: u64, now: u64) -> u64 {
        let since = self.back_since.load(Relaxed);
        let grown = now.saturating_sub(since);
        if since == NEVER || grown >= slow_start {
            // Another endpoint's clock reading may be older than a return that was noted meanwhile; the next request looks again.
            let _ = self.back_since.compare_exchange(since, NEVER, Relaxed, Relaxed);
            return full;
        }
        (full * grown / slow_start).max(full / FIRST_STEP).max(u64::from(full > 0))
    }

    /// A request was answered.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}{}{}:{}", brackets.0, self.host, brackets.1, self.port)
    }
}

impl fmt::Debug for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointState({self})")
    }
}
