//! An independent WebSocket client and server (tungstenite).

use super::Gate;
use haechi_testkit::port::listener;
use haechi_testkit::{PATIENCE, eventually};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::{ClientRequestBuilder, Error, Message, WebSocket};

/// A client's end.
pub(crate) type Client = WebSocket<TcpStream>;

/// A WebSocket server that says back what it is told; stops when dropped.
pub(crate) struct EchoServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// The fields of each opening handshake.
    handshakes: Mutex<Vec<Vec<(String, String)>>>,
    /// How each WebSocket ended: the Close that came, or nothing.
    ends: Mutex<Vec<Option<(u16, String)>>>,
    sockets: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl EchoServer {
    pub(crate) fn start() -> Self {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let accepted = shared.clone();
        let accepting = std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if accepted.stopped.load(Ordering::SeqCst) {
                    return;
                }
                accepted.sockets.lock().unwrap().push(socket.try_clone().unwrap());
                let shared = accepted.clone();
                std::thread::spawn(move || shared.serve(socket));
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The opening handshakes so far.
    pub(crate) fn handshakes(&self) -> Vec<Vec<(String, String)>> {
        self.shared.handshakes.lock().unwrap().clone()
    }

    /// The value of a field of the only opening handshake.
    #[track_caller]
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        let all = self.handshakes();
        assert_eq!(all.len(), 1, "{all:?}");
        let values: Vec<_> = all[0].iter().filter(|(field, _)| field == name).collect();
        assert!(values.len() <= 1, "`{name}` stands more than once");
        values.first().map(|(_, value)| value.clone())
    }

    /// How the only WebSocket ended, once it has: the code and reason of the Close that came, or nothing.
    #[track_caller]
    pub(crate) fn ended(&self) -> Option<(u16, String)> {
        eventually(PATIENCE, || self.shared.ends.lock().unwrap().first().cloned())
    }
}

impl Shared {
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    fn serve(&self, socket: TcpStream) {
        let note = |request: &Request, mut response: Response| {
            let fields = request.headers().iter();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            self.handshakes
                .lock()
                .unwrap()
                .push(fields.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect());
            let offered = request.headers().get_all("sec-websocket-protocol").iter().next();
            if let Some(offered) = offered {
                response.headers_mut().insert("sec-websocket-protocol", offered.clone());
            }
            response.headers_mut().insert("set-cookie", "seat=1".parse().unwrap());
            Ok(response)
        };
        let Ok(mut websocket) = tungstenite::accept_hdr(socket, note) else { return };
        let end = loop {
            match websocket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    if websocket.send(message).is_err() {
                        break None;
                    }
                }
                Ok(Message::Close(frame)) => {
                    // Answers the Close, and waits for the other side to end.
                    while websocket.read().is_ok() {}
                    break frame.map(told);
                }
                Ok(_) => {}
                Err(_) => break None,
            }
        };
        self.ends.lock().unwrap().push(end);
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.accepting.take().map(JoinHandle::join));
        for socket in self.shared.sockets.lock().unwrap().drain(..) {
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

fn told(frame: CloseFrame) -> (u16, String) {
    (frame.code.into(), frame.reason.to_string())
}

/// Opens a WebSocket through `gate`, with these request fields.
///
/// # Errors
/// The status, where it was refused.
pub(crate) fn try_open(gate: &Gate, path: &str, fields: &[(&str, &str)]) -> Result<Client, u16> {
    let socket = TcpStream::connect(gate.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    let uri = format!("ws://{}{path}", gate.address()).parse().unwrap();
    let request = fields
        .iter()
        .fold(ClientRequestBuilder::new(uri), |request, (name, value)| request.with_header(*name, *value));
    match tungstenite::client(request, socket) {
        Ok((client, _)) => Ok(client),
        Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(fault) => panic!("neither opened nor refused: {fault}"),
    }
}

/// Opens one that must open.
#[track_caller]
pub(crate) fn open(gate: &Gate, path: &str, fields: &[(&str, &str)]) -> Client {
    try_open(gate, path, fields).unwrap_or_else(|status| panic!("refused with {status}"))
}

/// Says something and hears it back.
#[track_caller]
pub(crate) fn echoes(client: &mut Client, text: &str) {
    client.send(Message::text(text)).unwrap();
    assert_eq!(client.read().unwrap(), Message::text(text));
}

/// Reads to the end: the code and reason of the Close that came, or nothing.
#[track_caller]
pub(crate) fn end_of(client: &mut Client) -> Option<(u16, String)> {
    loop {
        match client.read() {
            Ok(Message::Close(frame)) => {
                // Answers it, and sees that the connection ends.
                while client.read().is_ok() {}
                return frame.map(told);
            }
            Ok(_) => {}
            Err(Error::Io(fault)) if fault.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("it did not end")
            }
            Err(_) => return None,
        }
    }
}
