//! The whole way, with clients that are not ours, and by hand.

use super::{REDIRECT, World};
use crate::harness::packages::with_packages;
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Running, curl, eventually};
use crate::login::browser::{Browser, find_parameter, location, parameter};
use haechi_testkit::Backend;
use haechi_testkit::jose::part;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The clients with their packages, wherever cargo builds.
fn installed() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/standard_provider");
    with_packages("e2e-standard-provider", &here, &["package.json", "clients.mjs"], "openid-client")
}

#[test]
fn npm_clients_log_somebody_in_unmodified() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let mut node = Command::new("node");
    node.args([
        "clients.mjs",
        &world.issuer,
        &world.client.id,
        &world.client.secret,
        &world.public.id,
        REDIRECT,
    ]);
    let ran = node.args(["alice", PASSWORD]).current_dir(installed()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let (access, id) = (&told["access"], &told["id"]);
    assert_eq!(told["person"]["preferred_username"], "alice");
    assert_eq!(told["person"]["sub"], id["sub"]);
    assert_eq!(access["client_id"], *world.client.id);
    assert_eq!(access["scope"], "openid profile offline_access");
    assert_eq!(access["amr"], serde_json::json!(["pwd"]));
    for claim in ["auth_time", "acr", "amr"] {
        assert_eq!(access[claim], id[claim], "{claim}");
    }
    assert!(id["nonce"].is_string() && id["at_hash"].is_string() && id["sid"].is_string(), "{id}");
    assert_eq!((&told["refreshed"], &told["rotated"]), (&"string".into(), &true.into()));
    assert_eq!(told["public"]["aud"], *world.public.id);
    assert_eq!(
        (&told["bare"]["claims"]["aud"], &told["bare"]["refresh"]),
        (&(*world.client.id).into(), &Value::Null)
    );
    // The token that came of the login is one for the gate's own routes.
    world.gate.get_with_token("/orders", told["token"].as_str().unwrap()).expect(200);
    let seen = backend.last();
    assert_eq!(
        (seen.field("x-auth-subject"), seen.field("x-auth-roles")),
        (id["sub"].as_str(), Some("USER"))
    );
}

#[test]
fn a_browser_stays_logged_in_and_logs_out() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let mut browser = Browser::default();
    let to = world.log_in(&mut browser, &world.request(&world.client.id, &[("nonce", "n-1")]));
    assert!(to.starts_with(REDIRECT), "{to}");
    assert_eq!((parameter(&to, "state"), parameter(&to, "iss")), ("s-1".into(), world.issuer.clone()));
    let tokens = world.token(&world.client, &parameter(&to, "code"), &[]).expect(200).json();
    assert!(tokens.get("refresh_token").is_none(), "nobody asked for one");
    let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
    assert_eq!(part(id, 1)["nonce"], "n-1");
    world.gate.get_with_token("/x", access).expect(200);
    // Without a login again, also for another client; with one where the client asks for it.
    let again = location(&browser.open(&world.request(&world.public.id, &[("prompt", "none")])), "");
    assert!(find_parameter(&again, "code").is_some(), "{again}");
    for asked in [("prompt", "login"), ("max_age", "0")] {
        eventually(PATIENCE, || {
            (browser.open(&world.request(&world.client.id, &[asked])).status == 200).then_some(())
        });
    }
    let sid = browser.cookies["haechi-identity-development"].clone();
    let fresh = world.log_in(&mut browser, &world.request(&world.client.id, &[("prompt", "login")]));
    assert!(find_parameter(&fresh, "code").is_some(), "{fresh}");
    assert_ne!(browser.cookies["haechi-identity-development"], sid, "a login gives another session");
    // No backend sees the provider's cookies.
    browser.fetch(&world.gate.url("/open/"), &[]).expect(200);
    assert_eq!(backend.last().field("cookie"), None);
    // A logout by the client, whose token is of this browser's session.
    let code = parameter(&fresh, "code");
    let tokens = world.token(&world.client, &code, &[]).expect(200).json();
    let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
    let end = format!(
        "{}/auth/end_session?id_token_hint={id}&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2F&state=bye",
        world.issuer
    );
    assert_eq!(location(&browser.open(&end), ""), "https://app.example.com/?state=bye");
    assert!(!browser.cookies.contains_key("haechi-identity-development"));
    eventually(PATIENCE, || (world.gate.get_with_token("/x", access).status == 401).then_some(()));
    let none = location(&browser.open(&world.request(&world.client.id, &[("prompt", "none")])), "");
    assert_eq!(parameter(&none, "error"), "login_required");
}

#[test]
fn a_logout_that_nobody_vouches_for_is_asked_about() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let mut browser = Browser::default();
    world.log_in(&mut browser, &world.request(&world.client.id, &[]));
    let page = browser.open(&format!("{}/auth/end_session", world.issuer)).expect(200);
    assert!(page.text().contains("Log out?"), "{}", page.text());
    let still = location(&browser.open(&world.request(&world.client.id, &[("prompt", "none")])), "");
    assert!(find_parameter(&still, "code").is_some(), "{still}");
    let done = world.send(&mut browser, &page, &[("action", "logout")]).expect(200);
    assert!(done.text().contains("You have logged out"), "{}", done.text());
    for bad in [
        "?post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F",
        &format!(
            "?client_id={}&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2Fother",
            world.client.id
        ),
        "?id_token_hint=nonsense",
    ] {
        let refused = browser.open(&format!("{}/auth/end_session{bad}", world.issuer));
        assert_eq!((refused.status, refused.field("location")), (400, None), "{bad}");
    }
}

#[test]
fn a_client_that_asks_for_consent_gets_nothing_before() {
    let backend = Backend::saying("reached");
    let world = World::with(&backend, "", &["--consent"]);
    let mut browser = Browser::default();
    let request = world.request(&world.client.id, &[("scope", "openid orders:read")]);
    let page = browser.open(&request).expect(200);
    let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
    let asked = world.send(&mut browser, &page, &sent).expect(200);
    assert!(asked.text().contains("orders:read") && asked.text().contains("shop"), "{}", asked.text());
    let quiet = location(&browser.open(&format!("{request}&prompt=none")), "");
    assert_eq!(parameter(&quiet, "error"), "consent_required");
    let denied = location(&world.send(&mut browser, &asked, &[("action", "deny")]), "");
    assert_eq!(parameter(&denied, "error"), "access_denied");
    let asked = browser.open(&request).expect(200);
    let allowed = location(&world.send(&mut browser, &asked, &[("action", "allow")]), "");
    let tokens = world.token(&world.client, &parameter(&allowed, "code"), &[]).expect(200).json();
    assert_eq!(tokens["scope"], "openid orders:read");
    // It is remembered, for these scopes and for fewer, and not for more.
    let again = location(&browser.open(&format!("{request}&prompt=none")), "");
    assert!(find_parameter(&again, "code").is_some(), "{again}");
    let more = world.request(&world.client.id, &[("scope", "openid profile"), ("prompt", "none")]);
    assert_eq!(parameter(&location(&browser.open(&more), ""), "error"), "consent_required");
}

#[test]
fn the_login_speaks_korean_and_keeps_the_way_after_a_wrong_password() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let mut browser = Browser::default();
    let request = world.request(&world.client.id, &[("login_hint", "alice"), ("state", "deep link")]);
    let korean = browser
        .ask(&request, &["--header", "Accept-Language: ko-KR,ko;q=0.9", "--header", "Accept: text/html"]);
    assert!(korean.text().contains("로그인") && korean.text().contains("lang=\"ko\""), "{}", korean.text());
    let page = browser.open(&request).expect(200);
    assert!(page.text().contains("value=\"alice\""), "{}", page.text());
    let wrong =
        world.send(&mut browser, &page, &[("username", "alice"), ("password", "no"), ("action", "login")]);
    let unknown =
        world.send(&mut browser, &page, &[("username", "nobody"), ("password", "no"), ("action", "login")]);
    assert_eq!((wrong.status, unknown.status), (400, 400));
    let told = |page: &crate::harness::Reply| super::between(&page.text(), "role=\"alert\">", "<").to_owned();
    assert_eq!(told(&wrong), told(&unknown));
    let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
    let to = location(&world.send(&mut browser, &wrong, &sent), "");
    assert_eq!(parameter(&to, "state"), "deep link");
    let discovery = curl(&[&format!("{}/.well-known/openid-configuration", world.issuer)]).expect(200).json();
    for endpoint in ["authorization_endpoint", "userinfo_endpoint", "end_session_endpoint"] {
        let address = discovery[endpoint].as_str().unwrap();
        assert_ne!(curl(&[address]).status, 404, "{address}");
    }
}

#[test]
fn the_example_logs_somebody_in() {
    let backend = Backend::saying("three orders");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/embedded-provider");
    let (port, app_port) = (super::free_port(), super::free_port());
    let text = std::fs::read_to_string(example.join("haechi.yaml")).unwrap();
    let text = text
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
        .replace("127.0.0.1:9901", "127.0.0.1:0")
        .replace("http://127.0.0.1:7001", &backend.url());
    let folder = Folder::exactly(&text);
    folder.add_user("alice", &["USER"]);
    let client = super::add_client(
        &folder,
        &["orders-app", "--public", "--redirect-uri", "http://127.0.0.1/callback"],
    );
    let gate = Gate::start_in(folder).ready();
    let (base, app) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{app_port}"));
    let mut node = Command::new("node");
    node.args([example.join("app.mjs").to_str().unwrap(), &app_port.to_string(), &base, &client.id]);
    let _app = Running(node.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    eventually(PATIENCE, || (curl(&[&app]).status == 303).then_some(()));
    let (mut here, mut there) = (Browser::default(), Browser::default());
    let request = location(&here.open(&app), "");
    let page = there.open(&request).expect(200);
    let text = page.text();
    let ticket = super::between(&text, "name=\"ticket\" value=\"", "\"");
    let form = format!("ticket={ticket}&username=alice&password={}&action=login", super::encoded(PASSWORD));
    let back = location(&there.submit(&format!("{base}/auth/authorize"), &form, &[]), "");
    let shown = here.open(&back).expect(200).text();
    assert!(shown.contains("hello alice") && shown.contains("your orders: 200 three orders"), "{shown}");
    gate.get("/orders/").expect(401);
}
