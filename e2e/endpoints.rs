//! Endpoints that fail, and what becomes of the requests: others take them, and nobody gets one twice who should not.

use crate::harness::{Authority, Folder, Gate, Nginx, PATIENCE, eventually};
use haechi_testkit::{Answer, Backend, Latch, Recorded, Unreachable};
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

const UNEJECTED: &str = "ejection: { failures: 0 }";

fn configuration(service: &str) -> String {
    format!(
        "services:\n  web: {{ {service} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}\n"
    )
}

/// A gate with one open route to a service that is written in `service`.
fn gate_to(service: &str) -> Gate {
    Gate::start(&configuration(service))
}

/// `endpoints: […]` of these.
fn endpoints(urls: &[String]) -> String {
    let quoted: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    format!("endpoints: [{}]", quoted.join(", "))
}

fn urls(backends: &[Backend]) -> Vec<String> {
    backends.iter().map(Backend::url).collect()
}

/// Answers with the status that it was last told, and with 200 to health checks unless told otherwise.
struct Moody {
    backend: Backend,
    status: Arc<AtomicU16>,
}

impl Moody {
    fn start() -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let told = status.clone();
        let backend = Backend::start(move |_| Answer::new(told.load(Ordering::SeqCst), &[], "said"));
        Self { backend, status }
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Requests that were no health checks.
    fn requests(&self) -> Vec<Recorded> {
        self.backend.recorded().into_iter().filter(|request| request.target() != "/healthz").collect()
    }
}

fn healthy(gate: &Gate, backend: &Backend) -> f64 {
    let endpoint = format!("endpoint=\"{}\"", backend.address());
    gate.metric("haechi_upstream_endpoint_healthy", &["service=\"web\"", &endpoint])
}

#[test]
fn an_endpoint_that_fails_again_and_again_is_left_out_and_comes_back() {
    let (well, ill) = (Moody::start(), Moody::start());
    ill.says(503);
    let gate = gate_to(&format!(
        "{}, ejection: {{ failures: 3, for: 2s }}, slow_start: 0s",
        endpoints(&[well.backend.url(), ill.backend.url()])
    ));
    let mut conversation = gate.converse();
    let mut ask = || conversation.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap().status;
    let statuses: Vec<u16> = (0..40).map(|_| ask()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 3, "{statuses:?}");
    assert_eq!((well.requests().len(), ill.requests().len()), (37, 3));
    assert_eq!(gate.metric("haechi_upstream_endpoint_ejected", &["endpoint"]), 1.0);
    assert!(gate.log().iter().any(|line| line.contains("too many failures in a row")), "{:#?}", gate.log());
    ill.says(200);
    eventually(PATIENCE, || {
        gate.get("/").expect(200);
        (ill.requests().len() > 6).then_some(())
    });
    assert_eq!(gate.metric("haechi_upstream_endpoint_ejected", &["endpoint"]), 0.0);
}

#[test]
fn the_only_endpoint_is_never_left_out() {
    let ill = Moody::start();
    ill.says(503);
    let gate = gate_to(&format!(
        "{}, ejection: {{ failures: 1, max_percent: 100 }}",
        endpoints(&[ill.backend.url()])
    ));
    for n in 1..=10 {
        assert_eq!(gate.get("/").expect(503).text(), "said", "the answer is the backend's own");
        assert_eq!(ill.requests().len(), n);
    }
}

#[test]
fn an_endpoint_that_refuses_connections_is_left_out_by_default() {
    let (well, gone) = (Backend::saying("here"), Unreachable::refusing());
    let gate = gate_to(&endpoints(&[well.url(), gone.url()]));
    let statuses: Vec<u16> = (0..30).map(|_| gate.get("/").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 5, "{statuses:?}");
}

#[test]
fn health_checks_take_an_endpoint_out_and_bring_it_back() {
    let (well, ill) = (Moody::start(), Moody::start());
    let gate = gate_to(&format!(
        "{}, slow_start: 0s, health: {{ path: \"/healthz?deep\", interval: 50ms, timeout: 50ms, unhealthy_after: 2, healthy_after: 2 }}",
        endpoints(&[well.backend.url(), ill.backend.url()])
    ))
    .ready();
    eventually(PATIENCE, || (!ill.backend.recorded().is_empty()).then_some(()));
    let check = &ill.backend.recorded()[0];
    assert_eq!((check.method(), check.target()), ("GET", "/healthz?deep"));
    assert_eq!(check.field("host"), Some(ill.backend.address().to_string().as_str()));
    let asked =
        |moody: &Moody| moody.backend.recorded().iter().filter(|request| request.target() == "/").count();
    ill.says(500);
    eventually(PATIENCE, || (healthy(&gate, &ill.backend) == 0.0).then_some(()));
    assert_eq!(healthy(&gate, &well.backend), 1.0);
    let before = asked(&ill);
    for _ in 0..10 {
        gate.get("/").expect(200);
    }
    assert_eq!(asked(&ill), before);
    gate.admin("/readyz").expect(200);
    ill.says(204);
    eventually(PATIENCE, || (healthy(&gate, &ill.backend) == 1.0).then_some(()));
    for _ in 0..4 {
        gate.get("/");
    }
    assert!(asked(&ill) > before);
}

#[test]
fn no_endpoint_is_503_at_once_and_nothing_arrives() {
    let backends = [Moody::start(), Moody::start()];
    let gate = gate_to(&format!(
        "{}, retries: {{ attempts: 3 }}, health: {{ path: /healthz, interval: 50ms, timeout: 50ms, unhealthy_after: 1 }}",
        endpoints(&[backends[0].backend.url(), backends[1].backend.url()])
    ));
    backends.iter().for_each(|backend| backend.says(500));
    eventually(PATIENCE, || backends.iter().all(|moody| healthy(&gate, &moody.backend) == 0.0).then_some(()));
    let reply = gate.get("/").expect(503);
    assert!(reply.field("retry-after").is_some());
    assert_eq!(reply.json()["type"], "urn:haechi:problem:no-endpoint");
    assert!(backends.iter().all(|backend| backend.requests().is_empty()));
    gate.admin("/readyz").expect(200);
    let reason = format!("{} (unhealthy)", backends[0].backend.address());
    eventually(PATIENCE, || gate.log().iter().any(|line| line.contains(&reason)).then_some(()));
}

#[test]
fn a_request_is_sent_again_to_another_endpoint() {
    let (well, ill) = (Moody::start(), Moody::start());
    ill.says(503);
    let gate = gate_to(&format!(
        "{}, {UNEJECTED}, retries: {{ attempts: 1, on: [503] }}",
        endpoints(&[ill.backend.url(), well.backend.url()])
    ));
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let arguments: &[&str] = if method == "HEAD" { &["--head"] } else { &["--request", method] };
        gate.curl("/a", arguments).expect(200);
        gate.curl("/b", arguments).expect(200);
    }
    assert_eq!((ill.requests().len(), well.requests().len()), (5, 10));
    assert_eq!(gate.metric("haechi_upstream_retries_total", &["result=\"answered\""]), 5.0);
    let (first, second) = (&ill.requests()[0], &well.requests()[0]);
    assert_eq!(first.field("x-request-id"), second.field("x-request-id"), "it is the same request");
    assert_ne!(first.field("traceparent"), second.field("traceparent"), "each attempt is a span of its own");
}

#[test]
fn what_is_not_harmless_or_has_a_body_is_sent_once() {
    let (ill, gone) = (Moody::start(), Unreachable::refusing());
    ill.says(503);
    let gate = gate_to(&format!(
        "{}, {UNEJECTED}, retries: {{ attempts: 3, on: [connect, reset, 503] }}",
        endpoints(&[ill.backend.url(), gone.url()])
    ));
    let mut statuses: Vec<u16> = Vec::new();
    for arguments in
        [&["--request", "POST"][..], &["--request", "PATCH"], &["--request", "PUT", "--data", "body"]]
    {
        for _ in 0..2 {
            statuses.push(gate.curl("/", arguments).status);
        }
    }
    assert_eq!(statuses, [503, 502, 503, 502, 503, 502]);
    assert_eq!(ill.requests().len(), 3);
    assert_eq!(gate.metric("haechi_upstream_retries_total", &["result"]), 0.0);
}

#[test]
fn without_retries_and_for_other_statuses_nothing_is_sent_again() {
    let ill = Moody::start();
    ill.says(503);
    let gate = gate_to(&endpoints(&[ill.backend.url()]));
    gate.get("/").expect(503);
    assert_eq!(ill.requests().len(), 1);

    let gate = gate_to(&format!("{}, retries: {{ attempts: 3 }}", endpoints(&[ill.backend.url()])));
    ill.says(500);
    gate.get("/").expect(500);
    assert_eq!(ill.requests().len(), 2);
    ill.says(502);
    gate.get("/").expect(502);
    assert_eq!(ill.requests().len(), 6, "three times more after the first");
}

#[test]
fn a_storm_of_retries_is_bounded_by_a_budget() {
    let ill = Moody::start();
    ill.says(503);
    let gate = gate_to(&format!(
        "{}, {UNEJECTED}, retries: {{ attempts: 3, on: [503], budget_percent: 20 }}",
        endpoints(&[ill.backend.url()])
    ));
    let mut conversation = gate.converse();
    for _ in 0..300 {
        let answer = conversation.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (503, &b"said"[..]));
    }
    // A fifth of the requests, and the few that are always allowed in each window.
    let retries = ill.requests().len() - 300;
    assert!((60..200).contains(&retries), "{retries} retries of 300 requests");
    assert!(gate.metric("haechi_upstream_retries_total", &["result=\"over_budget\""]) > 100.0);
}

#[test]
fn retries_end_with_the_time_of_the_service() {
    let latch = Latch::new();
    let held = latch.clone();
    let slow = Backend::start(move |_| Answer::never(&held));
    let gate = gate_to(&format!(
        "{}, timeout: 300ms, retries: {{ attempts: 5, on: [connect, reset, 503, 504] }}",
        endpoints(&[slow.url()])
    ));
    gate.get("/").expect(504);
    assert_eq!(slow.recorded().len(), 1, "a request that may have been acted on is not sent again");
    latch.open();
}

/// A backend that closes each connection after its first answer, as soon as the next request has come, without a word.
fn closes_on_the_second() -> Backend {
    Backend::start(|request| match request.target() {
        "/close" => Answer::written(|socket| drop(socket.shutdown(Shutdown::Both))),
        _ => Answer::ok("kept"),
    })
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced_once() {
    let backend = closes_on_the_second();
    let gate = gate_to(&format!("{}, {UNEJECTED}", endpoints(&[backend.url()])));
    // Two answers, after which a kept connection is trusted.
    gate.get("/").expect(200);
    gate.get("/").expect(200);
    gate.get("/close").expect(502);
    let closed = || backend.recorded().iter().filter(|request| request.target() == "/close").count();
    assert_eq!(closed(), 2, "once over the kept connection, once over a fresh one");
    gate.get("/").expect(200);
    gate.curl("/close", &["--request", "POST"]).expect(502);
    gate.get("/").expect(200);
    gate.curl("/close", &["--request", "PUT", "--data", "body"]).expect(502);
    assert_eq!(closed(), 4, "a request that is not harmless is sent once");
}

#[test]
fn connections_are_kept_as_long_and_as_many_as_the_service_says() {
    let backend = Backend::saying("kept");
    let new = |gate: &Gate| gate.metric("haechi_upstream_connections_total", &["kind=\"new\""]);
    for (keepalive, connections) in
        [("max_requests: 2", 3.0), ("max_requests: 1", 6.0), ("max_idle: 0", 6.0), ("max_age: 10m", 1.0)]
    {
        let gate = gate_to(&format!("{}, keepalive: {{ {keepalive} }}", endpoints(&[backend.url()])));
        (0..6).for_each(|_| drop(gate.get("/").expect(200)));
        assert_eq!(new(&gate), connections, "{keepalive}");
    }
    // Age, and a reload that changes what becomes of connections that are there.
    let service = |keepalive: &str| {
        let endpoints = endpoints(&[backend.url()]);
        configuration(&format!("{endpoints}, keepalive: {{ {keepalive} }}"))
    };
    let gate = Gate::start(&service("max_age: 1h"));
    gate.get("/").expect(200);
    gate.folder().rewrite(&service("max_age: 1s"));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) >= 2.0).then_some(()));
    eventually(PATIENCE, || {
        gate.get("/").expect(200);
        (new(&gate) >= 3.0).then_some(())
    });
}

#[test]
fn what_has_begun_to_answer_is_not_asked_again() {
    let backend = Backend::start(|request| match request.target() {
        "/half" => Answer::raw("HTTP/1.1 200 OK\r\nX-A:"),
        "/interim" => Answer::raw("HTTP/1.1 103 Early Hints\r\n\r\n"),
        "/body" => Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        _ => Answer::ok("kept"),
    });
    let gate = gate_to(&format!("{}, {UNEJECTED}", endpoints(&[backend.url()])));
    for (path, status) in [("/half", 502), ("/interim", 502), ("/body", 200)] {
        gate.get("/").expect(200);
        gate.get("/").expect(200);
        gate.get(path).expect(status);
        let asked = backend.recorded().iter().filter(|request| request.target() == path).count();
        assert_eq!(asked, 1, "{path}");
    }
}

#[test]
fn over_its_circuit_an_endpoint_gets_no_more_and_others_do() {
    for what in ["connections", "requests"] {
        let latch = Latch::new();
        let held = latch.clone();
        let behaviour = move |request: &Recorded| {
            if request.target() == "/hold" {
                held.wait();
            }
            Answer::ok("done")
        };
        let backends = [Backend::start(behaviour.clone()), Backend::start(behaviour)];
        let gate = gate_to(&format!("circuit: {{ {what}: 1 }}, {}", endpoints(&urls(&backends))));
        let mut waiting = [gate.converse(), gate.converse()];
        for (count, conversation) in waiting.iter_mut().enumerate() {
            conversation.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
            let arrived = || backends.iter().map(|backend| backend.recorded().len()).sum::<usize>();
            eventually(PATIENCE, || (arrived() == count + 1).then_some(()));
        }
        assert!(backends.iter().all(|backend| backend.recorded().len() == 1), "{what}");
        assert_eq!(gate.get("/").expect(503).json()["type"], "urn:haechi:problem:no-endpoint");
        assert!(backends.iter().all(|backend| backend.recorded().len() == 1), "{what}");
        let label = format!("what=\"{what}\"");
        assert!(gate.metric("haechi_upstream_overflow_total", &["service=\"web\"", &label]) >= 2.0);
        latch.open();
        waiting.iter_mut().for_each(|waiting| assert_eq!(waiting.answer().unwrap().status, 200));
        gate.get("/").expect(200);
    }
}

#[test]
fn a_name_is_resolved_and_all_its_addresses_are_tried() {
    let backend = Backend::saying("found");
    let url = format!("http://localhost:{}", backend.address().port());
    let gate = gate_to(&format!("resolve: 1s, {}", endpoints(&[url])));
    for _ in 0..4 {
        assert_eq!(gate.get("/").expect(200).text(), "found");
    }
    assert_eq!(backend.last().field("x-forwarded-proto"), Some("http"));
}

#[test]
fn a_name_that_nobody_knows_is_503_and_the_reason_is_told() {
    let gate = gate_to("endpoints: [\"http://nobody.invalid:80\"]");
    assert_eq!(gate.get("/").expect(503).json()["type"], "urn:haechi:problem:no-endpoint");
    let told = |part: &str| gate.log().iter().any(|line| line.contains(part));
    eventually(PATIENCE, || told("its name has never been resolved").then_some(()));
    assert!(told("cannot resolve the endpoint's name"));
}

#[test]
fn an_endpoint_of_weight_0_gets_nothing() {
    let backends = [Backend::saying("a"), Backend::saying("b")];
    let gate = gate_to(&format!(
        "endpoints: [\"{}\", {{ url: \"{}\", weight: 0 }}]",
        backends[0].url(),
        backends[1].url()
    ));
    for _ in 0..6 {
        gate.get("/").expect(200);
    }
    assert_eq!(backends[1].recorded().len(), 0);
}

/// A configuration and another route, so that a reload is one.
fn reload(gate: &Gate, configuration: &str, generation: f64) {
    let written = gate.folder().file("haechi.yaml");
    let before = std::fs::read_to_string(&written).unwrap();
    let beginning = before.split("services:").next().unwrap();
    gate.folder().write("haechi.yaml", &format!("{beginning}{configuration}"));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) == generation).then_some(()));
}

#[test]
fn a_reload_keeps_connections_and_what_is_known() {
    let (well, ill) = (Moody::start(), Moody::start());
    let service = format!(
        "{}, ejection: {{ failures: 2, for: 10m }}",
        endpoints(&[well.backend.url(), ill.backend.url()])
    );
    let gate = gate_to(&service);
    ill.says(503);
    for _ in 0..6 {
        gate.get("/");
    }
    assert_eq!((ill.requests().len(), well.backend.connections()), (2, 1));
    reload(&gate, &configuration(&format!("{service}, timeout: 20s")), 2.0);
    for _ in 0..6 {
        gate.get("/").expect(200);
    }
    assert_eq!(ill.requests().len(), 2, "it is still left out");
    assert_eq!(well.backend.connections(), 1, "the connection is still used");
}

#[test]
fn an_endpoint_that_is_gone_finishes_its_requests_and_its_connections_close() {
    let latch = Latch::new();
    let held = latch.clone();
    let closed = Arc::new(AtomicBool::new(false));
    let old = Backend::start(move |request| {
        if request.target() == "/hold" {
            held.wait();
        }
        Answer::ok("old")
    });
    // A backend of the test's own that tells when its kept connection has closed.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let keeper = format!("http://{}", listener.local_addr().unwrap());
    let seen = closed.clone();
    let keeping = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut reader = std::io::BufReader::new(socket.try_clone().unwrap());
        haechi_testkit::http1::Head::read(&mut reader).unwrap().unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept").unwrap();
        let ended = matches!(haechi_testkit::http1::Head::read(&mut reader), Ok(None));
        seen.store(ended, Ordering::SeqCst);
    });
    let new = Backend::saying("new");
    let gate = gate_to(&endpoints(&[old.url(), keeper.clone()]));
    let mut conversation = gate.converse();
    conversation.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(PATIENCE, || (!old.recorded().is_empty()).then_some(()));
    assert_eq!(gate.get("/").expect(200).text(), "kept");
    reload(&gate, &configuration(&endpoints(&[new.url()])), 2.0);
    eventually(PATIENCE, || closed.load(Ordering::SeqCst).then_some(()));
    keeping.join().unwrap();
    assert_eq!(gate.get("/").expect(200).text(), "new");
    latch.open();
    assert_eq!(conversation.answer().unwrap().body, b"old");
    assert!(TcpStream::connect(old.address()).is_ok());
}

#[test]
fn health_checks_follow_the_configuration() {
    let moody = Moody::start();
    let health = "health: { path: /healthz, interval: 50ms, timeout: 50ms, unhealthy_after: 1 }";
    let gate = gate_to(&format!("{}, {health}", endpoints(&[moody.backend.url()])));
    moody.says(500);
    eventually(PATIENCE, || (healthy(&gate, &moody.backend) == 0.0).then_some(()));
    gate.get("/").expect(503);
    reload(&gate, &configuration(&endpoints(&[moody.backend.url()])), 2.0);
    gate.get("/").expect(500);
    let checks = || moody.backend.recorded().len() - moody.requests().len();
    // One check may still have been on its way.
    let mut last = checks();
    eventually(PATIENCE, || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = checks();
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
}

#[test]
fn health_checks_speak_tls_as_requests_do() {
    let authority = Authority::new("backends");
    let place = Folder::exactly("");
    authority.leaf(&["backend.internal"]).write(&place, "site");
    place.write("ca.pem", &authority.pem());
    let down = place.file("down");
    let backend = Nginx::start(
        place,
        &format!(
            "listen LISTEN ssl; ssl_certificate site.pem; ssl_certificate_key site.key; \
             ssl_client_certificate ca.pem; ssl_verify_client on; \
             location / {{ return 200 $ssl_server_name; }} \
             location /healthz {{ if (-f {}) {{ return 503; }} return 204; }}",
            down.display()
        ),
    );
    let folder = Folder::new(&configuration(&format!(
        "endpoints: [\"https://{}\"], \
         tls: {{ ca: ca.pem, server_name: backend.internal, client_certificate: gate.pem, client_key: gate.key }}, \
         health: {{ path: /healthz, interval: 100ms, timeout: 100ms, unhealthy_after: 1, healthy_after: 1 }}",
        backend.address()
    )));
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["gate.example"]).write(&folder, "gate");
    let gate = Gate::start_in(folder);
    let checked = || backend.requests().iter().filter(|line| line.contains("/healthz")).count();
    eventually(PATIENCE, || (checked() > 2).then_some(()));
    assert_eq!(gate.get("/").expect(200).text(), "backend.internal");
    std::fs::write(&down, "").unwrap();
    eventually(PATIENCE, || (gate.get("/").status == 503).then_some(()));
    std::fs::remove_file(&down).unwrap();
    eventually(PATIENCE, || (gate.get("/").status == 200).then_some(()));
}
