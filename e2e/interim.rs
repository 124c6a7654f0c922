//! Interim answers: a backend's reach the client before the final one, and the gate's own `100 Continue` does what it is for.

use crate::harness::{Gate, PATIENCE, open_gate, routes_to};
use haechi_testkit::{Answer, Backend, Latch};
use std::io::Write;

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Request-Id: forged\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn early_hints_arrive_before_the_answer_is_known() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        let held = held.clone();
        Answer::written(move |socket| {
            socket.write_all(HINTS.as_bytes()).unwrap();
            held.wait();
            drop(socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"));
        })
    });
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    let hints = conversation.send(GET).answer().unwrap();
    assert_eq!((hints.status, hints.head.field("link")), (103, Some("</style.css>; rel=preload")));
    for ended_here in ["connection", "x-hop", "keep-alive", "x-request-id", "transfer-encoding"] {
        assert_eq!(hints.head.field(ended_here), None, "{ended_here}");
    }
    latch.open();
    let answer = conversation.answer().unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"done"[..]));
}

#[test]
fn several_come_in_order_and_the_connections_stay_in_step() {
    let backend = Backend::start(|_| {
        Answer::kept(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    for _ in 0..3 {
        conversation.send(GET);
        let statuses: Vec<u16> = (0..3).map(|_| conversation.answer().unwrap().status).collect();
        assert_eq!(statuses, [102, 103, 200], "a `100 Continue` that nobody waits for is not passed on");
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn an_old_client_gets_none() {
    let backend =
        Backend::start(|_| Answer::kept(format!("{HINTS}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")));
    let gate = open_gate(&backend);
    let answer = gate.converse().send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
}

#[test]
fn endless_interim_answers_and_unasked_switches_are_a_502() {
    for wire in ["HTTP/1.1 102 Processing\r\n\r\n".repeat(100), "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)] {
        let backend = Backend::start(move |_| Answer::raw(wire.clone()));
        let gate = open_gate(&backend);
        let mut conversation = gate.converse();
        conversation.send(GET);
        let last = std::iter::from_fn(|| conversation.answer()).find(|answer| answer.status >= 200).unwrap();
        assert_eq!(last.status, 502);
    }
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let backend = Backend::start(move |_| Answer::raw(switching));
    let gate = open_gate(&backend);
    assert_eq!(gate.get("/").status, 502);
}

#[test]
fn a_refusal_comes_in_place_of_100_continue_and_the_body_is_not_asked_for() {
    const ASK: &str = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let backend = Backend::saying("reached");
    let routes = routes_to(&backend, &[("/in/**", "anonymous", "any")]);
    let gate = Gate::start(&format!("limits: {{ body: 4B }}\n{routes}"));
    for (path, status) in [("/no", 404), ("/in/large", 413)] {
        let answer =
            gate.converse().send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{ASK}")).answer().unwrap();
        assert_eq!(answer.status, status, "{path}");
    }
    let unknown = "POST /in/ HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(gate.converse().send(unknown).answer().unwrap().status, 417);
    assert!(backend.recorded().is_empty());
}

#[test]
fn a_backend_may_refuse_before_the_body_was_sent() {
    for status in [413, 417] {
        let backend = Backend::start(move |_| Answer::new(status, &[], "too much").early());
        let gate = open_gate(&backend);
        let mut conversation = gate.converse();
        conversation
            .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
        // The gate asks for the body before it knows what the backend says; the client has sent none of it.
        assert_eq!(conversation.answer().unwrap().status, 100);
        let answer = conversation.answer().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (status, &b"too much"[..]));
        drop(conversation);
        haechi_testkit::eventually(PATIENCE, || (gate.metric("haechi_connections", &[]) < 1.0).then_some(()));
        assert!(!backend.sole().complete);
    }
}
