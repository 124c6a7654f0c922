//! Routes that ask for more than any login (`step_up`, RFC 9470): a browser is sent to the provider for it, a script is told, and a provider that ignores it
//! lets nobody in.

use super::browser::{Browser, find_parameter, location, parameter};
use super::provider::Provider;
use super::{COOKIE, World};
use crate::harness::{Folder, Gate, Reply, haechi, routes_to};
use haechi_testkit::jose::{Key, now, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::{Value, json};

const STEP_UP: &str = "  - { name: strong, match: { path: /strong/** }, authenticate: browser, step_up: { acr_values: [gold, silver], max_age: 5m }, authorize: any, service: web }
";

/// A world with `/strong/**`, whose provider says this of each login.
fn world(says: Value) -> World {
    let provider = Provider::start();
    let backend = Backend::saying("reached");
    let text = super::configuration(&provider, &backend, "") + STEP_UP;
    let gate = Gate::start_in(Folder::new(&text)).ready();
    let world = World { gate, provider, backend };
    world.says(says);
    world
}

impl World {
    fn says(&self, claims: Value) {
        self.provider.breaks(|faults| faults.claims = claims);
    }

    fn log_in_for(&self, browser: &mut Browser, path: &str) -> (String, Reply) {
        let start = location(&browser.open(&self.gate.url(path)), &self.base());
        let page = location(&browser.open(&start), &self.base());
        let back = browser.open(&self.provider.log_in(&page, "alice"));
        (page, back)
    }
}

#[test]
fn a_browser_is_sent_to_log_in_as_the_route_asks_and_comes_back() {
    let world = world(json!({ "auth_time": now() - 1000 }));
    let (mut browser, _) = world.logged_in("alice", "/app/");
    browser.open(&world.gate.url("/app/")).expect(200);
    let before = world.arrived().len();
    world.says(json!({ "acr": "silver", "auth_time": now() }));
    let (page, back) = world.log_in_for(&mut browser, "/strong/x?q=1&to=%2F");
    assert_eq!(
        (parameter(&page, "acr_values"), parameter(&page, "max_age")),
        ("gold silver".into(), "300".into())
    );
    assert_eq!(location(&back, ""), "/strong/x?q=1&to=%2F", "the deep link with its query");
    assert_eq!(world.arrived().len(), before, "nothing arrived meanwhile");
    browser.open(&world.gate.url("/strong/x")).expect(200);
    browser.open(&world.gate.url("/app/")).expect(200);
    // Who has no session at all is asked at once for what the route asks for.
    let mut another = Browser::default();
    let (page, _) = world.log_in_for(&mut another, "/strong/");
    assert_eq!(parameter(&page, "max_age"), "300");
    another.open(&world.gate.url("/strong/")).expect(200);
    let (page, _) = world.log_in_for(&mut Browser::default(), "/app/");
    assert_eq!(find_parameter(&page, "acr_values"), None, "elsewhere nothing is asked");
}

#[test]
fn a_script_and_a_form_are_told() {
    let world = world(json!({ "acr": "bronze", "auth_time": now() }));
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let before = world.arrived().len();
    let told = browser.fetch(&world.gate.url("/strong/"), &[]).expect(401);
    let wanted = "error=\"insufficient_user_authentication\", acr_values=\"gold silver\", max_age=\"300\"";
    assert!(told.challenges().contains(wanted), "{}", told.challenges());
    assert!(told.json()["type"].as_str().unwrap().ends_with(":step-up"));
    let page = browser.submit(&world.gate.url("/strong/"), "a=b", &["Origin: null"]);
    assert!(matches!(page.status, 401 | 403), "{page:#?}");
    let site = format!("Origin: {}", world.base());
    let page = browser.submit(&world.gate.url("/strong/"), "a=b", &[&site]).expect(401).text();
    assert!(page.contains("acr_values=gold%20silver&amp;max_age=300"), "a way to log in: {page}");
    assert_eq!(world.arrived().len(), before, "nothing arrived");
}

#[test]
fn a_provider_that_ignores_it_lets_nobody_in_and_there_is_no_loop() {
    let world = world(json!({ "acr": "bronze", "auth_time": now() }));
    for says in [
        json!({ "acr": "bronze", "auth_time": now() }),
        json!({ "acr": null, "auth_time": now() }),
        json!({ "acr": ["gold"], "auth_time": now() }),
        json!({ "acr": "gold", "auth_time": null }),
        json!({ "acr": "gold", "auth_time": now() - 301 }),
        json!({ "acr": "gold", "auth_time": now() + 600 }),
        json!({ "acr": "gold", "auth_time": "now" }),
    ] {
        let (mut browser, _) = world.logged_in("alice", "/app/");
        let session = browser.cookies[COOKIE].clone();
        let before = world.arrived().len();
        world.says(says.clone());
        let (_, refused) = world.log_in_for(&mut browser, "/strong/");
        assert_eq!(refused.status, 403, "{says}: {refused:#?}");
        let text = refused.text();
        assert!(text.contains("newer or stronger login"), "it says why: {text}");
        assert_eq!(browser.cookies[COOKIE], session, "{says}: the session is the one from before");
        assert_eq!(world.arrived().len(), before, "{says}: nothing arrived");
        world.says(json!({ "acr": "gold", "auth_time": now() }));
        let (_, back) = world.log_in_for(&mut browser, "/strong/");
        assert_eq!(location(&back, ""), "/strong/", "{says}: the control");
        browser.open(&world.gate.url("/strong/")).expect(200);
        world.says(json!({ "auth_time": now() }));
    }
    for bad in ["acr_values=a%22b", "max_age=-1", "max_age=a"] {
        Browser::default().open(&world.gate.url(&format!("/auth/oidc/browser/start?{bad}"))).expect(400);
    }
}

#[test]
fn a_refresh_makes_no_login_newer() {
    let provider = Provider::start();
    let backend = Backend::saying("reached");
    let text = super::configuration(&provider, &backend, "    forward_access_token: true") + STEP_UP;
    let world = World { gate: Gate::start_in(Folder::new(&text)).ready(), provider, backend };
    world.provider.access_tokens_last(1);
    world.says(json!({ "acr": "gold", "auth_time": now() - 200 }));
    let mut browser = Browser::default();
    world.log_in_for(&mut browser, "/strong/");
    browser.open(&world.gate.url("/strong/")).expect(200);
    world.says(json!({ "acr": "bronze", "auth_time": now() }));
    crate::harness::eventually(crate::harness::PATIENCE, || {
        browser.open(&world.gate.url("/strong/")).expect(200);
        (world.provider.asked("/token").len() >= 3).then_some(())
    });
    browser.open(&world.gate.url("/strong/")).expect(200);
}

#[test]
fn a_bearer_token_is_told_the_same() {
    let (key, backend) = (Key::p256("one"), Backend::saying("reached"));
    let issuer = IdentityProvider::start(&[&key]);
    let routes = routes_to(&backend, &[("/**", "corp", "any")])
        .replace("authorize: any", "step_up: { acr_values: [gold], max_age: 5m }, authorize: any");
    let gate = Gate::start(&format!(
        "authenticators: {{ corp: {{ type: jwt, issuer: {}, audiences: [orders] }} }}\n{routes}",
        issuer.issuer()
    ))
    .ready();
    let token = |more: Value| key.token(&with(&issuer.claims("alice"), &more));
    for more in [
        json!({}),
        json!({ "acr": "gold" }),
        json!({ "auth_time": now() }),
        json!({ "acr": "silver", "auth_time": now() }),
        json!({ "acr": "gold", "auth_time": now() - 400 }),
    ] {
        let told = gate.get_with_token("/a", &token(more)).expect(401).challenges();
        let wanted = "Bearer realm=\"corp\", error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"300\"";
        assert!(told.contains(wanted), "{told}");
    }
    assert!(backend.recorded().is_empty());
    gate.get_with_token("/a", &token(json!({ "acr": "gold", "auth_time": now() - 100 }))).expect(200);
    let folder = gate.folder().path();
    let explain = |more: &[&str]| {
        let all = ["explain", "--method", "GET", "--path", "/a", "--subject", "alice"];
        haechi(folder, &[&all[..], more].concat()).success().stdout
    };
    let refused = explain(&["--acr", "gold"]);
    assert!(refused.contains("401") && refused.contains("a login within 300 s"), "{refused}");
    assert!(explain(&["--acr", "gold", "--login-age", "4m"]).contains("allow"));
    gate.folder().write(
        "cases.yaml",
        "- name: fresh\n  request: { method: GET, path: /a }\n  caller: { acr: gold, login_age: 1m }\n  expect: allow\n\
         - name: old\n  request: { method: GET, path: /a }\n  caller: { acr: gold, login_age: 6m }\n  expect: 401\n\
         - name: weak\n  request: { method: GET, path: /a }\n  caller: { login_age: 1m }\n  expect: 401\n",
    );
    haechi(folder, &["test", "cases.yaml"]).success();
}

#[test]
fn what_can_never_be_satisfied_does_not_load() {
    for (route, why) in [
        ("authenticate: keys, step_up: { max_age: 5m }", "`keys` never says how or when somebody logged in"),
        ("authenticate: anonymous, step_up: { max_age: 5m }", "no login satisfies `step_up`"),
        ("authenticate: corp, step_up: {}", "`step_up` asks for nothing"),
        ("authenticate: corp, step_up: { acr_values: [] }", "`step_up` asks for nothing"),
        ("authenticate: corp, step_up: { acr_values: [\"a b\"] }", "visible ASCII without spaces"),
        ("authenticate: corp, step_up: { max_age: 1s }", "10s"),
    ] {
        let folder = Folder::new(&format!(
            "store: sqlite:haechi.db
authenticators: {{ keys: {{ type: api_key }}, corp: {{ type: jwt, issuer: \"https://sso.example.com\", audiences: [a] }} }}
services: {{ web: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}
routes: [{{ name: a, match: {{ path: /** }}, {route}, authorize: any, service: web }}]
"
        ));
        let checked = haechi(folder.path(), &["check"]);
        assert_eq!(checked.code, 1, "{route}");
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains(why), "{route}: {said}");
    }
}
