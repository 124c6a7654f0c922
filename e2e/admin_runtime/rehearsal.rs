//! A configuration that is not in force, tried before it is: decisions made again, properties proved, cases tried; then written into the file, or not at all.
//! And what is known of access that nobody needs.

use super::Site;
use crate::harness::{Reply, curl};
use haechi_testkit::Backend;
use serde_json::{Value, json};

fn rest(backend: &Backend, roles: &str) -> String {
    format!(
        "services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: /orders/** }}, authenticate: [local, partner], authorize: {{ roles: {roles} }}, service: web }}
  - {{ name: tenants, match: {{ path: /tenants }}, authenticate: local, authorize: {{ roles: [USER], when: 'context.time > datetime(\"2020-01-01\")' }}, service: web }}
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: web }}
",
        backend.url()
    )
}

fn text(site: &Site) -> String {
    std::fs::read_to_string(site.gate.folder().file("haechi.yaml")).unwrap()
}

/// Sends a configuration.
fn send(site: &Site, (method, call): (&str, &str), token: &str, text: &str, fields: &[&str]) -> Reply {
    let url = format!("http://{}/api/v1/{call}", site.gate.admin_address());
    let bearer = format!("Authorization: Bearer {token}");
    let mut arguments = vec!["--request", method, "--header", &bearer, "--data-binary", text, &url];
    arguments.extend(fields.iter().flat_map(|field| ["--header", *field]));
    curl(&arguments)
}

#[test]
fn recorded_decisions_are_made_again_by_a_candidate() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER]"));
    for number in 0..5 {
        site.gate.get_with_token(&format!("/orders/{number}"), &site.user).expect(200);
    }
    let now = text(&site);
    let replay = |token: &str, query: &str, text: &str| {
        send(&site, ("POST", &format!("config/replay{query}")), token, text, &[])
    };
    let same = replay(&site.admin, "", &now).expect(200).json();
    // The logins of this test are decisions as well.
    assert!(same["decided"].as_u64().unwrap() >= 5, "{same}");
    assert_eq!((&same["same"], &same["changes"]), (&same["decided"], &json!([])), "{same}");
    assert_eq!((&same["more"], &same["unreadable"]), (&json!(false), &json!(0)));
    let narrower = now.replace("roles: [USER] }, service", "roles: [ADMIN] }, service");
    let told = replay(&site.admin, "?limit=3", &narrower).expect(200).json();
    assert_eq!(
        (&told["decided"], &told["same"], &told["more"]),
        (&json!(3), &json!(0), &json!(true)),
        "{told}"
    );
    let change = &told["changes"][0];
    assert_eq!(
        (&change["was"], &change["would_be"], &change["count"]),
        (&json!("allow"), &json!("deny"), &json!(3))
    );
    assert_eq!(
        (&change["route"], &change["example"]["path"]),
        (&json!("orders"), &json!("/orders/4")),
        "the newest"
    );
    replay(&site.auditor, "", &now).expect(403);
    replay(&site.admin, "?limit=0", &now).expect(400);
    replay(&site.admin, "?within=99999999", &now).expect(400);
    replay(&site.admin, "", &now.replace("[USER]", "[NOBODY]")).expect(422);
    assert_eq!(site.get("/api/v1/config")["generation"], 1);
}

#[test]
fn properties_and_cases_are_tried_on_a_candidate() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER]"));
    let properties =
        "- { name: orders are for users, routes: [orders], allowed_only_if: { roles: [USER] } }\n";
    site.gate.folder().write("properties.yaml", properties);
    let now = format!("properties: [properties.yaml]\n{}", text(&site));
    let wider = now.replace("roles: [USER] }, service", "roles: [USER, ADMIN] }, service");
    let prove = |text: &str| send(&site, ("POST", "config/prove"), &site.admin, text, &[]).expect(200).json();
    assert_eq!(prove(&now)["holds"], true);
    let broken = prove(&wider);
    let found = &broken["properties"][0];
    assert_eq!((&broken["holds"], &found["outcome"]), (&json!(false), &json!("does_not_hold")), "{broken}");
    assert_eq!(found["routes"][0]["example"]["roles"], json!(["ADMIN"]), "{broken}");
    assert_eq!(
        prove(&text(&site)),
        json!({ "holds": true, "properties": [], "questions": 0, "solver_ms": 0 })
    );

    let cases = "- { name: users, request: { method: GET, path: /orders/1 }, caller: { roles: [USER] }, expect: allow }
- { name: admins, request: { method: GET, path: /orders/1 }, caller: { roles: [ADMIN] }, expect: deny }\n";
    let test = |config: Option<&str>, cases: &str| {
        let asked = json!({ "config": config, "cases": cases });
        site.call("POST", "/api/v1/config/test", Some(&asked))
    };
    let told = test(None, cases).expect(200).json();
    assert_eq!((&told["passed"], &told["failed"]), (&json!(2), &json!(0)), "{told}");
    let told = test(Some(&wider), cases).expect(200).json();
    assert_eq!((&told["failed"], &told["cases"][1]["passed"]), (&json!(1), &json!(false)), "{told}");
    let refused = test(None, "- { nam: x }").expect(422).json();
    assert!(refused["faults"][0]["file"].as_str().unwrap().ends_with("cases.yaml"), "{refused}");
}

#[test]
fn a_cell_of_the_matrix_is_proved_or_shown_by_an_example() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER]"));
    let cell = |route: &str, caller: &str| {
        let path = format!("/api/v1/matrix/cell?route={route}&method=GET&caller={caller}");
        site.call_as(&site.auditor, "GET", &path, None).expect(200).json()
    };
    let outcome = |told: &Value, name: &str| told[name]["outcome"].clone();
    let allowed = cell("orders", "USER");
    assert_eq!(
        (&allowed["outcome"], outcome(&allowed, "everybody_passes")),
        (&json!("allow"), json!("proved")),
        "{allowed}"
    );
    assert_eq!(allowed["nobody_passes"]["example"]["roles"], json!(["USER"]), "{allowed}");
    // ADMIN does not include USER, and whoever has both is another kind.
    let denied = cell("orders", "ADMIN");
    assert_eq!(
        (&denied["outcome"], outcome(&denied, "nobody_passes")),
        (&json!("deny"), json!("proved")),
        "{denied}"
    );
    assert_eq!(denied["everybody_passes"], Value::Null);
    let depends = cell("tenants", "USER");
    assert_eq!(depends["outcome"], "depends", "{depends}");
    for name in ["nobody_passes", "everybody_passes"] {
        assert_eq!(outcome(&depends, name), "does_not_hold", "{depends}");
        assert!(depends[name]["example"]["time"].is_string(), "{depends}");
    }
    assert_eq!(outcome(&cell("open", "anonymous"), "everybody_passes"), "proved");
    assert_eq!(cell("orders", "anonymous")["nobody_passes"], Value::Null, "nobody is anonymous there");
    assert_eq!(outcome(&cell("orders", "no%20role"), "nobody_passes"), "proved");
    for odd in ["route=none&method=GET&caller=USER", "route=orders&method=GET&caller=NONE"] {
        site.call("GET", &format!("/api/v1/matrix/cell?{odd}"), None).expect(422);
    }
}

#[test]
fn a_configuration_is_written_into_the_file_and_comes_into_force_or_neither() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER]"));
    let put = |text: &str, token: &str, fields: &[&str]| send(&site, ("PUT", "config"), token, text, fields);
    let narrower = |text: &str| text.replace("roles: [USER] }, service", "roles: [ADMIN] }, service");
    let plain = text(&site);
    // Nobody said that the gate may.
    let refused = put(&narrower(&plain), &site.admin, &["If-Match: *"]).expect(409).json();
    assert!(refused["detail"].as_str().unwrap().contains("write_config"), "{refused}");
    let open = plain.replace("admin: { ", "admin: { write_config: true, ");
    assert_ne!(open, plain);
    site.gate.folder().write("haechi.yaml", &open);
    put(&open, &site.admin, &["If-Match: *"]).expect(409);
    site.call("POST", "/api/v1/config/reload", None).expect(200);
    assert_eq!(site.get("/api/v1/config")["writable"], true);

    put(&narrower(&open), &site.auditor, &["If-Match: *"]).expect(403);
    put(&narrower(&open), &site.admin, &[]).expect(428);
    put(&narrower(&open), &site.admin, &["If-Match: \"1\""]).expect(412);
    let broken =
        put(&open.replace("[USER]", "[NOBODY]"), &site.admin, &["If-Match: \"2\""]).expect(422).json();
    assert!(broken["faults"][0]["line"].is_u64(), "{broken}");
    assert_eq!(
        (text(&site), &site.get("/api/v1/config")["generation"]),
        (open.clone(), &json!(2)),
        "nothing has changed"
    );
    site.gate.get_with_token("/orders/1", &site.user).expect(200);

    let applied = put(&narrower(&open), &site.admin, &["If-Match: \"2\""]).expect(200).json();
    assert_eq!((&applied["generation"], text(&site)), (&json!(3), narrower(&open)));
    site.gate.get_with_token("/orders/1", &site.user).expect(403);
    let records = site.records("config.apply");
    let done: Vec<&Value> = records.iter().filter(|record| record["outcome"] == "done").collect();
    assert!(done.len() == 1 && done[0]["details"]["sha256_after"].is_string(), "{records:?}");
    assert_eq!(
        records.len(),
        2,
        "that the auditor was refused is on record, and what was at fault was not begun"
    );
    let history = site.get("/api/v1/config/history");
    assert_eq!(history["items"][0]["because"], "the admin API", "{history}");
    // And back, by the text that is kept.
    let before = history["items"][1]["sha256"].as_str().unwrap();
    let kept = site.get(&format!("/api/v1/config/history/{before}"))["files"]["haechi.yaml"].clone();
    put(kept.as_str().unwrap(), &site.admin, &["If-Match: \"3\""]).expect(200);
    site.gate.get_with_token("/orders/1", &site.user).expect(200);
    assert_eq!(text(&site), open);
}

#[test]
fn a_configuration_that_does_not_come_into_force_leaves_the_file_as_it_was() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER]"));
    let open = text(&site).replace("admin: { ", "admin: { write_config: true, ");
    site.gate.folder().write("haechi.yaml", &open);
    site.call("POST", "/api/v1/config/reload", None).expect(200);
    // What comes into force cannot be kept beside the trail, so it does not come into force; that it is wanted is on record.
    let audit = site.gate.folder().file("audit");
    let kept = std::fs::read_dir(&audit)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    std::fs::rename(&kept, audit.join("away")).unwrap();
    std::fs::write(&kept, "").unwrap();
    let narrower = open.replace("roles: [USER] }, service", "roles: [ADMIN] }, service");
    let refused = send(&site, ("PUT", "config"), &site.admin, &narrower, &["If-Match: \"2\""]);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!((text(&site), &site.get("/api/v1/config")["generation"]), (open.clone(), &json!(2)));
    site.gate.get_with_token("/orders/1", &site.user).expect(200);
    let told = site.records("config.apply");
    let outcomes: Vec<&Value> = told.iter().map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes, ["done", "failed"], "the second says that it was not done: {told:?}");
    // And where it can, it does.
    std::fs::remove_file(&kept).unwrap();
    std::fs::rename(audit.join("away"), &kept).unwrap();
    send(&site, ("PUT", "config"), &site.admin, &narrower, &["If-Match: \"2\""]).expect(200);
    site.gate.get_with_token("/orders/1", &site.user).expect(403);
}

#[test]
fn two_people_apply_a_configuration_where_two_are_asked_for() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER]"));
    site.gate.folder().write("secret", "0123456789abcdef");
    let open = text(&site).replace("admin: { ", "admin: { write_config: true, approvals: 2, ");
    site.gate.folder().write("haechi.yaml", &open);
    site.call("POST", "/api/v1/config/reload", None).expect(200);
    let narrower = open.replace("roles: [USER] }, service", "roles: [ADMIN] }, service");
    let inline = format!(
        "{narrower}telemetry: {{ traces: {{ endpoint: \"https://127.0.0.1:1/v1\", headers: {{ authorization: hunter2hunter2 }} }} }}\n"
    );
    send(&site, ("PUT", "config"), &site.admin, &inline, &["If-Match: \"2\""]).expect(422);
    let asked =
        send(&site, ("PUT", "config"), &site.admin, &narrower, &["If-Match: \"2\""]).expect(202).json();
    let id = asked["id"].as_str().unwrap();
    assert_eq!(
        (&asked["action"], &asked["content"]["text"]),
        (&json!("config.apply"), &json!(narrower)),
        "{asked}"
    );
    assert_eq!(text(&site), open, "it waits");
    site.call("POST", &format!("/api/v1/approvals/{id}/approve"), None).expect(403);
    let folder = site.gate.folder();
    folder.add_user("second", &["haechi-admin"]);
    let body = json!({ "username": "second", "password": crate::harness::PASSWORD });
    let second = site.gate.post_json("/auth/login", &body).expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    site.call_as(&second, "POST", &format!("/api/v1/approvals/{id}/approve"), None).expect(200);
    assert_eq!(text(&site), narrower);
    site.gate.get_with_token("/orders/1", &site.user).expect(403);
}

#[test]
fn what_nobody_used_is_told_with_the_change_that_takes_it_away() {
    let backend = Backend::saying("reached");
    let site = Site::start(&rest(&backend, "[USER, ADMIN]"));
    site.gate.get_with_token("/orders/1", &site.user).expect(200);
    let told = site.call_as(&site.auditor, "GET", "/api/v1/review?days=30", None).expect(200).json();
    let access = |route: &str, role: &str| {
        let found = told["access"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["route"] == route && one["role"] == role);
        found.unwrap_or_else(|| panic!("{told}"))["unused"].clone()
    };
    assert_eq!((access("orders", "USER"), access("orders", "ADMIN")), (json!(false), json!(true)));
    assert_eq!((&told["is_early"], &told["truncated"]), (&json!(true), &json!(false)));
    let account = |name: &str| {
        told["accounts"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["unused"].clone()
    };
    assert_eq!((account("alice"), account("root")), (json!(false), json!(true)));
    let smaller = &told["smaller"];
    assert_eq!(smaller["routes"], json!({ "orders": ["USER"] }), "{smaller}");
    assert!(smaller["config"].as_str().unwrap().contains("authorize: { roles: [\"USER\"] }"), "{smaller}");
    for odd in ["days=0", "days=x"] {
        site.call("GET", &format!("/api/v1/review?{odd}"), None).expect(400);
    }
}
