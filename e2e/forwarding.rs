//! One request in, at most one to a backend; bodies flow both ways as fast as the slower side takes them.

use crate::harness::{Conversation, Gate, PATIENCE, eventually, open_gate, routes_to};
use haechi_testkit::{Answer, Backend, Latch, Unreachable};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// A gate with one open route to a service that is written in `service`.
fn gate_to(service: &str) -> Gate {
    Gate::start(&format!(
        "limits: {{ body: 1GiB }}\nservices:\n  web: {{ {service} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}\n"
    ))
}

#[test]
fn methods_bodies_and_answers_travel_both_ways() {
    let backend = Backend::start(|request| {
        Answer::new(
            201,
            &[("x-method", request.method()), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
            "made",
        )
    });
    let gate = open_gate(&backend);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = gate.curl("/a?b=c", &["--request", method, "--data-binary", "hello"]).expect(201);
        assert_eq!(reply.field("x-method"), Some(method));
        assert_eq!(reply.head.all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(reply.text(), "made");
        let request = backend.last();
        assert_eq!((request.method(), request.target()), (method, "/a?b=c"));
        assert_eq!(request.body, b"hello");
        assert_eq!(request.field("content-length"), Some("5"));
    }
    assert_eq!(backend.recorded().len(), 6);
}

#[test]
fn chunked_bodies_travel_both_ways() {
    let backend = Backend::start(|_| Answer::chunked(200, &[], &["one", "two", "three"]));
    let gate = open_gate(&backend);
    let reply =
        gate.curl("/", &["--header", "Transfer-Encoding: chunked", "--data-binary", "hello"]).expect(200);
    assert_eq!((reply.exit, reply.head.all("transfer-encoding")), (0, vec!["chunked"]));
    let answer = gate.converse().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!((answer.body.as_slice(), answer.complete), (&b"onetwothree"[..], true));
    let request = &backend.recorded()[0];
    assert_eq!((request.body.as_slice(), request.complete), (&b"hello"[..], true));
}

#[test]
fn chunk_extensions_end_at_the_gate() {
    let backend = Backend::start(|_| {
        Answer::kept(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\none\r\n3 ; c=\"x;y\"\r\ntwo\r\n0;end\r\n\r\n",
        )
    });
    let gate = open_gate(&backend);
    let mut client = gate.converse();
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!((answer.body.as_slice(), answer.complete), (&b"onetwo"[..], true));
    assert_eq!(backend.sole().body, b"hello");
    let reply = gate.curl("/", &[]).expect(200);
    assert_eq!((reply.exit, reply.text()), (0, "onetwo".to_owned()));
}

#[test]
fn an_old_answer_in_chunks_is_faulty() {
    let backend = Backend::start(|_| {
        Answer::raw("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    });
    open_gate(&backend).get("/").expect(502);
}

#[test]
fn an_old_client_gets_no_chunks() {
    let backend = Backend::start(|_| Answer::chunked(200, &[], &["one", "two"]));
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    let answer = conversation.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!(answer.head.all("transfer-encoding"), Vec::<&str>::new());
    assert_eq!(answer.body, b"onetwo");
    assert!(conversation.is_closed());
}

#[test]
fn a_body_that_ends_with_the_connection_arrives_whole() {
    let backend = Backend::start(|_| Answer::raw("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
    let gate = open_gate(&backend);
    let answer = gate.converse().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!((answer.body.as_slice(), answer.complete), (&b"until the end"[..], true));
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let backend = Backend::start(|request| match (request.method(), request.target()) {
        ("HEAD", _) => Answer::kept("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (_, "/204") => Answer::kept("HTTP/1.1 204 No Content\r\n\r\n"),
        (_, "/304") => Answer::kept("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n"),
        _ => Answer::ok("hello"),
    });
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    let head = conversation.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").answer_to("HEAD").unwrap();
    assert_eq!((head.status, head.head.field("content-length")), (200, Some("5")));
    let empty = conversation.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!((empty.status, empty.head.field("content-length")), (204, None));
    let same = conversation.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!((same.status, same.head.field("etag")), (304, Some("\"x\"")));
    let last = conversation.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    assert_eq!(last.body, b"hello");
    assert_eq!(backend.connections(), 1, "the connection to the backend is in step too");
}

#[test]
fn connections_are_kept_on_both_sides_and_pipelined_answers_come_in_order() {
    let backend = Backend::start(|request| Answer::ok(request.target()));
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    for path in ["/1", "/2", "/3"] {
        let answer = conversation.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).answer().unwrap();
        assert_eq!(answer.body, path.as_bytes());
    }
    assert_eq!(backend.connections(), 1);
    let pipelined: String =
        (0..20).map(|n| format!("POST /p{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")).collect();
    conversation.send(pipelined);
    for n in 0..20 {
        assert_eq!(conversation.answer().unwrap().body, format!("/p{n}").into_bytes());
    }
    let closing =
        conversation.send("GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").answer().unwrap();
    assert_eq!(closing.head.field("connection"), Some("close"));
    assert!(conversation.is_closed());
}

#[test]
fn a_client_that_asks_first_is_told_to_continue() {
    let backend = Backend::saying("got it");
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    conversation.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(conversation.answer().unwrap().status, 100);
    let answer = conversation.send("hello").answer().unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"got it"[..]));
    assert_eq!(backend.sole().body, b"hello");
}

#[test]
fn an_answer_may_come_before_the_body_has_been_read() {
    let backend = Backend::start(|_| Answer::new(409, &[], "no need").early());
    let gate = gate_to(&format!("endpoints: [\"{}\"]", backend.url()));
    let mut conversation = gate.converse();
    conversation.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nonly the beginning");
    let answer = conversation.answer().unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (409, &b"no need"[..]));
    assert_eq!(backend.recorded().len(), 1);
}

/// Sends until nothing has moved for a while; the count that stands still is what all buffers together took.
fn settled(count: &AtomicU64) -> u64 {
    let mut last = (count.load(Ordering::SeqCst), Instant::now());
    eventually(PATIENCE, || {
        let now = count.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (now > 0 && last.1.elapsed() > Duration::from_millis(400)).then_some(now)
    })
}

#[test]
fn a_slow_reader_holds_the_backend_back() {
    const LENGTH: u64 = 128 * MIB;
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let backend = Backend::start(move |_| {
        let counter = counter.clone();
        Answer::written(move |socket| {
            drop(write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
            let piece = vec![b'x'; MIB as usize / 4];
            while counter.load(Ordering::SeqCst) < LENGTH && socket.write_all(&piece).is_ok() {
                counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
        })
    });
    let gate = open_gate(&backend);
    let before = gate.resident();
    let mut conversation = gate.converse();
    conversation.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let taken = settled(&written);
    assert!(taken < 48 * MIB, "{taken} bytes were taken from the backend and nobody read them");
    let grown = gate.resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more in memory");
    let answer = conversation.answer().unwrap();
    assert_eq!((answer.body.len() as u64, answer.complete), (LENGTH, true));
}

#[test]
fn a_slow_backend_holds_the_client_back() {
    const LENGTH: u64 = 128 * MIB;
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        held.wait();
        Answer::ok("got it")
    });
    let gate = gate_to(&format!("endpoints: [\"{}\"]", backend.url()));
    let before = gate.resident();
    let mut conversation = gate.converse();
    conversation.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let mut socket = conversation.socket().try_clone().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    let sender = std::thread::spawn(move || {
        let piece = vec![b'x'; MIB as usize / 4];
        while counter.load(Ordering::SeqCst) < LENGTH {
            socket.write_all(&piece).unwrap();
            counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    let taken = settled(&sent);
    assert!(taken < 48 * MIB, "{taken} bytes were taken from the client and nobody read them");
    let grown = gate.resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more in memory");
    latch.open();
    assert_eq!(conversation.answer().unwrap().status, 200);
    sender.join().unwrap();
    assert_eq!(backend.sole().body.len() as u64, LENGTH);
}

#[test]
fn bodies_are_streamed_and_not_collected_first() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        let held = held.clone();
        Answer::written(move |socket| {
            drop(socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"));
            held.wait();
            drop(socket.write_all(b"0\r\n\r\n"));
        })
    });
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    conversation.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    eventually(PATIENCE, || backend.recorded().first().is_some_and(|r| r.body == b"one").then_some(()));
    conversation.send("0\r\n\r\n");
    let mut seen = Vec::new();
    let mut socket = conversation.socket();
    while !seen.windows(5).any(|window| window == b"first") {
        let mut piece = [0; 512];
        let count = socket.read(&mut piece).expect("the first chunk before the last");
        assert!(count > 0);
        seen.extend_from_slice(&piece[..count]);
    }
    latch.open();
}

#[test]
fn a_truncated_answer_reaches_the_client_broken() {
    let backend = Backend::start(|request| {
        Answer::raw(match request.target() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            "/within-chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "/after-chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "/before-end" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        })
    });
    let gate = open_gate(&backend);
    for path in ["/length", "/within-chunk", "/after-chunk", "/before-end", "/broken-chunk"] {
        let mut conversation = gate.converse();
        let answer = conversation.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).answer();
        // Nothing at all, or an error in its place, is honest as well.
        let clean = answer.as_ref().is_some_and(|answer| answer.status == 200 && answer.complete);
        assert!(!clean, "{path}: {answer:#?}");
        assert_ne!(gate.get(path).exit, 0, "{path}: curl saw a clean end");
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_a_502_and_is_asked_for_once() {
    let backend = Backend::start(|request| {
        Answer::raw(match request.target() {
            "/nothing" => "",
            "/noise" => "hello\r\n\r\n",
            "/half" => "HTTP/1.1 200 OK\r\nX-A:",
            "/both" => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "/lengths" => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        })
    });
    let gate = open_gate(&backend);
    for (count, path) in ["/nothing", "/noise", "/half", "/both", "/lengths", "/coding"].iter().enumerate() {
        let reply = gate.curl(path, &["--data", "once"]).expect(502);
        assert_eq!(reply.field("content-type"), Some("application/problem+json"));
        assert_eq!(backend.recorded().len(), count + 1, "{path} was asked for again");
    }
}

#[test]
fn a_client_that_leaves_ends_its_request_at_the_backend() {
    let backend = Backend::saying("too late");
    let gate = open_gate(&backend);
    let mut conversation = gate.converse();
    conversation.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    eventually(PATIENCE, || (!backend.recorded().is_empty()).then_some(()));
    drop(conversation);
    gate.get("/next").expect(200);
    assert!(!backend.recorded()[0].complete);
}

#[test]
fn hop_by_hop_fields_end_here() {
    let backend = Backend::start(|_| {
        Answer::new(
            200,
            &[
                ("Connection", "X-Hop"),
                ("X-Hop", "1"),
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Authenticate", "Basic"),
                ("X-End", "1"),
            ],
            "",
        )
    });
    let gate = open_gate(&backend);
    let fields = [
        "Connection: X-Mine, keep-alive",
        "X-Mine: 1",
        "Keep-Alive: 5",
        "TE: trailers",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eA==",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
        "X-End: 1",
    ];
    let reply = gate.get_with("/", &fields).expect(200);
    for name in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(reply.field(name), None, "{name} came back");
    }
    assert_eq!(reply.field("x-end"), Some("1"));
    let request = backend.sole();
    for name in
        ["x-mine", "keep-alive", "te", "proxy-connection", "proxy-authorization", "upgrade", "http2-settings"]
    {
        assert_eq!(request.field(name), None, "{name} arrived");
    }
    assert_eq!(request.field("x-end"), Some("1"));
}

#[test]
fn a_prefix_is_stripped() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes:\n  - {{ name: api, match: {{ path: /api/** }}, authenticate: anonymous, authorize: any, service: web, rewrite: {{ strip_prefix: /api }} }}\n",
        backend.url()
    ));
    for (sent, received) in [("/api/x/y?q=1", "/x/y?q=1"), ("/api/", "/"), ("/api", "/"), ("/api?q", "/?q")] {
        gate.get(sent).expect(200);
        assert_eq!(backend.last().target(), received, "{sent}");
    }
}

fn share(backends: &[Backend]) -> Vec<usize> {
    backends.iter().map(|backend| backend.recorded().len()).collect()
}

#[test]
fn round_robin_is_even_and_weights_count() {
    let backends = [Backend::saying("a"), Backend::saying("b")];
    let gate = gate_to(&format!(
        "balance: round_robin, endpoints: [\"{}\", \"{}\"]",
        backends[0].url(),
        backends[1].url()
    ));
    for _ in 0..10 {
        gate.get("/").expect(200);
    }
    assert_eq!(share(&backends), [5, 5]);

    let backends = [Backend::saying("a"), Backend::saying("b")];
    let gate = gate_to(&format!(
        "balance: round_robin, endpoints: [\"{}\", {{ url: \"{}\", weight: 2 }}]",
        backends[0].url(),
        backends[1].url()
    ));
    for _ in 0..12 {
        gate.get("/").expect(200);
    }
    assert_eq!(share(&backends), [4, 8]);
}

#[test]
fn hashing_keeps_a_key_at_its_place() {
    let backends = [Backend::saying("a"), Backend::saying("b"), Backend::saying("c")];
    let urls: Vec<String> = backends.iter().map(|backend| format!("\"{}\"", backend.url())).collect();
    let gate = gate_to(&format!("balance: {{ hash: \"header:X-Key\" }}, endpoints: [{}]", urls.join(", ")));
    let mut places = std::collections::HashSet::new();
    for key in 0..12 {
        let field = format!("X-Key: {key}");
        let first = gate.get_with("/", &[&field]).expect(200).text();
        assert_eq!(gate.get_with("/", &[&field]).expect(200).text(), first);
        places.insert(first);
    }
    assert!(places.len() > 1, "all keys are at one place");
}

#[test]
fn least_request_avoids_the_busy_endpoint() {
    let latch = Latch::new();
    let held = latch.clone();
    let slow = move |request: &haechi_testkit::Recorded| {
        if request.target() == "/hold" {
            held.wait();
        }
        Answer::ok("done")
    };
    let backends = [Backend::start(slow.clone()), Backend::start(slow)];
    let gate = gate_to(&format!(
        "balance: least_request, endpoints: [\"{}\", \"{}\"]",
        backends[0].url(),
        backends[1].url()
    ));
    let mut waiting = gate.converse();
    waiting.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    let busy = eventually(PATIENCE, || backends.iter().position(|backend| !backend.recorded().is_empty()));
    let mut conversation = gate.converse();
    for _ in 0..200 {
        conversation.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
    }
    // Two choices at random may both fall on the busy one: a quarter of the time, never half of it.
    let shares = share(&backends);
    assert!(shares[busy] < 80, "busy is {busy}: {shares:?}");
    latch.open();
    assert_eq!(waiting.answer().unwrap().status, 200);
}

#[test]
fn random_reaches_every_endpoint() {
    let backends = [Backend::saying("a"), Backend::saying("b")];
    let gate = gate_to(&format!(
        "balance: random, endpoints: [\"{}\", \"{}\"]",
        backends[0].url(),
        backends[1].url()
    ));
    for _ in 0..40 {
        gate.get("/").expect(200);
    }
    assert!(share(&backends).iter().all(|&count| count > 0), "{:?}", share(&backends));
}

#[test]
fn nobody_there_is_502_and_nobody_answering_is_504() {
    let gone = Unreachable::refusing();
    let gate = gate_to(&format!("endpoints: [\"{}\"]", gone.url()));
    assert_eq!(gate.get("/").expect(502).json()["status"], 502);

    let silent = Unreachable::silent();
    let gate = gate_to(&format!("connect_timeout: 300ms, endpoints: [\"{}\"]", silent.url()));
    assert_eq!(gate.get("/").expect(504).json()["status"], 504);

    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| Answer::never(&held));
    let gate = gate_to(&format!("timeout: 300ms, endpoints: [\"{}\"]", backend.url()));
    gate.get("/").expect(504);
    assert_eq!(backend.recorded().len(), 1, "a request that may have been acted on is not sent again");
    latch.open();
}

#[test]
fn an_idle_or_dawdling_client_is_let_go() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "limits: {{ header_read: 300ms, idle: 300ms, body_stall: 300ms }}\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    let closes = |sent: &str| {
        let mut conversation: Conversation = gate.converse();
        conversation.send(sent);
        while conversation.answer().is_some() {}
        true
    };
    assert!(closes(""));
    assert!(closes("GET / HTTP/1.1\r\nHost: a\r\nX-"));
    assert!(closes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(closes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"));
    assert!(backend.recorded().iter().all(|request| request.method() == "GET" || !request.complete));
}

#[test]
fn connections_over_the_limit_are_closed_at_once_and_the_others_are_served() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "limits: {{ connections: 2 }}\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut first, mut second) = (gate.converse(), gate.converse());
    assert_eq!(first.send(request).answer().unwrap().status, 200);
    assert_eq!(second.send(request).answer().unwrap().status, 200);
    assert!(gate.converse().is_closed());
    assert_eq!(first.send(request).answer().unwrap().status, 200);
    drop(second);
    eventually(PATIENCE, || {
        let answer = gate.converse().send(request).answer();
        answer.is_some_and(|answer| answer.status == 200).then_some(())
    });
}

#[test]
fn a_client_that_stops_reading_is_let_go() {
    let backend = Backend::start(|_| Answer::ok(vec![b'x'; 64 << 20]));
    let gate = Gate::start(&format!(
        "limits: {{ write_stall: 300ms }}\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    let mut client = gate.converse();
    client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(PATIENCE, || {
        gate.log().iter().any(|line| line.contains("\"outcome\":\"aborted\"")).then_some(())
    });
    assert!(!client.answer().unwrap().complete);
}
