//! The configuration in force and those before; what a candidate would change; what requests come to; keys and certificates.

use super::Site;
use crate::harness::{Authority, PATIENCE, eventually};
use haechi_testkit::jose::Key;
use haechi_testkit::{Backend, IdentityProvider, Unreachable};
use serde_json::{Value, json};

const SECRET: &str = "a-secret-that-nobody-may-see";

fn routes(backend: &Backend, roles: &str) -> String {
    format!(
        "telemetry: {{ traces: {{ endpoint: \"https://127.0.0.1:1/v1\", headers: {{ authorization: {SECRET} }} }} }}
caller_attributes: {{ tenant: string }}
context_headers: {{ region: X-Region }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: open, match: {{ path: /open/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: orders, match: {{ path: \"/orders/{{id}}\", methods: [GET, POST] }}, authenticate: [local, partner], authorize: {{ roles: {roles} }}, service: web }}
  - {{ name: tenants, match: {{ path: \"/tenants/{{tenant}}\" }}, authenticate: [local, partner], authorize: {{ when: 'principal has tenant && principal.tenant == context.params.tenant' }}, service: web }}
  - {{ name: region, match: {{ path: /region }}, authenticate: local, authorize: {{ roles: [USER], when: 'context.headers.region == \"eu\"' }}, service: web }}
",
        backend.url()
    )
}

fn names(list: &Value) -> Vec<String> {
    let name = |one: &Value| one["name"].as_str().or(one["id"].as_str()).unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn the_configuration_in_force_is_shown_without_secrets_and_with_who_brought_it() {
    let backend = Backend::saying("reached");
    let site = Site::start(&routes(&backend, "[USER]"));
    let first = site.get("/api/v1/config");
    assert_eq!((&first["generation"], &first["because"]), (&json!(1), &json!("start")));
    assert_eq!(first["by"], Value::Null);
    let text = first["files"]["haechi.yaml"].as_str().unwrap();
    assert!(text.contains("authorization: ****") && text.contains("roles: [USER]"), "{text}");
    site.reload(&routes(&backend, "[ADMIN]"));
    let second = site.call_as(&site.auditor, "GET", "/api/v1/config", None).expect(200).json();
    assert_eq!((&second["generation"], &second["because"]), (&json!(2), &json!("the admin API")));
    assert_eq!(second["by"]["issuer"], "http://localhost:8080");
    assert_ne!(second["sha256"], first["sha256"]);
    let history = site.get("/api/v1/config/history");
    let items = history["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{history}");
    assert_eq!((&items[0]["sha256"], &items[1]["sha256"]), (&second["sha256"], &first["sha256"]));
    assert_eq!((&items[0]["current"], &items[1]["current"]), (&json!(true), &Value::Null));
    assert_eq!(items[0]["by"]["subject"], second["by"]["subject"]);
    assert_eq!((&items[0]["because"], &items[1]["because"]), (&json!("the admin API"), &json!("start")));
    let page = site.get("/api/v1/config/history?limit=1");
    let next = page["next"].as_str().unwrap();
    assert_eq!(site.get(&format!("/api/v1/config/history?cursor={next}"))["items"][0]["generation"], 1);
    let kept = site.get(&format!("/api/v1/config/history/{}", first["sha256"].as_str().unwrap()));
    assert_eq!(kept["files"], first["files"]);
    for odd in ["x", &"0".repeat(64), "..%2f..%2fetc%2fpasswd"] {
        site.call("GET", &format!("/api/v1/config/history/{odd}"), None).expect(404);
    }
    for shown in [&first, &second, &history, &kept] {
        assert!(!shown.to_string().contains(SECRET));
    }
}

#[test]
fn a_candidate_is_compared_and_changes_nothing() {
    let backend = Backend::saying("reached");
    let site = Site::start(&routes(&backend, "[USER]"));
    let file = std::fs::read_to_string(site.gate.folder().file("haechi.yaml")).unwrap();
    let diff = |token: &str, text: &str| {
        let fields = [&*format!("Authorization: Bearer {token}")];
        site.gate.admin_post("/api/v1/config/diff", &fields, text)
    };
    let wider = file.replace("authorize: { roles: [USER] }", "authorize: { roles: [USER, ADMIN] }");
    let told = diff(&site.admin, &wider).expect(200).json();
    let orders = told["routes"].as_array().unwrap().iter().find(|route| route["route"] == "orders").unwrap();
    assert_eq!(orders["relation"], "wider", "{told}");
    assert_eq!(orders["gained"]["roles"], json!(["ADMIN"]), "{orders}");
    assert!(orders["gained"]["explain"].as_str().unwrap().starts_with("haechi explain"));
    assert_eq!(orders["lost"], Value::Null);
    let same = diff(&site.admin, &file).expect(200).json();
    assert!(same["routes"].as_array().unwrap().iter().all(|route| route["relation"] == "same"), "{same}");
    let broken = diff(&site.admin, &file.replace("[USER]", "[NOBODY]")).expect(422).json();
    assert_eq!(broken["type"], "urn:haechi:problem:configuration");
    assert!(broken["report"].as_str().unwrap().contains("NOBODY"), "{broken}");
    // A candidate names files and variables of this machine: only who may change the configuration may try one.
    diff(&site.auditor, &wider).expect(403);
    assert_eq!(site.get("/api/v1/config")["generation"], 1);
}

#[test]
fn requests_are_explained_as_by_command() {
    let backend = Backend::saying("reached");
    let site = Site::start(&routes(&backend, "[USER]"));
    let explain = |question: Value| site.call_as(&site.auditor, "POST", "/api/v1/explain", Some(&question));
    let order = |caller: Value| {
        explain(json!({ "method": "GET", "path": "/orders/7", "caller": caller })).expect(200).json()
    };
    for (caller, outcome, status) in [
        (Value::Null, "unauthenticated", 401),
        (json!({ "token": site.user }), "allowed", 200),
        (json!({ "token": "x.y.z" }), "unauthenticated", 401),
        (json!({ "user": "alice" }), "allowed", 200),
        (json!({ "user": "eve" }), "denied", 403),
        (json!({ "roles": ["USER"] }), "allowed", 200),
        (json!({ "roles": ["ADMIN"] }), "denied", 403),
        (json!({ "key": "hk_x_y" }), "unauthenticated", 401),
    ] {
        let told = order(caller.clone());
        assert_eq!(
            (&told["outcome"], &told["status"]),
            (&json!(outcome), &json!(status)),
            "{caller}: {told}"
        );
        assert_eq!(told["route"]["name"], "orders");
    }
    let tenant = |mine: &str| {
        let caller = json!({ "attributes": { "tenant": mine }, "authenticator": "partner" });
        explain(json!({ "method": "GET", "path": "/tenants/acme", "caller": caller })).expect(200).json()
    };
    assert_eq!(
        (&tenant("acme")["outcome"], &tenant("other")["outcome"]),
        (&json!("allowed"), &json!("denied"))
    );
    let region = json!({ "method": "GET", "path": "/region", "headers": { "X-Region": "eu" }, "caller": { "roles": ["USER"] } });
    assert_eq!(explain(region).expect(200).json()["outcome"], "allowed");
    for odd in [
        json!({ "method": "GET", "path": "/", "caller": { "user": "alice", "token": "x" } }),
        json!({ "method": "GET", "path": "/", "caller": { "user": "nobody" } }),
        json!({ "method": "GET", "path": "/", "caller": { "roles": ["NOPE"] } }),
        json!({ "method": "GET", "path": "/", "caller": { "attributes": { "tenant": 5 } } }),
        json!({ "method": "GET", "path": "/", "caller": { "roles": ["USER"], "authenticator": "nope" } }),
        json!({ "method": "GET", "path": "/", "ip": "here" }),
        json!({ "method": "G T", "path": "/" }),
        json!({ "method": "GET", "path": "/", "headers": { "a\nb": "c" } }),
    ] {
        assert_eq!(explain(odd.clone()).expect(422).json()["type"], "urn:haechi:problem:invalid", "{odd}");
    }
    explain(json!({ "method": "GET" })).expect(400);
    site.call_as(&site.user, "POST", "/api/v1/explain", Some(&json!({ "method": "GET", "path": "/" })))
        .expect(403);
    assert!(backend.recorded().is_empty());
}

#[test]
fn the_matrix_is_the_one_of_the_command() {
    let backend = Backend::saying("reached");
    let site = Site::start(&routes(&backend, "[USER]"));
    let matrix = site.get("/api/v1/matrix");
    let printed =
        crate::harness::haechi(site.gate.folder().path(), &["matrix", "--output", "json"]).success();
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!((&matrix["columns"], &matrix["rows"]), (&printed["columns"], &printed["rows"]));
    let one = site.get("/api/v1/matrix?route=orders");
    assert!(one["rows"].as_array().unwrap().iter().all(|row| row["route"] == "orders"));
    site.call("GET", "/api/v1/matrix?route=none", None).expect(404);
}

#[test]
fn who_can_names_roles_and_everybody_in_the_store() {
    let backend = Backend::saying("reached");
    let site = Site::start(&routes(&backend, "[USER]"));
    let add = json!({ "name": "mina", "password": "a lantern by the western gate", "roles": ["USER"], "attributes": { "tenant": "acme" } });
    site.call("POST", "/api/v1/users", Some(&add)).expect(201);
    let off = json!({ "name": "off", "password": "a lantern by the western gate", "roles": ["USER"] });
    site.call("POST", "/api/v1/users", Some(&off)).expect(201);
    site.call("PUT", "/api/v1/users/off/state", Some(&json!({ "disabled": true }))).expect(200);
    let key = |body: Value| {
        let made = site.call("POST", "/api/v1/keys", Some(&body)).expect(201).json();
        made["key"]["id"].as_str().or(made["id"].as_str()).unwrap().to_owned()
    };
    let may = key(json!({ "owner": "billing", "name": "reads", "roles": ["USER"] }));
    let near = key(
        json!({ "owner": "billing", "name": "near", "roles": ["USER"], "allowed_addresses": ["10.0.0.0/8"] }),
    );
    let gone = key(json!({ "owner": "billing", "name": "gone", "roles": ["USER"] }));
    site.call("POST", &format!("/api/v1/keys/{gone}/revoke"), None);
    site.call("POST", "/api/v1/clients", Some(&json!({ "name": "worker", "roles": ["USER"] }))).expect(201);
    let ask = |query: &str| {
        site.call_as(&site.auditor, "GET", &format!("/api/v1/who-can?{query}"), None).expect(200).json()
    };
    let orders = ask("method=GET&path=/orders/7");
    assert_eq!(orders["route"], "orders");
    assert_eq!(orders["roles"], json!([{ "role": "USER", "outcome": "allow" }]));
    assert_eq!(names(&orders["users"]), ["alice", "mina"]);
    assert_eq!(names(&orders["clients"]), ["worker"]);
    let ids: Vec<&str> =
        orders["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&&*may) && ids.contains(&&*near), "{orders}");
    let of_near = orders["keys"].as_array().unwrap().iter().find(|key| key["id"] == *near).unwrap();
    assert_eq!(of_near["outcome"], "depends");
    assert!(of_near["depends_on"][0].as_str().unwrap().contains("10.0.0.0/8"));
    assert_eq!(names(&ask("method=GET&path=/tenants/acme")["users"]), ["mina"]);
    assert_eq!(ask("method=GET&path=/tenants/other")["users"], json!([]));
    let region = ask("method=GET&path=/region");
    assert_eq!(region["users"][0]["outcome"], "depends", "{region}");
    assert_eq!(region["users"][0]["depends_on"], json!(["context.headers.region"]));
    assert_eq!(region["roles"][0]["outcome"], "depends");
    let open = ask("method=GET&path=/open/x");
    assert_eq!(open["roles"][0], json!({ "role": "anonymous", "outcome": "allow" }));
    assert!(ask("method=GET&path=/nowhere")["reason"].as_str().unwrap().starts_with("404"));
    assert!(ask("method=PUT&path=/orders/7")["reason"].as_str().unwrap().starts_with("405"));
    for odd in ["method=G%20T&path=/", "method=GET&path=x"] {
        site.call("GET", &format!("/api/v1/who-can?{odd}"), None).expect(422);
    }
    site.call("GET", "/api/v1/who-can?method=GET", None).expect(400);
    // Without the store nobody knows who may: that is no fault of the question.
    let folder = site.gate.folder();
    std::fs::rename(folder.file("haechi.db"), folder.file("away.db")).unwrap();
    let mina = json!({ "method": "GET", "path": "/orders/7", "caller": { "user": "mina" } });
    site.call("POST", "/api/v1/explain", Some(&mina)).expect(503);
    site.call("GET", "/api/v1/who-can?method=GET&path=/orders/7", None).expect(503);
    site.call("GET", "/api/v1/audit?subject=mina", None).expect(503);
}

#[test]
fn issuers_are_shown_with_their_keys_and_what_went_wrong() {
    let backend = Backend::saying("reached");
    let key = Key::ed25519("k1");
    let (provider, down) = (IdentityProvider::start(&[&key]), Unreachable::refusing());
    let more = format!(
        "{}  - {{ name: corp, match: {{ path: /corp }}, authenticate: [corp, gone], authorize: any, service: web }}\n",
        routes(&backend, "[USER]")
    );
    let site = Site::start_with(
        &format!(
            "corp: {{ type: jwt, issuer: \"{}\", audiences: [orders] }}, gone: {{ type: jwt, issuer: \"https://gone.example\", audiences: [orders], keys: {{ jwks_url: \"http://{}/keys\" }} }}",
            provider.issuer(),
            down.address()
        ),
        &more,
    );
    let all = eventually(PATIENCE, || {
        let all = site.get("/api/v1/issuers");
        let of = |name: &str| {
            all["items"].as_array().unwrap().iter().find(|one| one["authenticator"] == name).unwrap().clone()
        };
        (of("gone")["last_error"].is_string() && of("corp")["ready"] == true).then_some([
            of("local"),
            of("corp"),
            of("gone"),
        ])
    });
    let [local, corp, gone] = all;
    assert_eq!((&local["source"], &local["issuer"]), (&json!("here"), &json!("http://localhost:8080")));
    assert!(
        local["keys"][0]["kid"].is_string() && local["keys"][0]["algorithms"] == json!(["EdDSA"]),
        "{local}"
    );
    assert_eq!(corp["source"], "discovery");
    assert!(
        corp["age_seconds"].as_f64().unwrap() < 3600.0 && !corp["keys"].as_array().unwrap().is_empty(),
        "{corp}"
    );
    assert_eq!((&gone["source"], &gone["ready"]), (&json!("jwks_url"), &json!(false)));
    assert!(gone["failed"].as_u64().unwrap() > 0 && gone["reason"].is_string(), "{gone}");
}

#[test]
fn certificates_are_shown_with_their_names_and_days() {
    let backend = Backend::saying("reached");
    let authority = Authority::new("Test Root");
    assert_eq!(Site::start(&routes(&backend, "[USER]")).get("/api/v1/certificates")["items"], json!([]));
    let listeners = "listeners: [{ bind: 127.0.0.1:0 }, { bind: 127.0.0.1:0, tls: { certificates: [{ certificate: site.pem, key: site.key }] } }]";
    let site = Site::start_in(
        &format!("{listeners}\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\n{}", routes(&backend, "[USER]")),
        |folder| authority.leaf(&["www.example.com", "api.example.com"]).write(folder, "site"),
    );
    let shown = site.get("/api/v1/certificates")["items"][0].clone();
    assert_eq!(shown["names"], json!(["www.example.com", "api.example.com"]), "{shown}");
    assert_eq!((&shown["used_for"], &shown["listeners"]), (&json!("listener"), &json!(["127.0.0.1:0"])));
    assert!(shown["issuer"].as_str().unwrap().contains("Test Root"), "{shown}");
    assert!(shown["days_left"].as_i64().unwrap() > 0 && shown["not_after"].is_string());
}
