//! Whatever could be read in two ways is refused, the connection closes, and nothing arrives (RFC 9112; docs/answers.md).

use crate::harness::{Gate, routes_to};
use haechi_testkit::Backend;

/// A second request, hidden behind the first; it must never be answered.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

fn gate_before(backend: &Backend) -> Gate {
    Gate::start(&format!(
        "limits: {{ head: 16KiB, fields: 100, body: 64KiB }}\n{}",
        routes_to(backend, &[("/**", "anonymous", "any")])
    ))
}

/// One answer of this status, then the end; the backend saw nothing.
#[track_caller]
fn refused(gate: &Gate, backend: &Backend, status: u16, what: &str, request: impl AsRef<[u8]>) {
    let mut conversation = gate.converse();
    conversation.send(request);
    let answer = conversation.answer_to(if what.starts_with("HEAD") { "HEAD" } else { "GET" });
    assert_eq!(answer.as_ref().map(|answer| answer.status), Some(status), "{what}: {answer:#?}");
    let next = conversation.answer().map(|answer| answer.head.start_line);
    assert_eq!(next, None, "{what}: a second answer came, or the connection stayed open");
    assert_eq!(backend.recorded().len(), 0, "{what}: {:#?}", backend.recorded());
}

#[test]
fn ambiguous_framing() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let chunk = "5\r\nhello\r\n0\r\n\r\n";
    let cases = [
        ("both lengths", "Content-Length: 5\r\nTransfer-Encoding: chunked", chunk),
        ("both lengths, turned", "Transfer-Encoding: chunked\r\nContent-Length: 5", chunk),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6", "hello!"),
        ("two equal lengths", "Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("a list of lengths", "Content-Length: 5, 5", "hello"),
        ("a signed length", "Content-Length: +5", "hello"),
        ("a negative length", "Content-Length: -5", "hello"),
        ("a length in hex", "Content-Length: 0x5", "hello"),
        ("an empty length", "Content-Length:", "hello"),
        ("an endless length", "Content-Length: 99999999999999999999999", "hello"),
        ("gzip, chunked", "Transfer-Encoding: gzip, chunked", chunk),
        ("an empty coding", "Transfer-Encoding: ,chunked", chunk),
        ("chunked twice", "Transfer-Encoding: chunked, chunked", chunk),
        ("chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", chunk),
        ("identity", "Transfer-Encoding: identity", "hello"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip", chunk),
        ("a quoted coding", "Transfer-Encoding: \"chunked\"", chunk),
        ("an unknown coding", "Transfer-Encoding: xchunked", chunk),
        ("a vertical tab", "Transfer-Encoding: \u{b}chunked", chunk),
        ("a space before the colon", "Transfer-Encoding : chunked", chunk),
        ("a space before the colon of a length", "Content-Length : 5", "hello"),
        ("a folded line", "X-A: b\r\n c\r\nContent-Length: 5", "hello"),
        ("a folded coding", "Transfer-Encoding:\r\n chunked", chunk),
        ("a line without a colon", "Content-Length 5", "hello"),
        ("an empty name", ": x", ""),
        ("a NUL in a value", "X-A: b\0c", ""),
        ("a lone CR in a value", "X-A: b\rX-B: c", ""),
        ("a control byte in a value", "X-A: b\u{1}c", ""),
        ("a space in a name", "X A: b", ""),
        ("a non-ASCII name", "X-\u{e9}: b", ""),
    ];
    for (what, fields, body) in cases {
        refused(
            &gate,
            &backend,
            400,
            what,
            format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}{HIDDEN}"),
        );
    }
}

#[test]
fn ambiguous_lines() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let cases = [
        ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bare LF", "GET / HTTP/1.1\nHost: a\n\n"),
        ("a bare LF in the head", "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n"),
        ("a bare LF at its end", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        (
            "chunked with HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
        ("two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a word too many", "GET / x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("no version", "GET /\r\nHost: a\r\n\r\n"),
        ("an odd method", "G=T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment in the query", "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another authority than the host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("user information in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a target that is no path", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    for (what, request) in cases {
        refused(&gate, &backend, 400, what, request);
    }
}

#[test]
fn a_host_that_is_missing_doubled_or_malformed() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let hosts = [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: a:b\r\n",
        "Host: a:99999\r\n",
        "Host: a:80:80\r\n",
        "Host: [::1\r\n",
        "Host: a\\b\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: http://a\r\n",
        "Host: a%2eb\r\n",
    ];
    for host in hosts {
        refused(&gate, &backend, 400, host, format!("GET / HTTP/1.1\r\n{host}\r\n"));
    }
}

#[test]
fn connect_and_trace_are_not_for_a_gate() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    for request in [
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = gate.converse().send(request).answer().expect("an answer");
        assert!([400, 405, 501].contains(&answer.status), "{request}: {}", answer.status);
    }
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn too_much_of_something() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    refused(&gate, &backend, 414, "target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)));
    refused(&gate, &backend, 431, "one big field", get(&format!("X-A: {}\r\n", "a".repeat(17_000))));
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    refused(&gate, &backend, 431, "many fields", get(&many));
    let long = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 64 * 1024 + 1);
    refused(&gate, &backend, 413, "a length over the limit", long);
}

#[test]
fn a_chunked_body_over_the_limit_never_ends_well() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let mut conversation = gate.converse();
    conversation.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..70 {
        conversation.send(format!("400\r\n{}\r\n", "a".repeat(1024)));
    }
    let answer = conversation.send("0\r\n\r\n").answer();
    assert_eq!(answer.map(|answer| answer.status), Some(413));
    assert!(conversation.is_closed());
    assert!(backend.recorded().iter().all(|request| !request.complete), "it arrived whole");
}

#[test]
fn broken_chunks_never_arrive_as_a_whole_body() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let bodies = [
        "5\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\r\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a b\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        "5\r\nhello\r\n0\r\nTransfer-Encoding: identity\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-T: t\r\nconnection: close\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
    ];
    for body in bodies {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut conversation = gate.converse();
        let answer = conversation.send(format!("{head}{body}{HIDDEN}")).answer();
        assert_eq!(answer.map(|answer| answer.status), Some(400), "{body:?}");
        assert!(conversation.answer().is_none(), "{body:?}: the connection stayed open");
        let whole = backend.recorded().into_iter().find(|request| request.complete);
        assert!(whole.is_none(), "{body:?}: {whole:#?}");
    }
    assert!(backend.recorded().iter().all(|request| request.target() != "/hidden"));
}

#[test]
fn what_is_proper_still_passes() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:a\r\nX-Empty:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example.\r\n\r\n",
        "GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/x HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://a/ HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b ; c=\"d;e\"\r\nhello\r\n0;last\r\n\r\n",
    ] {
        let answer = gate.converse().send(request).answer().expect("an answer");
        assert_eq!(answer.status, 200, "{request:?}");
    }
    assert_eq!(backend.recorded().len(), 14);
}

#[test]
fn a_line_end_behind_a_body_belongs_to_nothing() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend);
    let mut client = gate.converse();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n");
        assert_eq!(client.answer().expect("an answer").status, 200);
    }
    client.send("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().expect("an answer").status, 400);
    assert_eq!(backend.recorded().len(), 3);
}

#[test]
fn a_request_without_a_host_takes_routes_without_hosts() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: any, match: {{ path: /any }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: named, match: {{ path: /named, hosts: [a.example] }}, authenticate: anonymous, authorize: any, service: web }}
",
        backend.url()
    ));
    let status = |request: &str| gate.converse().send(request).answer().expect("an answer").status;
    assert_eq!(status("GET /any HTTP/1.0\r\n\r\n"), 200);
    let seen = backend.sole();
    assert_eq!((seen.field("host"), seen.field("x-forwarded-host")), (Some("127.0.0.1"), None));
    assert_eq!(status("GET /named HTTP/1.0\r\n\r\n"), 404);
    assert_eq!(status("GET /named HTTP/1.0\r\nHost: A.example.\r\n\r\n"), 200);
    assert_eq!(backend.last().field("host"), Some("a.example"));
    assert_eq!(status("GET /any HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(backend.recorded().len(), 2);
}
