//! A client that sends whatever bytes it is given.

use haechi_testkit::PATIENCE;
use haechi_testkit::http1::Head;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One answer as it stood on the wire.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(crate) complete: bool,
}

/// A connection to the gate.
pub(crate) struct Conversation {
    socket: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Conversation {
    pub(crate) fn with(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let reader = BufReader::new(socket.try_clone().unwrap());
        Self { socket, reader }
    }

    /// Sends these bytes. A gate that has already refused may have closed: that is for the answer to show.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        drop(self.socket.write_all(bytes.as_ref()));
        self
    }

    /// The socket, for what is not a message.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The next answer; `None` where the connection closed instead.
    pub(crate) fn answer(&mut self) -> Option<Raw> {
        self.answer_to("GET")
    }

    /// The next answer to a request of this method: one to HEAD has no body.
    pub(crate) fn answer_to(&mut self, method: &str) -> Option<Raw> {
        let head = match Head::read(&mut self.reader) {
            Ok(head) => head?,
            Err(fault) if fault.kind() == ErrorKind::ConnectionReset => return None,
            Err(fault) => panic!("no answer: {fault}"),
        };
        let status = head.word(1).parse().unwrap_or(0);
        let mut body = Vec::new();
        let complete = method == "HEAD"
            || head.read_answer_body(&mut self.reader, &mut |piece| body.extend_from_slice(piece)).is_ok();
        Some(Raw { status, head, body, complete })
    }

    /// Reads what the gate may still say, up to the end of the connection.
    pub(crate) fn reads_to_its_end(&mut self) {
        if let Err(fault) = std::io::copy(&mut self.reader, &mut std::io::sink()) {
            assert_eq!(fault.kind(), ErrorKind::ConnectionReset);
        }
    }

    /// Whether the gate has closed the connection, without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.reader.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(fault) => fault.kind() == ErrorKind::ConnectionReset,
        }
    }
}
