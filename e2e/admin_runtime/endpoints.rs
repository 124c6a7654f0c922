//! Routes, services and endpoints; and an endpoint that is taken out by hand.

use super::Site;
use crate::harness::websocket::{self, EchoServer};
use crate::harness::{PATIENCE, Strace, eventually};
use haechi_testkit::{Answer, Backend, Latch};
use serde_json::{Value, json};

fn services(urls: &[String], more: &str) -> String {
    let quoted: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    format!(
        "services: {{ web: {{ endpoints: [{}], ejection: {{ failures: 0 }}{more} }} }}
routes:
  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: read, match: {{ path: \"/users/{{id}}\", methods: [GET], hosts: [api.example.com] }}, authenticate: {{ all: [local] }}, authorize: {{ roles: [USER], when: 'context.params.id == principal.subject' }}, service: web, labels: [pii], rate_limit: {{ requests: 7, per: 1m, by: subject }} }}
",
        quoted.join(", ")
    )
}

fn drain(site: &Site, id: &str, drained: bool) -> Value {
    let path = format!("/api/v1/services/web/endpoints/{id}/state");
    site.call("PUT", &path, Some(&json!({ "drained": drained }))).expect(200).json()
}

fn endpoint(site: &Site, id: &str) -> Value {
    let service = site.get("/api/v1/services/web");
    let found = service["endpoints"].as_array().unwrap().iter().find(|known| known["id"] == id).cloned();
    found.unwrap_or_else(|| panic!("no {id} in {service}"))
}

#[test]
fn routes_and_services_are_shown_as_they_are_in_force() {
    let backend = Backend::saying("reached");
    let site = Site::start(&services(&[backend.url(), "http://127.0.0.1:9".to_owned()], ", balance: random"));
    let route = site.get("/api/v1/routes/read");
    let wanted = json!({
        "name": "read", "built_in": false, "path": "/users/{id}", "hosts": ["api.example.com"], "methods": ["GET", "HEAD"],
        "authenticate": { "mode": "all", "authenticators": ["local"] },
        "authorize": { "rule": "clauses", "roles": [["USER"]], "when": ["context.params.id == principal.subject"] },
        "service": "web", "labels": ["pii"],
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&route[name], value, "{name} of {route}");
    }
    assert_eq!(route["rate_limits"][0]["requests"], 7);
    let page = site.get("/api/v1/routes?limit=1");
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&json!("all"), &json!("all")));
    let mut names = Vec::new();
    let mut at = "/api/v1/routes?limit=2".to_owned();
    loop {
        let page = site.get(&at);
        names.extend(page["items"].as_array().unwrap().iter().map(|one| one["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        at = format!("/api/v1/routes?limit=2&cursor={next}");
    }
    assert!(
        names.len() > 5
            && names.contains(&json!("identity-login"))
            && names.is_sorted_by_key(|n| n.to_string()),
        "{names:?}"
    );
    let services = site.get("/api/v1/services");
    let web = &services["items"][0];
    assert_eq!(
        (&web["name"], &web["balance"], &web["available"]),
        (&json!("web"), &json!("random"), &json!(2))
    );
    assert_eq!(web["routes"], json!(["all", "read"]));
    let shown = endpoint(&site, &backend.address().to_string());
    assert_eq!((&shown["health"], &shown["url"]), (&json!("unchecked"), &json!(backend.url())));
    for missing in ["/api/v1/routes/none", "/api/v1/services/none"] {
        site.call("GET", missing, None).expect(404);
    }
}

#[test]
fn a_drained_endpoint_gets_no_new_request_and_keeps_what_it_has() {
    let other = Backend::saying("other");
    for balance in ["round_robin", "least_request", "random", "{ hash: client_ip }"] {
        let latch = Latch::new();
        let held = latch.clone();
        let slow = Backend::start(move |request| {
            if request.target() == "/slow" {
                held.wait();
            }
            Answer::ok("slow")
        });
        let id = slow.address().to_string();
        let both = services(&[slow.url(), other.url()], &format!(", balance: {balance}"));
        let site = Site::start(&services(&[slow.url()], ""));
        let mut under_way = site.gate.converse();
        under_way.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually(PATIENCE, || (endpoint(&site, &id)["in_flight"] == 1).then_some(()));
        let said = drain(&site, &id, true);
        assert_eq!(
            (&said["drained"], &said["available"], &said["in_flight"]),
            (&json!(true), &json!(false), &json!(1))
        );
        let refused = site.gate.get("/").expect(503);
        assert_eq!(refused.json()["type"], "urn:haechi:problem:no-endpoint", "{balance}");
        // A reload keeps it, with whatever else it changes about the service.
        site.reload(&both);
        let before = slow.recorded().len();
        for _ in 0..20 {
            assert_eq!(site.gate.get("/").expect(200).text(), "other", "{balance}");
        }
        assert_eq!(slow.recorded().len(), before);
        let named = format!("endpoint=\"{id}\"");
        assert_eq!(site.gate.metric("haechi_upstream_endpoint_drained", &[&named]), 1.0);
        assert_eq!(site.gate.metric("haechi_upstream_endpoint_requests_in_flight", &[&named]), 1.0);
        let ready = site.gate.admin("/readyz").expect(200).text();
        assert!(
            ready.contains(&format!("endpoint {id} of `web` is drained; 1 requests in flight")),
            "{ready}"
        );
        latch.open();
        assert_eq!(under_way.answer().unwrap().body, b"slow");
        eventually(PATIENCE, || (endpoint(&site, &id)["in_flight"] == 0).then_some(()));
        drain(&site, &other.address().to_string(), true);
        drain(&site, &id, false);
        assert_eq!(site.gate.get("/").expect(200).text(), "slow", "{balance}");
        assert!(!site.gate.admin("/readyz").text().contains(&format!("{id} of `web` is drained")));
        // Who leaves the configuration and comes back is a newcomer.
        site.reload(&services(&[slow.url()], ""));
        site.reload(&both);
        assert_eq!(endpoint(&site, &other.address().to_string())["drained"], json!(false));
    }
}

#[test]
fn a_websocket_to_a_drained_endpoint_goes_on() {
    let echo = EchoServer::start();
    let site = Site::start(&services(&[echo.url()], ""));
    let id = echo.url().replace("http://", "");
    let mut client = websocket::open(&site.gate, "/", &[]);
    websocket::echoes(&mut client, "before");
    assert_eq!(drain(&site, &id, true)["in_flight"], 1);
    websocket::echoes(&mut client, "after");
    assert_eq!(websocket::try_open(&site.gate, "/", &[]).unwrap_err(), 503);
    drop(client);
    eventually(PATIENCE, || (endpoint(&site, &id)["in_flight"] == 0).then_some(()));
}

#[test]
fn strace_draining_is_on_record_before_and_only_administrators_do_it() {
    let backend = Backend::saying("reached");
    let site = Site::start(&services(&[backend.url()], ""));
    let id = backend.address().to_string();
    let path = format!("/api/v1/services/web/endpoints/{id}/state");
    let body = json!({ "drained": true });
    for token in [&site.auditor, &site.user] {
        site.call_as(token, "PUT", &path, Some(&body)).expect(403);
    }
    site.call("PUT", "/api/v1/services/web/endpoints/127.0.0.1:1/state", Some(&body)).expect(404);
    site.call("PUT", "/api/v1/services/none/endpoints/127.0.0.1:1/state", Some(&body)).expect(404);
    for odd in [json!({}), json!({ "drained": "yes" }), json!({ "drained": true, "for": 5 })] {
        site.call("PUT", &path, Some(&odd)).expect(400);
    }
    assert_eq!(endpoint(&site, &id)["drained"], json!(false));
    let trail = site.gate.folder().file("audit/haechi.jsonl");
    let options = ["-P", trail.to_str().unwrap(), "-e", "trace=write", "-e", "inject=write:error=ENOSPC"];
    let failing = Strace::attach(site.gate.process(), &options);
    site.call("PUT", &path, Some(&body)).expect(503);
    assert_eq!(endpoint(&site, &id)["drained"], json!(false));
    failing.end();
    eventually(PATIENCE, || (site.call("PUT", &path, Some(&body)).status == 200).then_some(()));
    let done: Vec<_> =
        site.records("endpoint.set_state").into_iter().filter(|line| line["outcome"] == "done").collect();
    assert_eq!(done.len(), 1);
    assert_eq!(done[0]["target"], format!("endpoint {id} of service web"));
    assert_eq!((&done[0]["details"]["from"], &done[0]["details"]["to"]), (&json!(false), &json!(true)));
    assert_eq!(
        site.call_as(&site.auditor, "GET", "/api/v1/services", None).expect(200).json()["items"][0]["available"],
        0
    );
}
