//! Floods, and a well-behaved client beside them: it is served as if nothing happened, and the gate's memory stays.
//!
//! What is asserted is what was served and what was held. How fast, to the millisecond, is for `scripts/floods` on a machine that does nothing else.

use crate::harness::frames::{DATA, END_HEADERS, Frames, HEADERS, block, frame};
use crate::harness::{Conversation, Folder, Gate, MemoryGroup, PATIENCE, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const GET: &str = "GET /witness HTTP/1.1\r\nHost: a\r\n\r\n";
/// What the gate may grow by, in KiB.
const GROWTH: u64 = 64 * 1024;
/// Test machines are noisy. A client that a flood starves waits for far longer.
const ALLOWANCE: Duration = Duration::from_secs(1);

/// A gate with one worker that lets one address have every connection.
fn gate(backend: &Backend, limits: &str) -> Gate {
    gate_at("/**", backend, limits)
}

fn gate_at(path: &str, backend: &Backend, limits: &str) -> Gate {
    Gate::start_in(Folder::new(&format!(
        "limits: {{ connections: 20000, connections_per_address: 20000{limits} }}\n\
         access_log: {{ target: \"off\" }}\n{}",
        routes_to(backend, &[(path, "anonymous", "any")])
    )))
}

/// How many connections this process may open, up to `wanted`.
fn as_many_as(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised the test uses what there is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let allowed = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |count| count as usize);
    // The gate keeps a quarter for services, and some for itself.
    wanted.min(allowed.saturating_sub(500) / 4 * 3)
}

/// What the well-behaved client saw.
struct Seen {
    served: usize,
    p99: Duration,
    /// The most memory that the gate held, in KiB.
    resident: u64,
}

fn witness(gate: &Gate, goes_on: impl Fn(usize) -> bool) -> Seen {
    let mut client = gate.converse();
    let (mut took, mut resident) = (Vec::new(), 0);
    while goes_on(took.len()) {
        let begun = Instant::now();
        let answer = client.send(GET).answer();
        took.push(begun.elapsed());
        assert_eq!(answer.map(|answer| answer.status), Some(200), "after {} requests", took.len());
        if took.len() % 16 == 1 {
            resident = resident.max(gate.resident());
        }
    }
    let served = took.len();
    took.sort_unstable();
    Seen { served, p99: took.get(served * 99 / 100).copied().unwrap_or_default(), resident }
}

/// Runs `flood` with a well-behaved client beside it, which must not notice.
#[track_caller]
fn beside(gate: &Gate, flood: impl FnOnce()) {
    beside_within(GROWTH, gate, flood);
}

/// The same, with what the gate may grow by, in KiB.
#[track_caller]
fn beside_within(most: u64, gate: &Gate, flood: impl FnOnce()) {
    let quiet = witness(gate, |served| served < 300);
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let beside = scope.spawn(|| witness(gate, |served| served < 50 || !over.load(Relaxed)));
        flood();
        over.store(true, Relaxed);
        beside.join().unwrap()
    });
    report(&quiet, &seen);
    assert!(
        seen.p99 <= quiet.p99 * 2 + ALLOWANCE,
        "p99 {:?} beside the flood, {:?} before",
        seen.p99,
        quiet.p99
    );
    let growth = seen.resident.saturating_sub(quiet.resident);
    assert!(growth <= most, "{growth} KiB more than {} KiB, {} served", quiet.resident, seen.served);
}

/// For `scripts/floods`, which shows what the tests write to stderr.
fn report(quiet: &Seen, seen: &Seen) {
    let Seen { served, p99, resident } = seen;
    let line = format!(
        "flood: p99 {:>8.1?} before, {p99:>8.1?} beside ({:.1} x), {served} served, {} MiB before, {} MiB at most",
        quiet.p99,
        p99.as_secs_f64() / quiet.p99.as_secs_f64(),
        quiet.resident / 1024,
        resident / 1024
    );
    drop(writeln!(std::io::stderr(), "{line}"));
}

fn open(gate: &Gate, count: usize) -> Vec<TcpStream> {
    let connections = (0..count).map(|_| TcpStream::connect(gate.address()).unwrap()).collect();
    eventually(PATIENCE, || (gate.metric("haechi_connections", &[]) >= count as f64).then_some(()));
    connections
}

/// Sends `piece` on every connection, no faster than the gate reads; a connection that is closed already is left alone.
fn send_on(gate: &Gate, connections: &[TcpStream], piece: &[u8]) {
    let mut pace = gate.converse();
    for some in connections.chunks(50) {
        some.iter().for_each(|mut connection| drop(connection.write_all(piece)));
        assert_eq!(pace.send(GET).answer().map(|answer| answer.status), Some(200));
    }
}

#[test]
fn slow_heads() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend, "");
    let begin = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}", "a".repeat(3000));
    // A whole buffer for each would be 32 MiB.
    beside_within(20 * 1024, &gate, || {
        let connections = open(&gate, as_many_as(2000));
        send_on(&gate, &connections, begin.as_bytes());
        (0..3).for_each(|_| send_on(&gate, &connections, b"a"));
    });
    assert!(backend.recorded().iter().all(|request| request.target() == "/witness"));
}

#[test]
fn slow_bodies() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend, "");
    let begin =
        format!("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n{}", "a".repeat(2000));
    let slow = as_many_as(400);
    beside(&gate, || {
        let connections = open(&gate, slow);
        send_on(&gate, &connections, begin.as_bytes());
        (0..5).for_each(|_| send_on(&gate, &connections, b"a"));
        eventually(PATIENCE, || {
            let begun = backend.recorded().iter().filter(|request| request.target() == "/slow").count();
            (begun == slow).then_some(())
        });
    });
    assert!(backend.recorded().iter().all(|request| request.target() == "/witness" || !request.complete));
}

/// Much more than the kernel takes for a client that does not read.
const LARGE: usize = 16 << 20;

fn large(socket: &mut TcpStream) {
    static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let begun = socket.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes());
    let mut sent = 0;
    while begun.is_ok() && sent < LARGE && socket.write_all(&PIECE).is_ok() {
        sent += PIECE.len();
    }
}

#[test]
fn slow_readers_are_closed_when_memory_is_short_and_the_others_are_served() {
    let backend = Backend::start(|request| match request.target() {
        "/large" => Answer::written(large),
        _ => Answer::ok("reached"),
    });
    // What comes between two ticks of the gate fits between three quarters of it and the whole, so that nobody else is refused.
    let gate = gate(&backend, ", buffers: 4MiB");
    let held = || gate.metric("haechi_buffer_bytes", &[]);
    beside(&gate, || {
        let connections = open(&gate, 600);
        send_on(&gate, &connections, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        let short = |labels: &[&str]| gate.metric("haechi_limits_total", labels) >= 1.0;
        eventually(PATIENCE, || short(&["limit=\"buffers\""]).then_some(()));
        eventually(PATIENCE, || (held() <= 3_200_000.0).then_some(()));
    });
    eventually(PATIENCE, || (held() <= 20_000.0).then_some(()));
}

#[test]
fn idle_connections() {
    let backend = Backend::saying("reached");
    let gate = gate_at("/witness", &backend, "");
    let count = as_many_as(10_000);
    beside(&gate, || {
        let connections = open(&gate, count);
        // Each has been served once: what is kept for a request must go when the connection falls idle.
        send_on(&gate, &connections, b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut answer = [0; 16];
        connections.iter().for_each(|mut connection| connection.read_exact(&mut answer).unwrap());
    });
}

#[test]
fn connections_that_come_and_go() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend, "");
    let served = AtomicUsize::new(0);
    beside(&gate, || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..1000 {
                        let mut client = gate.converse();
                        if n % 4 == 0 && client.send(GET).answer().is_some_and(|answer| answer.status == 200)
                        {
                            served.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
    });
    assert_eq!(served.load(Relaxed), 1000);
    eventually(PATIENCE, || (gate.metric("haechi_connections", &[]) == 0.0).then_some(()));
}

#[test]
fn heads_over_the_limit() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend, "");
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(20_000));
    beside(&gate, || {
        for _ in 0..500 {
            let answer = gate.converse().send(&head).answer();
            assert_eq!(answer.map(|answer| answer.status), Some(431));
        }
    });
    assert_eq!(gate.metric("haechi_limits_total", &["limit=\"head\""]), 500.0);
    assert!(backend.recorded().iter().all(|request| request.target() == "/witness"));
}

#[test]
fn chunks_of_one_byte() {
    const CHUNKS: usize = 50_000;
    let backend = Backend::saying("reached");
    let gate = gate(&backend, "");
    let mut body = "1\r\na\r\n".repeat(CHUNKS);
    body.push_str("0\r\n\r\n");
    beside(&gate, || {
        let mut client = gate.converse();
        client.send("POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").send(&body);
        assert_eq!(client.answer().map(|answer| answer.status), Some(200));
    });
    let arrived = backend.recorded().into_iter().find(|request| request.target() == "/chunks").unwrap();
    assert_eq!(arrived.body.len(), CHUNKS);
}

#[test]
fn a_deep_pipeline_takes_its_turns() {
    const DEPTH: usize = 20_000;
    let backend = Backend::saying("reached");
    let gate = gate_at("/witness", &backend, "");
    let beside_it = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    beside(&gate, || {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = gate.converse();
                while !over.load(Relaxed) {
                    let answer = client.send(GET).answer();
                    assert_eq!(answer.map(|answer| answer.status), Some(200));
                    beside_it.fetch_add(1, Relaxed);
                }
            });
            // Refused requests are the cheapest: the connection has to wait for nobody.
            let mut deep: Conversation = gate.converse();
            let mut sender = deep.socket().try_clone().unwrap();
            scope.spawn(move || {
                let requests = "GET /none HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
                (0..DEPTH / 100).for_each(|_| drop(sender.write_all(requests.as_bytes())));
            });
            for _ in 0..DEPTH {
                assert_eq!(deep.answer().map(|answer| answer.status), Some(404));
            }
            over.store(true, Relaxed);
        });
    });
    let turns = beside_it.load(Relaxed);
    assert!(turns >= 50, "{turns} requests were served beside {DEPTH} in one pipeline");
}

/// A client that asks for `streams` answers at once, with a window of `window` bytes for each, and reads none.
fn unread_answers(streams: u32, window: u32) -> Vec<u8> {
    let settings = [&[0, 4], window.to_be_bytes().as_slice()].concat();
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    all.extend(frame(4, 0, 0, &settings));
    if window > 0xffff {
        all.extend(frame(8, 0, 0, &(0x7fff_ffff_u32 - 0xffff).to_be_bytes()));
    }
    // GET, http, `/`, and a literal `:authority`.
    let head = [&[0x82, 0x86, 0x84, 0x01, 1], b"a".as_slice()].concat();
    (0..streams).for_each(|number| all.extend(frame(1, 5, 2 * number + 1, &head)));
    all
}

#[test]
fn answers_that_http2_clients_do_not_take_count_as_buffers() {
    for window in [0, 0x7fff_ffff] {
        let backend = Backend::start(|_| Answer::ok(vec![b'x'; 300_000]));
        let gate = gate(&backend, ", buffers: 16MiB");
        gate.get("/").expect(200);
        let before = gate.resident();
        let asked = unread_answers(100, window);
        let clients: Vec<_> = open(&gate, 20);
        clients.iter().for_each(|mut client| drop(client.write_all(&asked)));
        // Clients that stand still are closed before the process grows.
        let reached = || gate.metric("haechi_limits_total", &["limit=\"buffers\""]) >= 100.0;
        let mut most = 0;
        eventually(PATIENCE, || {
            most = most.max(gate.resident());
            reached().then_some(())
        });
        eventually(PATIENCE, || (gate.get("/").status == 200).then_some(()));
        let grown = most.max(gate.resident()).saturating_sub(before);
        // A build without optimization holds twice as much for a stream as is counted.
        assert!(grown < 2 * GROWTH, "{grown} KiB with a window of {window}");
    }
}

/// A backend that speaks HTTP/2 and lets nobody send a byte of a body, until it is told to end.
fn takes_no_body() -> (std::net::SocketAddr, impl Drop) {
    struct Stop(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
            drop(self.1.take().map(std::thread::JoinHandle::join));
        }
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, over) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let stop = over.clone();
    let thread = std::thread::spawn(move || {
        // A window of 0 for each stream, and as many streams as anybody likes.
        let settings = [frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]), frame(4, 1, 0, &[])].concat();
        let mut connections = Vec::new();
        let mut into = [0; 64 * 1024];
        while !stop.load(Relaxed) {
            if let Ok((mut connection, _)) = listener.accept() {
                drop(connection.write_all(&settings));
                connection.set_nonblocking(true).unwrap();
                connections.push(connection);
            }
            connections.retain_mut(|connection| !matches!(connection.read(&mut into), Ok(0)));
            std::thread::yield_now();
        }
    });
    (address, Stop(over, Some(thread)))
}

/// Clients that upload on many streams, each as far as windows go, until they are dropped.
struct Uploads(Option<tokio::runtime::Runtime>);

impl Uploads {
    fn start(address: std::net::SocketAddr, connections: usize, streams: usize) -> Self {
        static BODY: [u8; 60 * 1024] = [b'x'; 60 * 1024];
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let upload = move || async move {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let Ok((mut client, connection)) = h2::client::handshake(socket).await else { return };
            tokio::spawn(async move { drop(connection.await) });
            let mut held = Vec::new();
            for _ in 0..streams {
                let request = http::Request::post("http://a/stuck").body(()).unwrap();
                let Ok(ready) = client.ready().await else { break };
                client = ready;
                let Ok((answer, mut out)) = client.send_request(request, false) else { break };
                drop(out.send_data(bytes::Bytes::from_static(&BODY), false));
                held.push((answer, out));
            }
            std::future::pending::<()>().await;
        };
        (0..connections).for_each(|_| drop(runtime.spawn(upload())));
        Self(Some(runtime))
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

#[test]
fn uploads_that_a_backend_does_not_take_count_as_buffers() {
    let backend = Backend::saying("reached");
    let (stuck, _stop) = takes_no_body();
    let gate = Gate::start_in(Folder::new(&format!(
        "limits: {{ connections: 20000, connections_per_address: 20000, buffers: 16MiB }}
access_log: {{ target: \"off\" }}
services:
  web: {{ endpoints: [\"{}\"] }}
  stuck: {{ endpoints: [\"http://{stuck}\"], protocol: http2, timeout: 1h }}
routes:
  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: stuck, match: {{ path: /stuck }}, authenticate: anonymous, authorize: any, service: stuck }}\n",
        backend.url()
    )));
    gate.get("/").expect(200);
    let before = gate.resident();
    // One stream each: its 64 KiB wait in the gate, since nobody takes them.
    let held = || gate.metric("haechi_buffer_bytes", &[]);
    let few = Uploads::start(gate.address(), 20, 1);
    eventually(PATIENCE, || (held() >= 20.0 * 60.0 * 1024.0).then_some(()));
    drop(few);
    eventually(PATIENCE, || (held() <= 20_000.0).then_some(()));
    // Far more than there is room for.
    let clients = Uploads::start(gate.address(), 100, 16);
    let reached = || gate.metric("haechi_limits_total", &["limit=\"buffers\""]) >= 100.0;
    let mut most = 0;
    eventually(PATIENCE, || {
        most = most.max(gate.resident());
        reached().then_some(())
    });
    eventually(PATIENCE, || (gate.get("/").status == 200).then_some(()));
    let grown = most.max(gate.resident()).saturating_sub(before);
    assert!(grown < 2 * GROWTH, "{grown} KiB");
    drop(clients);
    eventually(PATIENCE, || (held() <= 20_000.0).then_some(()));
}

/// Begins an attack, which goes on until what it returns is dropped.
type Attack = Box<dyn Fn(&Gate) -> Box<dyn std::any::Any>>;

/// What a small container is attacked with, one after the other. Its limits are those that follow from its memory.
#[test]
fn holds_the_memory_of_a_small_container() {
    // A build without optimization holds twice as much for a stream, and has three times the pages of program.
    const MEMORY: u64 = if cfg!(debug_assertions) { 384 << 20 } else { 256 << 20 };
    // Only where this process may make a control group: as root, outside of most containers.
    let Some(group) = MemoryGroup::new(MEMORY) else { return };
    let backend = Backend::start(|request| match request.target() {
        "/large" => Answer::written(large),
        "/witness" => Answer::ok("reached"),
        _ => Answer::ok(vec![b'x'; 300_000]),
    });
    let (stuck, _stop) = takes_no_body();
    let folder = Folder::new(&format!(
        "access_log: {{ target: \"off\" }}
services:
  web: {{ endpoints: [\"{}\"] }}
  stuck: {{ endpoints: [\"http://{stuck}\"], protocol: http2, timeout: 1h }}
routes:
  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: stuck, match: {{ path: /stuck }}, authenticate: anonymous, authorize: any, service: stuck }}\n",
        backend.url()
    ));
    let mut gate = Gate::start_in_memory(folder, &group);
    gate.get("/witness").expect(200);
    // Each may take a connection to the backend, which is in this process, for each of its streams.
    let (streams, connections) = (40, as_many_as(300));
    let mut attacks: Vec<(&str, Attack)> = Vec::new();
    for (what, window) in [("answers, windows of 0", 0), ("answers, windows of 2^31", 0x7fff_ffff)] {
        attacks.push((
            what,
            Box::new(move |gate| Box::new(asking(gate, streams, &unread_answers(100, window)))),
        ));
    }
    attacks.push(("uploads", Box::new(|gate| Box::new(Uploads::start(gate.address(), 100, 16)))));
    attacks.push(("tiny frames", Box::new(|gate| Box::new(tiny_frames(gate, 80, 900)))));
    let slow = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    attacks.push(("slow readers", Box::new(move |gate| Box::new(asking(gate, connections, slow)))));
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}", "a".repeat(15_000));
    attacks.push(("heads", Box::new(move |gate| Box::new(asking(gate, connections, head.as_bytes())))));
    for (what, attack) in attacks {
        let attackers = attack(&gate);
        let (begun, mut served, mut shed, mut resident) = (Instant::now(), 0, 0, 0);
        while begun.elapsed() < Duration::from_secs(2) {
            match gate.get("/witness").status {
                200 => served += 1,
                _ => shed += 1,
            }
            // Nothing is to be read of a process that was killed.
            resident = resident.max(gate.resident());
        }
        drop(attackers);
        eventually(PATIENCE, || (gate.get("/witness").status == 200).then_some(()));
        drop(writeln!(
            std::io::stderr(),
            "container: {what}: {} MiB at most, {served} served beside it, {shed} not",
            resident / 1024
        ));
    }
    gate.signal("TERM");
    assert!(gate.exited().success());
}

/// Connections that each upload `frames` single bytes which nobody takes, with so much between them that each lies in a buffer of its own.
fn tiny_frames(gate: &Gate, connections: usize, frames: usize) -> Vec<Frames> {
    const UNKNOWN: u8 = 0xfa;
    let between = frame(UNKNOWN, 0, 0, &[0; 16_000]);
    let pair = [frame(DATA, 0, 1, b"x"), between].concat();
    let upload = |_| {
        let mut client = Frames::with(gate.address());
        let head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/stuck")];
        client.send(HEADERS, END_HEADERS, 1, &block(&head));
        for _ in 0..frames {
            client.send_bytes(&pair);
        }
        client
    };
    (0..connections).map(upload).collect()
}

/// Connections that each have sent `request`, as far as the gate takes them.
fn asking(gate: &Gate, count: usize, request: &[u8]) -> Vec<TcpStream> {
    let connect = |_| {
        let mut connection = TcpStream::connect(gate.address()).ok()?;
        connection.set_write_timeout(Some(Duration::from_secs(1))).ok()?;
        drop(connection.write_all(request));
        Some(connection)
    };
    (0..count).filter_map(connect).collect()
}
