//! A backend that keeps the raw bytes of every connection. It answers once on each, so that one connection is one request, or should be.

use haechi_testkit::PATIENCE;
use haechi_testkit::http1::Head;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    Answered,
    Closed,
}

struct Exchange {
    bytes: Vec<u8>,
    /// Whether the request came to its end and was answered.
    whole: bool,
    stage: Stage,
}

type Exchanges = Arc<Mutex<Vec<Exchange>>>;

/// Stops when dropped.
pub(super) struct Recorder {
    address: SocketAddr,
    exchanges: Exchanges,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Recorder {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (exchanges, stopped) = (Exchanges::default(), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (exchanges.clone(), stopped.clone());
        let accepting = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let index = {
                    let mut all = shared.lock().unwrap();
                    all.push(Exchange { bytes: Vec::new(), whole: false, stage: Stage::Reading });
                    all.len() - 1
                };
                let shared = shared.clone();
                std::thread::spawn(move || serve(&socket.unwrap(), &shared, index));
            }
        });
        Self { address, exchanges, stopped, accepting: Some(accepting) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was answered since the last time, in hex, each with all that came on its connection.
    pub(super) fn take_complete(&self) -> Vec<String> {
        haechi_testkit::eventually(PATIENCE, || {
            let all = self.exchanges.lock().unwrap();
            (!all.iter().any(|exchange| exchange.stage == Stage::Answered)).then_some(())
        });
        let mut all = self.exchanges.lock().unwrap();
        let taken = all.iter_mut().filter(|exchange| exchange.whole && !exchange.bytes.is_empty());
        taken.map(|exchange| hex(&std::mem::take(&mut exchange.bytes))).collect()
    }

    /// What broke off before its end. For the end of a run: until then it may still grow.
    pub(super) fn take_broken(&self) -> Vec<String> {
        haechi_testkit::eventually(PATIENCE, || {
            let all = self.exchanges.lock().unwrap();
            all.iter().all(|exchange| exchange.stage == Stage::Closed).then_some(())
        });
        let all = self.exchanges.lock().unwrap();
        all.iter().filter(|exchange| !exchange.whole).map(|exchange| hex(&exchange.bytes)).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The accepting thread sleeps in `accept`; a connection wakes it, and it sees the flag.
        drop(TcpStream::connect(self.address));
        drop(self.accepting.take().map(JoinHandle::join));
    }
}

fn serve(socket: &TcpStream, exchanges: &Exchanges, index: usize) {
    let mut reader = BufReader::new(Tee { socket, exchanges, index });
    if read_request(&mut reader).is_ok() {
        {
            let exchange = &mut exchanges.lock().unwrap()[index];
            (exchange.whole, exchange.stage) = (true, Stage::Answered);
        }
        let mut writer = socket;
        drop(writer.write_all(ANSWER));
        drop(socket.shutdown(Shutdown::Write));
        // Whatever else comes is kept as well: nothing should.
        drop(reader.read_to_end(&mut Vec::new()));
    }
    exchanges.lock().unwrap()[index].stage = Stage::Closed;
}

fn read_request(reader: &mut BufReader<Tee<'_>>) -> io::Result<()> {
    let head = Head::read(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    head.read_request_body(reader, &mut |_| {}).map(drop)
}

struct Tee<'a> {
    socket: &'a TcpStream,
    exchanges: &'a Exchanges,
    index: usize,
}

impl Read for Tee<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(into)?;
        self.exchanges.lock().unwrap()[self.index].bytes.extend_from_slice(&into[..count]);
        Ok(count)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
