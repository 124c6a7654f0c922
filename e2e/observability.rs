//! Access log, metrics and health: everything is seen, no secret among it.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, eventually, routes_to};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Answer, Backend, IdentityProvider};
use serde_json::{Value, json};

fn start(backend: &Backend) -> Gate {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
access_log: {{ format: json, target: access.log }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators:
  local: {{ type: jwt, issuer: self }}
  staff: {{ type: basic, realm: staff }}
  partner: {{ type: api_key, header: X-API-Key }}
roles: {{ NOBODY: {{}} }}
{}",
        routes_to(
            backend,
            &[
                ("/**", "anonymous", "any"),
                ("/in/**", "{ any: [local, staff, partner] }", "any"),
                ("/no", "[local]", "{ roles: [NOBODY] }")
            ],
        )
    ));
    folder.add_user("alice", &[]);
    Gate::start_in(folder).ready()
}

/// The access log, once it has `count` lines; each must be JSON.
#[track_caller]
fn access_log(gate: &Gate, count: usize) -> Vec<Value> {
    let text = eventually(PATIENCE, || {
        let text = std::fs::read_to_string(gate.folder().file("access.log")).ok()?;
        (text.lines().count() >= count && text.ends_with('\n')).then_some(text)
    });
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
    let lines: Vec<Value> = text.lines().map(parse).collect();
    assert_eq!(lines.len(), count, "one line for each request: {lines:#?}");
    lines
}

#[test]
fn one_line_for_each_request_with_its_id() {
    let backend = Backend::start(|request| {
        Answer::new(if request.target() == "/teapot" { 418 } else { 200 }, &[], "x")
    });
    let gate = start(&backend);
    gate.get("/a?token=query-secret").expect(200);
    gate.get("/teapot").expect(418);
    let refused = gate.get("/in/x").expect(401).json();
    gate.get("/a//b").expect(400);
    gate.get("/%61/b").expect(200);
    let lines = access_log(&gate, 5);
    let statuses: Vec<&Value> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [200, 418, 401, 400, 200]);
    assert_eq!((&lines[0]["method"], &lines[0]["path"]), (&json!("GET"), &json!("/a")));
    assert_eq!(lines[4]["path"], "/a/b", "the path that was decided on");
    assert_eq!(lines[2]["request_id"], refused["request_id"]);
    assert_eq!(lines[0]["request_id"], backend.recorded()[0].field("x-request-id").unwrap());
    assert_eq!(lines[0]["route"], "r0");
    assert!(lines.iter().all(|line| line["request_id"].as_str().is_some_and(|id| id.len() >= 16)));
}

#[test]
fn no_secret_is_ever_written() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let login =
        gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD})).expect(200).json();
    let (token, refresh) =
        (login["access_token"].as_str().unwrap(), login["refresh_token"].as_str().unwrap());
    let key = gate.folder().create_key(&["--owner", "acme"]);
    gate.get_with_token("/in/x", token).expect(200);
    gate.get_with_token("/no", token).expect(403);
    gate.get_with_token("/in/x", &format!("{token}broken")).expect(401);
    gate.curl("/in/x", &["--user", &format!("alice:{PASSWORD}")]).expect(200);
    gate.curl("/in/x", &["--user", "alice:a-wrong-password"]).expect(401);
    gate.get_with("/in/x", &[&format!("X-API-Key: {key}")]).expect(200);
    gate.get_with("/in/x?access_token=query-secret", &["Cookie: session=cookie-secret"]).expect(401);
    gate.get_with("/in/x", &["X-API-Key: hk_wrongkey_secret"]).expect(401);
    gate.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(200);
    gate.post_json("/auth/login", &json!({"username": "alice", "password": "another-wrong-one"})).expect(401);
    access_log(&gate, 11);
    let written = std::fs::read_to_string(gate.folder().file("access.log")).unwrap() + &gate.log().join("\n");
    let signature = token.rsplit('.').next().unwrap();
    let secrets = [
        token,
        signature,
        refresh,
        &key,
        PASSWORD,
        "a-wrong-password",
        "another-wrong-one",
        "query-secret",
        "cookie-secret",
        "hk_wrongkey_secret",
    ];
    for secret in secrets {
        assert!(!written.contains(secret), "`{secret}` was written");
    }
}

#[test]
fn nothing_can_be_written_between_the_lines() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let fields = "User-Agent: \u{1b}[31mred\",\"status\":200,\"x\":\"\r\nReferer: http://a/\"}\t{\r\n";
    for request in [
        format!("GET /a%0a%7b%22forged%22 HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
        format!("GET /%22%7d HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
        format!("G\"T / HTTP/1.1\r\nHost: \"}}\r\n{fields}\r\n"),
        "GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{e9}\u{ff}{\"a\":1}\r\n\r\n".to_owned(),
    ] {
        gate.converse().send(request).answer();
    }
    gate.get("/last").expect(200);
    let text = eventually(PATIENCE, || {
        let text = std::fs::read_to_string(gate.folder().file("access.log")).ok()?;
        text.contains("\"/last\"").then_some(text)
    });
    for line in text.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        assert!(parsed["status"].is_number() && parsed.get("forged").is_none(), "{line}");
    }
    assert!(!text.contains('\u{1b}'));
    let said = gate.log().join("\n");
    assert!(!said.contains('\u{1b}') && !said.contains("forged\""), "{said}");
}

#[test]
fn the_log_may_be_text_or_off() {
    let backend = Backend::saying("reached");
    let routes = routes_to(&backend, &[("/**", "anonymous", "any")]);
    let gate = Gate::start(&format!("access_log: {{ format: text, target: stdout }}\n{routes}"));
    gate.get("/seen").expect(200);
    eventually(PATIENCE, || gate.log().iter().any(|line| line.contains("/seen")).then_some(()));
    let quiet = Gate::start(&format!("access_log: {{ target: off }}\n{routes}"));
    quiet.get("/unseen").expect(200);
    drop(quiet.admin("/metrics"));
    assert!(!quiet.log().join("\n").contains("/unseen"));
}

#[test]
fn metrics_exist_and_move() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    gate.get("/a").expect(200);
    gate.get("/in/x").expect(401);
    gate.curl("/in/x", &["--user", &format!("alice:{PASSWORD}")]).expect(200);
    gate.curl("/in/x", &["--user", "alice:wrong"]).expect(401);
    let login =
        gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD})).expect(200).json();
    gate.get_with_token("/no", login["access_token"].as_str().unwrap()).expect(403);
    let at_least = |name: &str, labels: &[&str], least: f64| {
        eventually(PATIENCE, || (gate.metric(name, labels) >= least).then_some(()));
    };
    at_least("haechi_http_requests_total", &["route=\"r0\"", "method=\"GET\"", "status=\"200\""], 1.0);
    at_least("haechi_http_requests_total", &["route=\"r1\"", "status=\"401\""], 2.0);
    at_least("haechi_request_duration_seconds_count", &[], 5.0);
    at_least("haechi_authn_total", &["authenticator=\"staff\""], 2.0);
    at_least("haechi_authz_decisions_total", &["route=\"r2\""], 1.0);
    let text = gate.admin("/metrics").text();
    let promised = [
        "haechi_authz_duration_seconds",
        "haechi_upstream_",
        "haechi_jwks_",
        "haechi_config_last_reload_success",
        "haechi_config_generation",
        "haechi_store_",
    ];
    let missing: Vec<&str> = promised.into_iter().filter(|name| !text.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for secret in [PASSWORD, "alice:"] {
        assert!(!text.contains(secret));
    }
}

#[test]
fn a_stranger_cannot_make_metrics_grow() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    gate.get("/a").expect(200);
    let lines = || gate.admin("/metrics").text().lines().count();
    let before = lines();
    for n in 0..20 {
        gate.curl(
            &format!("/path-{n}"),
            &["--request", &format!("METHOD{n}"), "--header", &format!("Host: h{n}")],
        );
    }
    assert!(lines() < before + 40, "{before} lines became {}", lines());
}

#[test]
fn health_is_told_on_the_admin_listener_only() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    gate.admin("/livez").expect(200);
    gate.admin("/readyz").expect(200);
    assert_eq!(gate.admin("/nowhere").status, 404);
    // The public listener forwards these as any path.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(gate.get(path).expect(200).text(), "reached");
    }
}

#[test]
fn the_reason_is_of_the_authenticator_that_the_credential_was_for() {
    let (own, theirs, stranger) = (Key::p256("own"), Key::p256("theirs"), Key::p256("stranger"));
    let (corp, other) = (IdentityProvider::start(&[&own]), IdentityProvider::start(&[&theirs]));
    let backend = Backend::saying("reached");
    let jwt = |provider: &IdentityProvider, audience: &str| {
        format!(
            "{{ type: jwt, issuer: \"{}\", audiences: [{audience}], keys: discovery }}",
            provider.issuer()
        )
    };
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
access_log: {{ format: json, target: access.log }}
authenticators:
  staff: {{ type: basic, realm: staff }}
  key: {{ type: api_key, header: X-API-Key }}
  corp: {corp}
  partner: {partner}
  bills: {bills}
{routes}",
        corp = jwt(&corp, "orders"),
        partner = jwt(&other, "orders"),
        bills = jwt(&other, "bills"),
        routes = routes_to(&backend, &[("/**", "[staff, key, corp, partner, bills]", "any")]),
    ));
    let gate = Gate::start_in(folder).ready();
    let token = |key: &Key, provider: &IdentityProvider, change: Value| {
        format!("Authorization: Bearer {}", key.token(&with(&provider.claims("alice"), &change)))
    };
    let expired = json!({"exp": 1});
    let cases = [
        (token(&own, &corp, expired.clone()), "corp", "the token has expired"),
        (token(&theirs, &other, expired.clone()), "partner", "the token has expired"),
        (token(&theirs, &other, json!({"exp": 1, "aud": "bills"})), "bills", "the token has expired"),
        (token(&theirs, &other, json!({"aud": "none"})), "partner", "the token is for another audience"),
        (token(&stranger, &other, json!({})), "partner", "no key of the issuer"),
        ("Authorization: Basic bm9ib2R5Ong=".to_owned(), "staff", "no such user"),
        ("X-API-Key: hk_nonsense".to_owned(), "key", "the API key"),
    ];
    for (credential, ..) in &cases {
        let challenges =
            gate.get_with("/", &[credential]).expect(401).head.all("www-authenticate").join("\n");
        let is_token = credential.contains("Bearer");
        for realm in ["corp", "partner", "bills"] {
            let told = format!("Bearer realm=\"{realm}\", error=\"invalid_token\"");
            assert_eq!(challenges.contains(&told), is_token, "{credential}: {challenges}");
        }
    }
    // A credential that does not hold beside a token that does not hold either: each way in tells of its own.
    let both = gate.get_with("/", &["X-API-Key: hk_nonsense", &cases[1].0]).expect(401);
    assert!(
        both.challenges().contains("realm=\"partner\", error=\"invalid_token\""),
        "{}",
        both.challenges()
    );
    let good = gate.get_with("/", &[&token(&theirs, &other, json!({}))]).expect(200);
    assert_eq!(good.text(), "reached");

    let lines = access_log(&gate, cases.len() + 2);
    for ((credential, authenticator, reason), line) in cases.iter().zip(&lines) {
        assert_eq!(line["authenticator"], *authenticator, "{credential}: {line}");
        assert!(line["reason"].as_str().is_some_and(|told| told.starts_with(reason)), "{credential}: {line}");
    }
    assert_eq!((&lines[7]["authenticator"], &lines[7]["reason"]), (&json!("partner"), &lines[1]["reason"]));
    assert_eq!(
        (&lines[8]["authenticator"], lines[8].get("reason")),
        (&json!("partner"), None),
        "{}",
        lines[8]
    );
}

#[test]
fn every_refusal_has_its_reason() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let url = |path: &str| gate.url(path);
    let send = |arguments: &[&str]| crate::harness::curl(arguments).status;
    let statuses = [
        send(&["-X", "TRACE", &url("/a")]),
        send(&["-X", "DELETE", &url("/auth/login")]),
        send(&["-d", "{}", &url("/auth/login")]),
        send(&["-d", "[]", &url("/auth/refresh")]),
        send(&["-d", &"x".repeat(20_000), &url("/auth/login")]),
        send(&["-H", "Connection: host", &url("/a")]),
        send(&["-H", "Upgrade: websocket", "-H", "Connection: Upgrade", &url("/a")]),
        send(&["-H", "Authorization: Bearer a", "-H", "Authorization: Bearer b", &url("/in/a")]),
        send(&[&url("/a%2Fb")]),
        send(&["-H", "Expect: magic", &url("/a")]),
    ];
    assert_eq!(statuses, [405, 405, 400, 400, 413, 400, 400, 400, 400, 417]);
    for line in access_log(&gate, statuses.len()) {
        assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
    }
}
