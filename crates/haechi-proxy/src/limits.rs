//! Limits by the names that the counter and the documentation use, and the budget of connections that all clients share.
//!
//! Connections are counted when they are taken and when they end, never on a request's way: a lock and a few shared numbers are enough.

use foldhash::fast::RandomState;
use haechi_core::address_block;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// A request's target.
    Target,
    /// The bytes of a request's head.
    Head,
    /// The fields of a request's head.
    Fields,
    /// The time that a head takes.
    HeaderRead,
    /// The time between requests.
    Idle,
    /// The bytes of a request's body.
    Body,
    /// The time between two pieces of a request's body.
    BodyStall,
    /// The time between two pieces of an answer that the client takes.
    WriteStall,
    WebSocketIdle,
    /// Open client connections.
    Connections,
    /// Open connections of one client address.
    ConnectionsPerAddress,
    /// File descriptors.
    Descriptors,
    /// Memory for buffers.
    Buffers,
}

impl Limit {
    /// The value of the counter's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Head => "head",
            Self::Fields => "fields",
            Self::HeaderRead => "header_read",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::BodyStall => "body_stall",
            Self::WriteStall => "write_stall",
            Self::WebSocketIdle => "websocket_idle",
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Descriptors => "descriptors",
            Self::Buffers => "buffers",
        }
    }
}

/// What the connections of all workers together may take: client connections in all and from one address, and file descriptors.
#[derive(Debug)]
pub struct Budget {
    clients: AtomicUsize,
    descriptors: AtomicUsize,
    /// Descriptors for connections to clients and to services together.
    most: usize,
    addresses: Mutex<HashMap<IpAddr, usize, RandomState>>,
}

/// A client connection that was counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct ClientCount {
    budget: Arc<Budget>,
    _descriptor: Descriptor,
}

/// A connection that was counted to an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct AddressCount {
    budget: Arc<Budget>,
    counted: IpAddr,
}

/// A file descriptor that a connection holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Descriptor(Arc<Budget>);

impl Budget {
    /// A budget of so many file descriptors for connections. What the process needs besides (admin listener, store, logs, key fetching) is the
    /// caller's to keep back.
    pub fn new(descriptors: usize) -> Arc<Self> {
        Arc::new(Self {
            clients: AtomicUsize::new(0),
            descriptors: AtomicUsize::new(0),
            most: descriptors,
            addresses: Mutex::default(),
        })
    }

    /// How many client connections the descriptors allow. A quarter is left for connections to services: clients that were let in and could then
    /// not be served would be worse off than those that are turned away.
    pub const fn most_clients(&self) -> usize {
        self.most - self.most / 4
    }

    /// Open client connections.
    pub fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }

    /// Counts one more client connection; `most` may be open.
    pub(crate) fn client(self: &Arc<Self>, most: usize) -> Result<ClientCount, Limit> {
        let descriptor = self.descriptor().ok_or(Limit::Descriptors)?;
        let open = self.clients.fetch_add(1, Relaxed) + 1;
        let count = ClientCount { budget: self.clone(), _descriptor: descriptor };
        if open > most {
            return Err(Limit::Connections);
        }
        if open > self.most_clients() { Err(Limit::Descriptors) } else { Ok(count) }
    }

    /// Counts one more connection from `address`, of which `most` may be open.
    pub(crate) fn address(self: &Arc<Self>, address: IpAddr, most: usize) -> Result<AddressCount, Limit> {
        let counted = address_block(address.to_canonical());
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let open = addresses.entry(counted).or_default();
        if *open >= most {
            return Err(Limit::ConnectionsPerAddress);
        }
        *open += 1;
        Ok(AddressCount { budget: self.clone(), counted })
    }

    /// Takes a descriptor for a connection; `None` when all are taken.
    pub(crate) fn descriptor(self: &Arc<Self>) -> Option<Descriptor> {
        let taken = self.descriptors.fetch_add(1, Relaxed) + 1;
        let descriptor = Descriptor(self.clone());
        (taken <= self.most).then_some(descriptor)
    }
}

impl Drop for ClientCount {
    fn drop(&mut self) {
        self.budget.clients.fetch_sub(1, Relaxed);
    }
}

impl Drop for AddressCount {
    fn drop(&mut self) {
        let mut addresses = self.budget.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = addresses.get_mut(&self.counted) {
            *open -= 1;
            if *open == 0 {
                addresses.remove(&self.counted);
            }
        }
        if addresses.is_empty() {
            // A flood of addresses should not leave its table behind.
            addresses.shrink_to(64);
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.descriptors.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Limit};
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_gets_them_back() {
        let budget = Budget::new(100);
        let take = |text: &str| budget.address(ip(text), 2);
        let first = take("192.0.2.1").unwrap();
        let second = take("::ffff:192.0.2.1").unwrap();
        assert_eq!(take("192.0.2.1").unwrap_err(), Limit::ConnectionsPerAddress);
        assert!(take("192.0.2.2").is_ok());
        drop(first);
        let third = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_err());
        drop((second, third));
        assert!(budget.addresses.lock().unwrap().is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let budget = Budget::new(100);
        let _first = budget.address(ip("2001:db8::1"), 1).unwrap();
        assert!(budget.address(ip("2001:db8::ffff:2"), 1).is_err());
        assert!(budget.address(ip("2001:db8:0:1::1"), 1).is_ok());
    }

    #[test]
    fn clients_leave_descriptors_for_services() {
        let budget = Budget::new(8);
        let clients: Vec<_> = (0..6).map(|_| budget.client(100).unwrap()).collect();
        assert_eq!(budget.client(100).unwrap_err(), Limit::Descriptors);
        let services: Vec<_> = (0..2).map(|_| budget.descriptor().unwrap()).collect();
        assert!(budget.descriptor().is_none());
        drop(clients);
        assert_eq!(budget.client(0).unwrap_err(), Limit::Connections);
        assert!(budget.client(1).is_ok());
        drop(services);
        assert!((0..8).map(|_| budget.descriptor()).collect::<Option<Vec<_>>>().is_some());
    }
}
