//! The PROXY protocol in front of a listener: whom it is believed from, what it says, and what it is refused for.

use crate::harness::{Authority, Conversation, Folder, Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::Backend;
use std::process::{Command, Stdio};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const LINE: &str = "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn gate_before(backend: &Backend, trusted: &str, more: &str) -> Gate {
    Gate::start_in(Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0, proxy_protocol: true }}]\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\ntrusted_proxies: [{trusted}]\n{more}{}",
        routes_to(backend, &[("/**", "anonymous", "any")])
    )))
}

fn counted(gate: &Gate, result: &str) -> f64 {
    gate.metric("haechi_proxy_headers_total", &[&format!("result=\"{result}\"")])
}

/// Version 2, for 192.0.2.8, with a field of three bytes.
fn binary() -> Vec<u8> {
    let body = [192, 0, 2, 8, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb, 0xee, 0, 3, 1, 2, 3];
    [SIGNATURE, &[0x21, 0x11, 0, 18], &body].concat()
}

#[test]
fn the_client_is_who_the_proxy_says() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend, "127.0.0.0/8", "");
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    let cases: [(&[u8], &str); 4] = [
        (LINE.as_bytes(), "192.0.2.7"),
        (&binary(), "192.0.2.8"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (&local, "127.0.0.1"),
    ];
    for (header, client) in cases {
        let mut conversation = gate.converse();
        // What the client itself claims is not a proxy's word.
        let forged = GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
        let get = if client == "127.0.0.1" { GET } else { &forged };
        let answer = conversation.send([header, get.as_bytes()].concat()).answer().expect("an answer");
        assert_eq!(answer.status, 200);
        assert_eq!(backend.last().field("x-forwarded-for"), Some(client), "{header:x?}");
        // The header stands once, at the beginning.
        assert_eq!(conversation.send(GET).answer().expect("an answer").status, 200);
        let logged = format!("\"client\":\"{client}\"");
        eventually(PATIENCE, || gate.log().iter().any(|line| line.contains(&logged)).then_some(()));
    }
    assert_eq!((counted(&gate, "client"), counted(&gate, "local")), (2.0, 2.0));
}

#[test]
fn a_header_may_come_in_pieces() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend, "127.0.0.1", "");
    for header in [LINE.as_bytes().to_vec(), binary()] {
        let mut conversation = gate.converse();
        for byte in &header {
            conversation.send([*byte]);
        }
        assert_eq!(conversation.send(GET).answer().expect("an answer").status, 200);
    }
}

#[test]
fn only_trusted_proxies_may_connect() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend, "10.0.0.0/8", "");
    for bytes in [LINE.to_owned() + GET, GET.to_owned()] {
        assert!(gate.converse().send(bytes).is_closed());
    }
    assert_eq!(counted(&gate, "untrusted"), 2.0);
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn what_is_no_proper_header_closes_the_connection() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend, "127.0.0.1", "");
    let two = LINE.to_owned() + LINE + GET;
    let refused: [&[u8]; 6] = [
        GET.as_bytes(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 192.0.2.7\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b012345678901GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01",
    ];
    for bytes in refused {
        assert!(gate.converse().send(bytes).is_closed(), "{bytes:x?}");
    }
    assert_eq!(counted(&gate, "malformed"), 6.0);
    // The second header is no request.
    assert_eq!(gate.converse().send(two).answer().expect("an answer").status, 400);
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    let backend = Backend::saying("reached");
    let gate = gate_before(&backend, "127.0.0.1", "limits: { handshake: 200ms }\n");
    let mut silent: Conversation = gate.converse();
    let mut slow = gate.converse();
    slow.send("PROXY TCP4 192.0");
    assert!(silent.is_closed() && slow.is_closed());
    assert_eq!(counted(&gate, "timed_out"), 2.0);
}

#[test]
fn the_header_stands_before_the_handshake() {
    let backend = Backend::saying("reached");
    let authority = Authority::new("test authority");
    let folder = Folder::exactly(&format!(
        "listeners:\n  - bind: 127.0.0.1:0\n    proxy_protocol: true\n    tls: {{ certificates: [{{ certificate: a.pem, key: a.key }}] }}\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\ntrusted_proxies: [127.0.0.1]\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["a.example"]).write(&folder, "a");
    let gate = Gate::start_in(folder);
    let port = gate.address().port();
    // curl writes the header itself.
    let curl = Command::new("curl")
        .args(["--silent", "--fail", "--max-time", "20", "--noproxy", "*", "--haproxy-protocol", "--cacert"])
        .arg(gate.folder().file("ca.pem"))
        .args(["--resolve", &format!("a.example:{port}:127.0.0.1"), &format!("https://a.example:{port}/")])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "reached");
    assert_eq!((counted(&gate, "client"), backend.recorded().len()), (1.0, 1));
    // Without one there is no handshake.
    let plain = gate.folder().file("ca.pem");
    let refused = crate::harness::curl(&[
        "--cacert",
        plain.to_str().unwrap(),
        "--insecure",
        &format!("https://127.0.0.1:{port}/"),
    ]);
    assert_eq!(refused.status, 0);
    assert_eq!(counted(&gate, "malformed"), 1.0);
}
