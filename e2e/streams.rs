//! Streams and large bodies: each piece as it comes, and never more in the gate than its buffers.

use crate::harness::{Authority, Conversation, Folder, Gate, PATIENCE, eventually};
use haechi_testkit::http1::Head;
use haechi_testkit::{Answer, Backend};
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// What the gate may take in all while it carries bodies of any size, in KiB.
const RESIDENT: u64 = 64 * 1024;

fn gate_to(address: SocketAddr) -> Gate {
    Gate::start(&format!(
        "limits: {{ body: 8GiB }}\nservices: {{ web: {{ endpoints: [\"http://{address}\"] }} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}\n"
    ))
}

/// How much is sent through in each direction; `scripts/large-transfers` asks for more.
fn size() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "how much to send is a setting of the tests, not of the gate"
    )]
    let asked = std::env::var("HAECHI_E2E_TRANSFER_MIB").ok().and_then(|mib| mib.parse().ok());
    asked.unwrap_or(256) * MIB
}

#[test]
fn server_sent_events_arrive_one_by_one() {
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let backend = Backend::start(move |_| {
        let released = released.clone();
        Answer::written(move |socket| {
            let released = released.lock().unwrap();
            drop(socket.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            ));
            for number in 0.. {
                let event = format!("data: {number}\n\n");
                drop(write!(socket, "{:x}\r\n{event}\r\n", event.len()));
                if released.recv().is_err() {
                    return;
                }
            }
        })
    });
    let gate = gate_to(backend.address());
    let mut client = Conversation::with(gate.address());
    client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
    let mut reader = BufReader::new(client.socket());
    let head = Head::read(&mut reader).unwrap().unwrap();
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    for number in 0..20 {
        // The next event is not written before this one was read.
        let event = format!("data: {number}\n\n");
        let expected = format!("{:x}\r\n{event}\r\n", event.len());
        let mut arrived = vec![0; expected.len()];
        reader.read_exact(&mut arrived).unwrap();
        assert_eq!(String::from_utf8(arrived).unwrap(), expected);
        release.send(()).unwrap();
    }
}

/// A server that reads bodies and forgets them, or writes them as long as they are asked for; ends with its first connection.
struct Pipe {
    address: SocketAddr,
    serving: JoinHandle<usize>,
}

impl Pipe {
    /// Reads one request's body; says how long it was.
    fn sink() -> Self {
        Self::start(|socket| {
            let mut reader = BufReader::with_capacity(MIB, socket);
            let head = Head::read(&mut reader).unwrap().unwrap();
            let mut count = 0;
            head.read_request_body(&mut reader, &mut |piece| count += piece.len()).unwrap();
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            count
        })
    }

    /// Answers one request with a body of `size` bytes.
    fn source(size: usize) -> Self {
        Self::start(move |mut socket| {
            Head::read(&mut BufReader::new(&socket)).unwrap().unwrap();
            write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").unwrap();
            write_zeros(&mut socket, size);
            size
        })
    }

    fn start(serve: impl FnOnce(TcpStream) -> usize + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.set_write_timeout(Some(PATIENCE)).unwrap();
            serve(socket)
        });
        Self { address, serving }
    }
}

fn write_zeros(socket: &mut TcpStream, size: usize) {
    let piece = vec![0; MIB];
    for _ in 0..size / MIB {
        socket.write_all(&piece).unwrap();
    }
}

/// The most memory that the gate takes while `carry` runs, in KiB.
fn most_resident(gate: &Gate, carry: impl FnOnce() + Send) -> u64 {
    std::thread::scope(|scope| {
        let carrying = scope.spawn(carry);
        let mut most = gate.resident();
        while !carrying.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            most = most.max(gate.resident());
        }
        carrying.join().unwrap();
        most
    })
}

#[test]
fn a_large_upload_passes_through_little_memory() {
    let size = size();
    for framing in [format!("Content-Length: {size}"), "Transfer-Encoding: chunked".to_owned()] {
        let pipe = Pipe::sink();
        let gate = gate_to(pipe.address);
        let chunked = framing.starts_with("Transfer");
        let most = most_resident(&gate, || {
            let mut socket = Conversation::with(gate.address()).socket().try_clone().unwrap();
            write!(socket, "POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").unwrap();
            if chunked {
                write!(socket, "{size:x}\r\n").unwrap();
                write_zeros(&mut socket, size);
                socket.write_all(b"\r\n0\r\n\r\n").unwrap();
            } else {
                write_zeros(&mut socket, size);
            }
            let head = Head::read(&mut BufReader::new(&socket)).unwrap().unwrap();
            assert_eq!(head.word(1), "200");
            drop(socket.shutdown(Shutdown::Both));
        });
        assert_eq!(pipe.serving.join().unwrap(), size);
        assert!(most < RESIDENT, "{most} KiB with {framing}");
    }
}

#[test]
fn a_large_download_passes_through_little_memory() {
    let size = size();
    let pipe = Pipe::source(size);
    let gate = gate_to(pipe.address);
    let most = most_resident(&gate, || {
        let socket = Conversation::with(gate.address()).socket().try_clone().unwrap();
        (&socket).write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut reader = BufReader::with_capacity(MIB, &socket);
        let head = Head::read(&mut reader).unwrap().unwrap();
        let mut count = 0;
        head.read_answer_body(&mut reader, &mut |piece| count += piece.len()).unwrap();
        assert_eq!(count, size);
    });
    assert_eq!(pipe.serving.join().unwrap(), size);
    assert!(most < RESIDENT, "{most} KiB");
}

/// A gate whose service must begin to answer within 300 ms, and may be silent for as long as `idle` says.
fn gate_with_clocks(address: SocketAddr, protocol: &str, service: &str, route: &str) -> Gate {
    Gate::start(&format!(
        "limits: {{ write_stall: 20s }}\nservices: {{ web: {{ endpoints: [\"http://{address}\"], protocol: {protocol}, timeout: 300ms, {service} }} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web, {route} }}\n"
    ))
}

/// Writes the first event, and the second when it is told to.
fn quiet_after_the_first_event() -> (Backend, std::sync::mpsc::Sender<()>) {
    let (go_on, told) = channel::<()>();
    let told = Arc::new(Mutex::new(told));
    let backend = Backend::start(move |_| {
        let told = told.clone();
        Answer::written(move |socket| {
            drop(socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n7\r\none\n\nx\n\r\n"));
            if told.lock().unwrap().recv().is_ok() {
                drop(socket.write_all(b"3\r\ntwo\r\n0\r\n\r\n"));
            }
        })
    });
    (backend, go_on)
}

#[test]
fn a_quiet_stream_outlives_the_timeout() {
    for http2 in [false, true] {
        let (backend, go_on) = quiet_after_the_first_event();
        let gate = gate_with_clocks(backend.address(), "http1", "connect_timeout: 5s", "");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", "--max-time", "30"]).arg(gate.url("/events"));
        if http2 {
            curl.arg("--http2-prior-knowledge");
        }
        let mut curl = curl.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut out = curl.stdout.take().unwrap();
        let mut first = [0; 7];
        out.read_exact(&mut first).unwrap();
        // Ten times the service's `timeout`, by the gate's own clock: four heads that it gave up on.
        for _ in 0..4 {
            let slow = TcpListener::bind("127.0.0.1:0").unwrap();
            let beside = gate_with_clocks(
                slow.local_addr().unwrap(),
                "http1",
                "retries: { attempts: 1, on: [502] }",
                "",
            );
            assert_eq!(beside.get("/").status, 504);
        }
        go_on.send(()).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "two", "HTTP/2: {http2}");
        assert!(curl.wait().unwrap().success());
    }
}

#[test]
fn silence_ends_at_the_idle_timeout_of_route_or_service() {
    for (service, route) in [("idle_timeout: 400ms", ""), ("idle_timeout: 0s", "idle_timeout: 400ms")] {
        let (backend, _held) = quiet_after_the_first_event();
        let gate = gate_with_clocks(backend.address(), "http1", service, route);
        let mut client = gate.converse();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut all = Vec::new();
        // The broken chunked body is the client's sign that this is not the end.
        drop(client.socket().read_to_end(&mut all));
        let text = String::from_utf8_lossy(&all);
        assert!(text.contains("one") && !text.ends_with("0\r\n\r\n"), "{text}");
        eventually(PATIENCE, || {
            gate.log().iter().any(|line| line.contains("the backend stalled")).then_some(())
        });
    }
}

#[test]
fn an_upload_that_pauses_is_waited_for() {
    let backend = Backend::saying("reached");
    let gate = gate_with_clocks(backend.address(), "http1", "idle_timeout: 0s", "");
    let mut client = gate.converse();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let beside = gate_with_clocks(slow.local_addr().unwrap(), "http1", "connect_timeout: 5s", "");
    for _ in 0..3 {
        assert_eq!(beside.get("/").status, 504);
    }
    assert_eq!(client.send("world").answer().map(|answer| answer.status), Some(200));
    assert_eq!(backend.sole().body, b"helloworld");
}

/// A backend that never answers, and how many of its connections are open.
fn never_answering() -> (Backend, Arc<AtomicUsize>) {
    let open = Arc::<AtomicUsize>::default();
    let counted = open.clone();
    let backend = Backend::start(move |_| {
        let open = counted.clone();
        Answer::written(move |socket| {
            open.fetch_add(1, SeqCst);
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
            open.fetch_sub(1, SeqCst);
        })
    });
    (backend, open)
}

fn patient_gate(tls: &str, backend: &Backend) -> Folder {
    Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0{tls} }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: 1
services: {{ web: {{ endpoints: [\"{}\"], timeout: 1h }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]\n",
        backend.url()
    ))
}

#[test]
fn a_long_poll_ends_when_its_client_leaves() {
    let (backend, open) = never_answering();
    let folder = patient_gate(", tls: { certificates: [{ certificate: a.pem, key: a.key }] }", &backend);
    let authority = Authority::new("test authority");
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["a.example"]).write(&folder, "a");
    let tls = Gate::start_in(folder);
    let plain = Gate::start_in(patient_gate("", &backend));
    let resolve = format!("a.example:{}:127.0.0.1", tls.address().port());
    let ca = tls.folder().file("ca.pem");
    let over_tls = format!("https://a.example:{}/poll", tls.address().port());
    for (what, arguments) in [
        ("http/1.1", vec!["--http1.1".to_owned(), plain.url("/poll")]),
        ("http/2", vec!["--http2-prior-knowledge".to_owned(), plain.url("/poll")]),
        ("a request with a body", vec!["--data".to_owned(), "abc".to_owned(), plain.url("/poll")]),
        (
            "tls",
            vec![
                "--http1.1".to_owned(),
                "--cacert".to_owned(),
                ca.display().to_string(),
                "--resolve".to_owned(),
                resolve,
                over_tls,
            ],
        ),
    ] {
        let mut client = Command::new("curl").args(["--silent"]).args(&arguments).spawn().unwrap();
        eventually(PATIENCE, || (open.load(SeqCst) == 1).then_some(()));
        client.kill().unwrap();
        client.wait().unwrap();
        let left = Instant::now();
        eventually(PATIENCE, || (open.load(SeqCst) == 0).then_some(()));
        assert!(left.elapsed() < Duration::from_secs(10), "{what}: {:?}", left.elapsed());
    }
    let aborted = |line: &String| line.contains("\"outcome\":\"aborted\"");
    eventually(PATIENCE, || (plain.log().iter().filter(|line| aborted(line)).count() == 3).then_some(()));
}

#[test]
fn who_only_ends_their_half_is_still_answered() {
    let backend = Backend::start(|_| {
        std::thread::sleep(Duration::from_millis(1_500));
        Answer::ok("reached")
    });
    let gate = Gate::start_in(patient_gate("", &backend));
    let mut client = gate.converse();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    client.socket().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().map(|answer| answer.status), Some(200));
}
