//! Who may call the admin API, and over what: the Unix socket, authenticators of the routes, TLS, listeners for probes (docs/admin-api.md).

use crate::harness::{
    Authority, Conversation, Folder, Gate, PASSWORD, PATIENCE, Reply, curl, eventually, haechi, routes_to,
};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::{Value, json};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

const BEGINNING: &str = "listeners: [{ bind: 127.0.0.1:0 }]\nworkers: 1\nreload: { watch: false }\n";

fn with_socket(more: &str) -> Folder {
    Folder::exactly(&format!(
        "{BEGINNING}admin: {{ bind: 127.0.0.1:0, socket: admin.sock }}\nstore: sqlite:haechi.db\naudit: {{ file: audit/haechi.jsonl }}\n{more}"
    ))
}

fn socket(gate: &Gate) -> PathBuf {
    gate.folder().file("admin.sock")
}

fn over_socket(gate: &Gate, path: &str, arguments: &[&str]) -> Reply {
    let socket = socket(gate);
    // Whatever host a client names there.
    let url = format!("http://gate.example{path}");
    curl(&[&["--unix-socket", socket.to_str().unwrap(), &url], arguments].concat())
}

fn records(gate: &Gate) -> Vec<Value> {
    let text = std::fs::read_to_string(gate.folder().file("audit/haechi.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn has_answer(gate: &Gate) -> bool {
    over_socket(gate, "/livez", &[]).status == 200
}

#[test]
fn the_socket_is_its_owners_and_the_trail_says_which_process_called() {
    // Without an identity provider and without a token: the file's mode is what is asked.
    let mut gate = Gate::start_in(with_socket("roles: { USER: {} }\n"));
    let about = std::fs::metadata(socket(&gate)).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.mode() & 0o777, 0o600);
    over_socket(&gate, "/api/v1/keys", &[]).expect(200);
    let key = json!({ "owner": "billing", "roles": ["USER"] }).to_string();
    let made = ["--header", "Content-Type: application/json", "--data-binary", &key];
    over_socket(&gate, "/api/v1/keys", &made).expect(201);
    let record = records(&gate).into_iter().find(|line| line["event"] == "key.create").unwrap();
    let by = &record["by"];
    assert_eq!((&by["authenticator"], &by["uid"]), (&json!("socket"), &json!(about.uid())), "{record}");
    assert!(by["pid"].as_u64().is_some_and(|pid| pid > 1 && pid != u64::from(gate.process())), "{record}");
    // The listener beside it asks for a credential as ever.
    gate.admin("/api/v1/keys").expect(403);
    gate.signal("TERM");
    assert_eq!(gate.exited().code(), Some(0));
    assert!(!socket(&gate).exists(), "it is removed at the end");
}

#[test]
fn whoever_may_open_the_socket_is_not_counted() {
    let gate = Gate::start_in(with_socket(""));
    let many: Vec<String> = (0..700).map(|_| "http://x/api/v1/keys".to_owned()).collect();
    let mut arguments = vec!["--silent", "--fail", "--output", "/dev/null", "--unix-socket"];
    let socket = socket(&gate);
    arguments.push(socket.to_str().unwrap());
    let mut all = arguments.clone();
    for url in &many {
        all.push(url);
        all.extend(["--output", "/dev/null"]);
    }
    let done = std::process::Command::new("curl").args(&all).status().unwrap();
    assert!(done.success(), "{done}");
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let mut gate = Gate::start_in(with_socket(""));
    let refused = haechi(gate.folder().path(), &["run"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("another process answers on"), "{}", refused.stderr);
    assert!(has_answer(&gate), "it is still the first one's");
    gate.signal("KILL");
    gate.exited();
    assert!(socket(&gate).exists());
    let gate = Gate::start_in(gate.into_folder());
    assert!(has_answer(&gate));
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let folder = with_socket("");
    folder.write("admin.sock", "somebody's notes");
    let refused = haechi(folder.path(), &["run"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("is no socket"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(folder.file("admin.sock")).unwrap(), "somebody's notes");
}

#[test]
fn the_socket_goes_over_to_the_next_process_with_its_file() {
    let mut gate = Gate::start_in_group(with_socket(""));
    let before = std::fs::metadata(socket(&gate)).unwrap().ino();
    assert_eq!(gate.upgrade().code(), Some(0));
    assert_eq!(std::fs::metadata(socket(&gate)).unwrap().ino(), before);
    assert!(has_answer(&gate));
    let yaml = std::fs::read_to_string(gate.folder().file("haechi.yaml")).unwrap();
    gate.folder().write("haechi.yaml", &yaml.replace("admin.sock", "other.sock"));
    let refused = over_socket(&gate, "/api/v1/config/reload", &["--request", "POST"]).expect(422);
    assert!(refused.text().contains("needs a restart"), "{}", refused.text());
    assert_eq!(gate.upgrade().code(), Some(0));
    let other = gate.folder().file("other.sock");
    curl(&["--unix-socket", other.to_str().unwrap(), "http://x/livez"]).expect(200);
    eventually(PATIENCE, || (!socket(&gate).exists()).then_some(()));
    gate.signal("TERM");
    gate.exited();
    assert!(!other.exists());
}

struct Outsiders {
    gate: Gate,
    provider: IdentityProvider,
    key: Key,
    operator: String,
    other: String,
}

fn outsiders(claims: &str) -> Outsiders {
    let (key, backend) = (Key::p256("e"), Backend::saying("reached"));
    let provider = IdentityProvider::start(&[&key]);
    let folder = Folder::exactly(&format!(
        "{BEGINNING}store: sqlite:haechi.db
audit: {{ file: audit/haechi.jsonl }}
roles: {{ OPERATIONS: {{}}, READERS: {{}}, USER: {{}} }}
admin:
  bind: 127.0.0.1:0
  administrators: [{{ authenticator: corp, role: platform-admins }}, {{ authenticator: partner, role: OPERATIONS }}]
  auditors: [{{ authenticator: corp, role: /staff/audit }}, {{ authenticator: staff, role: READERS }}]
authenticators:
  corp: {{ type: jwt, issuer: \"{}\", audiences: [orders], keys: discovery, from: [bearer, {{ cookie: session }}], {claims} }}
  partner: {{ type: api_key, header: X-API-Key }}
  staff: {{ type: basic, realm: staff }}
{}",
        provider.issuer(),
        routes_to(&backend, &[("/**", "[corp, partner, staff]", "any")])
    ));
    folder.add_user("mina", &["READERS"]);
    folder.add_user("alice", &["USER"]);
    let operator = folder.create_key(&["--owner", "deploys", "--role", "OPERATIONS"]);
    let other = folder.create_key(&["--owner", "billing", "--role", "USER"]);
    let gate = Gate::start_in(folder).ready();
    Outsiders { gate, provider, key, operator, other }
}

impl Outsiders {
    fn token(&self, roles: &Value) -> String {
        self.key.token(&with(&self.provider.claims("olivia"), &json!({ "roles": roles })))
    }

    fn call(&self, method: &str, path: &str, fields: &[&str]) -> Reply {
        let url = format!("http://{}{path}", self.gate.admin_address());
        let mut arguments = vec!["--request", method];
        arguments.extend(fields.iter().flat_map(|field| ["--header", *field]));
        arguments.push(&url);
        curl(&arguments)
    }

    /// What reading and writing come to.
    fn statuses(&self, field: &str) -> (u16, u16) {
        let write = self.call("POST", "/api/v1/users/nobody/unlock", &[field]).status;
        (self.call("GET", "/api/v1/users", &[field]).status, write)
    }
}

#[test]
fn an_issuer_from_outside_makes_the_operators_that_the_configuration_says() {
    let map = "role_map: { \"0f3c\": platform-admins, /staff/users: USER }, claims: { roles: /roles }";
    for claims in ["claims: { roles: /roles }", map] {
        let site = outsiders(claims);
        let bearer = |roles: &Value| site.statuses(&format!("Authorization: Bearer {}", site.token(roles)));
        // 404: it was let through, and there is nobody of this name.
        assert_eq!(bearer(&json!(["platform-admins"])), (200, 404));
        assert_eq!(bearer(&json!(["/staff/audit"])), (200, 403));
        for other in [json!(["haechi-admin"]), json!(["OPERATIONS"]), json!(["platform-admins2"]), json!([])]
        {
            assert_eq!(bearer(&other), (403, 403), "{other}");
        }
        assert_eq!(bearer(&json!(["0f3c"])).0 == 200, claims == map);
        let refused = records(&site.gate);
        let refused = refused.iter().rfind(|line| line["outcome"] == "refused" && line["by"].is_object());
        assert_eq!(refused.unwrap()["by"]["authenticator"], "corp");
    }
}

#[test]
fn keys_and_passwords_are_asked_as_routes_ask_them() {
    let site = outsiders("claims: { roles: /roles }");
    assert_eq!(site.statuses(&format!("X-API-Key: {}", site.operator)), (200, 404));
    assert_eq!(site.statuses(&format!("X-API-Key: {}", site.other)), (403, 403));
    assert_eq!(site.statuses("X-API-Key: hk_nonsense"), (401, 401));
    let basic = |name: &str, password: &str| {
        let url = format!("http://{}/api/v1/users", site.gate.admin_address());
        curl(&["--user", &format!("{name}:{password}"), &url])
    };
    basic("mina", PASSWORD).expect(200);
    basic("alice", PASSWORD).expect(403);
    basic("mina", "another password").expect(401);
    let refused = site.call("GET", "/api/v1/users", &[]).expect(401);
    let told = refused.challenges();
    assert!(
        told.contains("Bearer realm=\"haechi-admin\"") && told.contains("Basic realm=\"staff\""),
        "{told}"
    );
    // Nothing is read from where browsers or links put it.
    let token = site.token(&json!(["platform-admins"]));
    site.call("GET", "/api/v1/users", &[&format!("Cookie: session={token}")]).expect(401);
    let status = site.call("GET", &format!("/api/v1/users?access_token={token}"), &[]).status;
    assert_eq!(status, 401);
    let twice = format!("Authorization: Bearer {token}");
    site.call("GET", "/api/v1/users", &[&twice, &twice]).expect(400);
}

#[test]
fn an_issuer_that_is_down_makes_nobody_an_operator_and_nobody_a_stranger() {
    let backend = Backend::saying("reached");
    let key = Key::p256("e");
    let issuer = "http://127.0.0.1:1";
    let gate = Gate::start_in(Folder::exactly(&format!(
        "{BEGINNING}admin: {{ bind: 127.0.0.1:0, administrators: [{{ authenticator: corp, role: ops }}] }}
authenticators: {{ corp: {{ type: jwt, issuer: \"{issuer}\", audiences: [a], claims: {{ roles: /roles }} }} }}\n{}",
        routes_to(&backend, &[("/**", "[corp]", "any")])
    )));
    let claims = json!({ "iss": issuer, "aud": "a", "sub": "x", "roles": ["ops"], "exp": 4_000_000_000_u64 });
    let field = format!("Authorization: Bearer {}", key.token(&claims));
    let url = format!("http://{}/api/v1/decisions", gate.admin_address());
    let reply = curl(&["--header", &field, &url]).expect(503);
    assert!(reply.field("retry-after").is_some());
}

#[test]
fn the_admin_listener_speaks_tls_and_shows_certificates_that_are_changed() {
    let authority = Authority::new("test authority");
    let folder = Folder::exactly(&format!(
        "{BEGINNING}store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080 }}
admin:
  bind: 127.0.0.1:0
  hosts: [ops.internal]
  tls: {{ certificates: [{{ certificate: admin.pem, key: admin.key }}] }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
routes: [{{ name: none, match: {{ path: /x }}, authenticate: local, authorize: any, service: nothing }}]
services: {{ nothing: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}
"
    ));
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["admin.example", "*.a.example"]).write(&folder, "admin");
    folder.add_user("root", &["haechi-admin"]);
    let gate = Gate::start_in(folder);
    let login = json!({ "username": "root", "password": PASSWORD });
    let token = gate.post_json("/auth/login", &login).expect(200).json();
    let token = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    let port = gate.admin_address().port();
    let ca = gate.folder().file("ca.pem");
    let https = |name: &str, host: &str, path: &str, more: &[&str]| {
        let resolve = format!("{name}:{port}:127.0.0.1");
        let (url, host) = (format!("https://{name}:{port}{path}"), format!("Host: {host}"));
        let base = ["--cacert", ca.to_str().unwrap(), "--resolve", &resolve, "--header", &host, &url];
        curl(&[&base, more].concat())
    };
    for host in
        ["admin.example", "admin.example:9901", "x.a.example", "ops.internal", "localhost", "10.1.2.3"]
    {
        https("admin.example", host, "/api/v1/users", &["--header", &token]).expect(200);
    }
    https("admin.example", "admin.example", "/livez", &[]).expect(200);
    https("admin.example", "admin.example", "/api/v1/users", &[]).expect(401);
    https("admin.example", "evil.example", "/api/v1/users", &["--header", &token]).expect(403);
    // HTTP/2 is not offered there.
    https("admin.example", "admin.example", "/livez", &["--http2"]).expect(200);
    // Without TLS nothing is answered.
    assert_eq!(gate.admin("/livez").status, 0);
    authority.leaf(&["renewed.example"]).write(gate.folder(), "admin");
    https(
        "admin.example",
        "admin.example",
        "/api/v1/config/reload",
        &["--header", &token, "--request", "POST"],
    )
    .expect(200);
    https("renewed.example", "renewed.example", "/livez", &[]).expect(200);
    assert_eq!(https("admin.example", "admin.example", "/livez", &[]).status, 0);
}

#[test]
fn a_listener_for_probes_answers_probes_and_nothing_else() {
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0, type: probes }}, {{ bind: 127.0.0.1:0 }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: 1
store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080 }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
{}",
        routes_to(&backend, &[("/**", "anonymous", "any"), ("/x", "local", "any")])
    ));
    let mut gate = Gate::start_in_group(folder).ready();
    let probes = |gate: &Gate| -> String {
        let log = gate.log();
        let mut lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.rfind(|line| line["listener"] == "probes").unwrap();
        format!("http://{}", line["address"].as_str().unwrap())
    };
    let ask = |gate: &Gate, path: &str, more: &[&str]| {
        curl(
            &[&[&*format!("{}{path}", probes(gate)), "--header", "Host: haechi-0.haechi:9903"], more]
                .concat(),
        )
    };
    for path in ["/livez", "/readyz", "/metrics", "/livez?from=kubelet"] {
        ask(&gate, path, &[]).expect(200);
    }
    for path in
        ["/", "/anything", "/auth/login", "/.well-known/jwks.json", "/api/v1/openapi.json", "/api/v1/users"]
    {
        assert_eq!(ask(&gate, path, &[]).status, 404, "{path}");
    }
    ask(&gate, "/livez", &["--request", "DELETE"]).expect(405);
    ask(&gate, "/api/v1/config/reload", &["--request", "POST"]).expect(404);
    // What clients reach is the other listener, and the probes are not there.
    assert_eq!(gate.get("/livez").expect(200).text(), "reached");
    // It is handed over as the others are.
    let before = probes(&gate);
    assert_eq!(gate.upgrade().code(), Some(0));
    eventually(PATIENCE, || (curl(&[&format!("{before}/readyz")]).status == 200).then_some(()));
}

fn junk(conversation: &mut Conversation) -> haechi_testkit::http1::Head {
    conversation.send("GET /api/v1/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x.y.z\r\n\r\n");
    conversation.answer().expect("an answer").head
}

#[test]
fn junk_of_the_same_address_refuses_nobody_who_is_known() {
    let site = outsiders("claims: { roles: /roles }");
    let mut conversation = site.gate.converse_with_admin();
    let mut answered = 0;
    let refused = loop {
        let head = junk(&mut conversation);
        match head.start_line.split(' ').nth(1).unwrap() {
            "401" if answered < 20_000 => answered += 1,
            "429" => break head,
            other => panic!("{other} after {answered}"),
        }
    };
    assert!(answered >= 500, "{answered}");
    assert_eq!(refused.field("ratelimit-policy"), Some("\"admin\";q=100;w=1"));
    assert_eq!(refused.field("ratelimit"), Some("\"admin\";r=0;t=1"));
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert_eq!(refused.field("ratelimit-limit"), Some("100"));
    assert_eq!(refused.field("ratelimit-remaining"), Some("0"));
    assert_eq!(refused.field("ratelimit-reset"), Some("1"));
    // Whoever shows a credential that holds is heard, from the same address and at the same moment; so are probes.
    let field = format!("Authorization: Bearer {}", site.token(&json!(["platform-admins"])));
    for _ in 0..20 {
        (0..40).for_each(|_| drop(junk(&mut conversation)));
        site.call("GET", "/api/v1/users", &[&field]).expect(200);
        site.gate.admin("/readyz").expect(200);
    }
}
