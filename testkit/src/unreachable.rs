//! Addresses where nobody answers. The port stays taken, so that no other test can be found there.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// An address on loopback that cannot be connected to, for as long as this lives.
#[derive(Debug)]
pub struct Unreachable {
    address: SocketAddr,
    _port: Socket,
    _waiting: Vec<TcpStream>,
}

impl Unreachable {
    /// Connections are refused.
    pub fn refusing() -> Self {
        let port = bound();
        Self { address: address_of(&port), _port: port, _waiting: Vec::new() }
    }

    /// Connections are neither accepted nor refused: the accept queue is full and stays so.
    pub fn silent() -> Self {
        let port = bound();
        port.listen(0).unwrap();
        let address = address_of(&port);
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let waiting = std::iter::from_fn(connect).take(16).collect();
        Self { address, _port: port, _waiting: waiting }
    }

    /// Where nobody is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket
}

fn address_of(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}

#[cfg(test)]
mod tests {
    use super::Unreachable;
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn refuses_or_says_nothing() {
        let refusing = Unreachable::refusing();
        let refused = TcpStream::connect(refusing.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        let silent = Unreachable::silent();
        let unanswered =
            TcpStream::connect_timeout(&silent.address(), Duration::from_millis(100)).unwrap_err();
        assert_eq!(unanswered.kind(), ErrorKind::TimedOut);
    }
}
