//! A refusal reaches a client that is still sending: with real clients, all early refusals, and memory that does not grow.

use crate::harness::{Authority, Folder, Gate, PATIENCE, curl, eventually, python};
use haechi_testkit::Backend;

/// Sends 20 MB as a library does that reads the answer only when it has sent everything, and prints the status.
const CLIENT: &str = r#"
import http.client, ssl, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
if url.scheme == "https":
    trusting = ssl.create_default_context(cafile=sys.argv[3])
    trusting.check_hostname = False
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=30, context=trusting)
else:
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
fields = {"Authorization": "Bearer nonsense", "Content-Type": "application/octet-stream"}
if sys.argv[2] == "chunked":
    body = (b"x" * 65536 for _ in range(320))
    connection.request("POST", url.path, body=body, headers=fields, encode_chunked=True)
else:
    connection.request("POST", url.path, body=b"x" * (20 << 20), headers=fields)
print(connection.getresponse().status)
"#;

fn gate(backend: &Backend) -> Gate {
    Gate::start(&configuration(backend)).ready()
}

fn configuration(backend: &Backend) -> String {
    format!(
        "identity: {{ issuer: http://localhost }}\nstore: sqlite:haechi.db\nauthenticators: {{ local: {{ type: jwt, issuer: self }} }}\nservices: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes:\n  - {{ name: open, match: {{ path: /open/** }}, authenticate: anonymous, authorize: any, service: web, max_body: 1MiB }}\n  - {{ name: closed, match: {{ path: /closed/** }}, authenticate: local, authorize: any, service: web }}\n",
        backend.url()
    )
}

#[test]
fn a_client_that_sends_before_it_reads_gets_the_refusal() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    for (path, status) in [("/closed/a", 401), ("/open/a", 413), ("/nowhere", 404), ("/open/%25", 400)] {
        for framing in ["length", "chunked"] {
            for _ in 0..3 {
                let said = python(CLIENT, &[&gate.url(path), framing]);
                assert_eq!(said.trim(), status.to_string(), "{path} {framing}");
            }
        }
    }
    // What is too large is known beforehand only where the length is told.
    assert!(backend.recorded().iter().all(|request| request.target() == "/open/a"));
}

/// A gate that listens over TLS, with more routes.
fn gate_over_tls(backend: &Backend, routes: &str) -> Gate {
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ certificate: a.pem, key: a.key }}] }} }}]\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\n{}{routes}",
        configuration(backend)
    ));
    let authority = Authority::new("test authority");
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["localhost"]).write(&folder, "a");
    Gate::start_in(folder).ready()
}

#[test]
fn a_client_that_sends_over_tls_before_it_reads_gets_the_refusal() {
    let backend = Backend::saying("reached");
    let gate = gate_over_tls(&backend, "");
    let ca = gate.folder().file("ca.pem").display().to_string();
    for (path, status) in [("/closed/a", 401), ("/open/a", 413), ("/nowhere", 404), ("/open/%25", 400)] {
        for framing in ["length", "chunked"] {
            let said = python(CLIENT, &[&format!("https://{}{path}", gate.address()), framing, &ca]);
            assert_eq!(said.trim(), status.to_string(), "{path} {framing}");
        }
    }
}

/// Node's `http`, `fetch` and `http2`, each with and without TLS.
#[test]
fn nodes_clients_get_each_refusal_while_they_send() {
    let backend = Backend::saying("reached");
    let routes = "  - { name: forbidden, match: { path: /forbidden }, authenticate: anonymous, authorize: { when: 'context.ip == ip(\"192.0.2.1\")' }, service: web }\n  - { name: limited, match: { path: /limited }, authenticate: anonymous, authorize: any, service: web, rate_limit: { by: client_ip, requests: 1, per: 1d } }\n";
    let plain = Gate::start(&(configuration(&backend) + routes)).ready();
    let secure = gate_over_tls(&backend, routes);
    let ca = secure.folder().file("ca.pem");
    plain.get("/limited").expect(200);
    curl(&[
        "--cacert",
        &ca.display().to_string(),
        &format!("https://localhost:{}/limited", secure.address().port()),
    ])
    .expect(200);
    let there = backend.recorded().len();
    let refused =
        [("/closed/a", 401), ("/forbidden", 403), ("/nowhere", 404), ("/open/%25", 400), ("/limited", 429)];
    let mut node = std::process::Command::new("node");
    node.arg("e2e/refusals/uploads.mjs").current_dir(env!("CARGO_MANIFEST_DIR").to_owned() + "/../..");
    node.env("NODE_EXTRA_CA_CERTS", ca);
    node.args([
        format!("http://localhost:{}", plain.address().port()),
        format!("https://localhost:{}", secure.address().port()),
    ]);
    let said = node.args(refused.map(|(path, _)| path)).arg("/open/a").output().unwrap();
    let lines: Vec<_> = String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect();
    for ((path, status), line) in refused.iter().chain([&("/open/a", 413)]).zip(&lines) {
        assert_eq!(
            *line,
            vec![status.to_string(); 6].join(" "),
            "{path}: {}",
            String::from_utf8_lossy(&said.stderr)
        );
    }
    assert_eq!(lines.len(), refused.len() + 1, "{}", String::from_utf8_lossy(&said.stderr));
    assert!(backend.recorded().iter().skip(there).all(|request| request.target() == "/open/a"));
}

#[test]
fn a_client_is_told_of_the_close_that_follows() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let mut large = gate.converse();
    large.send("POST /closed/a HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\nxxxx");
    let answer = large.answer().unwrap();
    assert_eq!((answer.status, answer.head.field("connection")), (401, Some("close")));
    // Small ones are read to their end, and the connection is kept.
    let mut small = gate.converse();
    for request in [
        "POST /closed/a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nxxxx",
        "POST /closed/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n0\r\n\r\n",
        "GET /open/a HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = small.send(request).answer().unwrap();
        assert_eq!(answer.head.field("connection"), None, "{request}");
    }
}

#[test]
fn many_refused_uploads_at_once_take_no_memory() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    gate.get("/open/a").expect(200);
    let before = gate.resident();
    let mut clients: Vec<_> = (0..200).map(|_| gate.converse()).collect();
    for client in &mut clients {
        client.send("POST /closed/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        client.send(vec![b'x'; 500_000]);
    }
    for client in &mut clients {
        assert_eq!(client.answer().map(|answer| answer.status), Some(401));
    }
    let grown = gate.resident().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for 200 uploads");
    drop(clients);
    eventually(PATIENCE, || (gate.metric("haechi_connections", &[]) <= 1.0).then_some(()));
}

#[test]
fn curl_reads_a_refusal_over_http2() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    for (path, status) in [("/closed/a", "401"), ("/open/a", "413")] {
        let large = gate.folder().path().join("large");
        std::fs::write(&large, vec![b'x'; 20 << 20]).unwrap();
        let said = std::process::Command::new("curl")
            .args([
                "--silent",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
                "--http2-prior-knowledge",
            ])
            .args(["--max-time", "30", "--data-binary"])
            .arg(format!("@{}", large.display()))
            .arg(gate.url(path))
            .output()
            .unwrap();
        assert_eq!(
            (String::from_utf8_lossy(&said.stdout).as_ref(), said.status.code()),
            (status, Some(0)),
            "{path}"
        );
    }
    assert_eq!(backend.recorded().len(), 0);
}
