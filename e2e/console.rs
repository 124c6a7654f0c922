//! The console, as a browser meets it (docs/console.md). Its pages are what the calls answer to whoever is logged in.

mod changes;
mod chromium;
mod pages;

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, curl, eventually, haechi};
use serde_json::Value;

const HOSTILE: &str = "<img src=x onerror=alert(1)>";
const TURNING: &str = "\u{5d0}\u{5d1} right to left";

fn start() -> Gate {
    start_with("", "")
}

/// With more keys of the admin API and of the identity provider.
fn start_with(admin: &str, identity: &str) -> Gate {
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
workers: 1
admin: {{ bind: 127.0.0.1:0, console: true{admin} }}
store: sqlite:haechi.db
roles: {{ USER: {{}} }}
services: {{ web: {{ endpoints: [\"http://127.0.0.1:9\"] }} }}
authenticators: {{ key: {{ type: api_key }} }}
routes:
  - {{ name: orders, match: {{ path: \"/orders/{{id}}\" }}, service: web, authenticate: [key], authorize: {{ roles: [USER] }} }}
  - {{ name: open, match: {{ path: /open }}, service: web, authenticate: anonymous, authorize: any }}
identity: {{ issuer: http://localhost:8080, path: /auth{identity} }}
audit: {{ file: audit/haechi.jsonl }}
",
    ));
    folder.add_user("root", &["haechi-admin"]);
    folder.add_user("eve", &["haechi-auditor"]);
    folder.add_user("alice", &["USER"]);
    Gate::start_in(folder).ready()
}

fn at(gate: &Gate, path: &str, arguments: &[&str]) -> Reply {
    let url = format!("http://{}{path}", gate.admin_address());
    curl(&[&[&*url], arguments].concat())
}

fn from(gate: &Gate) -> String {
    format!("Origin: http://{}", gate.admin_address())
}

fn log_in(gate: &Gate, name: &str, password: &str) -> Reply {
    let (origin, name) = (from(gate), format!("username={name}"));
    let password = format!("password={password}");
    let fields = ["--header", &origin, "--data-urlencode", &name, "--data-urlencode", &password];
    at(gate, "/console/login", &fields)
}

fn cookie(gate: &Gate, name: &str) -> String {
    let reply = log_in(gate, name, PASSWORD).expect(303);
    let set = reply.field("set-cookie").unwrap().to_owned();
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    format!("Cookie: {}", set.split(';').next().unwrap())
}

fn page(gate: &Gate, cookie: &str, path: &str) -> Reply {
    at(gate, path, &["--header", cookie])
}

fn records(gate: &Gate, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(gate.folder().file("audit/haechi.jsonl")).unwrap();
    let all = text.lines().map(|line| serde_json::from_str(line).unwrap());
    all.filter(|record: &Value| record["event"] == event).collect()
}

const PAGES: [&str; 20] = [
    "/console",
    "/console/decisions",
    "/console/who-can?path=/health",
    "/console/explain?path=/health",
    "/console/matrix",
    "/console/matrix/cell?route=orders&method=GET&caller=USER",
    "/console/configurations",
    "/console/review",
    "/console/zone",
    "/console/routes",
    "/console/services",
    "/console/users",
    "/console/users/alice",
    "/console/sessions",
    "/console/keys",
    "/console/clients",
    "/console/signing-keys",
    "/console/policies",
    "/console/approvals",
    "/console/audit",
];

#[test]
fn administrators_and_auditors_see_the_pages_and_nobody_else_does() {
    let gate = start();
    for name in ["root", "eve"] {
        let cookie = cookie(&gate, name);
        for path in PAGES {
            let shown = page(&gate, &cookie, path).expect(200);
            let text = shown.text();
            assert!(text.len() < 50_000 && !text.contains("type=\"password\""), "{path}: {text}");
            assert_eq!(shown.field("cache-control"), Some("no-store"));
            assert_eq!(shown.field("referrer-policy"), Some("same-origin"));
            let policy = shown.field("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        }
        assert!(page(&gate, &cookie, "/console/users").text().contains("alice"));
        page(&gate, &cookie, "/console/nothing").expect(404);
    }
    // Who may not call gets no session, and the login that came of the password is ended.
    let refused = log_in(&gate, "alice", PASSWORD).expect(403);
    assert_eq!(refused.field("set-cookie"), None);
    assert_eq!(log_in(&gate, "root", "wrong wrong wrong wrong").expect(403).field("set-cookie"), None);
    for cookie in ["X: y", "Cookie: haechi-console-development=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        for path in PAGES {
            let shown = page(&gate, cookie, path).expect(200).text();
            assert!(shown.contains("type=\"password\"") && !shown.contains("<bdi>alice"), "{path}");
        }
    }
    let logins = records(&gate, "login");
    assert_eq!(logins.iter().filter(|login| login["outcome"] == "done").count(), 3, "{logins:?}");
    assert_eq!(logins.iter().filter(|login| login["outcome"] == "refused").count(), 1, "{logins:?}");
}

#[test]
fn forms_of_other_sites_do_nothing() {
    let gate = start();
    let password = format!("password={PASSWORD}");
    let data = ["--data-urlencode", "username=root", "--data-urlencode", &password];
    let own = from(&gate);
    for fields in [
        &[][..],
        &["--header", "Origin: http://evil.example"],
        &["--header", "Origin: null"],
        &["--header", &own, "--header", "Sec-Fetch-Site: cross-site"],
        &["--header", "Sec-Fetch-Site: same-site"],
        &["--header", &own, "--header", "Host: evil.example"],
    ] {
        let refused = at(&gate, "/console/login", &[&data[..], fields].concat()).expect(403);
        assert_eq!(refused.field("set-cookie"), None, "{fields:?}");
    }
    let cookie = cookie(&gate, "root");
    let no_tie = ["--header", &cookie, "--header", &own, "--data", "tie=AAAA"];
    at(&gate, "/console/logout", &no_tie).expect(403);
    page(&gate, &cookie, "/console/users").expect(200);
}

#[test]
fn a_session_ends_when_its_reader_logs_out() {
    let gate = start();
    let (root, eve, own) = (cookie(&gate, "root"), cookie(&gate, "eve"), from(&gate));
    let shown = page(&gate, &root, "/console").expect(200).text();
    let tie = shown.split("name=\"tie\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let data = format!("tie={tie}");
    at(&gate, "/console/logout", &["--header", &root, "--header", &own, "--data", &data]).expect(303);
    assert!(page(&gate, &root, "/console/users").text().contains("type=\"password\""));
    assert_eq!(records(&gate, "logout").len(), 1);
    assert!(page(&gate, &eve, "/console/users").text().contains("alice"), "hers goes on");
}

#[test]
fn the_bearer_of_a_session_is_on_no_page_and_the_cookie_is_no_credential_of_the_api() {
    let gate = start();
    let cookie = cookie(&gate, "root");
    for path in PAGES {
        assert!(!page(&gate, &cookie, path).expect(200).text().contains("eyJ"), "{path}");
    }
    page(&gate, &cookie, "/api/v1/users").expect(401);
}

#[test]
fn pages_are_in_korean_for_those_who_prefer_it() {
    let gate = start();
    let login = at(&gate, "/console", &["--header", "Accept-Language: ko-KR,ko;q=0.9"]).expect(200).text();
    assert!(login.contains("<html lang=\"ko\">") && login.contains("비밀번호"), "{login}");
}

#[test]
fn text_from_elsewhere_is_shown_as_text() {
    let gate = start();
    let folder = gate.folder();
    haechi(folder.path(), &["key", "create", "--owner", HOSTILE, "--name", TURNING]).success();
    haechi(folder.path(), &["client", "add", HOSTILE]).success();
    gate.get("/orders/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E").expect(401);
    let cookie = cookie(&gate, "root");
    let query = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E";
    let mut seen = 0;
    for path in PAGES {
        for path in [
            path.to_owned(),
            format!(
                "{path}{}route={query}&name={query}&path=/{query}",
                if path.contains('?') { '&' } else { '?' }
            ),
        ] {
            let shown = page(&gate, &cookie, &path);
            assert!(matches!(shown.status, 200 | 404 | 422), "{path}: {}", shown.text());
            let text = shown.text();
            assert!(!text.contains(HOSTILE) && !text.contains("<img"), "{path}: {text}");
            seen += usize::from(text.contains("&lt;img"));
        }
    }
    assert!(seen > 5, "{seen}");
    let keys = page(&gate, &cookie, "/console/keys").expect(200).text();
    assert!(keys.contains(&format!("<bdi>{TURNING}</bdi>")) && keys.contains("&lt;img"), "{keys}");
    assert!(page(&gate, &cookie, "/console/clients").text().contains("&lt;img"));
}

/// The gate's tokens are valid for two seconds here, and a session for as long as it is used.
#[test]
fn a_session_goes_on_beyond_its_access_token_and_ends_with_its_login() {
    let gate = start_with("", ", access_token: { lifetime: 2s }");
    let cookie = cookie(&gate, "root");
    let began = std::time::Instant::now();
    eventually(PATIENCE, || {
        assert!(page(&gate, &cookie, "/console/users").expect(200).text().contains("alice"));
        (began.elapsed() > std::time::Duration::from_secs(5)).then_some(())
    });
    // One login all the time, whoever ends it.
    let sessions = page(&gate, &cookie, "/console/sessions?as=json").expect(200).json();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    haechi(gate.folder().path(), &["session", "end", sessions[0]["id"].as_str().unwrap()]).success();
    eventually(PATIENCE, || {
        page(&gate, &cookie, "/console/users").text().contains("type=\"password\"").then_some(())
    });
}
