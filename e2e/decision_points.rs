//! Decision points outside the gate: OPA's data API and AuthZEN, as independent servers speak them.

use crate::harness::{Authority, Folder, Gate, Nginx, PATIENCE, eventually};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Answer, Backend, IdentityProvider, Latch, Recorded, Unreachable};
use serde_json::{Value, json};

/// A route that asks at `url` beside nothing else.
fn asks(backend: &Backend, kind: &str, url: &str, more: &str) -> String {
    format!(
        "decision_points: {{ pdp: {{ type: {kind}, url: \"{url}\"{more} }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: asked, match: {{ path: /asked/** }}, authenticate: anonymous, authorize: {{ external: pdp }}, service: web }}
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: web }}
",
        backend.url()
    )
}

fn asking(backend: &Backend, kind: &str, url: &str, more: &str) -> Gate {
    Gate::start(&asks(backend, kind, url, more))
}

/// A server that answers each question with this body.
fn answering(body: &'static str) -> Backend {
    Backend::start(move |_| Answer::new(200, &[("content-type", "application/json")], body))
}

fn question(recorded: &Recorded) -> Value {
    serde_json::from_slice(&recorded.body).unwrap()
}

/// The reason that the access log gives for the latest answer with this status.
fn reason(gate: &Gate, status: u16) -> String {
    eventually(PATIENCE, || {
        let log = gate.log();
        let line = log.iter().rev().find(|line| line.contains(&format!("\"status\":{status}")))?;
        let line: Value = serde_json::from_str(line).unwrap();
        Some(line["reason"].as_str().unwrap_or_default().to_owned())
    })
}

fn results(gate: &Gate, result: &str) -> f64 {
    let labels = ["decision_point=\"pdp\"", &format!("result=\"{result}\"")];
    gate.metric("haechi_decision_point_requests_total", &labels)
}

#[test]
fn a_yes_lets_through_and_a_no_does_not() {
    for (kind, yes, no) in [
        ("opa", r#"{"result":true}"#, r#"{"result":false}"#),
        ("opa", r#"{"result":{"allow":true}}"#, r#"{"result":{"allow":false}}"#),
        ("opa", r#"{"result":true,"decision_id":"1"}"#, "{}"),
        ("authzen", r#"{"decision":true}"#, r#"{"decision":false,"context":{"reason":"x"}}"#),
    ] {
        let backend = Backend::saying("reached");
        let point = Backend::start(move |question| {
            Answer::ok(if question.target().ends_with("yes") { yes } else { no })
        });
        let gate = asking(&backend, kind, &format!("{}/v1/yes", point.url()), "");
        assert_eq!(gate.get("/asked/a").expect(200).text(), "reached", "{yes}");
        let gate = asking(&backend, kind, &format!("{}/v1/no", point.url()), "");
        gate.get("/asked/a").expect(403);
        assert_eq!(reason(&gate, 403), "the decision point `pdp` denied it", "{no}");
        assert_eq!(backend.recorded().len(), 1, "what was refused did not arrive: {no}");
        assert_eq!(results(&gate, "deny"), 1.0);
        assert_eq!(gate.metric("haechi_decision_point_duration_seconds_count", &[]), 1.0);
    }
}

#[test]
fn the_question_is_about_the_request_as_it_will_be_forwarded() {
    let backend = Backend::saying("reached");
    let point = answering(r#"{"result":true}"#);
    let gate = asking(&backend, "opa", &format!("{}/v1/data/http/allow", point.url()), "");
    gate.curl("/asked/%61?q=hunter2", &["--request", "DELETE", "--header", "X-Auth-Subject: root"])
        .expect(200);
    let asked = point.sole();
    assert_eq!((asked.method(), asked.target()), ("POST", "/v1/data/http/allow"));
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(asked.field("authorization"), None);
    let expected = json!({"input": {
        "caller": {
            "kind": "Anonymous", "subject": "", "issuer": "", "authenticator": "anonymous",
            "roles": [], "scopes": [], "attributes": {},
        },
        "request": {
            "method": "DELETE", "host": "127.0.0.1", "path": "/asked/a", "params": {}, "headers": {},
            "ip": "127.0.0.1", "secure": false,
        },
        "route": {"name": "asked", "service": "web", "labels": []},
    }});
    assert_eq!(question(&asked), expected);
    assert_eq!(backend.sole().target(), "/asked/a?q=hunter2");
}

/// Whatever is not an answer is 503 with `Retry-After`: neither a yes nor a no.
#[test]
fn what_cannot_be_found_out_is_neither_yes_nor_no() {
    let huge = || [r#"{"result":true,"x":""#, &"x".repeat(70_000), "\"}"].concat();
    let backend = Backend::saying("reached");
    let elsewhere = answering(r#"{"result":true}"#);
    let place = format!("{}/", elsewhere.url());
    let point = Backend::start(move |question| match question.target() {
        "/500" => Answer::new(500, &[], r#"{"result":true}"#),
        "/201" => Answer::new(201, &[], r#"{"result":true}"#),
        "/204" => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        "/redirect" => Answer::new(307, &[("location", &place)], r#"{"result":true}"#),
        "/malformed" => Answer::ok(r#"{"result":true"#),
        "/html" => Answer::ok("<p>true</p>"),
        "/doubled" => Answer::ok(r#"{"result":false,"result":true}"#),
        "/text" => Answer::ok(r#"{"result":"true"}"#),
        "/huge" => Answer::ok(huge()),
        "/huge-chunked" => Answer::chunked(200, &[], &[&huge()]),
        "/truncated" => Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\":true}"),
        "/nonsense" => Answer::raw("SSH-2.0-x\r\n"),
        "/closed" => Answer::raw(""),
        target => panic!("{target}"),
    });
    for (path, why) in [
        ("500", "it answered with status 500"),
        ("201", "it answered with status 201"),
        ("204", "it answered with status 204"),
        ("redirect", "it answered with status 307"),
        ("malformed", "it ends too early"),
        ("html", "malformed"),
        ("doubled", "a name stands twice"),
        ("text", "`result` in its answer is neither true nor false"),
        ("huge", "longer than 64 KiB"),
        ("huge-chunked", "longer than 64 KiB"),
        ("truncated", "end of file before message length reached"),
        ("nonsense", ""),
        ("closed", ""),
    ] {
        let gate = asking(&backend, "opa", &format!("{}/{path}", point.url()), "");
        let refused = gate.get("/asked/a").expect(503);
        assert_eq!(refused.field("retry-after"), Some("2"), "{path}");
        assert_eq!(refused.json()["type"], "urn:haechi:problem:cannot-tell", "{path}");
        let reason = reason(&gate, 503);
        assert!(
            reason.starts_with("the decision point `pdp` cannot tell: ") && reason.contains(why),
            "{reason}"
        );
        assert_eq!((results(&gate, "unavailable"), results(&gate, "deny")), (1.0, 0.0), "{path}");
        // What has no rule of the point's goes on.
        gate.get("/open").expect(200);
    }
    assert!(backend.recorded().iter().all(|request| request.target() == "/open"), "nothing else arrived");
    assert!(elsewhere.recorded().is_empty(), "a redirect was followed");
}

#[test]
fn who_does_not_answer_in_time_or_at_all_is_not_waited_for() {
    let (backend, latch) = (Backend::saying("reached"), Latch::new());
    let held = latch.clone();
    let slow = Backend::start(move |question| match question.target() {
        "/head" => Answer::never(&held),
        _ => {
            let held = held.clone();
            Answer::written(move |socket| {
                use std::io::Write;
                drop(socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"result\":"));
                held.wait();
            })
        }
    });
    let (refusing, silent) = (Unreachable::refusing(), Unreachable::silent());
    for (url, why) in [
        (format!("{}/head", slow.url()), "no answer within 300ms"),
        (format!("{}/body", slow.url()), "no answer within 300ms"),
        (refusing.url(), "Connection refused"),
        (silent.url(), "no answer within 300ms"),
    ] {
        let gate = asking(&backend, "opa", &url, ", timeout: 300ms");
        gate.get("/asked/a").expect(503);
        let reason = reason(&gate, 503);
        assert!(reason.contains(why), "{url}: {reason}");
    }
    latch.open();
    assert!(backend.recorded().is_empty(), "nothing arrived");
}

/// One worker serves both: who waits for an answer does not stand in the others' way.
#[test]
fn a_slow_decision_point_does_not_delay_other_routes() {
    let (backend, latch) = (Backend::saying("reached"), Latch::new());
    let held = latch.clone();
    let point = Backend::start(move |_| {
        held.wait();
        Answer::ok(r#"{"result":true}"#)
    });
    let gate = asking(&backend, "opa", &point.url(), ", timeout: 20s");
    let mut waiting = gate.converse();
    waiting.send("GET /asked/a HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(PATIENCE, || (point.recorded().len() == 1).then_some(()));
    for _ in 0..20 {
        gate.get("/open").expect(200);
    }
    assert_eq!(backend.recorded().len(), 20, "the one that waits has not arrived");
    latch.open();
    assert_eq!(waiting.answer().unwrap().status, 200);
}

#[test]
fn answers_are_kept_as_long_as_they_may_be_and_each_question_for_itself() {
    let backend = Backend::saying("reached");
    let point = answering(r#"{"result":true}"#);
    let gate = asking(&backend, "opa", &point.url(), ", cache: { allow: 5s, deny: 0s }");
    for _ in 0..3 {
        gate.get("/asked/a").expect(200);
    }
    assert_eq!(point.recorded().len(), 1, "the same question was asked once");
    assert_eq!((results(&gate, "allow"), results(&gate, "cached")), (1.0, 2.0));
    gate.get("/asked/b").expect(200);
    assert_eq!(point.recorded().len(), 2, "another question was asked");
    // It does not hold for ever.
    eventually(PATIENCE, || {
        gate.get("/asked/a").expect(200);
        (point.recorded().len() == 3).then_some(())
    });
}

#[test]
fn a_no_is_kept_for_its_own_time_and_what_could_not_be_found_out_is_not_kept() {
    let backend = Backend::saying("reached");
    let point = answering(r#"{"result":false}"#);
    let gate = asking(&backend, "opa", &point.url(), ", cache: { allow: 0s, deny: 3s }");
    gate.get("/asked/a").expect(403);
    gate.get("/asked/a").expect(403);
    assert_eq!(point.recorded().len(), 1);
    eventually(PATIENCE, || {
        gate.get("/asked/a").expect(403);
        (point.recorded().len() == 2).then_some(())
    });
    let broken = answering("{");
    let gate = asking(&backend, "opa", &broken.url(), ", cache: { allow: 1h, deny: 1h }");
    for asked in 1..=3 {
        gate.get("/asked/a").expect(503);
        assert_eq!(broken.recorded().len(), asked);
    }
    assert!(backend.recorded().is_empty(), "nothing arrived");
}

#[test]
fn a_reload_forgets_what_was_kept() {
    let backend = Backend::saying("reached");
    let point = answering(r#"{"result":true}"#);
    let written = asks(&backend, "opa", &point.url(), ", cache: { allow: 1h, deny: 1h }");
    let gate = Gate::start(&format!("reload: {{ watch: false }}\n{written}"));
    gate.get("/asked/a").expect(200);
    gate.get("/asked/a").expect(200);
    assert_eq!(point.recorded().len(), 1);
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_generation", &[]) == 2.0).then_some(()));
    gate.get("/asked/a").expect(200);
    assert_eq!(point.recorded().len(), 2);
}

#[test]
fn what_the_roles_refuse_is_not_asked_about_and_the_caller_is_told_of() {
    let key = Key::p256("e");
    let provider = IdentityProvider::start(&[&key]);
    let backend = Backend::saying("reached");
    let point = answering(r#"{"decision":true}"#);
    let gate = Gate::start(&format!(
        "caller_attributes: {{ tenant: string, clearance: long }}
authenticators: {{ corp: {{ type: jwt, issuer: \"{issuer}\", audiences: [orders], keys: discovery }} }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
decision_points: {{ pdp: {{ type: authzen, url: \"{}/access/v1/evaluation\", token: hunter2-hunter2 }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - name: order
    match: {{ path: \"/tenants/{{tenant}}/orders/{{id}}\" }}
    authenticate: corp
    authorize: {{ roles: [USER], external: pdp }}
    service: web
    labels: [pii]
",
        point.url(),
        backend.url(),
        issuer = provider.issuer(),
    ))
    .ready();
    let token = |members: &Value| key.token(&with(&provider.claims("alice"), members));
    gate.get_with_token("/tenants/acme/orders/7", &token(&json!({}))).expect(403);
    gate.get("/tenants/acme/orders/7").expect(401);
    assert!(point.recorded().is_empty() && backend.recorded().is_empty());
    let members = json!({"roles": ["ADMIN"], "scope": "orders:read", "tenant": "acme", "clearance": 3});
    gate.get_with_token("/tenants/acme/orders/7", &token(&members)).expect(200);
    let asked = point.sole();
    assert_eq!(asked.target(), "/access/v1/evaluation");
    assert_eq!(asked.field("authorization"), Some("Bearer hunter2-hunter2"));
    let expected = json!({
        "subject": {
            "type": "User",
            "id": format!("{}|alice", provider.issuer()),
            "properties": {
                "subject": "alice", "issuer": provider.issuer(), "authenticator": "corp",
                "roles": ["ADMIN", "USER"], "scopes": ["orders:read"],
                "attributes": {"tenant": "acme", "clearance": 3},
            },
        },
        "action": {"name": "GET"},
        "resource": {"type": "route", "id": "order", "properties": {"service": "web", "labels": ["pii"]}},
        "context": {
            "host": "127.0.0.1", "path": "/tenants/acme/orders/7",
            "params": {"tenant": "acme", "id": "7"}, "headers": {}, "ip": "127.0.0.1", "secure": false,
        },
    });
    assert_eq!(question(&asked), expected);
    assert_eq!(backend.sole().target(), "/tenants/acme/orders/7");
}

#[test]
fn the_token_stands_in_no_log() {
    let backend = Backend::saying("reached");
    let refusing = Unreachable::refusing();
    let url = format!("{}/data?key=hunter3", refusing.url());
    let folder = Folder::new(&asks(&backend, "opa", &url, ", token: \"${env:PDP_TOKEN}\""));
    let gate = Gate::start_with(folder, &[("PDP_TOKEN", "hunter2-hunter2")]);
    gate.get("/asked/a").expect(503);
    assert!(reason(&gate, 503).contains("Connection refused"));
    assert!(gate.log().iter().all(|line| !line.contains("hunter")), "{:#?}", gate.log());
    assert!(!gate.admin("/metrics").text().contains("hunter"));
}

/// The gate asks only where it was told to.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let backend = Backend::saying("reached");
    let (point, proxy) = (answering(r#"{"result":true}"#), answering(r#"{"result":true}"#));
    let folder = Folder::new(&asks(&backend, "opa", &point.url(), ""));
    let gate = Gate::start_with(folder, &[("http_proxy", &proxy.url()), ("HTTP_PROXY", &proxy.url())]);
    gate.get("/asked/a").expect(200);
    assert_eq!((point.recorded().len(), proxy.recorded().len()), (1, 0));
}

#[test]
fn over_tls_only_the_one_who_was_meant_is_asked() {
    let backend = Backend::saying("reached");
    let (authority, other) = (Authority::new("points"), Authority::new("others"));
    let folder = Folder::exactly("");
    authority.leaf(&["localhost"]).write(&folder, "site");
    let says = "location / { default_type application/json; return 200 '{\"result\": true}'; }";
    let nginx = Nginx::start(
        folder,
        &format!("listen LISTEN ssl; ssl_certificate site.pem; ssl_certificate_key site.key; {says}"),
    );
    for (trusted, status) in [(&authority, 200), (&other, 503)] {
        let url = format!("https://localhost:{}/", nginx.address().port());
        let folder = Folder::new(&asks(&backend, "opa", &url, ", tls: { ca: ca.pem }"));
        folder.write("ca.pem", &trusted.pem());
        let gate = Gate::start_in(folder);
        gate.get("/asked/a").expect(status);
    }
    assert_eq!(backend.recorded().len(), 1);
}
