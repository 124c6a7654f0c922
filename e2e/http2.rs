//! HTTP/2 from clients: the same requests, the same answers, the same refusals; and what only HTTP/2 lets a client try.

use crate::harness::frames::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, get,
};
use crate::harness::{Gate, PATIENCE, eventually, open_gate, routes_to};
use haechi_testkit::{Answer, Backend, Latch};
use std::process::Command;
use std::time::{Duration, Instant};

const PRIOR_KNOWLEDGE: &str = "--http2-prior-knowledge";
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A gate with one open route and these limits.
fn gate_with(limits: &str, backend: &Backend) -> Gate {
    Gate::start(&format!("limits: {{ {limits} }}\n{}", routes_to(backend, &[("/**", "anonymous", "any")])))
}

/// How many connections were ended for `reason`.
fn ended(gate: &Gate, reason: &str) -> f64 {
    gate.metric("haechi_http2_ended_total", &[&format!("reason=\"{reason}\"")])
}

/// Another client is served as ever.
#[track_caller]
fn others_are_served(gate: &Gate) {
    gate.curl("/other", &[PRIOR_KNOWLEDGE]).expect(200);
    gate.get("/other").expect(200);
}

#[test]
fn requests_and_answers_travel_both_ways() {
    let backend = Backend::start(|request| {
        Answer::new(
            201,
            &[("x-method", request.method()), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
            "made",
        )
    });
    let gate = open_gate(&backend);
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
        let reply = gate
            .curl("/a?b=c", &[PRIOR_KNOWLEDGE, "--request", method, "--data-binary", "hello"])
            .expect(201);
        assert_eq!(reply.head.word(0), "HTTP/2");
        assert_eq!(reply.field("x-method"), Some(method));
        assert_eq!(reply.head.all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!((reply.text().as_str(), reply.exit), ("made", 0));
        let request = backend.last();
        assert_eq!((request.method(), request.target()), (method, "/a?b=c"));
        assert_eq!((request.body.as_slice(), request.complete), (&b"hello"[..], true));
        assert_eq!(request.field("content-length"), Some("5"));
        assert_eq!(request.field("host"), Some(gate.address().to_string().as_str()));
    }
    let reply = gate.curl("/a", &[PRIOR_KNOWLEDGE, "--head"]).expect(201);
    assert_eq!((reply.field("content-length"), reply.body.len()), (Some("4"), 0));
    assert_eq!(backend.last().method(), "HEAD");
}

#[test]
fn who_may_pass_does_not_hang_on_the_protocol() {
    let backend = Backend::saying("hello");
    let gate = Gate::start(&format!(
        "authenticators: {{ key: {{ type: api_key }} }}\nstore: \"sqlite:a.db\"\n{}",
        routes_to(&backend, &[("/closed/**", "key", "any"), ("/open/**", "anonymous", "any")])
    ))
    .ready();
    let refused = gate.curl("/closed/a", &[PRIOR_KNOWLEDGE]).expect(401);
    assert_eq!(refused.json()["status"], 401);
    gate.curl("/nothing", &[PRIOR_KNOWLEDGE]).expect(404);
    gate.curl("/open/a/../b", &[PRIOR_KNOWLEDGE]).expect(400);
    gate.curl("/open/a%2fb", &[PRIOR_KNOWLEDGE]).expect(400);
    assert_eq!(backend.recorded().len(), 0);
    let forged = ["X-Auth-Subject: root", "x_forwarded_for: 9.9.9.9", "X-Request-Id: mine"];
    let arguments: Vec<&str> =
        forged.iter().flat_map(|field| ["--header", *field]).chain([PRIOR_KNOWLEDGE]).collect();
    gate.curl("/open/a", &arguments).expect(200);
    let request = backend.sole();
    assert_eq!(request.field("x-auth-subject"), None);
    assert_eq!(request.field("x_forwarded_for"), None);
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_ne!(request.field("x-request-id"), Some("mine"));
    let log = eventually(PATIENCE, || {
        let log = gate.log();
        log.iter().any(|line| line.contains("/open/a")).then_some(log)
    });
    assert!(log.iter().any(|line| line.contains("\"status\":401")), "{log:#?}");
}

#[test]
fn heads_that_could_be_read_in_two_ways_reach_no_backend() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    let with = |fields: &[(&'static str, &'static str)]| [&get("/")[..], fields].concat();
    let without = |name: &str| get("/").into_iter().filter(|(known, _)| *known != name).collect::<Vec<_>>();
    // Answered by us: 400, in the log.
    for fields in [
        with(&[("host", "b")]),
        with(&[("host", "a"), ("host", "a")]),
        with(&[("content-length", "0"), ("content-length", "0")]),
        with(&[("content-length", "+0")]),
        with(&[("x-a", " b")]),
        without(":authority"),
        get("*").to_vec(),
        [&without(":authority")[..], &[(":authority", "user@a")]].concat(),
        [&without(":scheme")[..], &[(":scheme", "ftp")]].concat(),
        vec![(":method", "CONNECT"), (":authority", "a:80")],
    ] {
        let fields: Vec<_> = in_order(fields);
        let mut client = Frames::with(gate.address());
        let outcome = client.request(1, &fields).until(|frame| frame.stream == 1);
        // A length that `h2` cannot read is its own to refuse.
        let refused =
            outcome.kind == RST_STREAM || (outcome.kind == HEADERS && outcome.payload.contains(&0x8c));
        assert!(refused, "{fields:?}: {outcome:?}");
    }
    // Malformed (RFC 9113 8.1.1): the stream is reset.
    for fields in [
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "websocket")]),
        with(&[("keep-alive", "1")]),
        with(&[("proxy-connection", "close")]),
        with(&[("te", "gzip")]),
        with(&[(":path", "/b")]),
        with(&[("x-a", "b"), (":method", "GET")]),
        with(&[("content-length", "5")]),
        without(":path"),
        without(":method"),
        without(":scheme"),
    ] {
        let mut client = Frames::with(gate.address());
        assert_eq!(client.request(1, &fields).reset(1), PROTOCOL_ERROR, "{fields:?}");
    }
    // What HPACK itself cannot carry ends the connection.
    for fields in [with(&[("X-Upper", "a")]), with(&[("x-a", "a\nb")]), with(&[("x a", "b")])] {
        let mut client = Frames::with(gate.address());
        client.request(1, &fields);
        client.until(|frame| matches!(frame.kind, GOAWAY | RST_STREAM));
    }
    assert_eq!(backend.recorded().len(), 0);
    others_are_served(&gate);
}

/// Pseudo-header fields go first.
fn in_order<'a>(mut fields: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    fields.sort_by_key(|(name, _)| !name.starts_with(':'));
    fields
}

#[test]
fn a_fragment_never_leaves_the_gate() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    assert_eq!(Frames::with(gate.address()).request(1, &get("/a#b")).status(1), 200);
    assert_eq!(backend.sole().target(), "/a");
}

#[test]
fn more_data_than_was_announced_is_refused() {
    let backend = Backend::start(|_| Answer::ok("got it"));
    let gate = open_gate(&backend);
    for (data, flags) in [(&b"hello!"[..], 0), (b"hell", END_STREAM)] {
        let mut client = Frames::with(gate.address());
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/"),
            ("content-length", "5"),
        ];
        client.send(HEADERS, END_HEADERS, 1, &block(&fields)).send(DATA, flags, 1, data);
        assert_eq!(client.reset(1), PROTOCOL_ERROR);
    }
    assert!(backend.recorded().iter().all(|request| !request.complete));
}

#[test]
fn crumbs_arrive_as_one_cookie() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    let fields = [&get("/")[..], &[("cookie", "a=1"), ("cookie", "b=2")]].concat();
    assert_eq!(Frames::with(gate.address()).request(1, &fields).status(1), 200);
    assert_eq!(backend.sole().head.all("cookie"), ["a=1; b=2"]);
}

#[test]
fn heads_over_the_limit_are_answered_431() {
    let backend = Backend::saying("hello");
    let gate = gate_with("head: 4KiB, fields: 20", &backend);
    let long = "x".repeat(4096);
    let many: Vec<_> = get("/").into_iter().chain((0..21).map(|_| ("cookie", "a=b"))).collect();
    let huge = "x".repeat(10_000);
    for fields in [
        [&get("/")[..], &[("x-a", long.as_str())]].concat(),
        many,
        [&get("/")[..], &[("x-a", huge.as_str())]].concat(),
    ] {
        assert_eq!(Frames::with(gate.address()).request(1, &fields).status(1), 431);
    }
    let target = format!("/{}", "x".repeat(9000));
    let gate = open_gate(&backend);
    assert_eq!(Frames::with(gate.address()).request(1, &get(&target)).status(1), 414);
    assert_eq!(backend.recorded().len(), 0);
    others_are_served(&gate);
}

#[test]
fn streams_do_not_wait_for_each_other() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |request| {
        if request.target() == "/slow" {
            held.wait();
        }
        Answer::ok(request.target())
    });
    let gate = open_gate(&backend);
    let mut client = Frames::with(gate.address());
    client.request(1, &get("/slow"));
    eventually(PATIENCE, || (backend.recorded().len() == 1).then_some(()));
    assert_eq!(client.request(3, &get("/quick")).status(3), 200);
    latch.open();
    assert_eq!(client.status(1), 200);
}

#[test]
fn a_client_that_asks_first_is_told_to_continue() {
    let backend = Backend::saying("got it");
    let gate = open_gate(&backend);
    let arguments = [
        PRIOR_KNOWLEDGE,
        "--header",
        "Expect: 100-continue",
        "--expect100-timeout",
        "20",
        "--data-binary",
        "hello",
    ];
    let begun = Instant::now();
    let reply = gate.curl("/", &arguments).expect(200);
    assert_eq!(reply.text(), "got it");
    assert!(begun.elapsed() < Duration::from_secs(15), "curl waited in vain");
    assert_eq!(backend.sole().body, b"hello");
    gate.curl("/", &[PRIOR_KNOWLEDGE, "--header", "Expect: nothing", "--data-binary", "hello"]).expect(417);
    assert_eq!(backend.recorded().len(), 1);
}

#[test]
fn an_answer_that_breaks_off_resets_the_stream() {
    let backend =
        Backend::start(|_| Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly the beginning"));
    let gate = open_gate(&backend);
    // curl throws away what it reads together with the reset; on a busy machine it sometimes does.
    eventually(PATIENCE, || {
        let reply = gate.curl("/", &[PRIOR_KNOWLEDGE]);
        assert_eq!(reply.exit, 92, "curl says that the stream was not closed cleanly");
        (reply.text() == "only the beginning").then_some(())
    });
    others_are_not_disturbed(&gate);
}

fn others_are_not_disturbed(gate: &Gate) {
    assert_eq!(gate.curl("/", &["--max-time", "5"]).exit, 18, "HTTP/1.1 says the same in its own way");
}

#[test]
fn an_upload_that_nobody_wants_is_answered_and_cut() {
    let backend = Backend::saying("hello");
    let gate = gate_with("body: 64KiB", &backend);
    let file = gate.folder().file("large");
    std::fs::write(&file, vec![b'x'; 4 << 20]).unwrap();
    let from = format!("@{}", file.display());
    gate.curl("/", &[PRIOR_KNOWLEDGE, "--header", "Expect:", "--data-binary", &from]).expect(413);
    gate.curl(
        "/",
        &[
            PRIOR_KNOWLEDGE,
            "--header",
            "Expect:",
            "--header",
            "Transfer-Encoding:",
            "--upload-file",
            file.to_str().unwrap(),
        ],
    )
    .expect(413);
    assert!(backend.recorded().iter().all(|request| !request.complete));
    others_are_served(&gate);
}

#[test]
fn large_bodies_travel_both_ways_whole() {
    let body: Vec<u8> = (0..8u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sent = body.clone();
    let backend = Backend::start(move |_| Answer::ok(&sent));
    let gate = open_gate(&backend);
    let file = gate.folder().file("large");
    std::fs::write(&file, &body).unwrap();
    let reply = gate
        .curl(
            "/",
            &[PRIOR_KNOWLEDGE, "--header", "Expect:", "--data-binary", &format!("@{}", file.display())],
        )
        .expect(200);
    assert!(reply.body == body && backend.sole().body == body);
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let backend = Backend::saying("hello");
    let gate = gate_with("body_stall: 300ms", &backend);
    let mut client = Frames::with(gate.address());
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    client.send(HEADERS, END_HEADERS, 1, &block(&fields)).send(DATA, 0, 1, b"some");
    assert_eq!(client.status(1), 408);
    others_are_served(&gate);
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let backend = Backend::start(|_| Answer::ok(vec![b'x'; 1 << 20]));
    let gate = gate_with("write_stall: 300ms", &backend);
    let mut client = Frames::with(gate.address());
    // The window of 64 KiB is never opened again.
    client.request(1, &get("/"));
    client.reset(1);
    // A stream with no window at all gets its head, and no more.
    let mut client = Frames::with(gate.address());
    client.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).request(1, &get("/"));
    assert_eq!(client.status(1), 200);
    client.reset(1);
    let broken = || gate.log().iter().filter(|line| line.contains("the client stopped reading")).count();
    eventually(PATIENCE, || (broken() == 2).then_some(()));
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let backend = Backend::saying("hello");
    let gate = gate_with("header_read: 300ms", &backend);
    let mut client = Frames::with(gate.address());
    client.send(HEADERS, END_STREAM, 1, &block(&get("/")));
    assert_eq!(client.goodbye(), ENHANCE_YOUR_CALM);
    assert_eq!(ended(&gate, "slow_head"), 1.0);
    let mut silent = gate.converse();
    silent.send("PRI * HTTP/2.0\r\n\r\nSM");
    assert!(silent.is_closed());
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn idle_connections_are_told_goodbye() {
    let backend = Backend::saying("hello");
    let gate = gate_with("idle: 300ms", &backend);
    let mut client = Frames::with(gate.address());
    assert_eq!(client.request(1, &get("/")).status(1), 200);
    assert_eq!(client.goodbye(), 0);
    assert_eq!(client.next(), None);
}

#[test]
fn one_stream_too_many_is_refused() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        held.wait();
        Answer::ok("at last")
    });
    let gate = gate_with("http2_streams: 3", &backend);
    let mut client = Frames::with(gate.address());
    client.until(|frame| frame.kind == SETTINGS);
    for stream in [1, 3, 5, 7] {
        client.request(stream, &get("/"));
    }
    assert_eq!(client.reset(7), REFUSED_STREAM);
    latch.open();
    let mut answered = [false; 3];
    while answered.contains(&false) {
        let frame = client.until(|frame| frame.kind == HEADERS);
        answered[(frame.stream / 2) as usize] = true;
    }
    assert_eq!(client.request(9, &get("/")).status(9), 200);
}

#[test]
fn rapid_resets_end_the_connection() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |request| {
        if request.target() == "/attack" {
            held.wait();
        }
        Answer::ok("hello")
    });
    let gate = gate_with("http2_resets: 50", &backend);
    let mut client = Frames::with(gate.address());
    for stream in (0..500).map(|n| 2 * n + 1) {
        client.request(stream, &get("/attack")).send(RST_STREAM, 0, stream, &8u32.to_be_bytes());
    }
    assert_eq!(client.goodbye(), ENHANCE_YOUR_CALM);
    assert_eq!(ended(&gate, "resets") + ended(&gate, "calm"), 1.0);
    assert!(backend.recorded().len() <= 51);
    others_are_served(&gate);
    latch.open();
}

#[test]
fn floods_of_frames_that_cost_nothing_end_the_connection() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    for (reason, count, flood) in [
        ("settings", 100, frame(SETTINGS, 0, 0, &[])),
        ("control_frames", 5000, frame(PING, 0, 0, &[0; 8])),
        ("control_frames", 5000, frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())),
        ("control_frames", 5000, frame(0xfe, 0, 0, &[])),
    ] {
        let before = ended(&gate, reason);
        let mut client = Frames::with(gate.address());
        client.send_bytes(&flood.repeat(count));
        assert_eq!(client.goodbye(), ENHANCE_YOUR_CALM, "{reason}");
        assert_eq!(ended(&gate, reason), before + 1.0, "{reason}");
    }
    others_are_served(&gate);
}

#[test]
fn a_flood_of_empty_data_ends_the_connection() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    let mut client = Frames::with(gate.address());
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    client.send(HEADERS, END_HEADERS, 1, &block(&fields));
    client.send_bytes(&frame(DATA, 0, 1, &[]).repeat(5000));
    assert_eq!(client.goodbye(), ENHANCE_YOUR_CALM);
    assert_eq!(ended(&gate, "control_frames") + ended(&gate, "calm"), 1.0);
    others_are_served(&gate);
}

#[test]
fn a_flood_of_continuations_ends_the_connection() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    let mut client = Frames::with(gate.address());
    client.send(HEADERS, END_STREAM, 1, &block(&get("/")));
    let more = frame(CONTINUATION, 0, 1, &block(&[("x-a", &"b".repeat(1000))]));
    client.send_bytes(&more.repeat(5000));
    assert_ne!(client.goodbye(), 0);
    assert_eq!(ended(&gate, "calm") + ended(&gate, "protocol"), 1.0);
    assert_eq!(backend.recorded().len(), 0);
    others_are_served(&gate);
}

#[test]
fn a_small_block_that_means_a_huge_head_ends_the_connection() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend).ready();
    let before = gate.resident();
    let mut client = Frames::with(gate.address());
    // One field of 4,000 bytes into the dynamic table (RFC 7541 6.2.1), then 12,000 mentions of it, a byte each.
    let mut bomb = block(&get("/"));
    bomb.push(0x40);
    frames::text(&mut bomb, "x-bomb");
    frames::text(&mut bomb, &"b".repeat(3900));
    bomb.resize(bomb.len() + 12_000, 0xbe);
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &bomb);
    assert_eq!(client.goodbye(), ENHANCE_YOUR_CALM);
    assert_eq!(ended(&gate, "calm"), 1.0);
    assert!(gate.resident() < before + 16 * 1024, "48 MB of fields were not made");
    assert_eq!(backend.recorded().len(), 0);
    others_are_served(&gate);
}

#[test]
fn a_reset_gives_up_the_request_at_the_backend() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| Answer::never(&held));
    let gate = open_gate(&backend);
    let mut client = Frames::with(gate.address());
    client.request(1, &get("/given-up"));
    eventually(PATIENCE, || (backend.recorded().len() == 1).then_some(()));
    client.send(RST_STREAM, 0, 1, &8u32.to_be_bytes());
    eventually(PATIENCE, || {
        gate.log().iter().any(|line| line.contains("/given-up") && line.contains("aborted")).then_some(())
    });
    latch.open();
}

#[test]
fn streams_in_progress_finish_when_the_gate_ends() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        held.wait();
        Answer::ok("at last")
    });
    let mut gate = open_gate(&backend);
    let mut client = Frames::with(gate.address());
    client.request(1, &get("/"));
    eventually(PATIENCE, || (backend.recorded().len() == 1).then_some(()));
    gate.signal("TERM");
    assert_eq!(client.goodbye(), 0);
    latch.open();
    assert_eq!(client.status(1), 200);
    client.until(|frame| frame.kind == DATA && frame.flags & END_STREAM != 0);
    assert!(gate.exited().success());
}

#[test]
fn nghttp_and_h2load_are_served() {
    let backend = Backend::saying("hello");
    let gate = open_gate(&backend);
    let url = gate.url("/a");
    let nghttp = Command::new("nghttp")
        .args([url.as_str()])
        .output()
        .expect("nghttp is installed (scripts/test sees to it)");
    assert_eq!(String::from_utf8_lossy(&nghttp.stdout), "hello");
    let load = Command::new("h2load").args(["-n2000", "-c4", "-m10", &url]).output().unwrap();
    let text = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(text.contains("2000 succeeded, 0 failed, 0 errored"), "{text}");
}
