//! Machine clients, their tokens, and signing keys, as users and other programs meet them (docs/identity-provider.md).

use crate::harness::{
    Folder, Gate, H2Answer, H2Backend, PASSWORD, PATIENCE, Reply, eventually, haechi, haechi_with_input,
    routes_to,
};
use haechi_core::{Clock, SystemClock};
use haechi_testkit::jose::part;
use haechi_testkit::{Answer, Backend, postgres_database};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is promised of a revocation.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
const SEAL: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=";
const OTHER_SEAL: &str = "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHgA=";

fn configuration(store: &str, identity: &str, backend: &Backend) -> String {
    format!(
        "store: \"{store}\"
identity: {{ issuer: \"http://localhost:8080\", login: {{ per_address: {{ requests: 10000, per: 1m }}, per_account: {{ requests: 10000, per: 1m }} }}{identity} }}
authenticators:
  local: {{ type: jwt, issuer: self }}
  orders: {{ type: jwt, issuer: self, audiences: [\"https://orders.example.com\"] }}
roles: {{ USER: {{}}, JOB: {{}} }}
{}",
        routes_to(
            backend,
            &[
                ("/**", "[local]", "any"),
                ("/jobs/**", "[local]", "{ roles: [JOB], scopes: [\"orders:write\"] }"),
                ("/orders/**", "[orders]", "any"),
            ]
        )
    )
}

fn gate(backend: &Backend) -> Gate {
    let folder = Folder::new(&configuration("sqlite:haechi.db", "", backend));
    folder.add_user("alice", &["USER"]);
    Gate::start_in(folder).ready()
}

struct Client {
    id: String,
    secret: String,
}

fn add(folder: &Folder, arguments: &[&str]) -> Client {
    let arguments: Vec<&str> = ["client", "add"].iter().chain(arguments).copied().collect();
    let added = haechi(folder.path(), &arguments).success();
    let id = added.stderr.split('`').nth(5).unwrap_or_else(|| panic!("{added:?}")).to_owned();
    Client { id, secret: added.stdout.trim().to_owned() }
}

fn post(gate: &Gate, path: &str, form: &[(&str, &str)], more: &[&str]) -> Reply {
    let fields: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["-X", "POST"];
    for field in &fields {
        arguments.extend(["--data-urlencode", field]);
    }
    arguments.extend(more);
    gate.curl(path, &arguments)
}

impl Client {
    fn basic(&self) -> String {
        format!("{}:{}", self.id, self.secret)
    }

    fn token(&self, gate: &Gate, more: &[(&str, &str)]) -> Reply {
        let form: Vec<_> = [("grant_type", "client_credentials")].iter().chain(more).copied().collect();
        post(gate, "/auth/token", &form, &["--user", &self.basic()])
    }

    fn access_token(&self, gate: &Gate, more: &[(&str, &str)]) -> String {
        text(&self.token(gate, more).expect(200).json(), "access_token")
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}")).to_owned()
}

fn login(gate: &Gate) -> Value {
    gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD})).expect(200).json()
}

#[track_caller]
fn refused_in_time(backend: &Backend, gate: &Gate, token: &str) {
    let began = Instant::now();
    eventually(KNOWN_WITHIN, || (gate.get_with_token("/x", token).status == 401).then_some(()));
    assert!(began.elapsed() < KNOWN_WITHIN);
    refused(backend, gate, "/x", token, 401);
}

/// Nothing of it arrives.
#[track_caller]
fn refused(backend: &Backend, gate: &Gate, path: &str, token: &str, status: u16) {
    let arrived = backend.recorded().len();
    assert_eq!((gate.get_with_token(path, token).status, backend.recorded().len()), (status, arrived));
}

#[test]
fn a_client_gets_tokens_within_what_it_was_granted() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let audience = "https://orders.example.com";
    let client = add(
        gate.folder(),
        &[
            "nightly",
            "--role",
            "JOB",
            "--scope",
            "orders:read",
            "--scope",
            "orders:write",
            "--audience",
            audience,
            "--token-lifetime",
            "90s",
        ],
    );
    assert!(client.secret.starts_with("hcs_") && client.id.len() == 32);
    let granted = client.token(&gate, &[]).expect(200);
    assert!(granted.field("cache-control").is_some_and(|value| value.contains("no-store")));
    let granted = granted.json();
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(90)));
    assert_eq!((&granted["scope"], granted.get("refresh_token")), (&json!("orders:read orders:write"), None));
    let token = text(&granted, "access_token");
    assert_eq!(
        (&part(&token, 0)["typ"], &part(&token, 1)["client_id"]),
        (&json!("at+jwt"), &json!(client.id))
    );
    gate.get_with_token("/jobs/1", &token).expect(200);
    assert_eq!(backend.last().field("x-auth-subject"), Some(&*client.id));
    assert_eq!(backend.last().field("x-auth-scopes"), Some("orders:read,orders:write"));
    let me = gate.get_with_token("/auth/me", &token).expect(200).json();
    assert_eq!((&me["subject"], &me["kind"]), (&json!(client.id), &json!("User")));
    // Fewer scopes are asked for, and count.
    let reader = client.access_token(&gate, &[("scope", "orders:read")]);
    refused(&backend, &gate, "/jobs/1", &reader, 403);
    // For a resource, and for no other.
    let narrow = client.access_token(&gate, &[("resource", audience)]);
    assert_eq!(part(&narrow, 1)["aud"], audience);
    refused(&backend, &gate, "/x", &narrow, 401);
    gate.get_with_token("/orders/1", &narrow).expect(200);
    refused(&backend, &gate, "/orders/1", &token, 401);
    for (parameter, value, error) in [
        ("scope", "orders:delete", "invalid_scope"),
        ("resource", "https://other", "invalid_target"),
        ("grant_type", "client_credentials", "invalid_request"),
    ] {
        let refused = client.token(&gate, &[(parameter, value)]).expect(400);
        assert_eq!(refused.json()["error"], error);
        assert_eq!(refused.field("content-type"), Some("application/json"));
        assert!(refused.json()["error_description"].is_string());
    }
}

#[test]
fn who_is_no_client_is_told_so_as_oauth_has_it() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let client = add(gate.folder(), &["nightly"]);
    let grant = [("grant_type", "client_credentials")];
    let posted = [grant[0], ("client_id", &*client.id), ("client_secret", &*client.secret)];
    post(&gate, "/auth/token", &posted, &[]).expect(200);
    for wrong in [format!("{}:hcs_wrong", client.id), format!("{}:{}", "0".repeat(32), client.secret)] {
        let refused = post(&gate, "/auth/token", &grant, &["--user", &wrong]).expect(401);
        assert_eq!(refused.json()["error"], "invalid_client");
        assert!(refused.challenges().starts_with("Basic "), "{:?}", refused.head);
    }
    let both = post(&gate, "/auth/token", &posted, &["--user", &client.basic()]).expect(400);
    assert_eq!(both.json()["error"], "invalid_request");
    let twice = ["-H", "Authorization: Basic eDp5", "-H", "Authorization: Bearer x"];
    assert_eq!(post(&gate, "/auth/token", &grant, &twice).status, 400);
    let as_json = gate.post_json("/auth/token", &json!({"grant_type": "client_credentials"})).expect(400);
    assert_eq!(as_json.json()["error"], "invalid_request");
    let password = post(&gate, "/auth/token", &[("grant_type", "password")], &["--user", &client.basic()]);
    assert_eq!(password.expect(400).json()["error"], "unsupported_grant_type");
    assert_eq!(gate.get("/auth/token").status, 405);
    let told = |line: &String| line.contains("/auth/token") && line.contains("invalid_client");
    eventually(PATIENCE, || gate.log().iter().any(told).then_some(()));
    assert!(!gate.log().iter().any(|line| line.contains(&client.secret)));
}

#[test]
fn discovery_says_what_there_is() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let found = gate.get("/.well-known/openid-configuration").expect(200).json();
    for (endpoint, path) in [
        ("token_endpoint", "token"),
        ("revocation_endpoint", "revoke"),
        ("introspection_endpoint", "introspect"),
    ] {
        assert_eq!(found[endpoint], format!("http://localhost:8080/auth/{path}"));
    }
    let grants = json!(["authorization_code", "client_credentials", "refresh_token"]);
    assert_eq!(found["grant_types_supported"], grants);
    let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
    assert_eq!(found["introspection_endpoint_auth_methods_supported"], methods);
}

fn openssl(folder: &Folder, arguments: &[&str]) -> String {
    let done = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// An assertion that openssl has signed.
fn assertion(folder: &Folder, key: &str, client: &str, jti: &str) -> String {
    let base64 = |bytes: &[u8]| {
        folder.write("in.bin", &String::from_utf8_lossy(bytes));
        openssl(folder, &["base64", "-A", "-in", "in.bin"])
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_")
    };
    let now = SystemClock.now().as_seconds();
    let claims = json!({ "iss": client, "sub": client, "aud": "http://localhost:8080/auth/token", "iat": now, "exp": now + 60, "jti": jti });
    let signed =
        format!("{}.{}", base64(br#"{"alg":"RS256","typ":"JWT"}"#), base64(claims.to_string().as_bytes()));
    folder.write("signed.txt", &signed);
    openssl(folder, &["dgst", "-sha256", "-sign", key, "-out", "signature.bin", "signed.txt"]);
    let signature = openssl(folder, &["base64", "-A", "-in", "signature.bin"]);
    format!("{signed}.{}", signature.trim().trim_end_matches('=').replace('+', "-").replace('/', "_"))
}

#[test]
fn a_client_with_a_key_proves_itself_once_over_two_nodes() {
    let backend = Backend::saying("reached");
    let store = postgres_database();
    let folders = [(); 2].map(|()| Folder::new(&configuration(&store, "", &backend)));
    let [one, other] = folders.map(|folder| Gate::start_in(folder).ready());
    let folder = one.folder();
    openssl(folder, &["genrsa", "-out", "client.key", "2048"]);
    openssl(folder, &["rsa", "-in", "client.key", "-pubout", "-out", "client.pem"]);
    let private = haechi(folder.path(), &["client", "add", "wrong", "--public-key", "client.key"]);
    assert!(private.code == 1 && private.stderr.contains("cannot be used"), "{private:?}");
    let added =
        haechi(folder.path(), &["client", "add", "keyed", "--public-key", "client.pem", "--output", "json"])
            .success();
    let added: Value = serde_json::from_str(&added.stdout).unwrap();
    assert_eq!(added["client_secret"], Value::Null);
    let id = text(&added, "client_id");
    let present = |gate: &Gate, assertion: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        post(gate, "/auth/token", &form, &[])
    };
    let first = assertion(folder, "client.key", &id, "one");
    present(&one, &first).expect(200);
    assert_eq!(present(&other, &first).expect(401).json()["error"], "invalid_client");
    present(&other, &assertion(folder, "client.key", &id, "two")).expect(200);
    openssl(folder, &["genrsa", "-out", "another.key", "2048"]);
    present(&one, &assertion(folder, "another.key", &id, "three")).expect(401);
}

#[test]
fn a_client_is_rotated_shown_and_deleted() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let folder = gate.folder();
    let first = add(folder, &["nightly", "--role", "JOB"]);
    let secret_of = |arguments: &[&str]| haechi(folder.path(), arguments).success().stdout.trim().to_owned();
    let second = Client {
        secret: secret_of(&["client", "rotate", "nightly", "--overlap", "1h"]),
        id: first.id.clone(),
    };
    let (a, b) = (first.access_token(&gate, &[]), second.access_token(&gate, &[]));
    let shown = haechi(folder.path(), &["client", "show", "nightly"]).success().stdout;
    assert!(shown.contains(&first.id) && shown.contains("old secret") && !shown.contains("hcs_"), "{shown}");
    let third = Client { secret: secret_of(&["client", "rotate", &first.id]), id: first.id.clone() };
    first.token(&gate, &[]).expect(401);
    second.token(&gate, &[]).expect(401);
    third.token(&gate, &[]).expect(200);
    let listed: Value = serde_json::from_str(
        &haechi(folder.path(), &["client", "list", "--output", "json"]).success().stdout,
    )
    .unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["proof"]), (&json!("nightly"), &json!("client_secret")));
    for (arguments, code, part) in [
        (&["client", "show", "nobody"][..], 1, "there is no client `nobody`"),
        (&["client", "add", "nightly"], 1, "exists already"),
        (&["client", "add", "x", "--role", "ROOT"], 2, "there is no role"),
        (&["client", "add", "x", "--audience", "urn:haechi:admin"], 2, "is no audience"),
        (&["client", "show", &third.secret], 2, "this is a client's secret"),
        (&["client", "rotate", "nightly", "--overlap", "1h", "--jwks", "x"], 2, "cannot be used with"),
    ] {
        let told = haechi(folder.path(), arguments);
        assert!(told.code == code && told.stderr.contains(part), "{arguments:?}: {told:?}");
        assert!(!told.stderr.contains(&third.secret));
    }
    assert_eq!([&a, &b].map(|token| gate.get_with_token("/x", token).status), [200, 200]);
    // A token of the client logs out by itself, and takes no other with it.
    let leaving = third.access_token(&gate, &[]);
    gate.curl("/auth/logout", &["-X", "POST", "-H", &format!("Authorization: Bearer {leaving}")]).expect(204);
    refused_in_time(&backend, &gate, &leaving);
    assert_eq!(gate.get_with_token("/x", &a).status, 200);
    haechi(folder.path(), &["client", "delete", "nightly"]).success();
    refused_in_time(&backend, &gate, &a);
    refused_in_time(&backend, &gate, &b);
    third.token(&gate, &[]).expect(401);
}

#[test]
fn tokens_are_revoked_and_looked_into() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let client = add(gate.folder(), &["nightly", "--scope", "orders:read"]);
    let watcher = add(gate.folder(), &["watcher", "--audience", "http://localhost:8080"]);
    let call = |path: &str, client: &Client, token: &str| {
        post(&gate, path, &[("token", token)], &["--user", &client.basic()])
    };
    let token = client.access_token(&gate, &[]);
    let seen = call("/auth/introspect", &watcher, &token).expect(200).json();
    assert_eq!((&seen["active"], &seen["client_id"]), (&json!(true), &json!(client.id)));
    let alice = login(&gate);
    let access = text(&alice, "access_token");
    assert_eq!(call("/auth/introspect", &client, &access).expect(200).json(), json!({"active": false}));
    assert_eq!(call("/auth/introspect", &watcher, &access).expect(200).json()["username"], "alice");
    post(&gate, "/auth/introspect", &[("token", &access)], &[]).expect(401);
    // By the client that it was given to; by nobody else.
    assert_eq!(call("/auth/revoke", &watcher, &token).expect(400).json()["error"], "unauthorized_client");
    call("/auth/revoke", &client, &token).expect(200);
    refused_in_time(&backend, &gate, &token);
    assert_eq!(call("/auth/introspect", &client, &token).expect(200).json(), json!({"active": false}));
    // A login's tokens by whoever holds them.
    let refresh = text(&alice, "refresh_token");
    let next =
        post(&gate, "/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", &refresh)], &[]);
    let next = next.expect(200).json();
    post(
        &gate,
        "/auth/revoke",
        &[("token", &text(&next, "refresh_token")), ("token_type_hint", "refresh_token")],
        &[],
    )
    .expect(200);
    refused_in_time(&backend, &gate, &access);
    post(&gate, "/auth/revoke", &[("token", "nonsense")], &[]).expect(200);
}

#[test]
fn commands_look_into_tokens_and_end_them() {
    let backend = Backend::saying("reached");
    let gate = gate(&backend);
    let path = gate.folder().path();
    let first = text(&login(&gate), "access_token");
    let inspected = haechi(path, &["token", "inspect", &first]).success().stdout;
    assert!(inspected.contains("preferred_username alice") || inspected.contains("alice"), "{inspected}");
    assert!(inspected.contains("works         yes"), "{inspected}");
    let id = text(&part(&first, 1), "jti");
    haechi(path, &["token", "revoke", &id]).success();
    refused_in_time(&backend, &gate, &first);
    let told = haechi(path, &["token", "inspect", &first]);
    assert!(told.code == 1 && told.stdout.contains("was revoked"), "{told:?}");
    let second = login(&gate);
    let access = text(&second, "access_token");
    haechi_with_input(path, &["token", "revoke", "-"], &format!("{access}\n")).success();
    refused_in_time(&backend, &gate, &access);
    gate.post_json("/auth/refresh", &json!({"refresh_token": second["refresh_token"]})).expect(200);
    let forged = format!("{}x", &access[..access.len() - 1]);
    let told = haechi(path, &["token", "inspect", &forged, "--output", "json"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["active"], false);
    for (token, part) in [("hr_x", "session end"), ("nonsense", "neither a token nor a `jti`")] {
        let told = haechi(path, &["token", "revoke", token]);
        assert!(told.code == 2 && told.stderr.contains(part), "{told:?}");
    }
    // Logins.
    let third = text(&login(&gate), "access_token");
    let listed = haechi(path, &["session", "list", "--user", "alice", "--output", "json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(listed[0]["user"], "alice");
    haechi(path, &["session", "end", &text(&part(&third, 1), "sid")]).success();
    refused_in_time(&backend, &gate, &third);
    let fourth = text(&login(&gate), "access_token");
    haechi(path, &["session", "end", "--all"]).success();
    refused_in_time(&backend, &gate, &fourth);
    assert_eq!(haechi(path, &["session", "list", "--output", "json"]).success().stdout.trim(), "[]");
    assert_eq!(haechi(path, &["session", "end"]).code, 2);
}

/// Begins an answer, and goes on until the gate hangs up.
fn endless() -> Backend {
    Backend::start(|_| {
        Answer::written(|socket: &mut TcpStream| {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            drop(socket.write_all(format!("{head}7\r\ndata: 1\r\n").as_bytes()));
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        })
        .early()
    })
}

fn stream(gate: &Gate, protocol: &str, credential: &str, path: &str) -> Child {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--no-buffer", "--max-time", "60", protocol, "-H", credential])
        .arg(gate.url(path));
    let mut child = curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 7]).unwrap();
    child
}

/// What was let in by a credential that is revoked ends: over HTTP/1.1 the connection closes, over HTTP/2 the stream is reset.
#[test]
fn open_streams_end_with_what_they_were_let_in_by() {
    let backend = endless();
    let folder = Folder::new(
        &configuration("sqlite:haechi.db", "", &backend)
            .replace("authenticators:\n", "authenticators:\n  partner: { type: api_key }\n")
            .replace(
                "authenticate: [local], authorize: any",
                "authenticate: [local, partner], authorize: any",
            ),
    );
    folder.add_user("alice", &["USER"]);
    folder.add_user("bob", &["USER"]);
    let key = folder.create_key(&["--owner", "acme", "--name", "ci"]);
    let client = add(&folder, &["nightly"]);
    let gate = Gate::start_in(folder).ready();
    let path = gate.folder().path();
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let bob =
        gate.post_json("/auth/login", &json!({"username": "bob", "password": PASSWORD})).expect(200).json();
    let (single, session) = (text(&login(&gate), "access_token"), text(&login(&gate), "access_token"));
    let of_client = client.access_token(&gate, &[]);
    let sid = text(&part(&session, 1), "sid");
    let listed = haechi(path, &["key", "list", "--output", "json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let key_id = text(&listed[0], "id");
    let cases: [(&str, String, Vec<&str>); 5] = [
        ("token", bearer(&single), vec!["token", "revoke", &single]),
        ("session", bearer(&session), vec!["session", "end", &sid]),
        ("client", bearer(&of_client), vec!["client", "delete", "nightly"]),
        ("user", bearer(&text(&bob, "access_token")), vec!["user", "disable", "bob"]),
        ("key", format!("X-API-Key: {key}"), vec!["key", "revoke", &key_id]),
    ];
    for (what, credential, command) in cases {
        let streams = ["--http1.1", "--http2-prior-knowledge"]
            .map(|protocol| (protocol, stream(&gate, protocol, &credential, &format!("/{what}"))));
        haechi(path, &command).success();
        let begun = Instant::now();
        for (protocol, mut child) in streams {
            let status = eventually(PATIENCE, || child.try_wait().unwrap());
            assert!(begun.elapsed() < KNOWN_WITHIN, "{what} {protocol}: {:?}", begun.elapsed());
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            // 92: an HTTP/2 stream was reset; 18: the transfer closed with more to come.
            let expected = if protocol == "--http1.1" { 18 } else { 92 };
            assert_eq!(status.code(), Some(expected), "{what} {protocol}: {told}");
        }
    }
}

#[test]
fn a_grpc_call_whose_token_is_revoked_is_unauthenticated() {
    let plain = Backend::saying("unused");
    let backend = H2Backend::start(100, |_| H2Answer::Never);
    let configuration = configuration("sqlite:haechi.db", "", &plain).replace(
        &format!("endpoints: [\"{}\"]", plain.url()),
        &format!("endpoints: [\"{}\"], protocol: http2", backend.url()),
    );
    assert!(configuration.contains("protocol: http2"), "{configuration}");
    let folder = Folder::new(&configuration);
    let client = add(&folder, &["nightly"]);
    let gate = Gate::start_in(folder).ready();
    let token = client.access_token(&gate, &[]);
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--http2-prior-knowledge",
        "--max-time",
        "60",
        "--dump-header",
        "-",
        "-X",
        "POST",
    ]);
    curl.args(["-H", "Content-Type: application/grpc", "-H", "TE: trailers", "-T", "-"]);
    curl.args(["-H", &format!("Authorization: Bearer {token}")]).arg(gate.url("/a.B/C"));
    let mut child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut more = child.stdin.take().unwrap();
    more.write_all(b"\0\0\0\0\x02ab").unwrap();
    eventually(PATIENCE, || (backend.streams() == 1).then_some(()));
    haechi(gate.folder().path(), &["client", "delete", "nightly"]).success();
    let begun = Instant::now();
    let ended = |line: &String| line.contains("/a.B/C") && line.contains("its credential no longer holds");
    eventually(PATIENCE, || gate.log().iter().any(ended).then_some(()));
    assert!(begun.elapsed() < KNOWN_WITHIN, "{:?}", begun.elapsed());
    // curl notices an answer when it has something to send.
    eventually(PATIENCE, || {
        drop(more.write_all(b"x"));
        child.try_wait().unwrap()
    });
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("grpc-status: 16"), "{said}");
}

#[test]
fn a_signing_key_is_rotated_on_all_nodes_while_tokens_of_both_hold() {
    let backend = Backend::saying("reached");
    let store = postgres_database();
    let folders = [(); 2].map(|()| Folder::new(&configuration(&store, "", &backend)));
    folders[0].add_user("alice", &["USER"]);
    let [one, other] = folders.map(|folder| Gate::start_in(folder).ready());
    let kids = |gate: &Gate| {
        let set = gate.get("/.well-known/jwks.json").expect(200).json();
        set["keys"].as_array().unwrap().iter().map(|key| text(key, "kid")).collect::<Vec<_>>()
    };
    let before = text(&login(&one), "access_token");
    let old = text(&part(&before, 0), "kid");
    let path = one.folder().path();
    let refused = haechi(path, &["signing-key", "retire", &old]);
    assert!(refused.code == 2 && refused.stderr.contains("is the one that signs"), "{refused:?}");
    assert!(haechi(path, &["signing-key", "rotate", "--in", "5s"]).stderr.contains("at least 30s"));
    let next = haechi(path, &["signing-key", "rotate", "--at-once", "--output", "json"]).success().stdout;
    let next = text(&serde_json::from_str::<Value>(&next).unwrap(), "kid");
    // Published on both before it signs on either.
    for gate in [&one, &other] {
        eventually(PATIENCE, || kids(gate).contains(&next).then_some(()));
        assert_eq!(text(&part(&text(&login(gate), "access_token"), 0), "kid"), old);
    }
    let signs = |gate: &Gate| text(&part(&text(&login(gate), "access_token"), 0), "kid") == next;
    eventually(Duration::from_secs(60), || (signs(&one) && signs(&other)).then_some(()));
    let after = text(&login(&one), "access_token");
    for (gate, token) in [(&one, &before), (&other, &before), (&one, &after), (&other, &after)] {
        assert_eq!(gate.get_with_token("/x", token).status, 200);
    }
    let listed = haechi(path, &["signing-key", "list"]).success().stdout;
    assert!(
        listed.contains("published") && listed.contains("signs") && listed.contains("not sealed"),
        "{listed}"
    );
    haechi(path, &["signing-key", "retire", &old]).success();
    for gate in [&one, &other] {
        eventually(PATIENCE, || (gate.get_with_token("/x", &before).status == 401).then_some(()));
        assert_eq!((gate.get_with_token("/x", &after).status, kids(gate)), (200, vec![next.clone()]));
    }
}

#[test]
fn signing_keys_are_sealed_in_the_store() {
    let backend = Backend::saying("reached");
    let plain = Folder::new(&configuration("sqlite:haechi.db", "", &backend));
    plain.add_user("alice", &["USER"]);
    plain.write("seal", SEAL);
    let (store, seal) = (plain.file("haechi.db"), plain.file("seal"));
    let with = |seals: &str| {
        let identity = format!(", signing_keys: {{ seal: {seals} }}");
        Folder::new(&configuration(&format!("sqlite:{}", store.display()), &identity, &backend))
    };
    let first = Gate::start_in(plain).ready();
    let token = text(&login(&first), "access_token");
    let seal = format!("\"${{file:{}}}\"", seal.display());
    let list = |folder: &Folder| -> Value {
        let listed = haechi(folder.path(), &["signing-key", "list", "--output", "json"]).success().stdout;
        serde_json::from_str(&listed).unwrap()
    };
    // Unsealed keys go on working under a seal, and are sealed by command.
    let one = Gate::start_in(with(&seal)).ready();
    assert_eq!(one.get_with_token("/x", &token).status, 200);
    let warned = |line: &String| line.contains("haechi signing-key reseal");
    eventually(PATIENCE, || one.log().iter().any(warned).then_some(()));
    assert_eq!(list(one.folder())[0]["seal"], Value::Null);
    let told = haechi(one.folder().path(), &["signing-key", "reseal"]).success();
    assert!(told.stderr.contains("sealed 1 signing key"), "{told:?}");
    let sealed_with = list(one.folder())[0]["seal"].clone();
    assert!(sealed_with.is_string());
    let one = Gate::start_in(with(&seal)).ready();
    assert_eq!(one.get_with_token("/x", &token).status, 200);
    // Another seal in front: both open, and the first seals.
    let both = with(&format!("[\"{OTHER_SEAL}\", {seal}]"));
    haechi(both.path(), &["signing-key", "reseal"]).success();
    assert_ne!(list(&both)[0]["seal"], sealed_with);
    // A node that has the older one alone says so, and makes no other key.
    let lost = Gate::start_in(with(&seal));
    let said = |line: &String| line.contains("which `identity.signing_keys.seal` does not have");
    eventually(PATIENCE, || lost.log().iter().any(said).then_some(()));
    eventually(PATIENCE, || (lost.get("/.well-known/jwks.json").status == 503).then_some(()));
    let login = lost.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD}));
    assert_eq!((login.status, lost.get_with_token("/x", &token).status), (503, 503));
    assert_eq!(list(&both).as_array().unwrap().len(), 1);
    let bad = with("short");
    let refused = haechi(bad.path(), &["check"]);
    assert!(refused.code == 1 && refused.stderr.contains("a seal is 32 random bytes"), "{refused:?}");
}

#[test]
fn two_pages_that_refresh_at_once_get_the_same_pair() {
    let backend = Backend::saying("reached");
    let folder =
        Folder::new(&configuration("sqlite:haechi.db", ", refresh_token: { reuse_interval: 1m }", &backend));
    folder.add_user("alice", &["USER"]);
    let gate = Gate::start_in(folder).ready();
    let first = login(&gate);
    let refresh = |token: &Value| gate.post_json("/auth/refresh", &json!({"refresh_token": token}));
    let [a, b] = [(); 2].map(|()| refresh(&first["refresh_token"]).expect(200).json());
    assert_eq!(a["refresh_token"], b["refresh_token"]);
    let next = refresh(&a["refresh_token"]).expect(200).json();
    refresh(&first["refresh_token"]).expect(401);
    refresh(&next["refresh_token"]).expect(401);
}
