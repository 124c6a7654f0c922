//! Trailer fields of a backend's answer: passed on to who asks for them, without what must not stand behind a body.

use crate::harness::open_gate;
use haechi_testkit::{Answer, Backend};
use std::io::Read;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n4\r\nbody\r\n0\r\nGrpc-Status: 0\r\nX-Checksum:  abc \r\nSet-Cookie: a=b\r\nX-Request-Id: forged\r\nContent-Length: 3\r\nAuthorization: x\r\n\r\n";

/// Everything that a client gets which then wants no more.
fn told(version: &str, te: &str) -> String {
    let backend = Backend::start(|_| Answer::kept(ANSWER));
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    conversation.send(format!("GET / HTTP/{version}\r\nHost: a\r\n{te}Connection: close\r\n\r\n"));
    let mut wire = String::new();
    conversation.socket().read_to_string(&mut wire).unwrap();
    let arrived = backend.sole();
    assert_eq!((arrived.field("te"), arrived.field("trailer")), (None, None), "`TE` ends at this hop");
    wire
}

#[test]
fn trailers_reach_a_client_that_takes_them() {
    let wire = told("1.1", "TE: trailers\r\n");
    let body = wire.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body, "4\r\nbody\r\n0\r\ngrpc-status: 0\r\nx-checksum: abc\r\n\r\n");
}

#[test]
fn others_get_the_body_without_them() {
    assert!(told("1.1", "").ends_with("4\r\nbody\r\n0\r\n\r\n"));
    assert!(told("1.1", "TE: gzip\r\n").ends_with("4\r\nbody\r\n0\r\n\r\n"));
    assert!(told("1.0", "TE: trailers\r\n").ends_with("\r\n\r\nbody"));
}

#[test]
fn broken_trailers_break_the_answer() {
    for broken in ["no colon\r\n\r\n", "a: b\n\r\n", " folded: x\r\n\r\n", "a: \u{1}\r\n\r\n"] {
        let wire = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n{broken}");
        let backend = Backend::start(move |_| Answer::kept(wire.clone()));
        let gate = open_gate(&backend);
        let mut conversation = gate.converse();
        let answer = conversation.send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n").answer().unwrap();
        assert!(!answer.complete, "{broken:?}");
    }
}
