//! Access that a reload takes away ends what is under way, whatever carries it.

use crate::harness::{Folder, Gate, H2Answer, H2Backend, PATIENCE, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As long as it may take, on a quiet machine.
const SOON: Duration = Duration::from_secs(5);

/// Begins an answer, and goes on until the gate hangs up.
fn endless(content_type: &'static str) -> Backend {
    Backend::start(move |_| {
        Answer::written(move |socket: &mut TcpStream| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
            );
            drop(socket.write_all(format!("{head}7\r\ndata: 1\r\n").as_bytes()));
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        })
        .early()
    })
}

/// A configuration with one route, for whom it says, to a service that is spoken to in this way.
fn configuration(service: &str, who: &str) -> String {
    format!(
        "authenticators: {{ corp: {{ type: jwt, issuer: corp, audiences: [a], keys: {{ secret: 0123456789abcdef0123456789abcdef }} }} }}
services: {{ web: {{ {service} }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: {who}, authorize: any, service: web }}]\n"
    )
}

fn start(backend: &Backend) -> Gate {
    start_to(&format!("endpoints: [\"{}\"]", backend.url()))
}

fn start_to(service: &str) -> Gate {
    Gate::start_in(Folder::new(&configuration(service, "anonymous"))).ready()
}

fn take_away(gate: &Gate, service: &str) {
    gate.folder().rewrite(&configuration(service, "[corp]"));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) >= 2.0).then_some(()));
}

fn ends(protocol: &[&str]) {
    let backend = endless("text/event-stream");
    ends_of(protocol, &format!("endpoints: [\"{}\"]", backend.url()));
}

/// Begins a download from a service that never ends it, and takes the access away.
fn ends_of(protocol: &[&str], service: &str) {
    let gate = start_to(service);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--max-time", "60"]).args(protocol).arg(gate.url("/stream"));
    let curl = curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = curl.spawn().unwrap();
    let mut first = [0; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    take_away(&gate, service);
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
fn a_grpc_stream() {
    let grpc =
        ["--http2-prior-knowledge", "--header", "Content-Type: application/grpc", "--header", "TE: trailers"];
    ends(&grpc);
    // From a backend that speaks HTTP/2 as well.
    let backend = H2Backend::start(100, |_| H2Answer::Begun(b"\0\0\0\0\x02ab".to_vec()));
    ends_of(&grpc, &format!("endpoints: [\"{}\"], protocol: http2", backend.url()));
    eventually(PATIENCE, || (backend.streams() == 0).then_some(()));
}

/// gRPC clients read from the trailers what became of the call, in the middle of a message too.
#[test]
fn a_grpc_answer_that_has_begun_ends_as_unauthenticated() {
    let backend = endless("application/grpc+proto");
    let service = format!("endpoints: [\"{}\"]", backend.url());
    let gate = start_to(&service);
    let fields = gate.folder().file("fields");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--max-time", "60", "--http2-prior-knowledge"]);
    curl.args(["--header", "Content-Type: application/grpc", "--header", "TE: trailers", "--dump-header"]);
    let curl = curl.arg(&fields).arg(gate.url("/a.B/C")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = curl.stderr(Stdio::null()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 7]).unwrap();
    take_away(&gate, &service);
    let begun = Instant::now();
    assert!(eventually(PATIENCE, || child.try_wait().unwrap()).success());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let fields = std::fs::read_to_string(fields).unwrap();
    assert!(fields.contains("grpc-status: 16"), "{fields}");
}

/// Takes a request's body for as long as it comes, and answers nothing.
fn insatiable() -> Backend {
    Backend::start(|_| {
        Answer::written(
            |socket: &mut TcpStream| {
                while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
            },
        )
        .early()
    })
}

/// Begins an upload that never ends, takes the access away, and returns what curl says of the status.
fn upload(protocol: &[&str], service: &str, begun: impl Fn() -> bool) -> String {
    let gate = start_to(service);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "60"]);
    curl.args(protocol).args(["--no-buffer", "--upload-file", "-"]).arg(gate.url("/upload"));
    let curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = curl.spawn().unwrap();
    let mut more = child.stdin.take().unwrap();
    more.write_all(&[b'x'; 20_000]).unwrap();
    eventually(PATIENCE, || begun().then_some(()));
    take_away(&gate, service);
    let since = Instant::now();
    let broken = |line: &String| line.contains("\"status\":401") && line.contains("/upload");
    eventually(PATIENCE, || gate.log().iter().any(broken).then_some(()));
    assert!(since.elapsed() < SOON, "{protocol:?}: {:?}", since.elapsed());
    // curl notices an answer when it has something to send.
    let mut said = String::new();
    eventually(PATIENCE, || {
        drop(more.write_all(b"x"));
        child.try_wait().unwrap()
    });
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn an_upload_over_http1() {
    let backend = insatiable();
    let service = format!("endpoints: [\"{}\"]", backend.url());
    assert_eq!(upload(&["--http1.1"], &service, || !backend.recorded().is_empty()), "401");
}

#[test]
fn an_upload_over_http2() {
    let backend = insatiable();
    let service = format!("endpoints: [\"{}\"]", backend.url());
    let begun = || !backend.recorded().is_empty();
    assert_eq!(upload(&["--http2-prior-knowledge"], &service, begun), "401");
    let backend = H2Backend::start(100, |_| H2Answer::Never);
    let service = format!("endpoints: [\"{}\"], protocol: http2", backend.url());
    assert_eq!(upload(&["--http2-prior-knowledge"], &service, || backend.streams() == 1), "401");
    eventually(PATIENCE, || (backend.streams() == 0).then_some(()));
}

#[test]
fn what_a_reload_leaves_allowed_goes_on() {
    let backend = endless("text/event-stream");
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
