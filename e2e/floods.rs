//! Floods, and a well-behaved client beside them: it is served as if nothing happened, and the gate's memory stays.
//!
//! What is asserted is what was served and what was held. How fast, to the millisecond, is for `scripts/floods` on a machine that does nothing else.

use crate::harness::{Conversation, Folder, Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
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
    let gate = gate(&backend, ", buffers: 1536KiB");
    let held = || gate.metric("haechi_buffer_bytes", &[]);
    beside(&gate, || {
        let connections = open(&gate, 170);
        send_on(&gate, &connections, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        let short = |labels: &[&str]| gate.metric("haechi_limits_total", labels) >= 1.0;
        eventually(PATIENCE, || short(&["limit=\"buffers\""]).then_some(()));
        eventually(PATIENCE, || (held() <= 1_200_000.0).then_some(()));
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

/// A frame (RFC 9113 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
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
