//! `explain`, `test` and `matrix`: what they say of access rules, and that the gate does as they say.

use crate::harness::{Folder, Gate, PASSWORD, haechi, python, routes_to};
use haechi_testkit::{Backend, jose};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const HEAD: &str = "\
store: sqlite:haechi.db
identity: { issuer: http://localhost:8080, path: /auth }
caller_attributes: { tenant: string, clearance: long, mfa: bool }
context_headers: { tenant: X-Tenant }
authenticators:
  local: { type: jwt, issuer: self }
  partner: { type: api_key, header: X-API-Key }
roles: { USER: {}, MANAGER: { includes: [USER] }, ADMIN: { includes: [MANAGER] }, GUEST: {} }
policies: [rules.cedar]
";

const POLICIES: &str = r#"// Nobody writes without a second factor.
@id("second-factor")
forbid(principal, action in Action::"write", resource == Route::"r1")
  unless { principal has mfa && principal.mfa };

@id("guests")
forbid(principal in Role::"GUEST", action, resource == Route::"r1");

permit(principal in Role::"MANAGER", action in Action::"read", resource == Route::"r4");
"#;

const ROUTES: [(&str, &str, &str); 6] = [
    ("/public/**", "anonymous", "any"),
    ("/admin/**", "[local, partner]", "{ roles: [ADMIN] }"),
    ("/scoped", "[local]", "{ scopes: [\"orders:read\", \"orders:write\"] }"),
    (
        "/t/{tenant}/x",
        "[local]",
        "{ when: \"principal.tenant == context.params.tenant && principal.clearance > 2\" }",
    ),
    ("/policy", "[local]", "policy"),
    ("/closed", "[local]", "{ roles: [USER], when: context.headers.tenant == \"acme\" }"),
];

fn configuration(backend: &Backend) -> String {
    format!("{HEAD}{}", routes_to(backend, &ROUTES))
}

fn folder() -> Folder {
    let backend = Backend::saying("never reached");
    let folder = Folder::new(&configuration(&backend));
    folder.write("rules.cedar", POLICIES);
    folder
}

#[track_caller]
fn explain(folder: &Folder, method: &str, path: &str, more: &[&str]) -> Value {
    let all = [&["explain", "--output", "json", "--method", method, "--path", path], more].concat();
    let told = haechi(folder.path(), &all).success();
    serde_json::from_str(&told.stdout).unwrap()
}

#[test]
fn explain_says_why_each_kind_of_rule_denies_and_the_change_that_it_proposes_helps() {
    let folder = folder();
    for (method, path, caller, because, change) in [
        ("GET", "/admin/x", &["--role", "USER"][..], "`ADMIN`", &["--role", "ADMIN"][..]),
        (
            "GET",
            "/scoped",
            &["--scope", "orders:read"],
            "`orders:write`",
            &["--scope", "orders:read", "--scope", "orders:write"],
        ),
        (
            "GET",
            "/t/acme/x",
            &["--attr", "clearance=1"],
            "`when`",
            &["--attr", "clearance=3", "--attr", "tenant=acme"],
        ),
        ("GET", "/policy", &["--role", "USER"], "no policy permits it", &["--role", "MANAGER"]),
        (
            "POST",
            "/admin/x",
            &["--role", "ADMIN"],
            "rules.cedar:2 (`second-factor`) forbids it",
            &["--role", "ADMIN", "--attr", "mfa=true"],
        ),
    ] {
        let told = explain(&folder, method, path, caller);
        assert_eq!((&told["outcome"], &told["status"]), (&json!("denied"), &json!(403)), "{told:#}");
        assert!(told["because"].as_str().unwrap().contains(because), "{told:#}");
        assert!(!told["change"]["steps"].as_array().unwrap().is_empty(), "{told:#}");
        let said = told["change"]["said"].as_str().unwrap();
        for value in
            change.iter().filter(|word| !word.starts_with("--")).map(|word| word.rsplit('=').next().unwrap())
        {
            assert!(said.contains(value) || caller.contains(&value), "no {value}: {said}");
        }
        let better = explain(&folder, method, path, change);
        assert_eq!(better["outcome"], "allowed", "{better:#}");
        assert!(better.get("change").is_none(), "{better:#}");
    }
}

#[test]
fn explain_lists_rules_with_their_places_facts_and_headers() {
    let folder = folder();
    let text = |arguments: &[&str]| {
        haechi(folder.path(), &[&["explain", "--method", "GET", "--path"], arguments].concat())
            .success()
            .stdout
    };
    let denied = text(&["/admin/x", "--role", "GUEST", "--authenticator", "partner"]);
    assert!(denied.starts_with("denied (403)  GET localhost/admin/x\n  because "), "{denied}");
    for word in [
        "> false  roles: any of ADMIN",
        "> true   forbid `guests`",
        "rules.cedar:6",
        "2 policies are about other",
    ] {
        assert!(denied.contains(word), "no {word}: {denied}");
    }
    assert!(text(&["/admin/x", "--role", "GUEST", "--all"]).contains("n/a"));
    let closed = text(&["/closed", "--role", "USER", "--header", "X-Tenant: acme"]);
    assert!(closed.starts_with("allowed (200)") && closed.contains("x-auth-roles: USER"), "{closed}");
    assert!(closed.contains("context.headers.tenant  \"acme\""), "{closed}");
    let missing = text(&["/closed", "--role", "USER"]);
    assert!(missing.contains("context.headers.tenant  missing"), "{missing}");
    assert!(missing.contains("no change of the caller would allow it"), "{missing}");
    assert!(text(&["/admin/x", "--anonymous"]).starts_with("unauthenticated (401)"));
    let usage =
        haechi(folder.path(), &["explain", "--method", "GET", "--path", "/x", "--authenticator", "nobody"]);
    assert_eq!(usage.code, 2, "{usage:#?}");
}

const CASES: &str = "\
- name: administrators read
  request: { method: GET, path: /admin/x }
  caller: { roles: [ADMIN], authenticator: partner }
  expect: allow
- name: \"guests <do> & don't\"
  request: { method: GET, path: /admin/x }
  caller: { roles: [GUEST] }
  expect: deny
- name: nobody
  request: { method: GET, path: /admin/x }
  caller: anonymous
  expect: 401
- name: their own tenant
  request: { method: GET, path: /t/acme/x, time: \"2026-11-23T10:00:00Z\" }
  caller: { attributes: { tenant: acme, clearance: 3 } }
  expect: { route: r3 }
- name: the header counts
  request: { method: GET, path: /closed, headers: { X-Tenant: acme } }
  caller: { roles: [USER] }
  expect: allow
- name: nothing there
  request: { method: GET, path: /nowhere }
  expect: 404
";

#[test]
fn cases_pass_and_coverage_names_what_is_left() {
    let folder = folder();
    folder.write("cases.yaml", CASES);
    let told = haechi(folder.path(), &["test", "cases.yaml", "--coverage"]).success().stdout;
    assert!(told.contains("6 passed, 0 failed"), "{told}");
    assert!(told.contains("never reached     the route `r4`"), "{told}");
    assert!(told.contains("never seen false  the clause `when` (haechi.yaml:18)"), "{told}");
    assert!(!told.contains("the clause `roles` of the route `r1`"), "seen true and false: {told}");
    assert!(!folder.file("haechi.db").exists(), "no store is opened");
}

#[test]
fn a_failing_case_is_explained_and_junit_is_xml() {
    let folder = folder();
    folder.write("cases.yaml", &CASES.replacen("expect: deny", "expect: allow", 1));
    let told = haechi(folder.path(), &["test", "cases.yaml"]);
    assert_eq!(told.code, 1);
    for word in [
        "FAIL  guests",
        "cases.yaml:5:3",
        "expected allow, got denied (403)",
        "| denied (403)",
        "5 passed, 1 failed",
    ] {
        assert!(told.stdout.contains(word), "no {word}: {}", told.stdout);
    }
    let xml = haechi(folder.path(), &["test", "cases.yaml", "--output", "junit"]);
    assert_eq!(xml.code, 1);
    folder.write("junit.xml", &xml.stdout);
    let read = "import sys, xml.etree.ElementTree as e; r = e.parse(sys.argv[1]).getroot(); c = list(r.iter('testcase')); \
                f = [x for x in c if x.find('failure') is not None]; print(r.get('tests'), len(c), len(f), f[0].get('name'), f[0].get('line'))";
    let parsed = python(read, &[folder.file("junit.xml").to_str().unwrap()]);
    assert_eq!(parsed, "6 6 1 guests <do> & don't 5");
    let json = haechi(folder.path(), &["test", "cases.yaml", "--output", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&json!(5), &json!(1)));
}

#[test]
fn a_bad_file_of_cases_is_told_with_its_place() {
    let folder = folder();
    folder.write(
        "bad.yaml",
        "- name: a\n  request: { method: GET, path: /x, hots: a }\n  caller: { roles: [ADMIM] }\n  expect: perhaps\n",
    );
    let told = haechi(folder.path(), &["test", "bad.yaml"]);
    assert_eq!(told.code, 1);
    for word in ["bad.yaml:2:37", "`host`", "bad.yaml:3:21", "`ADMIN`", "bad.yaml:4:11"] {
        assert!(told.stderr.contains(word), "no {word}: {}", told.stderr);
    }
    assert_eq!(haechi(folder.path(), &["test", "bad.yaml", "--output", "html"]).code, 2);
}

#[test]
fn cases_say_what_decision_points_answer() {
    let backend = Backend::saying("never reached");
    let folder = Folder::new(&format!(
        "decision_points: {{ pdp: {{ type: opa, url: \"{}/v1\" }} }}\n{}",
        backend.url(),
        routes_to(&backend, &[("/asked", "anonymous", "{ external: pdp }")])
    ));
    let case = |points: &str, expect: &str| {
        format!(
            "- {{ name: \"{expect}{points}\", request: {{ method: GET, path: /asked }}{points}, expect: {expect} }}\n"
        )
    };
    let cases: String = [("allow", "allow"), ("deny", "deny"), ("unavailable", "503")]
        .map(|(says, expect)| case(&format!(", decision_points: {{ pdp: {says} }}"), expect))
        .concat();
    folder.write("cases.yaml", &cases);
    let told = haechi(folder.path(), &["test", "cases.yaml"]).success().stdout;
    assert!(told.contains("3 passed, 0 failed"), "{told}");
    folder.write("silent.yaml", &(case("", "allow") + &case("", "503")));
    let told = haechi(folder.path(), &["test", "silent.yaml"]);
    assert_eq!(told.code, 1);
    assert!(told.stdout.contains("0 passed, 2 failed"), "{}", told.stdout);
    assert!(told.stdout.contains("add `decision_points: { pdp: allow }`"), "{}", told.stdout);
    assert!(backend.recorded().is_empty(), "nobody is asked");
}

#[test]
fn the_matrix_is_a_table_csv_json_and_html() {
    let folder = folder();
    let matrix = |form: &str| haechi(folder.path(), &["matrix", "--output", form]).success().stdout;
    let table = matrix("text");
    assert!(table.contains("[1] ") && table.contains("depends [1]"), "{table}");
    assert!(table.contains("identity-login (built in)") && !table.contains("r1 (built in)"), "{table}");
    let json: Value = serde_json::from_str(&matrix("json")).unwrap();
    assert_eq!(json["columns"], json!(["anonymous", "no role", "ADMIN", "GUEST", "MANAGER", "USER"]));
    folder.write("matrix.csv", &matrix("csv"));
    let read = "import csv, sys; r = list(csv.DictReader(open(sys.argv[1], newline=''))); \
                f = lambda n, m: [x for x in r if (x['route'], x['method']) == (n, m)][0]; \
                print(len(r), f('r1', 'GET')['ADMIN'], f('r1', 'GET')['GUEST'], f('r2', 'GET')['USER'], \
                f('r2', 'GET')['built in'], f('identity-login', 'POST')['built in'])";
    let parsed = python(read, &[folder.file("matrix.csv").to_str().unwrap()]);
    let scopes = "principal.scopes.containsAll([\"orders:read\", \"orders:write\"])";
    assert_eq!(parsed, format!("81 allow deny depends: {scopes} no yes"));
    folder.write("matrix.html", &matrix("html"));
    let parsed: Value =
        serde_json::from_str(&python(HTML, &[folder.file("matrix.html").to_str().unwrap()])).unwrap();
    assert_eq!(parsed["unsafe"], json!([]), "no script and nothing from elsewhere");
    assert_eq!(
        (&parsed["open"], &parsed["rows"]),
        (&json!([]), &json!(json["rows"].as_array().unwrap().len() + 1))
    );
    assert!(parsed["text"].as_str().unwrap().contains(scopes), "{parsed}");
    let login = haechi(folder.path(), &["matrix", "--route", "identity-login", "--output", "json"]).success();
    let login: Value = serde_json::from_str(&login.stdout).unwrap();
    assert_eq!(login["rows"].as_array().unwrap().len(), 1, "{login:#}");
    assert_eq!(
        (&login["rows"][0]["built_in"], &login["rows"][0]["methods"]),
        (&json!(true), &json!(["POST"]))
    );
    assert_eq!(haechi(folder.path(), &["matrix", "--output", "junit"]).code, 2);
    assert_eq!(haechi(folder.path(), &["matrix", "--route", "nowhere"]).code, 2);
    assert!(!folder.file("haechi.db").exists(), "no store is opened");
}

const HTML: &str = r#"
import html.parser, json, sys
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.bad, self.stack, self.rows, self.text = [], [], 0, ""
    def handle_starttag(self, tag, attrs):
        if tag in ("script", "link", "img", "iframe", "object", "embed", "base"):
            self.bad.append(tag)
        self.bad += [k for k, _ in attrs if k in ("src", "href", "srcset", "style") or k.startswith("on")]
        self.rows += tag == "tr"
        if tag != "meta":
            self.stack.append(tag)
    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.bad.append("/" + tag)
    def handle_data(self, data):
        if self.stack and self.stack[-1] == "style" and ("url(" in data or "@import" in data):
            self.bad.append("style")
        self.text += data
page = Page()
page.feed(open(sys.argv[1]).read())
page.close()
print(json.dumps({"unsafe": page.bad, "open": page.stack, "rows": page.rows, "text": page.text}))
"#;

#[test]
fn the_gate_does_as_the_matrix_says() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&configuration(&backend));
    let guests = "forbid(principal in Role::\"GUEST\", action, resource);";
    folder.write("rules.cedar", &format!("{POLICIES}{guests}"));
    let matrix = haechi(folder.path(), &["matrix", "--output", "json"]).success().stdout;
    let matrix: Value = serde_json::from_str(&matrix).unwrap();
    let keys = ["ADMIN", "GUEST", "MANAGER", "USER"]
        .map(|role| (role, folder.create_key(&["--owner", "acme", "--role", role])));
    folder.add_user("guest", &["GUEST", "USER"]);
    let gate = Gate::start_in(folder).ready();
    built_in_routes_do_as_the_matrix_says(&gate, &matrix);
    let mut reached = 0;
    for (path, route, method) in
        [("/public/x", "r0", "GET"), ("/admin/x", "r1", "GET"), ("/admin/x", "r1", "DELETE")]
    {
        for (role, key) in &keys {
            let outcome = cell(&matrix, route, method, role);
            // The one condition asks for a second factor, which a key does not have.
            let expected = if outcome == "allow" { 200 } else { 403 };
            let field = format!("X-API-Key: {key}");
            let reply = gate.curl(path, &["--request", method, "--header", &field]);
            assert_eq!(reply.status, expected, "{method} {path} as {role}: {outcome}");
            reached += usize::from(expected == 200);
        }
        let open = cell(&matrix, route, method, "anonymous") == "allow";
        gate.curl(path, &["--request", method]).expect(if open { 200 } else { 401 });
        reached += usize::from(open);
    }
    assert_eq!(cell(&matrix, "r1", "DELETE", "ADMIN"), "depends");
    assert_eq!((reached, backend.recorded().len()), (6, 6), "what was refused did not arrive");
}

/// What is open to nobody in particular is, and what asks for one of our tokens takes it, of a caller whom every policy refuses as well.
fn built_in_routes_do_as_the_matrix_says(gate: &Gate, matrix: &Value) {
    let rows = matrix["rows"].as_array().unwrap().iter().filter(|row| row["built_in"] == true);
    let names: BTreeSet<&str> = rows.map(|row| row["route"].as_str().unwrap()).collect();
    let login = json!({ "username": "guest", "password": PASSWORD }).to_string();
    let tokens = gate.curl("/auth/login", &["--json", &login]).expect(200).json();
    let refresh = json!({ "refresh_token": tokens["refresh_token"] }).to_string();
    let bearer = format!("Authorization: Bearer {}", tokens["access_token"].as_str().unwrap());
    gate.curl("/closed", &["--header", &bearer, "--header", "X-Tenant: acme"]).expect(403);
    let expected: [(&str, &str, &str, &[&str], u16); 16] = [
        ("identity-login", "POST", "/auth/login", &["--json", &login], 200),
        ("identity-refresh", "POST", "/auth/refresh", &["--json", &refresh], 200),
        ("identity-token", "POST", "/auth/token", &["--data", "grant_type=x"], 400),
        ("identity-revoke", "POST", "/auth/revoke", &["--data", "token=x"], 200),
        ("identity-introspect", "POST", "/auth/introspect", &["--data", "token=x"], 401),
        ("identity-authorize", "GET", "/auth/authorize", &[], 400),
        ("identity-userinfo", "GET", "/auth/userinfo", &[], 401),
        ("identity-end-session", "GET", "/auth/end_session", &[], 200),
        ("identity-jwks", "GET", "/.well-known/jwks.json", &[], 200),
        ("identity-discovery", "GET", "/.well-known/openid-configuration", &[], 200),
        ("identity-me", "GET", "/auth/me", &[], 200),
        ("identity-password", "POST", "/auth/password", &["--json", "{}"], 400),
        ("identity-totp", "POST", "/auth/totp", &["--json", "{}"], 400),
        ("identity-account", "GET", "/auth/account", &[], 200),
        ("identity-sessions", "GET", "/auth/sessions", &[], 200),
        ("identity-logout", "POST", "/auth/logout", &["--request", "POST"], 204),
    ];
    assert_eq!(names, expected.iter().map(|(route, ..)| *route).collect());
    for (route, method, path, asks, done) in expected {
        let open = cell(matrix, route, method, "anonymous") == "allow";
        gate.curl(path, asks).expect(if open { done } else { 401 });
        assert_eq!(cell(matrix, route, method, "GUEST"), "allow", "{route}");
        if !open {
            gate.curl(path, &[asks, &["--header", &bearer]].concat()).expect(done);
        }
    }
    gate.curl("/auth/nothing", &[]).expect(404);
}

fn cell<'a>(matrix: &'a Value, route: &str, method: &str, column: &str) -> &'a str {
    let column = matrix["columns"].as_array().unwrap().iter().position(|name| name == column).unwrap();
    let has =
        |row: &&Value| row["route"] == route && row["methods"].as_array().unwrap().contains(&json!(method));
    let row = matrix["rows"].as_array().unwrap().iter().find(has).unwrap();
    row["cells"][column]["outcome"].as_str().unwrap()
}

#[test]
fn explain_puts_a_token_where_it_is_told_to_and_takes_sets_by_member() {
    let secret = "0123456789abcdef0123456789abcdef";
    let backend = Backend::saying("never reached");
    let folder = Folder::new(&format!(
        "caller_attributes: {{ groups: set }}
authenticators:
  app: {{ type: jwt, issuer: \"https://i.example\", audiences: [a], keys: {{ secret: {secret} }}, from: [{{ cookie: session }}, {{ header: X-Token }}, {{ websocket_protocol: bearer. }}] }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: any, match: {{ path: /any }}, authenticate: app, authorize: any, service: web }}
  - {{ name: set, match: {{ path: /set }}, authenticate: app, authorize: {{ when: 'principal.groups == [\"a,b\", \"c\"]' }}, service: web }}
",
        backend.url()
    ));
    let claims = jose::with(&jose::claims("https://i.example", "alice"), &json!({ "aud": "a" }));
    let token = jose::Key::hmac("k", secret.as_bytes()).token(&claims);
    let status = |more: &[&str]| {
        explain(&folder, "GET", "/any", &[&["--token", &token], more].concat())["status"].clone()
    };
    for (place, expected) in [
        (&[][..], 200),
        (&["--token-in", "cookie:session"], 200),
        (&["--token-in", "header:X-Token"], 200),
        (&["--token-in", "websocket_protocol:bearer."], 200),
        (&["--token-in", "bearer"], 401),
        (&["--token-in", "cookie:other"], 401),
        (&["--token-in", "websocket_protocol:other."], 401),
    ] {
        assert_eq!(status(place), json!(expected), "{place:?}");
    }
    let set = |more: &[&str]| explain(&folder, "GET", "/set", more)["status"].clone();
    assert_eq!(set(&["--attr", "groups=a,b", "--attr", "groups=c"]), json!(200));
    assert_eq!(set(&["--attr", "groups=a", "--attr", "groups=b", "--attr", "groups=c"]), json!(403));
    assert_eq!(
        haechi(folder.path(), &["explain", "--method", "GET", "--path", "/any", "--token-in", "bearer"]).code,
        2
    );
}
