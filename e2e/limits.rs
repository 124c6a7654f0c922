//! Over a limit: a clear status or a close, a counter, and nobody else suffers.

use crate::harness::{Conversation, Folder, Gate, PATIENCE, eventually, haechi, routes_to};
use haechi_testkit::{Answer, Backend, Latch};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn limited(backend: &Backend, limits: &str) -> Gate {
    Gate::start(&limited_yaml(backend, limits))
}

fn limited_yaml(backend: &Backend, limits: &str) -> String {
    format!("limits: {{ {limits} }}\n{}", routes_to(backend, &[("/**", "anonymous", "any")]))
}

/// How often a limit was reached.
fn reached(gate: &Gate, limit: &str) -> f64 {
    gate.metric("haechi_limits_total", &[&format!("limit=\"{limit}\"")])
}

#[track_caller]
fn served(conversation: &mut Conversation) {
    let answer = conversation.send(GET).answer();
    assert_eq!(answer.map(|answer| answer.status), Some(200));
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let backend = Backend::saying("reached");
    let gate = limited(&backend, "head: 2KiB, fields: 10, body: 100");
    let many: String = (0..11).map(|n| format!("X-{n}: 1\r\n")).collect();
    let refusals = [
        ("target", 414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000))),
        ("head", 431, format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(3000))),
        ("fields", 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")),
        ("body", 413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n".to_owned()),
    ];
    for (limit, status, request) in refusals {
        if limit == "target" {
            // The target has a limit of its own only where a head may be larger than it.
            let gate = limited(&backend, "");
            let answer = gate.converse().send(&request).answer();
            assert_eq!(answer.map(|answer| answer.status), Some(status), "{limit}");
            assert!(reached(&gate, limit) >= 1.0);
            continue;
        }
        let mut client = gate.converse();
        let answer = client.send(&request).answer();
        assert_eq!(answer.map(|answer| answer.status), Some(status), "{limit}");
        assert!(client.is_closed(), "{limit}");
        assert!(reached(&gate, limit) >= 1.0, "{limit} was not counted");
    }
    assert_eq!(backend.recorded().len(), 0);
    gate.get("/").expect(200);
}

#[test]
fn large_heads_pass_where_the_limits_allow_them() {
    // A buffer, several, and the most that can be set; sent at once and in pieces.
    let backend = Backend::start(|request| {
        let asked: usize = request.field("x-answer").unwrap_or("0").parse().unwrap();
        Answer::new(200, &[("x-long", &"b".repeat(asked))], "reached")
    });
    let gate = limited(&backend, "head: 256KiB");
    for bytes in [16_300, 16_384, 16_500, 40_000, 131_072, 200_000, 261_000] {
        let mut client = gate.converse();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(bytes));
        for piece in head.as_bytes().chunks(if bytes % 2 == 0 { 30_011 } else { head.len() }) {
            client.send(piece);
        }
        client.send(GET);
        for _ in 0..2 {
            assert_eq!(client.answer().map(|answer| answer.status), Some(200), "{bytes}");
        }
        let seen = &backend.recorded()[backend.recorded().len() - 2];
        assert_eq!(seen.field("x-long").map(str::len), Some(bytes));
    }
    let over = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(262_144));
    assert_eq!(gate.converse().send(over).answer().map(|answer| answer.status), Some(431));
    for (bytes, status) in [(15_000, 200), (20_000, 200), (64_000, 200), (66_000, 502), (300_000, 502)] {
        gate.get_with("/", &[&format!("X-Answer: {bytes}")]).expect(status);
    }
    let gate = limited(&backend, "response_head: 8KiB");
    gate.get_with("/", &["X-Answer: 7000"]).expect(200);
    gate.get_with("/", &["X-Answer: 9000"]).expect(502);
}

#[test]
fn an_answer_over_a_limit_can_be_read_by_a_client_that_is_still_sending() {
    let backend = Backend::saying("reached");
    let gate = limited(&backend, "body: 1KiB, head: 4KiB");
    let mut large = gate.converse();
    large.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    large.send(vec![b'x'; 60_000]);
    assert_eq!(large.answer().map(|answer| answer.status), Some(413));
    let mut fat = gate.converse();
    fat.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(60_000)));
    assert_eq!(fat.answer().map(|answer| answer.status), Some(431));
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn whoever_is_too_slow_is_let_go_and_counted() {
    let backend = Backend::start(|_| Answer::ok(vec![b'x'; 64 << 20]));
    let gate = limited(&backend, "header_read: 300ms, idle: 300ms, body_stall: 300ms, write_stall: 300ms");
    let mut head = gate.converse();
    let mut body = gate.converse();
    let mut idle = gate.converse();
    let mut reader = gate.converse();
    head.send("GET / HTTP/1.1\r\nHost: a\r\nX-");
    body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    reader.send(GET);
    for limit in ["header_read", "body_stall", "idle", "write_stall"] {
        eventually(PATIENCE, || (reached(&gate, limit) >= 1.0).then_some(()));
    }
    assert_eq!(head.answer().map(|answer| answer.status), Some(408));
    assert_eq!(body.answer().map(|answer| answer.status), Some(408));
    assert!(idle.is_closed());
    assert!(!reader.answer().unwrap().complete);
    assert!(backend.recorded().iter().all(|request| request.method() == "GET" || !request.complete));
}

/// Sends `piece` again and again, at least `pause` apart, until the gate answers. Returns how long that took.
fn trickle(client: &Conversation, piece: &str, pause: Duration) -> Duration {
    let begun = Instant::now();
    let mut socket = client.socket();
    socket.set_read_timeout(Some(pause)).unwrap();
    while begun.elapsed() < PATIENCE {
        drop(socket.write_all(piece.as_bytes()));
        let mut byte = [0];
        match socket.peek(&mut byte) {
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    begun.elapsed()
}

#[test]
fn a_head_that_trickles_in_is_ended_when_its_time_is_up() {
    let backend = Backend::saying("reached");
    let gate = limited(&backend, "header_read: 1s");
    let mut client = gate.converse();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: ");
    let took = trickle(&client, "a", Duration::from_millis(50));
    assert_eq!(client.answer().map(|answer| answer.status), Some(408));
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(5), "each byte began the time anew: {took:?}");
    assert_eq!(reached(&gate, "header_read"), 1.0);
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn one_address_has_so_many_connections_and_others_are_served() {
    let backend = Backend::saying("reached");
    let gate = limited(&backend, "connections_per_address: 3");
    let mut kept: Vec<_> = (0..3).map(|_| gate.converse()).collect();
    kept.iter_mut().for_each(served);
    for _ in 0..5 {
        let mut over = gate.converse();
        assert!(over.send(GET).is_closed());
    }
    assert_eq!(backend.recorded().len(), 3, "nothing of a client over the limit arrives");
    assert_eq!(reached(&gate, "connections_per_address"), 5.0);
    gate.curl("/", &["--interface", "127.0.0.2"]).expect(200);
    kept.iter_mut().for_each(served);
    drop(kept.pop());
    eventually(PATIENCE, || (gate.get("/").status == 200).then_some(()));
}

#[test]
fn a_trusted_proxy_brings_as_many_clients_as_it_has() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "trusted_proxies: [127.0.0.1/32]\n{}",
        limited_yaml(&backend, "connections_per_address: 1")
    ));
    let mut clients: Vec<_> = (0..5).map(|_| gate.converse()).collect();
    clients.iter_mut().for_each(served);
    assert_eq!(reached(&gate, "connections_per_address"), 0.0);
}

/// What a gate with one worker and one listener keeps back, without and with an admin listener's connections.
const KEPT: usize = 64 + 32 + 8 + 1;

#[test]
fn idle_admin_connections_cost_nobody_anything() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&limited_yaml(&backend, "idle: 1h"));
    let gate = Gate::start_with_descriptors(folder, KEPT + 120);
    let mut first = gate.converse();
    served(&mut first);
    // One that is in the middle of a head, one that has had an answer and is kept open, and many that say nothing.
    let mut kept = gate.converse_with_admin();
    served_by_admin(&mut kept);
    let mut halves: Vec<_> = (0..100).map(|_| gate.converse_with_admin()).collect();
    for half in &mut halves {
        half.send("GET /livez HTTP/1.1\r\nHo");
    }
    let silent: Vec<_> = (0..1500).map(|_| gate.converse_with_admin()).collect();
    for _ in 0..10 {
        gate.admin("/readyz").expect(200);
        gate.admin("/metrics").expect(200);
        served(&mut first);
        served(&mut gate.converse());
    }
    eventually(PATIENCE, || (gate.open_files() < 105).then_some(()));
    assert!(kept.is_closed(), "the connection that was idle for longest makes room");
    assert!(!gate.log().iter().any(|line| line.contains("cannot accept")), "the reserve was used up");
    drop((silent, halves));
}

#[track_caller]
fn served_by_admin(conversation: &mut Conversation) {
    let answer = conversation.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").answer();
    assert_eq!(answer.map(|answer| answer.status), Some(200));
}

#[test]
fn admin_answers_while_clients_hold_every_descriptor_they_can_get() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&limited_yaml(&backend, "idle: 1h"));
    let gate = Gate::start_with_descriptors(folder, KEPT + 120);
    assert!(gate.log().iter().any(|line| line.contains("allows fewer client connections")));
    let mut first = gate.converse();
    served(&mut first);
    let flood: Vec<_> = (0..2000).map(|_| gate.converse()).collect();
    eventually(PATIENCE, || (reached(&gate, "descriptors") >= 1900.0).then_some(()));
    for _ in 0..10 {
        gate.admin("/readyz").expect(200);
        gate.admin("/livez").expect(200);
        served(&mut first);
    }
    assert_eq!(gate.metric("haechi_connections", &[]), 90.0);
    assert!(!gate.log().iter().any(|line| line.contains("cannot accept")), "the reserve was used up");
    drop(flood);
    eventually(PATIENCE, || (gate.get("/").status == 200).then_some(()));
}

#[test]
fn a_service_that_no_descriptor_is_left_for_is_answered_503() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        held.wait();
        Answer::ok("reached")
    });
    let folder = Folder::new(&limited_yaml(&backend, ""));
    let gate = Gate::start_with_descriptors(folder, KEPT + 40);
    let mut clients: Vec<_> = (0..25).map(|_| gate.converse()).collect();
    eventually(PATIENCE, || (gate.metric("haechi_connections", &[]) == 25.0).then_some(()));
    for client in &mut clients {
        client.send(GET);
    }
    eventually(PATIENCE, || (reached(&gate, "descriptors") == 10.0).then_some(()));
    eventually(PATIENCE, || (backend.recorded().len() == 15).then_some(()));
    latch.open();
    let mut statuses: Vec<u16> = clients.iter_mut().map(|client| client.answer().unwrap().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 15].as_slice(), &[503; 10]].concat());
    // Those that were turned away are served now, over the connections that are there.
    clients.iter_mut().for_each(served);
}

#[test]
fn too_few_descriptors_are_said_at_start() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&limited_yaml(&backend, ""));
    let mut child = Gate::command_with_descriptors(&folder, KEPT + 10).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("may open only 115 files") && said.contains("ulimit -n"), "{said}");
}

#[test]
fn limits_out_of_reach_are_refused_by_the_check() {
    for (limits, said) in [("fields: 257", "256"), ("connections_per_address: 0", "connections_per_address")]
    {
        let folder = Folder::new(&format!("limits: {{ {limits} }}\n"));
        let checked = haechi(folder.path(), &["check"]);
        assert_eq!(checked.code, 1, "{checked:#?}");
        assert!(checked.stderr.contains(said) || checked.stdout.contains(said), "{checked:#?}");
    }
}
