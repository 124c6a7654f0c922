//! How the gate ends: what is under way finishes, and nobody is cut off who could not have known.

use crate::harness::{Folder, Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::{Answer, Backend, Latch};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn gate(drain: &str, backend: &Backend) -> Gate {
    Gate::start(&format!("drain: {drain}\n{}", routes_to(backend, &[("/**", "anonymous", "any")])))
}

/// A backend that answers only once the latch is open.
fn holding(latch: &Latch) -> Backend {
    let latch = latch.clone();
    Backend::start(move |_| {
        latch.wait();
        Answer::ok("finished")
    })
}

#[test]
fn it_is_not_ready_before_it_stops_taking_connections() {
    let backend = Backend::saying("reached");
    let mut gate = gate("{ delay: 2s }", &backend);
    gate.admin("/readyz").expect(200);
    gate.signal("TERM");
    eventually(PATIENCE, || (gate.admin("/readyz").status == 503).then_some(()));
    // A load balancer that has not looked yet still gets answers.
    gate.get("/").expect(200);
    assert_eq!(gate.exited().code(), Some(0));
    assert!(TcpStream::connect(gate.address()).is_err());
}

#[test]
fn the_admin_listener_answers_until_the_last_request_has_ended() {
    let latch = Latch::new();
    let backend = holding(&latch);
    let mut gate = gate("{ grace: 60s }", &backend);
    let mut conversation = gate.converse();
    conversation.send(GET);
    eventually(PATIENCE, || (!backend.recorded().is_empty()).then_some(()));
    gate.signal("TERM");
    eventually(PATIENCE, || TcpStream::connect(gate.address()).is_err().then_some(()));
    gate.admin("/livez").expect(200);
    gate.admin("/readyz").expect(503);
    latch.open();
    let answer = conversation.answer().expect("the answer");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"finished"[..]));
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert_eq!(gate.exited().code(), Some(0));
}

#[test]
fn a_kept_connection_is_answered_once_more_and_told() {
    let latch = Latch::new();
    let backend = holding(&latch);
    let mut gate = gate("{ grace: 60s }", &backend);
    let mut holding = gate.converse();
    let mut kept = gate.converse();
    kept.send("GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n");
    holding.send(GET);
    eventually(PATIENCE, || (backend.recorded().len() == 2).then_some(()));
    gate.signal("TERM");
    eventually(PATIENCE, || TcpStream::connect(gate.address()).is_err().then_some(()));
    latch.open();
    for conversation in [&mut kept, &mut holding] {
        let answer = conversation.answer().expect("an answer");
        assert_eq!((answer.status, answer.head.field("connection")), (200, Some("close")));
        assert!(conversation.is_closed());
    }
    assert_eq!(gate.exited().code(), Some(0));
}

#[test]
fn a_quiet_connection_is_closed_after_a_moment_without_a_byte() {
    let backend = Backend::saying("reached");
    let mut gate = gate("{ grace: 60s }", &backend);
    let mut idle = gate.converse();
    idle.send(GET);
    assert_eq!(idle.answer().unwrap().status, 200);
    gate.signal("TERM");
    eventually(PATIENCE, || TcpStream::connect(gate.address()).is_err().then_some(()));
    let begun = Instant::now();
    assert!(idle.is_closed());
    assert!(begun.elapsed() > Duration::from_millis(500), "it had no time to send: {:?}", begun.elapsed());
    assert_eq!(gate.exited().code(), Some(0));
}

#[test]
fn what_takes_longer_than_the_grace_is_cut_off() {
    let latch = Latch::new();
    let backend = holding(&latch);
    let mut gate = gate("{ grace: 500ms }", &backend);
    let mut conversation = gate.converse();
    conversation.send(GET);
    eventually(PATIENCE, || (!backend.recorded().is_empty()).then_some(()));
    gate.signal("TERM");
    assert_eq!(gate.exited().code(), Some(0));
    assert!(conversation.is_closed());
    latch.open();
}

#[test]
fn a_second_signal_ends_at_once() {
    let latch = Latch::new();
    let backend = holding(&latch);
    let mut gate = gate("{ grace: 1h }", &backend);
    let mut conversation = gate.converse();
    conversation.send(GET);
    eventually(PATIENCE, || (!backend.recorded().is_empty()).then_some(()));
    gate.signal("TERM");
    eventually(PATIENCE, || TcpStream::connect(gate.address()).is_err().then_some(()));
    gate.signal("INT");
    assert_eq!(gate.exited().code(), Some(1));
    latch.open();
}

#[test]
fn connections_that_the_kernel_holds_already_are_served() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&routes_to(&backend, &[("/**", "anonymous", "any")]));
    let mut gate = Gate::start_in(folder);
    // Stopped, it accepts nothing; the kernel does, and holds the signal as well.
    gate.signal("STOP");
    let mut waiting: Vec<_> = (0..50).map(|_| gate.converse()).collect();
    for conversation in &mut waiting {
        conversation.send(GET);
    }
    gate.signal("TERM");
    gate.signal("CONT");
    for conversation in &mut waiting {
        assert_eq!(conversation.answer().expect("an answer").status, 200);
    }
    assert_eq!(gate.exited().code(), Some(0));
}
