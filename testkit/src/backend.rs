//! A backend that records every request and answers as it is told.

use crate::http1::Head;
use crate::port;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// An HTTP/1.1 server on loopback, one thread for each connection; stops when dropped.
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// One request as the backend got it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Which connection it came on, counted from 1.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// As much of its body as has come.
    pub body: Vec<u8>,
    /// Its trailer fields.
    pub trailers: Vec<(String, String)>,
    /// Whether it has come to its proper end.
    pub complete: bool,
}

impl Recorded {
    /// The method.
    pub fn method(&self) -> &str {
        self.head.word(0)
    }

    /// The target.
    pub fn target(&self) -> &str {
        self.head.word(1)
    }

    /// The value of a field that stands at most once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }
}

/// What to answer.
pub struct Answer {
    before_body: bool,
    close: bool,
    wire: Wire,
}

enum Wire {
    Bytes(Vec<u8>),
    Written(Box<dyn FnOnce(&mut TcpStream) + Send>),
}

impl Answer {
    /// Status 200 with this body, its length stated.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, &[], body)
    }

    /// An answer with its length stated.
    pub fn new(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut wire = head_text(status, fields);
        wire.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        Self { before_body: false, close: false, wire: Wire::Bytes([wire.as_bytes(), body].concat()) }
    }

    /// An answer whose body comes in these chunks.
    pub fn chunked(status: u16, fields: &[(&str, &str)], chunks: &[&str]) -> Self {
        let mut wire = head_text(status, fields);
        wire.push_str("transfer-encoding: chunked\r\n\r\n");
        for chunk in chunks {
            wire.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        }
        wire.push_str("0\r\n\r\n");
        Self { before_body: false, close: false, wire: Wire::Bytes(wire.into_bytes()) }
    }

    /// Exactly these bytes, then the connection closes.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self { before_body: false, close: true, wire: Wire::Bytes(bytes.as_ref().to_vec()) }
    }

    /// Exactly these bytes, and the connection stays.
    pub fn kept(bytes: impl AsRef<[u8]>) -> Self {
        Self { close: false, ..Self::raw(bytes) }
    }

    /// Whatever `write` does with the connection, which closes afterwards.
    pub fn written(write: impl FnOnce(&mut TcpStream) + Send + 'static) -> Self {
        Self { before_body: false, close: true, wire: Wire::Written(Box::new(write)) }
    }

    /// Nothing until `latch` opens, then the connection closes.
    pub fn never(latch: &Latch) -> Self {
        let latch = latch.clone();
        Self::written(move |_| latch.wait())
    }

    /// The same answer, given before the request's body is read.
    #[must_use]
    pub fn early(self) -> Self {
        Self { before_body: true, ..self }
    }

    fn send(self, socket: &mut TcpStream) -> bool {
        let sent = match self.wire {
            Wire::Bytes(bytes) => socket.write_all(&bytes).is_ok(),
            Wire::Written(write) => {
                write(socket);
                true
            }
        };
        sent && !self.close
    }
}

fn head_text(status: u16, fields: &[(&str, &str)]) -> String {
    let mut text = format!("HTTP/1.1 {status} Programmed\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text
}

/// Holds threads back until it is opened.
#[derive(Clone, Debug, Default)]
pub struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    /// A closed latch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open.
    pub fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

type Behaviour = Box<dyn Fn(&Recorded) -> Answer + Send + Sync>;

struct Shared {
    behaviour: Behaviour,
    /// Whether it is asked when the whole request has come, and not only its head.
    reads_first: bool,
    requests: Mutex<Vec<Recorded>>,
    sockets: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Backend {
    /// Answers each request as `behaviour` says. It is asked when the head has come, and may wait.
    pub fn start(behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::listening(port::listener(), false, behaviour)
    }

    /// Answers every request with status 200 and this text.
    pub fn saying(text: &'static str) -> Self {
        Self::start(move |_| Answer::ok(text))
    }

    /// As [`Backend::start`], at this address.
    ///
    /// # Panics
    /// Where the address is taken.
    pub fn start_at(
        address: SocketAddr,
        behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listening(TcpListener::bind(address).unwrap(), false, behaviour)
    }

    /// As [`Backend::start`], where `behaviour` is asked when the request's body has come as well.
    pub fn reading(behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::listening(port::listener(), true, behaviour)
    }

    /// The same, at this address.
    ///
    /// # Panics
    /// Where the address is taken.
    pub fn reading_at(
        address: SocketAddr,
        behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listening(TcpListener::bind(address).unwrap(), true, behaviour)
    }

    fn listening(
        listener: TcpListener,
        reads_first: bool,
        behaviour: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Box::new(behaviour),
            reads_first,
            requests: Mutex::default(),
            sockets: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepted = shared.clone();
        let accepting = std::thread::spawn(move || accept(&listener, &accepted));
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order in which their heads came.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    ///
    /// # Panics
    /// Where there is none or another.
    #[track_caller]
    pub fn sole(&self) -> Recorded {
        let mut all = self.recorded();
        assert_eq!(all.len(), 1, "requests at the backend: {all:#?}");
        all.remove(0)
    }

    /// The latest request.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn last(&self) -> Recorded {
        self.recorded().pop().expect("nothing arrived at the backend")
    }

    /// How many connections were ever made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // The accepting thread sleeps in `accept`; a connection wakes it, and it sees the flag.
        drop(TcpStream::connect(self.address));
        // Only when it has ended is the port free for a backend that comes back.
        drop(self.accepting.take().map(JoinHandle::join));
        for socket in self.shared.sockets.lock().unwrap().drain(..) {
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        shared.sockets.lock().unwrap().push(socket.try_clone().unwrap());
        let shared = shared.clone();
        std::thread::spawn(move || {
            serve(&socket, number, &shared);
            // `sockets` holds a second handle, so dropping ours would not close the connection.
            drop(socket.shutdown(Shutdown::Both));
        });
    }
}

fn serve(socket: &TcpStream, connection: usize, shared: &Shared) {
    drop(socket.set_nodelay(true));
    let mut reader = BufReader::new(socket);
    let mut writer = socket.try_clone().unwrap();
    while let Ok(Some(head)) = Head::read(&mut reader) {
        let request = Recorded { connection, head, body: Vec::new(), trailers: Vec::new(), complete: false };
        let index = shared.record(request.clone());
        if shared.reads_first {
            if shared.read_body(index, &request.head, &mut reader).is_err() {
                return;
            }
            let whole = shared.requests.lock().unwrap()[index].clone();
            if !(shared.behaviour)(&whole).send(&mut writer) {
                return;
            }
            continue;
        }
        let answer = (shared.behaviour)(&request);
        if answer.before_body {
            if !answer.send(&mut writer) {
                return;
            }
            if shared.read_body(index, &request.head, &mut reader).is_err() {
                return;
            }
            continue;
        }
        if request.head.field("expect").is_some() {
            drop(writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        if shared.read_body(index, &request.head, &mut reader).is_err() || !answer.send(&mut writer) {
            return;
        }
    }
}

impl Shared {
    fn record(&self, request: Recorded) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(request);
        requests.len() - 1
    }

    fn read_body(
        &self,
        index: usize,
        head: &Head,
        reader: &mut BufReader<&TcpStream>,
    ) -> std::io::Result<()> {
        let mut keep = |piece: &[u8]| self.requests.lock().unwrap()[index].body.extend_from_slice(piece);
        let trailers = head.read_request_body(reader, &mut keep)?;
        let mut requests = self.requests.lock().unwrap();
        requests[index].trailers = trailers;
        requests[index].complete = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Backend};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[test]
    fn records_what_came_and_answers_as_told() {
        let backend = Backend::start(|request| Answer::new(201, &[("x-saw", request.target())], "body"));
        let mut socket = TcpStream::connect(backend.address()).unwrap();
        socket
            .write_all(b"PUT /a HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            .unwrap();
        let mut answer = [0; 80];
        let count = socket.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("x-saw: /a\r\n"), "{answer}");
        let request = backend.sole();
        assert_eq!((request.method(), request.body.as_slice(), request.complete), ("PUT", &b"hi"[..], true));
        assert_eq!(backend.connections(), 1);
    }

    #[test]
    fn is_gone_when_dropped() {
        let backend = Backend::saying("hello");
        let address = backend.address();
        let mut idle = TcpStream::connect(address).unwrap();
        crate::eventually(crate::PATIENCE, || (backend.connections() == 1).then_some(()));
        drop(backend);
        assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
        assert!(TcpStream::connect(address).is_err());
        let _back = Backend::start_at(address, |_| Answer::ok("back"));
    }
}
