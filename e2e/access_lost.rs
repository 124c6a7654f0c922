//! Access that a reload takes away ends what is under way, whatever carries it.

use crate::harness::{Folder, Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than it may take, and shorter than anything else would end a stream.
const SOON: Duration = Duration::from_secs(15);

/// Begins an answer, and goes on until the gate hangs up.
fn endless() -> Backend {
    Backend::start(|_| {
        Answer::written(|socket: &mut TcpStream| {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            drop(socket.write_all(format!("{head}7\r\ndata: 1\r\n").as_bytes()));
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        })
        .early()
    })
}

fn start(backend: &Backend) -> Gate {
    let gate = Gate::start_in(Folder::new(&routes_to(backend, &[("/**", "anonymous", "any")])));
    gate.ready()
}

fn take_away(gate: &Gate, backend: &Backend) {
    gate.folder().rewrite(&format!(
        "authenticators: {{ corp: {{ type: jwt, issuer: corp, audiences: [a], keys: {{ secret: 0123456789abcdef0123456789abcdef }} }} }}\n{}",
        routes_to(backend, &[("/**", "[corp]", "any")])
    ));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) >= 2.0).then_some(()));
}

fn ends(protocol: &[&str]) {
    let backend = endless();
    let gate = start(&backend);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--max-time", "60"]).args(protocol).arg(gate.url("/stream"));
    let curl = curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = curl.spawn().unwrap();
    let mut first = [0; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    take_away(&gate, &backend);
    let begun = Instant::now();
    let status = eventually(PATIENCE, || child.try_wait().unwrap());
    assert!(!status.success(), "{protocol:?}: as if the answer had come to its end");
    assert!(begun.elapsed() < SOON, "{protocol:?}: {:?}", begun.elapsed());
    let broken = |line: &String| line.contains("\"outcome\":\"denied\"") && line.contains("/stream");
    eventually(PATIENCE, || gate.log().iter().any(broken).then_some(()));
}

#[test]
fn a_download_over_http1() {
    ends(&["--http1.1"]);
}

#[test]
fn a_download_over_http2() {
    ends(&["--http2-prior-knowledge"]);
}

#[test]
fn what_a_reload_leaves_allowed_goes_on() {
    let backend = endless();
    let gate = start(&backend);
    let mut conversation = gate.converse();
    conversation.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(PATIENCE, || {
        (gate.metric("haechi_upstream_requests_total", &["answered"]) >= 1.0).then_some(())
    });
    gate.folder()
        .rewrite(&routes_to(&backend, &[("/**", "anonymous", "any"), ("/more", "anonymous", "any")]));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) >= 2.0).then_some(()));
    let looked = Instant::now();
    // Two looks at whether it may go on.
    eventually(PATIENCE, || (looked.elapsed() > Duration::from_millis(2500)).then_some(()));
    assert!(!gate.log().iter().any(|line| line.contains("/stream")), "{:#?}", gate.log());
}
