//! Policy files, conditions and the request headers that they read: who may pass, and what comes into force when they change.

use crate::harness::{Folder, Gate, PATIENCE, curl, eventually, haechi, routes_to};
use haechi_core::{Clock, SystemClock};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

struct Site {
    backend: Backend,
    provider: IdentityProvider,
    gate: Gate,
    key: Key,
}

/// Files of policies, then the routes `r0`, `r1`, … .
fn start(policies: &[(&str, &str)], routes: &[(&str, &str, &str)]) -> Site {
    let key = Key::p256("e");
    let provider = IdentityProvider::start(&[&key]);
    let backend = Backend::saying("reached");
    let files = if policies.is_empty() { "" } else { "policies: [policies/*.cedar]\n" };
    let folder = Folder::new(&format!(
        "trusted_proxies: [127.0.0.1/32]
reload: {{ watch: false }}
caller_attributes: {{ tenant: string, clearance: long, mfa: bool }}
context_headers: {{ tenant: X-Tenant }}
roles: {{ USER: {{}}, MANAGER: {{ includes: [USER] }}, ADMIN: {{ includes: [MANAGER] }} }}
authenticators:
  corp:
    type: jwt
    issuer: \"{}\"
    audiences: [orders]
    keys: discovery
    claims: {{ roles: /roles, scopes: /scope, tenant: /tenant, clearance: /clearance, mfa: /mfa }}
{files}{}",
        provider.issuer(),
        routes_to(&backend, routes)
    ));
    std::fs::create_dir(folder.file("policies")).unwrap();
    for (name, text) in policies {
        folder.write(&format!("policies/{name}.cedar"), text);
    }
    let gate = Gate::start_in(folder).ready();
    Site { backend, provider, gate, key }
}

impl Site {
    fn bearer(&self, members: &Value) -> String {
        let token = self.key.token(&with(&self.provider.claims("alice"), members));
        format!("Authorization: Bearer {token}")
    }

    fn status(&self, method: &str, path: &str, members: &Value, more: &[&str]) -> u16 {
        let bearer = self.bearer(members);
        let fields = more.iter().copied().chain([bearer.as_str()]).flat_map(|field| ["--header", field]);
        let arguments: Vec<&str> = ["--request", method].into_iter().chain(fields).collect();
        self.gate.curl(path, &arguments).status
    }

    fn get(&self, path: &str, members: &Value) -> u16 {
        self.status("GET", path, members, &[])
    }

    /// What was refused did not arrive.
    #[track_caller]
    fn arrived(&self, count: usize) {
        assert_eq!(self.backend.recorded().len(), count);
    }

    fn generation(&self) -> u64 {
        self.gate.metric("haechi_config_generation", &[]) as u64
    }

    /// Reloads, and waits until that is done.
    fn reload(&self) {
        let before = self.generation();
        self.gate.signal("HUP");
        eventually(PATIENCE, || (self.generation() > before).then_some(()));
    }
}

#[test]
fn roles_attributes_and_methods_decide_by_policy_files() {
    let site = start(
        &[
            (
                "reading",
                r#"permit(principal in Role::"USER", action in Action::"read", resource == Route::"r0");"#,
            ),
            (
                "writing",
                r#"
permit(principal in Role::"MANAGER", action in Action::"write", resource in Service::"web")
when { principal has mfa && principal.mfa };
"#,
            ),
        ],
        &[("/reports/**", "[corp]", "policy"), ("/closed", "[corp]", "policy")],
    );
    let table = [
        ("GET", json!({}), 403),
        ("GET", json!({"roles": ["USER"]}), 200),
        ("GET", json!({"roles": ["ADMIN"]}), 200),
        ("POST", json!({"roles": ["USER"], "mfa": true}), 403),
        ("POST", json!({"roles": ["MANAGER"]}), 403),
        ("POST", json!({"roles": ["MANAGER"], "mfa": false}), 403),
        ("POST", json!({"roles": ["ADMIN"], "mfa": true}), 200),
        ("DELETE", json!({"roles": ["MANAGER"], "mfa": true}), 200),
    ];
    for (method, members, expected) in &table {
        assert_eq!(site.status(method, "/reports/q3", members, &[]), *expected, "{method} {members}");
    }
    site.arrived(4);
    // No policy reads `r1`.
    assert_eq!(site.get("/closed", &json!({"roles": ["ADMIN"], "mfa": true})), 403);
    site.arrived(4);
}

#[test]
fn a_forbid_wins_over_a_routes_own_grant_and_a_permit_opens_no_clause() {
    let site = start(
        &[
            (
                "a",
                r#"forbid(principal, action, resource) when { principal has tenant && principal.tenant == "gone" };"#,
            ),
            ("b", "permit(principal, action, resource);"),
        ],
        &[
            ("/any", "[corp]", "any"),
            ("/admin", "[corp]", "{ roles: [ADMIN] }"),
            ("/policy", "[corp]", "policy"),
        ],
    );
    for path in ["/any", "/admin", "/policy"] {
        assert_eq!(site.get(path, &json!({"roles": ["ADMIN"], "tenant": "gone"})), 403, "{path}");
    }
    assert_eq!(site.get("/admin", &json!({"roles": ["USER"], "tenant": "acme"})), 403);
    site.arrived(0);
    assert_eq!(site.get("/any", &json!({"tenant": "acme"})), 200);
    assert_eq!(site.get("/policy", &json!({})), 200);
    assert_eq!(site.get("/admin", &json!({"roles": ["ADMIN"]})), 200);
    site.arrived(3);
}

#[test]
fn a_condition_compares_caller_and_request() {
    let site = start(
        &[],
        &[
            (
                "/tenants/{tenant}/orders",
                "[corp]",
                "{ roles: [USER], when: principal.tenant == context.params.tenant }",
            ),
            ("/secret/**", "[corp]", "{ when: principal.clearance >= 3 }"),
            ("/inner/**", "anonymous", "{ when: 'context.ip.isInRange(ip(\"10.0.0.0/8\"))' }"),
            ("/write", "[corp]", "{ when: 'action in Action::\"read\" || principal.mfa' }"),
        ],
    );
    let user = |tenant: &str| json!({"roles": ["USER"], "tenant": tenant});
    assert_eq!(site.get("/tenants/acme/orders", &user("acme")), 200);
    assert_eq!(site.get("/tenants/acme/orders", &user("other")), 403);
    assert_eq!(site.get("/tenants/acme/orders", &json!({"tenant": "acme"})), 403, "no role");
    assert_eq!(site.get("/tenants/acme/orders", &json!({"roles": ["USER"]})), 403, "no tenant");
    for (clearance, expected) in [(json!(2), 403), (json!(3), 200), (json!(4), 200), (json!(null), 403)] {
        assert_eq!(site.get("/secret/x", &json!({"clearance": clearance})), expected, "{clearance}");
    }
    let from =
        |address: &str| site.gate.get_with("/inner/x", &[&format!("X-Forwarded-For: {address}")]).status;
    assert_eq!(
        (from("10.1.2.3"), from("11.0.0.1"), from("::ffff:10.9.9.9"), from("::1")),
        (200, 403, 200, 403)
    );
    for (members, read, write) in
        [(json!({"mfa": true}), 200, 200), (json!({"mfa": false}), 200, 403), (json!({}), 403, 403)]
    {
        assert_eq!(site.get("/write", &members), read, "{members}");
        assert_eq!(site.status("POST", "/write", &members, &[]), write, "{members}");
    }
    site.arrived(1 + 2 + 2 + 3);
}

#[test]
fn doors_are_open_in_business_hours() {
    let seconds = SystemClock.now().as_seconds().unsigned_abs();
    let hour = seconds / 3600 % 24;
    let within = |from: u64, to: u64| {
        let (from, to) = ((hour + from) % 24, (hour + to) % 24);
        let both = if from < to { "&&" } else { "||" };
        format!(
            "{{ when: 'context.time.toTime() >= duration(\"{from}h\") {both} context.time.toTime() < duration(\"{to}h\")' }}"
        )
    };
    let (open, shut) = (within(23, 2), within(8, 11));
    let site = start(&[], &[("/open", "anonymous", &open), ("/shut", "anonymous", &shut)]);
    site.gate.get("/open").expect(200);
    site.gate.get("/shut").expect(403);
    site.arrived(1);
}

const BY_HEADER: &str = r#"
permit(principal, action, resource == Route::"r0")
when { principal has tenant && context.headers has tenant && principal.tenant == context.headers.tenant };
"#;

#[test]
fn a_header_that_policies_read_is_read_in_one_way_or_not_at_all() {
    let site = start(&[("p", BY_HEADER)], &[("/orders", "[corp]", "policy"), ("/any", "anonymous", "any")]);
    let acme = json!({"tenant": "acme"});
    assert_eq!(site.status("GET", "/orders", &acme, &["X-Tenant: acme"]), 200);
    assert_eq!(site.status("GET", "/orders", &acme, &["x-TENANT: acme"]), 200);
    assert_eq!(site.status("GET", "/orders", &acme, &["X-Tenant: other"]), 403);
    assert_eq!(site.status("GET", "/orders", &acme, &[]), 403);
    site.arrived(2);
    let unclear: [&[&str]; 9] = [
        &["X-Tenant: acme", "X-Tenant: acme"],
        &["X-Tenant: acme", "x-tenant: other"],
        &["X-Tenant: acme", "X_Tenant: other"],
        &["X_Tenant: acme"],
        &["X.Tenant: acme"],
        &["X-Tenant: ac\tme"],
        &["X-Tenant: acm\u{e9}"],
        &["X-Tenant: acme", "Connection: close, X-Tenant"],
        &["Connection: x_tenant"],
    ];
    for fields in unclear {
        assert_eq!(site.status("GET", "/orders", &acme, fields), 400, "{fields:?}");
        // Whatever the route: what policies read is part of every request.
        site.gate.get_with("/any", fields).expect(400);
    }
    site.arrived(2);
    // Behind the body it comes too late to be decided about, and goes nowhere.
    let mut raw = site.gate.converse();
    raw.send("POST /any HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Tenant\r\n\r\n1\r\na\r\n0\r\nX-Tenant: forged\r\n\r\n");
    assert_eq!(raw.answer().unwrap().status, 200);
    assert!(!format!("{:?}", site.backend.last()).contains("forged"));
}

const ALL: &str = r#"permit(principal, action, resource == Route::"r0");"#;

#[test]
fn policies_change_whole_while_requests_go_on() {
    const NONE: &str = "// nothing";
    let site = start(&[("a", ALL), ("b", NONE)], &[("/orders", "anonymous", "policy")]);
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let url = site.gate.url("/orders");
    let odd: Vec<u16> = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut odd = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let status = curl(&[&url]).status;
                asked.fetch_add(1, Ordering::Relaxed);
                odd.extend((status != 200).then_some(status));
            }
            odd
        });
        for round in 0..20 {
            // The old ones permit, the new ones permit; half of each would not.
            let (a, b) = if round % 2 == 0 { (NONE, ALL) } else { (ALL, NONE) };
            site.gate.folder().write("policies/a.cedar", a);
            site.gate.folder().write("policies/b.cedar", b);
            site.reload();
        }
        done.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert_eq!(odd, [0u16; 0]);
    assert_eq!(site.generation(), 21);
    site.arrived(asked.load(Ordering::Relaxed));
    site.gate.folder().write("policies/a.cedar", NONE);
    site.gate.folder().write("policies/b.cedar", NONE);
    site.reload();
    site.gate.get("/orders").expect(403);
}

#[test]
fn a_broken_policy_file_changes_nothing_and_says_where() {
    let site = start(&[("a", ALL)], &[("/orders", "anonymous", "policy")]);
    let folder = site.gate.folder();
    folder.write("policies/a.cedar", "permit(\n  principal,\n  action,\n  resource == Route::\"r9\"\n);\n");
    site.gate.signal("HUP");
    let refused = || site.gate.metric("haechi_config_reloads_total", &["refused"]) == 1.0;
    eventually(PATIENCE, || refused().then_some(()));
    site.gate.get("/orders").expect(200);
    assert_eq!(site.generation(), 1);
    let told = |part: &str| site.gate.log().iter().any(|line| line.contains(part));
    eventually(PATIENCE, || told("policies/a.cedar:4:").then_some(()));
    let checked = haechi(folder.path(), &["check", "--output", "json"]);
    let faults: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!((&faults[0]["file"], &faults[0]["line"]), (&json!("policies/a.cedar"), &json!(4)), "{faults}");
    assert!(faults[0]["message"].as_str().unwrap().contains("`r9`"), "{faults}");
}

#[test]
fn a_policy_file_that_changes_comes_or_goes_is_noticed() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "policies: [\"*.cedar\"]\n{}",
        routes_to(&backend, &[("/orders", "anonymous", "policy")])
    ));
    folder.write("a.cedar", ALL);
    let gate = Gate::start_in(folder);
    gate.get("/orders").expect(200);
    let becomes = |status: u16| eventually(PATIENCE, || (gate.get("/orders").status == status).then_some(()));
    gate.folder().write("b.cedar", "forbid(principal, action, resource);");
    becomes(403);
    std::fs::remove_file(gate.folder().file("b.cedar")).unwrap();
    becomes(200);
    gate.folder().write("a.cedar", "// nothing");
    becomes(403);
}

#[test]
fn the_schema_is_the_configurations() {
    let site = start(&[("a", ALL)], &[("/t/{tenant}", "[corp]", "policy")]);
    let folder = site.gate.folder();
    let text = haechi(folder.path(), &["schema", "cedar"]).success().stdout;
    for part in ["\"clearance\"?: Long", "\"tenant\"?: String", "entity User in [Role]", "action \"read\""] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = haechi(folder.path(), &["schema", "cedar", "--output", "json"]).success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json[""]["entityTypes"]["Route"].is_object(), "{json}");
    let checked = haechi(folder.path(), &["check"]).success().stdout;
    assert!(checked.contains("1 policy"), "{checked}");
}

#[test]
fn policies_read_headers_with_spaces_in_them() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "context_headers: {{ agent: User-Agent }}\nservices: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: {{ when: 'context.headers.agent like \"Mozilla/*\"' }}, service: web }}\n",
        backend.url()
    ));
    gate.get_with("/", &["User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"]).expect(200);
    gate.get_with("/", &["User-Agent: curl (of some kind)"]).expect(403);
    gate.get_with("/", &["User-Agent: Mozilla/5.0 \u{e9}"]).expect(400);
    assert_eq!(backend.recorded().len(), 1);
}
