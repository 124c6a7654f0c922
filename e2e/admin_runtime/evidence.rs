//! The audit trail by call: searched page by page, verified, and what it has of a person exported and erased.

use super::Site;
use crate::harness::{PATIENCE, eventually, haechi};
use haechi_testkit::Backend;
use serde_json::{Value, json};

fn site(backend: &Backend) -> Site {
    Site::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: /orders/** }}, authenticate: [local, partner], authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: admin, match: {{ path: /admin }}, authenticate: local, authorize: {{ roles: [ADMIN] }}, service: web }}
",
        backend.url()
    ))
}

fn seqs(page: &Value) -> Vec<(String, u64)> {
    let of = |record: &Value| (record["chain"].as_str().unwrap().to_owned(), record["seq"].as_u64().unwrap());
    page["items"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn records_are_found_page_by_page_and_each_once() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    for number in 0..25 {
        site.gate.get_with_token(&format!("/orders/{number}"), &site.user).expect(200);
        site.gate.get_with_token("/admin", &site.user).expect(403);
    }
    let (mut found, mut at) = (Vec::new(), "/api/v1/audit?event=decision&route=orders&limit=10".to_owned());
    loop {
        let page = site.call_as(&site.auditor, "GET", &at, None).expect(200).json();
        found.extend(seqs(&page));
        let Some(next) = page["next"].as_str() else { break };
        at = format!("/api/v1/audit?event=decision&route=orders&limit=10&cursor={next}");
    }
    assert_eq!(found.len(), 25);
    assert!(found.windows(2).all(|pair| pair[0].1 > pair[1].1), "newest first, each once: {found:?}");
    let newest = &site.get("/api/v1/audit?event=decision&outcome=deny&limit=1")["items"][0].clone();
    assert_eq!((&newest["route"], &newest["outcome"]), (&json!("admin"), &json!("deny")));
    for (name, value) in
        [("request", &newest["request"]), ("decision", &newest["decision"]), ("key", &newest["credential"])]
    {
        let one = site.get(&format!("/api/v1/audit?{name}={}", value.as_str().unwrap()));
        assert!(
            one["items"].as_array().unwrap().iter().any(|record| record["seq"] == newest["seq"]),
            "{name}: {one}"
        );
        assert!(name == "key" || one["items"].as_array().unwrap().len() == 1, "{name}");
    }
    let of_alice = site.get("/api/v1/audit?subject=alice&event=decision&limit=200");
    assert_eq!(of_alice["items"].as_array().unwrap().len(), 50);
    assert_eq!(site.get("/api/v1/audit?subject=nobody")["items"], json!([]));
    assert_eq!(site.get("/api/v1/audit?until=2020-01-01T00:00:00Z")["items"], json!([]));
    assert_eq!(site.get("/api/v1/audit?since=2120-01-01T00:00:00Z")["items"], json!([]));
    for (odd, status) in
        [("since=soon", 422), ("cursor=x", 422), ("cursor=gone.0-1-5", 422), ("limit=0", 400), ("who=x", 400)]
    {
        site.call("GET", &format!("/api/v1/audit?{odd}"), None).expect(status);
    }
    site.call_as(&site.user, "GET", "/api/v1/audit", None).expect(403);
}

#[test]
fn a_trail_is_verified_and_what_was_altered_is_named() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    for number in 0..3 {
        site.gate.get_with_token(&format!("/orders/{number}"), &site.user).expect(200);
    }
    let verify = || site.call_as(&site.auditor, "POST", "/api/v1/audit/verify", None).expect(200).json();
    let told = verify();
    assert_eq!((&told["holds"], &told["fault_count"]), (&json!(true), &json!(0)), "{told}");
    assert!(told["lines"].as_u64().unwrap() > 5);
    let trail = site.gate.folder().file("audit/haechi.jsonl");
    let text = std::fs::read_to_string(&trail).unwrap();
    std::fs::write(&trail, text.replacen("\"orders\"", "\"ordres\"", 1)).unwrap();
    let told = verify();
    assert_eq!(told["holds"], false);
    assert_eq!(told["faults"][0]["file"], "haechi.jsonl", "{told}");
}

#[test]
fn everything_about_a_person_is_given_once_erased_and_then_gone() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    for number in 0..300 {
        site.gate.get_with_token(&format!("/orders/{number}"), &site.user).expect(200);
    }
    let export = |token: &str| site.call_as(token, "GET", "/api/v1/audit/export?subject=alice", None);
    let erase = |token: &str| {
        site.call_as(token, "POST", "/api/v1/audit/erase", Some(&json!({ "subject": "alice" })))
    };
    for token in [&site.auditor, &site.user] {
        export(token).expect(403);
        erase(token).expect(403);
    }
    let given = export(&site.admin).expect(200);
    assert_eq!(given.field("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = given.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let printed =
        haechi(site.gate.folder().path(), &["audit", "export", "--subject", "alice"]).success().stdout;
    let printed: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, printed, "the same as by command");
    assert!(lines.len() > 300 && lines.iter().any(|line| line["person"]["client"] == "127.0.0.1"));
    assert_eq!(site.records("subject.export").iter().filter(|line| line["outcome"] == "done").count(), 1);
    assert_eq!(erase(&site.admin).expect(200).json()["erased"], 1);
    let done = site.records("subject.erase");
    let done = done.iter().find(|line| line["outcome"] == "done").unwrap();
    assert!(done["target"].as_str().unwrap().starts_with("subject ") && !done.to_string().contains("alice"));
    export(&site.admin).expect(404);
    erase(&site.admin).expect(404);
    eventually(PATIENCE, || {
        (site.call("POST", "/api/v1/audit/verify", None).expect(200).json()["holds"] == true).then_some(())
    });
    assert_eq!(site.get("/api/v1/audit?subject=alice")["items"], json!([]));
}

#[test]
fn without_a_trail_there_is_nothing_to_ask() {
    let backend = Backend::saying("reached");
    let site = Site::start_without_trail(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ name: all, match: {{ path: /** }}, authenticate: local, authorize: any, service: web }}]\n",
        backend.url()
    ));
    for (method, path) in [
        ("GET", "/api/v1/audit"),
        ("POST", "/api/v1/audit/verify"),
        ("GET", "/api/v1/audit/export?subject=a"),
    ] {
        let refused = site.call(method, path, None).expect(409);
        assert_eq!(refused.json()["type"], "urn:haechi:problem:no-audit");
    }
    // What this process remembers is there all the same.
    let history = site.get("/api/v1/config/history");
    assert_eq!((&history["items"][0]["because"], &history["next"]), (&json!("start"), &Value::Null));
}
