//! HTTP/2 to backends: the same canonical request, many at once on one connection, and what a backend refuses unseen is sent once more.

use crate::harness::frames::{Frames, RST_STREAM, get};
use crate::harness::{Authority, Folder, Gate, H2Answer, H2Backend, Nginx, PATIENCE, eventually};
use haechi_testkit::Backend;
use std::sync::atomic::{AtomicUsize, Ordering};

const PRIOR_KNOWLEDGE: &str = "--http2-prior-knowledge";

fn gate_to(url: &str, more: &str) -> Gate {
    Gate::start(&format!(
        "services:\n  web: {{ endpoints: [\"{url}\"], protocol: http2{more} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}\n"
    ))
}

#[test]
fn the_canonical_request_arrives_whichever_protocol_the_client_speaks() {
    let backend = H2Backend::start(100, |request| {
        let fields = vec![("x-method", request.method.clone()), ("connection-id", "1".into())];
        H2Answer::Whole(201, fields, b"made".to_vec(), Vec::new())
    });
    let gate = gate_to(&backend.url(), "");
    for protocol in [&[][..], &[PRIOR_KNOWLEDGE]] {
        let forged =
            ["--header", "X-Auth-Subject: root", "--header", "X-Mine: yes", "--data-binary", "hello"];
        let reply = gate.curl("/a/%61?b=c", &[protocol, &forged].concat()).expect(201);
        assert_eq!((reply.text().as_str(), reply.field("x-method")), ("made", Some("POST")));
        let request = backend.recorded().pop().unwrap();
        assert_eq!(request.uri.path_and_query().unwrap().as_str(), "/a/a?b=c");
        assert_eq!(request.uri.authority().unwrap().as_str(), gate.address().to_string());
        assert_eq!(request.uri.scheme_str(), Some("http"));
        assert_eq!((request.body.as_slice(), request.complete), (&b"hello"[..], true));
        let all = |name: &str| {
            request
                .fields
                .get_all(name)
                .iter()
                .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("content-length"), ["5"]);
        assert_eq!(all("x-mine"), ["yes"]);
        assert_eq!(all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(all("te"), ["trailers"]);
        assert_eq!(all("x-auth-authenticator"), ["anonymous"]);
        for gone in ["x-auth-subject", "host", "connection", "transfer-encoding", "upgrade"] {
            assert_eq!(all(gone), Vec::<String>::new(), "{gone}");
        }
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn answers_without_a_body_and_large_ones_arrive_whole() {
    let large: Vec<u8> = (0..3u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sent = large.clone();
    let backend = H2Backend::start(100, move |request| match request.uri.path() {
        "/204" => H2Answer::Whole(204, Vec::new(), Vec::new(), Vec::new()),
        "/304" => H2Answer::Whole(304, vec![("etag", "\"x\"".into())], Vec::new(), Vec::new()),
        "/empty" => H2Answer::ok(""),
        _ if request.method == "HEAD" => {
            H2Answer::Whole(200, vec![("content-length", "5".into())], Vec::new(), Vec::new())
        }
        _ => H2Answer::ok(&sent),
    });
    let gate = gate_to(&backend.url(), "");
    let file = gate.folder().file("large");
    std::fs::write(&file, &large).unwrap();
    let upload = format!("@{}", file.display());
    for protocol in ["--http1.1", PRIOR_KNOWLEDGE] {
        gate.curl("/204", &[protocol]).expect(204);
        assert_eq!(gate.curl("/304", &[protocol]).expect(304).field("etag"), Some("\"x\""));
        assert_eq!(gate.curl("/empty", &[protocol]).expect(200).body.len(), 0);
        assert_eq!(gate.curl("/head", &[protocol, "--head"]).expect(200).field("content-length"), Some("5"));
        let reply =
            gate.curl("/large", &[protocol, "--header", "Expect:", "--data-binary", &upload]).expect(200);
        assert_eq!((reply.exit, reply.body == large), (0, true), "{protocol}");
        assert!(backend.recorded().pop().unwrap().body == large, "{protocol}");
    }
}

#[test]
fn exchanges_share_a_connection_and_a_full_one_gets_a_neighbour() {
    let backend = H2Backend::start(4, |request| match request.uri.path() {
        "/first" => H2Answer::ok("first"),
        _ => H2Answer::Never,
    });
    let gate = gate_to(&backend.url(), "");
    gate.get("/first").expect(200);
    let mut client = Frames::with(gate.address());
    for stream in [1, 3, 5, 7] {
        client.request(stream, &get("/held"));
    }
    eventually(PATIENCE, || (backend.streams() == 4).then_some(()));
    assert_eq!(backend.connections(), 1);
    gate.get("/first").expect(200);
    assert_eq!(backend.connections(), 2);
    // A request that its client gives up is given up at the backend, and the connection goes on.
    for stream in [1, 3, 5, 7] {
        client.send(RST_STREAM, 0, stream, &8u32.to_be_bytes());
    }
    eventually(PATIENCE, || (backend.streams() == 0).then_some(()));
    gate.get("/first").expect(200);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn what_the_backend_has_not_looked_at_is_sent_once_more() {
    let refusals = AtomicUsize::new(0);
    let backend = H2Backend::start(100, move |request| match request.uri.path() {
        "/once" if refusals.fetch_add(1, Ordering::SeqCst) == 0 => H2Answer::Refused,
        "/always" => H2Answer::Refused,
        _ => H2Answer::ok("hello"),
    });
    let gate = gate_to(&backend.url(), "");
    assert_eq!(gate.curl("/once", &["--request", "POST"]).expect(200).text(), "hello");
    assert_eq!(backend.recorded().len(), 2);
    gate.get("/always").expect(502);
    assert_eq!(backend.recorded().len(), 4);
}

#[test]
fn a_goodbye_is_followed_by_a_new_connection() {
    let backend =
        H2Backend::start(100, |request| H2Answer::AndGoodbye(request.uri.path().as_bytes().to_vec()));
    let gate = gate_to(&backend.url(), "");
    for path in ["/1", "/2", "/3"] {
        assert_eq!(gate.get(path).expect(200).text(), path);
    }
    assert_eq!((backend.recorded().len(), backend.connections()), (3, 3));
}

#[test]
fn a_backend_that_never_answers_is_given_up_in_time() {
    let backend = H2Backend::start(100, |_| H2Answer::Never);
    let gate = gate_to(&backend.url(), ", timeout: 200ms");
    gate.get("/").expect(504);
    eventually(PATIENCE, || (backend.streams() == 0).then_some(()));
    assert_eq!(backend.sole().method, "GET");
}

#[test]
fn a_backend_that_speaks_something_else_is_a_bad_gateway() {
    let backend = Backend::saying("hello");
    let gate = gate_to(&backend.url(), ", timeout: 5s");
    gate.get("/").expect(502);
    let gone = H2Backend::start(1, |_| H2Answer::Never).url();
    let gate = gate_to(&gone, "");
    gate.get("/").expect(502);
}

#[test]
fn trailer_fields_reach_http2_clients_filtered() {
    let trailers =
        vec![("grpc-status", "0"), ("x-request-id", "forged"), ("x-auth-subject", "root"), ("x-sum", "1")];
    let backend =
        H2Backend::start(100, move |_| H2Answer::Whole(200, Vec::new(), b"body".to_vec(), trailers.clone()));
    let gate = gate_to(&backend.url(), "");
    let shown = std::process::Command::new("nghttp").args(["-v", &gate.url("/")]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("grpc-status: 0") && shown.contains("x-sum: 1"), "{shown}");
    assert!(!shown.contains("forged") && !shown.contains("root"), "{shown}");
}

/// nginx over TLS, with or without HTTP/2, and a gate before it that speaks `protocol`.
fn over_tls(listen: &str, protocol: &str) -> (Nginx, Gate) {
    let authority = Authority::new("backends");
    let folder = Folder::exactly("");
    authority.leaf(&["localhost"]).write(&folder, "site");
    let server = format!(
        "listen LISTEN {listen}; ssl_certificate site.pem; ssl_certificate_key site.key; location / {{ return 200 \"$server_protocol $http_te\"; }}"
    );
    let nginx = Nginx::start(folder, &server);
    let folder = Folder::new(&format!(
        "services: {{ web: {{ endpoints: [\"https://localhost:{}\"], protocol: {protocol}, tls: {{ ca: ca.pem }} }} }}\nroutes: [{{ name: r, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]\n",
        nginx.address().port()
    ));
    folder.write("ca.pem", &authority.pem());
    (nginx, Gate::start_in(folder))
}

#[test]
fn over_tls_the_protocol_is_agreed_on() {
    for (listen, protocol, spoken) in [
        ("ssl http2", "http2", "HTTP/2.0 trailers"),
        ("ssl http2", "auto", "HTTP/2.0 trailers"),
        ("ssl http2", "http1", "HTTP/1.1 "),
        ("ssl", "auto", "HTTP/1.1 "),
    ] {
        let (_nginx, gate) = over_tls(listen, protocol);
        for _ in 0..3 {
            assert_eq!(gate.get("/").expect(200).text(), spoken, "{listen} {protocol}");
        }
        assert_eq!(
            gate.metric("haechi_upstream_connections_total", &["kind=\"new\""]),
            1.0,
            "{listen} {protocol}"
        );
    }
    let (nginx, gate) = over_tls("ssl", "http2");
    gate.get("/").expect(502);
    assert_eq!(nginx.requests().len(), 0);
}
