//! TLS towards backends: who is believed, what they are shown, and that nothing leaves before that.

use crate::harness::{Authority, Folder, Gate, Nginx, PATIENCE, curl, eventually};
use haechi_testkit::Backend;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

const SAYS: &str =
    "location / { return 200 \"sni=$ssl_server_name again=$ssl_session_reused client=$ssl_client_verify\"; }";

/// nginx with a certificate of `authority` for `names`.
fn nginx(authority: &Authority, names: &[&str], more: &str) -> Nginx {
    let folder = Folder::exactly("");
    authority.leaf(names).write(&folder, "site");
    folder.write("ca.pem", &authority.pem());
    let server = format!("listen LISTEN ssl; ssl_certificate site.pem; ssl_certificate_key site.key; {more}");
    Nginx::start(folder, &server)
}

/// A gate before `https://localhost:PORT` that believes `authority`.
fn gate_before(address: SocketAddr, authority: &Authority, tls: &str) -> Gate {
    let folder = Folder::new(&format!(
        "services: {{ web: {{ endpoints: [\"https://localhost:{}\"], tls: {{ ca: ca.pem{tls} }} }} }}\nroutes: [{{ name: r, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]\n",
        address.port()
    ));
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["gate.example"]).write(&folder, "gate");
    Gate::start_in(folder)
}

/// Asks, and returns the reason that the access log gives for the refusal.
fn reason(gate: &Gate) -> String {
    gate.get("/").expect(502);
    eventually(PATIENCE, || {
        let log = gate.log();
        let line = log.iter().rev().find(|line| line.contains("\"status\":502"))?;
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(line["reason"].as_str().unwrap().to_owned())
    })
}

#[test]
fn a_backend_that_verifies_is_reached() {
    let authority = Authority::new("backends");
    let backend = nginx(&authority, &["localhost"], SAYS);
    let gate = gate_before(backend.address(), &authority, "");
    for _ in 0..3 {
        assert_eq!(gate.get("/").expect(200).text(), "sni=localhost again=. client=NONE");
    }
    // The session's own messages, such as tickets, are no reason to drop a connection.
    assert_eq!(gate.metric("haechi_upstream_connections_total", &["kind=\"new\""]), 1.0);
    assert_eq!(gate.metric("haechi_upstream_connections_total", &["kind=\"reused\""]), 2.0);
}

#[test]
fn sessions_with_backends_are_resumed() {
    let authority = Authority::new("backends");
    for version in ["TLSv1.2", "TLSv1.3"] {
        let more = format!("ssl_protocols {version}; keepalive_requests 1; {SAYS}");
        let backend = nginx(&authority, &["localhost"], &more);
        let gate = gate_before(backend.address(), &authority, "");
        let seen: Vec<String> = (0..3).map(|_| gate.get("/").expect(200).text()).collect();
        assert!(seen[0].contains("again=. ") && seen[2].contains("again=r "), "{version}: {seen:?}");
        assert_eq!(gate.metric("haechi_upstream_connections_total", &["kind=\"new\""]), 3.0);
    }
}

#[test]
fn a_backend_that_does_not_verify_gets_nothing() {
    let authority = Authority::new("backends");
    let stranger = Authority::new("somebody else");
    let mut silent = Vec::new();
    let strange = nginx(&stranger, &["localhost"], SAYS);
    assert!(reason(&gate_before(strange.address(), &authority, "")).contains("UnknownIssuer"));
    silent.push(strange);
    let misnamed = nginx(&authority, &["other.example"], SAYS);
    let why = reason(&gate_before(misnamed.address(), &authority, ""));
    assert!(why.contains("not valid for name \"localhost\""), "{why}");
    silent.push(misnamed);
    let folder = Folder::exactly("");
    authority.leaf_until(&["localhost"], 2001).write(&folder, "site");
    let expired =
        format!("listen LISTEN ssl; ssl_certificate site.pem; ssl_certificate_key site.key; {SAYS}");
    let expired = Nginx::start(folder, &expired);
    assert!(reason(&gate_before(expired.address(), &authority, "")).contains("expired"));
    silent.push(expired);
    // The system's authorities do not know it either.
    let known = nginx(&authority, &["localhost"], SAYS);
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"https://localhost:{}\"] }} }}\nroutes: [{{ name: r, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]\n",
        known.address().port()
    ));
    assert!(reason(&gate).contains("UnknownIssuer"));
    silent.push(known);
    assert!(silent.iter().all(|backend| backend.requests().is_empty()));
    // A backend that speaks without TLS, as soon as it is reached.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = gate_before(plain.local_addr().unwrap(), &authority, "");
    let heard = std::thread::spawn(move || {
        let (mut socket, _) = plain.accept().unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        let mut heard = Vec::new();
        drop(socket.read_to_end(&mut heard));
        heard
    });
    assert!(reason(&gate).contains("the TLS handshake failed"));
    let heard = heard.join().unwrap();
    assert!(!heard.windows(3).any(|part| part == b"GET"), "{}", String::from_utf8_lossy(&heard));
}

#[test]
fn connections_do_not_outlive_the_authorities_that_vouched_for_them() {
    let authority = Authority::new("backends");
    let backend = nginx(&authority, &["localhost"], SAYS);
    let gate = gate_before(backend.address(), &authority, "");
    gate.get("/").expect(200);
    let yaml = std::fs::read_to_string(gate.folder().file("haechi.yaml")).unwrap();
    let reload = |text: &str| {
        let before = gate.metric("haechi_config_generation", &[]);
        gate.folder().write("haechi.yaml", text);
        gate.signal("HUP");
        eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) > before).then_some(()));
    };
    // Nothing changed for the service: the connection is kept.
    reload(&format!("{yaml}limits: {{ idle: 50s }}\n"));
    gate.get("/").expect(200);
    assert_eq!(gate.metric("haechi_upstream_connections_total", &["kind=\"new\""]), 1.0);
    gate.folder().write("strange.pem", &Authority::new("somebody else").pem());
    reload(&yaml.replace("ca.pem", "strange.pem"));
    assert!(reason(&gate).contains("UnknownIssuer"));
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_name_can_be_given_for_backends() {
    let authority = Authority::new("backends");
    let backend = nginx(&authority, &["backend.internal"], SAYS);
    let gate = gate_before(backend.address(), &authority, ", server_name: backend.internal");
    assert!(gate.get("/").expect(200).text().starts_with("sni=backend.internal "));
}

#[test]
fn backends_may_ask_who_we_are() {
    let authority = Authority::new("backends");
    let more = format!("ssl_verify_client on; ssl_client_certificate ca.pem; {SAYS}");
    let backend = nginx(&authority, &["localhost"], &more);
    let known =
        gate_before(backend.address(), &authority, ", client_certificate: gate.pem, client_key: gate.key");
    assert!(known.get("/").expect(200).text().ends_with("client=SUCCESS"));
    let unknown = gate_before(backend.address(), &authority, "");
    unknown.get("/").expect(400);
}

#[test]
fn bodies_go_both_ways() {
    let authority = Authority::new("backends");
    let folder = Folder::exactly("");
    authority.leaf(&["localhost"]).write(&folder, "site");
    let body: String = ('a'..='z').cycle().take(3_000_000).collect();
    folder.write("body", &body);
    let server = "listen LISTEN ssl; ssl_certificate site.pem; ssl_certificate_key site.key; root .; client_max_body_size 8m;\
        location /length { proxy_pass http://BACKEND; }";
    let behind = Backend::saying("whole");
    let backend = Nginx::start(folder, &server.replace("BACKEND", &behind.address().to_string()));
    let gate = gate_before(backend.address(), &authority, "");
    assert!(gate.get("/body").expect(200).text() == body);
    gate.folder().write("upload", &body);
    let upload = format!("@{}", gate.folder().file("upload").display());
    for fields in ["Expect:", "Transfer-Encoding: chunked"] {
        gate.curl("/length", &["--data-binary", &upload, "-H", fields]).expect(200);
        assert!(behind.last().body == body.as_bytes());
    }
}

/// A backend whose answer has no length, and which ends it as told: properly, or by cutting the connection.
fn endless(authority: &Authority, properly: bool) -> SocketAddr {
    let leaf = authority.leaf(&["localhost"]);
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall there is").unwrap();
        if properly {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
    });
    address
}

#[test]
fn an_answer_that_was_cut_is_not_taken_for_whole() {
    let authority = Authority::new("backends");
    for (properly, exit) in [(true, 0), (false, 18)] {
        let gate = gate_before(endless(&authority, properly), &authority, "");
        let reply = curl(&[&gate.url("/")]);
        assert_eq!((reply.status, reply.exit, &*reply.text()), (200, exit, "all there is"), "{properly}");
    }
}

#[test]
fn nginx_is_a_client_as_well() {
    let authority = Authority::new("gates");
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners:\n  - bind: 127.0.0.1:0\n    tls: {{ certificates: [{{ certificate: gate.pem, key: gate.key }}], client_ca: ca.pem }}\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\n{}",
        crate::harness::routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["gate.example"]).write(&folder, "gate");
    let gate = Gate::start_in(folder);
    let folder = Folder::exactly("");
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["nginx.example"]).write(&folder, "nginx");
    let server = "listen LISTEN; location / { proxy_pass https://GATE; proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.pem;\
        proxy_ssl_name gate.example; proxy_ssl_server_name on; proxy_set_header Host gate.example;\
        proxy_ssl_certificate nginx.pem; proxy_ssl_certificate_key nginx.key; proxy_http_version 1.1; }";
    let front = Nginx::start(folder, &server.replace("GATE", &gate.address().to_string()));
    for _ in 0..3 {
        let reply = curl(&[&format!("http://{}/", front.address())]);
        assert_eq!(reply.expect(200).text(), "reached");
    }
    assert_eq!(backend.recorded().len(), 3);
}
