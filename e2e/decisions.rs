//! What was decided, and why: told to operators and auditors after the fact, and to nobody else.

use crate::harness::{
    Finished, Folder, Gate, PASSWORD, PATIENCE, Reply, curl, eventually, haechi, routes_to,
};
use haechi_testkit::Backend;
use serde_json::{Value, json};

/// A gate with a user, an auditor and an operator, and `workers` workers.
struct Site {
    gate: Gate,
    auditor: String,
}

fn yaml(backend: &Backend, workers: usize) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: {workers}
reload: {{ watch: false }}
store: sqlite:haechi.db
access_log: {{ format: json, target: access.log }}
identity: {{ issuer: http://localhost:8080 }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key, header: X-API-Key }} }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
caller_attributes: {{ tenant: string }}
context_headers: {{ tenant: X-Tenant }}
policies: [rules.cedar]
{}",
        routes_to(
            backend,
            &[
                ("/open/**", "anonymous", "any"),
                ("/admin/**", "[local]", "{ roles: [ADMIN] }"),
                ("/users/**", "[local, partner]", "{ roles: [USER] }"),
                (
                    "/tenants/{tenant}",
                    "[local]",
                    "{ when: 'context.params.tenant == context.headers.tenant' }"
                ),
            ],
        )
    )
}

const RULES: &str = "// Nobody, for now.
@id(\"closed\")
forbid(principal, action, resource == Route::\"r2\")
when { context.path == \"/users/closed\" };
";

fn start(backend: &Backend, workers: usize) -> Site {
    let folder = Folder::exactly(&yaml(backend, workers));
    folder.write("rules.cedar", RULES);
    folder.add_user("alice", &["USER"]);
    folder.add_user("eve", &["haechi-auditor"]);
    let gate = Gate::start_in(folder).ready();
    let auditor = token(&gate, "eve");
    Site { gate, auditor }
}

fn token(gate: &Gate, name: &str) -> String {
    let login = json!({ "username": name, "password": PASSWORD });
    let answer = eventually(PATIENCE, || {
        let answer = gate.post_json("/auth/login", &login);
        (answer.status != 503).then_some(answer)
    });
    answer.expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

impl Site {
    fn ask_as(&self, token: &str, path: &str) -> Reply {
        let url = format!("http://{}{path}", self.gate.admin_address());
        curl(&["--header", &format!("Authorization: Bearer {token}"), &url])
    }

    fn ask(&self, path: &str) -> Reply {
        self.ask_as(&self.auditor, path)
    }

    /// The record of the decision that the answer names.
    #[track_caller]
    fn record(&self, refused: &Reply) -> Value {
        let id = refused.json()["decision_id"].as_str().expect("a decision's id").to_owned();
        eventually(PATIENCE, || {
            let reply = self.ask(&format!("/api/v1/decisions/{id}"));
            (reply.status == 200).then(|| reply.json())
        })
    }

    /// The decision of the request with this path, as the access log names it.
    #[track_caller]
    fn logged(&self, path: &str) -> String {
        eventually(PATIENCE, || {
            let text = std::fs::read_to_string(self.gate.folder().file("access.log")).ok()?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let line = lines.into_iter().find(|line| line["path"] == path)?;
            Some(line["decision_id"].as_str()?.to_owned())
        })
    }

    fn explain(&self, id: &str, more: &[&str]) -> Finished {
        let admin = format!("http://{}", self.gate.admin_address());
        let folder = self.gate.folder().path();
        haechi(folder, &[&["explain", "--decision", id, "--admin", &admin], more].concat())
    }
}

fn value<'a>(record: &'a Value, name: &str) -> &'a Value {
    let read = record["read"].as_array().unwrap();
    let fact = read.iter().find(|fact| fact["name"] == name);
    &fact.unwrap_or_else(|| panic!("`{name}` is not among {read:#?}"))["value"]
}

#[test]
fn a_denial_is_explained_by_its_id() {
    let backend = Backend::saying("reached");
    let site = start(&backend, 1);
    let alice = token(&site.gate, "alice");
    let refused = site.gate.get_with_token("/admin/users?page=2", &alice).expect(403);
    let record = site.record(&refused);
    assert_eq!((&record["outcome"], &record["generation"]), (&json!("deny"), &json!(1)));
    assert_eq!(record["decided_by"], json!([{ "kind": "clause", "name": "roles" }]));
    assert_eq!(record["any_of_roles"], json!(["ADMIN"]));
    assert_eq!(value(&record, "principal in Role::\"ADMIN\""), false);
    assert_eq!(record["request"]["path"], "/admin/users");
    assert_eq!(record["request"]["id"], refused.json()["request_id"]);
    assert_eq!(record["caller"]["roles"], json!(["USER"]));

    let id = record["id"].as_str().unwrap();
    let told = site.explain(id, &[]).success().stdout;
    for part in [
        "denied  GET 127.0.0.1",
        "because missing role: needs `ADMIN`",
        "any of these roles would have done: ADMIN",
        "generation 1",
        "roles   USER",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    // What it offers can be run as it stands.
    let offered = told.lines().last().unwrap().trim();
    let words: Vec<&str> = offered.strip_prefix("haechi ").unwrap().split(' ').collect();
    let again = haechi(site.gate.folder().path(), &words).success().stdout;
    assert!(again.contains("/admin/users") && again.contains("403"), "{again}");
    let printed: Value = serde_json::from_str(
        &site.explain(id, &["--output", "json", "--token", &site.auditor]).success().stdout,
    )
    .unwrap();
    assert_eq!(printed, record);
}

#[test]
fn conditions_and_policies_are_told_with_their_place_and_what_they_read() {
    let backend = Backend::saying("reached");
    let site = start(&backend, 1);
    let alice = token(&site.gate, "alice");
    let bearer = format!("Authorization: Bearer {alice}");
    let refused = site.gate.get_with("/tenants/acme", &[&bearer, "X-Tenant: other"]).expect(403);
    let record = site.record(&refused);
    let clause = &record["decided_by"][0];
    assert_eq!((&clause["name"], &clause["file"]), (&json!("when"), &json!("haechi.yaml")));
    let yaml = std::fs::read_to_string(site.gate.folder().file("haechi.yaml")).unwrap();
    let line = yaml.lines().position(|line| line.contains("when:")).unwrap() + 1;
    assert_eq!(clause["line"], line);
    assert_eq!(value(&record, "context.params.tenant"), "acme");
    assert_eq!(value(&record, "context.headers.tenant"), "other");

    let refused = site.gate.get_with_token("/users/closed", &alice).expect(403);
    let record = site.record(&refused);
    let policy = json!({ "kind": "policy", "file": "rules.cedar", "line": 2, "column": 1, "id": "closed" });
    assert_eq!(record["decided_by"], json!([policy]));
    assert_eq!(value(&record, "context.path"), "/users/closed");
    let told = site.explain(record["id"].as_str().unwrap(), &[]).success().stdout;
    assert!(told.contains("the policy `closed`, rules.cedar:2:1"), "{told}");
    assert!(backend.recorded().is_empty());
}

#[test]
fn an_allowed_request_is_explained_and_nothing_secret_is_kept() {
    let backend = Backend::saying("reached");
    let site = start(&backend, 2);
    let alice = token(&site.gate, "alice");
    let key = site.gate.folder().create_key(&["--owner", "acme", "--role", "USER"]);
    let secrets =
        [&alice, alice.rsplit('.').next().unwrap(), "cookie-secret", "query-secret", &key, "body-secret"];
    let bearer = format!("Authorization: Bearer {alice}");
    let data = ["--header", &bearer, "--header", "Cookie: s=cookie-secret", "--data", "body-secret"];
    site.gate.curl("/users/alice?token=query-secret", &data).expect(200);
    site.gate.get_with("/users/key", &[&format!("X-API-Key: {key}"), "X-Tenant: acme"]).expect(200);
    // Where nobody asks for it, it is a credential all the same.
    site.gate.get_with("/open/x", &[&format!("X-API-Key: {key}")]).expect(200);
    let id = site.logged("/users/alice");
    let told = site.explain(&id, &[]).success().stdout;
    assert!(told.starts_with("allowed  POST ") && told.contains("decided by the route itself"), "{told}");
    let all = site.ask("/api/v1/decisions?limit=200").expect(200);
    assert!(all.json()["items"].as_array().unwrap().len() >= 5, "{all:?}");
    assert_eq!(all.field("cache-control"), Some("no-store"));
    let text = all.text() + &told;
    for secret in secrets {
        assert!(!text.contains(secret), "`{secret}` is kept");
    }
    let keyed = site.ask("/api/v1/decisions?route=r2&subject=acme").expect(200).json();
    assert_eq!(keyed["items"][0]["request"]["headers"], json!({ "tenant": "acme" }));
    assert_eq!(keyed["items"][0]["caller"]["kind"], "ApiKey");
}

#[test]
fn only_operators_and_auditors_may_look_and_auditors_may_not_touch() {
    let backend = Backend::saying("reached");
    let site = start(&backend, 1);
    site.gate.folder().add_user("root", &["haechi-admin"]);
    let (root, alice) = (token(&site.gate, "root"), token(&site.gate, "alice"));
    let id = site.record(&site.gate.get_with_token("/admin/x", &alice).expect(403))["id"].clone();
    let one = format!("/api/v1/decisions/{}", id.as_str().unwrap());
    for path in ["/api/v1/decisions", "/api/v1/decisions/shadow", &one] {
        site.gate.admin(path).expect(401);
        site.ask_as("abc", path).expect(401);
        site.ask_as(&alice, path).expect(403);
        site.ask(path).expect(200);
        site.ask_as(&root, path).expect(200);
    }
    let bearer = format!("Authorization: Bearer {}", site.auditor);
    site.gate.admin_post("/api/v1/config/reload", &[&bearer], "").expect(403);
    site.gate.admin_post("/api/v1/config/validate", &[&bearer], "").expect(403);
    let stranger = site.explain(id.as_str().unwrap(), &["--token", &alice]);
    assert!(stranger.code == 1 && stranger.stderr.contains("haechi-auditor"), "{stranger:#?}");
    let unknown = site.explain(&"0123456789abcdef".repeat(2), &[]);
    assert!(unknown.code == 1 && unknown.stderr.contains("does not remember"), "{unknown:#?}");
    assert_eq!(site.explain("abc", &[]).code, 2);
    let missing = site.ask(&format!("/api/v1/decisions/{}", "0".repeat(32))).expect(404);
    assert_eq!(missing.field("content-type"), Some("application/problem+json"));
    for query in ["outcome=maybe", "limit=0", "limit=1000", "cursor=x", "nothing=1"] {
        site.ask(&format!("/api/v1/decisions?{query}")).expect(400);
    }
    let unnamed = haechi(site.gate.folder().path(), &["explain", "--decision", id.as_str().unwrap()]);
    assert!(unnamed.code == 2 && unnamed.stderr.contains("--admin"), "{unnamed:#?}");
}

#[test]
fn a_refused_request_survives_a_flood_of_allowed_ones_on_every_worker() {
    let backend = Backend::saying("reached");
    let site = start(&backend, 2);
    let alice = token(&site.gate, "alice");
    let refused: Vec<Value> = (0..8)
        .map(|n| site.record(&site.gate.get_with_token(&format!("/admin/{n}"), &alice).expect(403)))
        .collect();
    // One connection is one worker's: 3,000 requests over each of a few are more than both keep.
    let urls: Vec<String> = (0..3000).map(|n| site.gate.url(&format!("/open/{n}"))).collect();
    let list: String = urls.iter().map(|url| format!("url = \"{url}\"\noutput = /dev/null\n")).collect();
    site.gate.folder().write("flood", &list);
    for _ in 0..4 {
        let flood = std::process::Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--config"])
            .arg(site.gate.folder().file("flood"))
            .status();
        assert!(flood.unwrap().success());
    }
    let count = |path: &str| {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = site.ask(&format!("/api/v1/decisions?limit=200&{path}{cursor}")).expect(200).json();
            seen.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { return seen };
            cursor = format!("&cursor={next}");
        }
    };
    let allowed = count("outcome=allow");
    assert!((1024..=2048).contains(&allowed.len()), "{} are kept", allowed.len());
    let times: Vec<&str> = allowed.iter().map(|one| one["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
    let denied = count("outcome=deny&route=r1");
    assert_eq!(denied.len(), refused.len());
    for record in refused {
        site.ask(&format!("/api/v1/decisions/{}", record["id"].as_str().unwrap())).expect(200);
    }
}

#[test]
fn a_decision_names_the_configuration_that_made_it() {
    let backend = Backend::saying("reached");
    let site = start(&backend, 2);
    let alice = token(&site.gate, "alice");
    let deny = || site.record(&site.gate.get_with_token("/users/closed", &alice).expect(403));
    let before = deny();
    assert_eq!(before["generation"], 1);
    site.gate.folder().write("rules.cedar", &format!("\n\n{RULES}"));
    site.gate.signal("HUP");
    eventually(PATIENCE, || (site.gate.metric("haechi_config_generation", &[]) == 2.0).then_some(()));
    let after = deny();
    assert_eq!((&after["generation"], &after["decided_by"][0]["line"]), (&json!(2), &json!(4)));
    let kept = site.ask(&format!("/api/v1/decisions/{}", before["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(kept, before, "as it was, whatever is in force now");
}

#[test]
fn shadow_policies_are_counted_and_told_and_never_enforced() {
    let backend = Backend::saying("reached");
    let beginning = |shadow: &str| {
        let rest =
            routes_to(&backend, &[("/reports/**", "anonymous", "policy"), ("/open/**", "anonymous", "any")]);
        let identity = "store: sqlite:haechi.db\nidentity: { issuer: http://localhost:8080 }\nreload: { watch: false }\n";
        let local = "authenticators: { local: { type: jwt, issuer: self } }\n";
        let log = "access_log: { format: json, target: access.log }\n";
        format!("{identity}{local}{log}policies: [now.cedar]\n{shadow}{rest}")
    };
    let folder = Folder::new(&beginning("shadow_policies: [next.cedar]\n"));
    folder.write(
        "now.cedar",
        "permit(principal, action, resource) when { context.path != \"/reports/closed\" };",
    );
    folder.write(
        "next.cedar",
        "permit(principal, action, resource) when { context.path == \"/reports/closed\" };",
    );
    folder.add_user("eve", &["haechi-auditor"]);
    let gate = Gate::start_in(folder).ready();
    let site = Site { auditor: token(&gate, "eve"), gate };
    for path in ["/reports/1", "/reports/2"] {
        site.gate.get(path).expect(200);
    }
    let refused = site.gate.get("/reports/closed").expect(403);
    site.gate.get("/reports/closed").expect(403);
    site.gate.get("/open/x").expect(200);
    assert_eq!(backend.recorded().len(), 3, "what is in force decides");

    let differ = |direction: &str| {
        let label = format!("direction=\"{direction}\"");
        site.gate.metric("haechi_authz_shadow_total", &["route=\"r0\"", &label])
    };
    eventually(PATIENCE, || (differ("allow_to_deny") == 2.0 && differ("deny_to_allow") == 2.0).then_some(()));
    assert_eq!(site.gate.metric("haechi_authz_shadow_total", &["route=\"r1\""]), 0.0);
    let record = site.record(&refused);
    assert_eq!((&record["outcome"], &record["shadow"]["outcome"]), (&json!("deny"), &json!("allow")));
    assert_eq!(record["shadow"]["decided_by"][0]["file"], "next.cedar");
    let told = site.explain(record["id"].as_str().unwrap(), &[]).success().stdout;
    assert!(told.contains("the shadow policies: allowed"), "{told}");
    site.logged("/open/x");
    let log = std::fs::read_to_string(site.gate.folder().file("access.log")).unwrap();
    let direction = |path: &str| {
        let line = log.lines().find(|line| line.contains(path)).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["shadow"].clone()
    };
    assert_eq!(
        (direction("/reports/1"), direction("/reports/closed")),
        (json!("allow_to_deny"), json!("deny_to_allow"))
    );
    assert_eq!(direction("/open/x"), Value::Null);

    // One for each direction: the first.
    let examples = || {
        let told = site.ask("/api/v1/decisions/shadow").expect(200).json();
        let path = |one: &Value| one["request"]["path"].as_str().unwrap().to_owned();
        told["items"].as_array().unwrap().iter().map(path).collect::<Vec<_>>()
    };
    assert_eq!(examples(), ["/reports/1", "/reports/closed"]);
    // Another configuration has examples of its own.
    site.gate.folder().rewrite(&beginning(""));
    site.gate.signal("HUP");
    eventually(PATIENCE, || (site.gate.metric("haechi_config_generation", &[]) == 2.0).then_some(()));
    site.gate.get("/reports/closed").expect(403);
    assert!(examples().is_empty());
}
