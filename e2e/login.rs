//! Login in a browser (`type: oidc`, docs/login.md): against a provider of the tests' own, with curl as the browser.

pub(crate) mod browser;
mod certified;
mod chromium;
mod faults;
mod nodes;
mod pages;
mod provider;
mod refresh;
mod revoking;
mod sites;
mod step_up;

use crate::harness::{Folder, Gate, PATIENCE, Reply, eventually, haechi};
use browser::{Browser, location, parameter};
use haechi_testkit::{Backend, Recorded};
use provider::{CLIENT, Provider, SECRET, form};
use serde_json::{Value, json};

/// A gate, its provider and its backend.
struct World {
    gate: Gate,
    provider: Provider,
    backend: Backend,
}

/// Routes: `/app/**` by login, `/mixed/**` by login or an API key, `/open/**` for everybody.
fn configuration(provider: &Provider, backend: &Backend, more: &str) -> String {
    format!(
        "store: sqlite:haechi.db
caller_attributes: {{ tenant: string, department: string }}
roles: {{ USER: {{}} }}
audit: {{ file: audit/haechi.jsonl }}
authenticators:
  browser:
    type: oidc
    issuer: {}
    client_id: {CLIENT}
    client_secret: \"{SECRET}\"
    claims: {{ roles: /groups }}
    role_map: {{ staff: USER }}
{more}
  keys: {{ type: api_key }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: app, match: {{ path: /app/** }}, authenticate: browser, authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: mixed, match: {{ path: /mixed/** }}, authenticate: [browser, keys], authorize: any, service: web }}
  - {{ name: open, match: {{ path: /open/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: trusting, match: {{ path: /trusting/** }}, authenticate: browser, authorize: any, service: web, origins: [\"https://friend.example\"] }}
",
        provider.issuer(),
        backend.url(),
    )
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more keys of the authenticator.
    fn with(more: &str) -> Self {
        let provider = Provider::start();
        let backend = Backend::saying("reached");
        let folder = Folder::new(&configuration(&provider, &backend, more));
        let gate = Gate::start_in(folder).ready();
        Self { gate, provider, backend }
    }

    fn base(&self) -> String {
        self.gate.url("")
    }

    /// The page of the provider that a browser is led to when it opens `path`.
    #[track_caller]
    fn led_to_login(&self, browser: &mut Browser, path: &str) -> String {
        let start = location(&browser.open(&self.gate.url(path)), &self.base());
        assert!(start.starts_with(&self.gate.url("/auth/oidc/browser/start?return_to=")), "{start}");
        let page = location(&browser.open(&start), &self.base());
        assert!(page.starts_with(&format!("{}/authorize?", self.provider.issuer())), "{page}");
        page
    }

    /// A browser in which `subject` is logged in, and where it was led after that.
    #[track_caller]
    fn logged_in(&self, subject: &str, path: &str) -> (Browser, String) {
        let mut browser = Browser::default();
        let page = self.led_to_login(&mut browser, path);
        let back = self.provider.log_in(&page, subject);
        let after = location(&browser.open(&back), &self.base());
        (browser, after)
    }

    fn arrived(&self) -> Vec<Recorded> {
        self.backend.recorded()
    }

    /// The actions in the audit trail, each with its outcome.
    fn audited(&self) -> Vec<(String, String)> {
        let folder = self.gate.folder().file("audit");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let lines: Vec<Value> = texts
            .flat_map(|text| {
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>()
            })
            .collect();
        let told =
            |line: &Value| Some((line["event"].as_str()?.to_owned(), line["outcome"].as_str()?.to_owned()));
        lines.iter().filter_map(told).collect()
    }
}

/// The session's cookie over plain http on loopback.
const COOKIE: &str = "haechi-development";

#[track_caller]
fn set_cookie<'r>(reply: &'r Reply, name: &str) -> &'r str {
    let all = reply.head.all("set-cookie");
    all.into_iter().find(|set| set.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("{reply:#?}"))
}

#[test]
fn a_login_leads_back_to_the_page_that_was_asked_for() {
    let world = World::with("    scopes: [openid, profile]\n    parameters: { prompt: \"select account\" }");
    let mut browser = Browser::default();
    let deep = "/app/reports/q3?year=2026&next=%2Fx&sign=%26%3D";
    let page = world.led_to_login(&mut browser, deep);
    assert_eq!(parameter(&page, "redirect_uri"), world.gate.url("/auth/oidc/browser/callback"));
    assert_eq!(parameter(&page, "scope"), "openid profile");
    assert_eq!(parameter(&page, "prompt"), "select account");
    for random in ["state", "nonce", "code_challenge"] {
        assert_eq!(parameter(&page, random).len(), 43, "256 bits: {page}");
    }
    let back = world.provider.log_in(&page, "alice");
    assert!(world.arrived().is_empty());
    let reply = browser.open(&back);
    assert_eq!(location(&reply, ""), world.gate.url(deep).replace(&world.base(), ""));
    let cookie = set_cookie(&reply, COOKIE);
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(
        (reply.field("cache-control"), reply.field("referrer-policy")),
        (Some("no-store"), Some("no-referrer"))
    );
    let token = world.provider.asked("/token").pop().unwrap();
    let basic = haechi_testkit::jose::base64("gate:s3cret%2Fof%3Athe%20gate");
    assert_eq!(token.field("authorization"), Some(&*format!("Basic {basic}")));
    assert!(!form(&token).contains_key("client_secret"));

    browser.cookies.insert("theirs".into(), "a=b\"c".into());
    browser.open(&world.gate.url(deep)).expect(200);
    let seen = world.backend.last();
    assert_eq!(seen.target(), deep);
    assert_eq!(seen.field("x-auth-subject"), Some("alice"));
    assert_eq!(seen.field("x-auth-issuer"), Some(&*world.provider.issuer().replace(',', "%2C")));
    assert_eq!(
        (seen.field("x-auth-roles"), seen.field("x-auth-authenticator")),
        (Some("USER"), Some("browser"))
    );
    assert_eq!(seen.field("x-auth-attr-tenant"), Some("acme"));
    assert_eq!(seen.field("x-auth-scopes"), Some("openid,profile"));
    assert_eq!(seen.field("cookie"), Some("theirs=a=b\"c"), "the gate's own cookies stay here");
    assert_eq!(seen.field("authorization"), None);
    assert!(world.audited().contains(&("login".to_owned(), "done".to_owned())));
    let store = std::fs::read(world.gate.folder().file("haechi.db")).unwrap();
    let secret = &browser.cookies[COOKIE];
    let holds = |text: &str| store.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!holds(secret) && !holds("access-"), "neither the cookie's value nor a token is in the store");
}

#[test]
fn cookies_of_the_gate_reach_no_backend_on_any_route_and_none_sets_them() {
    let provider = Provider::start();
    let backend = Backend::start(|_| {
        let fields = [("set-cookie", "haechi-development=chosen; Path=/"), ("set-cookie", "theirs=1")];
        haechi_testkit::Answer::new(200, &fields, "reached")
    });
    let gate = Gate::start_in(Folder::new(&configuration(&provider, &backend, ""))).ready();
    let world = World { gate, provider, backend };
    let (mut browser, _) = world.logged_in("alice", "/app/");
    browser.cookies.insert("a".into(), "1".into());
    browser.cookies.insert("__Host-haechi".into(), "over-tls".into());
    browser.cookies.insert("__Host-haechi-login-x".into(), "over-tls".into());
    browser.cookies.insert("z".into(), "2".into());
    let session = browser.cookies[COOKIE].clone();
    for path in ["/open/", "/app/"] {
        let reply = browser.open(&world.gate.url(path)).expect(200);
        assert_eq!(world.backend.last().field("cookie"), Some("a=1; z=2"), "{path}");
        assert_eq!(reply.head.all("set-cookie"), ["theirs=1"], "{path}");
        browser.cookies.remove("theirs");
    }
    assert_eq!(browser.cookies[COOKIE], session);
}

#[test]
fn ten_tabs_log_in_at_once_and_the_back_button_works() {
    let world = World::new();
    let mut browser = Browser::default();
    let pages: Vec<String> =
        (0..10).map(|n| world.led_to_login(&mut browser, &format!("/app/tab{n}"))).collect();
    let backs: Vec<String> = pages.iter().map(|page| world.provider.log_in(page, "alice")).collect();
    // The last tab first: each has a login of its own.
    let mut sessions = Vec::new();
    for (n, back) in backs.iter().enumerate().rev() {
        let after = location(&browser.open(back), "");
        assert_eq!(after, format!("/app/tab{n}"));
        sessions.push(browser.cookies[COOKIE].clone());
        browser.open(&world.gate.url(&after)).expect(200);
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 10, "a new id at each login");
    let asked = world.provider.asked("/token").len();
    // The provider's page is shown once more, and sends the browser with another code.
    let again = world.provider.log_in(&pages[3], "alice");
    assert_eq!(location(&browser.open(&again), ""), "/app/tab3");
    assert_eq!(world.provider.asked("/token").len(), asked, "the code is not looked at");
    let mut logged_out = browser.clone();
    logged_out.cookies.remove(COOKIE);
    let start = location(&logged_out.open(&again), "");
    assert_eq!(start, "/auth/oidc/browser/start?return_to=%2Fapp%2Ftab3");
    // A twentieth tab takes the place of the oldest, so that cookies never grow too large.
    for n in 0..20 {
        browser
            .open(&world.gate.url(&format!("/auth/oidc/browser/start?return_to=/app/more{n}")))
            .expect(303);
    }
    let kept = browser.cookies.keys().filter(|name| name.starts_with("haechi-development-login-")).count();
    assert_eq!(kept, 12);
}

#[test]
fn only_a_browser_that_shows_a_page_is_sent_to_a_login() {
    let world = World::new();
    let url = world.gate.url("/app/page");
    let html = "Accept: text/html";
    let mut browser = Browser::default();
    for fields in [
        &["Accept: application/json"][..],
        &["Accept: */*"],
        &[],
        &[html, "X-Requested-With: XMLHttpRequest"],
        &[html, "Sec-Fetch-Mode: cors"],
        &[html, "Sec-Fetch-Mode: no-cors"],
        &[html, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
        &[html, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: image"],
        &[html, "Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch"],
        &[html, "Sec-Purpose: prefetch;prerender"],
        &[html, "Purpose: prefetch"],
        &[html, "X-Moz: prefetch"],
    ] {
        let reply = browser.fetch(&url, fields).expect(401);
        assert!(reply.challenges().starts_with("Cookie realm=\"browser\""), "{fields:?}: {reply:#?}");
        assert!(!reply.challenges().contains("error"), "{fields:?}");
        let start = world.gate.url("/auth/oidc/browser/start?return_to=/app/page");
        if fields.len() > 1 {
            browser.fetch(&start, fields).expect(400);
        }
    }
    assert!(browser.cookies.is_empty());
    let posted = browser.submit(&url, "text=important", &[]).expect(401);
    assert!(posted.text().contains("log in first, then send this again: it was not kept"), "{posted:#?}");
    assert!(
        posted.text().contains("href=\"/auth/oidc/browser/start?return_to=%2Fapp%2Fpage\""),
        "{posted:#?}"
    );
    assert!(posted.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
    browser.fetch(&world.gate.url("/app/favicon.ico"), &["Accept: image/avif,image/webp,*/*"]).expect(401);
    assert!(world.arrived().is_empty());
    // A key is a way in beside the login; scripts are told of both.
    let reply = browser.fetch(&world.gate.url("/mixed/"), &["Accept: */*"]).expect(401);
    assert!(reply.challenges().contains("Cookie ") && reply.challenges().contains("ApiKey "), "{reply:#?}");
    browser.open(&world.gate.url("/mixed/")).expect(303);
}

#[test]
fn nobody_is_led_to_another_site() {
    let world = World::new();
    let start = |to: &str| world.gate.url(&format!("/auth/oidc/browser/start?return_to={to}"));
    for to in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%5C%5Cevil.example",
        "evil.example",
        "javascript%3Aalert(1)",
        "%2F%09%2Fevil.example",
        "%2Fa%0D%0ASet-Cookie%3A%20x%3D1",
        "%20%2Fa",
        "%2F%C3%A9",
        "%ff",
        "%2Fa&return_to=%2Fb",
    ] {
        let mut browser = Browser::default();
        let reply = browser.open(&start(to)).expect(400);
        assert!(reply.field("location").is_none() && browser.cookies.is_empty(), "{to}: {reply:#?}");
    }
    for (to, expected) in [
        ("%2Fa%3Fb%3D%2F%2Fc", "/a?b=//c"),
        ("%2Fauth%2Flogout", "/"),
        ("%2F%61uth%2Flogout", "/"),
        ("", "/"),
    ] {
        let mut browser = Browser::default();
        let page = location(&browser.open(&start(to)), "");
        let back = world.provider.log_in(&page, "alice");
        assert_eq!(location(&browser.open(&back), ""), expected, "{to}");
    }
    let mut browser = Browser::default();
    let long = format!("/app/{}?{}", "p".repeat(100), "q".repeat(3000));
    let page = world.led_to_login(&mut browser, &long);
    let after = location(&browser.open(&world.provider.log_in(&page, "alice")), "");
    assert_eq!(after, format!("/app/{}", "p".repeat(100)), "without a query that no cookie holds");
}

#[test]
fn a_login_belongs_to_the_browser_that_began_it() {
    let world = World::new();
    // Login CSRF: somebody else's login is brought to a browser that did not begin it.
    let mut attacker = Browser::default();
    let page = world.led_to_login(&mut attacker, "/app/");
    let back = world.provider.log_in(&page, "mallory");
    let mut victim = Browser::default();
    victim.open(&back).expect(400);
    assert!(victim.cookies.is_empty());
    // Code injection: a code of another login, in a login of one's own. PKCE does not fit.
    let own = world.led_to_login(&mut victim, "/app/");
    let (stolen, ..) = world.provider.code(&page, "alice");
    let (_, state, uri) = world.provider.code(&own, "victim");
    victim.open(&format!("{uri}?code={stolen}&state={state}")).expect(403);
    assert!(!victim.cookies.contains_key(COOKIE));
    // Fixation: a session that somebody chose is none, and the login gives another.
    for chosen in ["chosen-by-somebody", &"a".repeat(43)] {
        let mut browser = Browser::default();
        browser.cookies.insert(COOKIE.into(), chosen.into());
        browser.fetch(&world.gate.url("/app/"), &[]).expect(401);
        let page = world.led_to_login(&mut browser, "/app/");
        browser.open(&world.provider.log_in(&page, "alice")).expect(303);
        assert_ne!(browser.cookies[COOKIE], chosen);
    }
    // Another person in the same browser ends the session of the one before.
    let (mut first, _) = world.logged_in("alice", "/app/");
    let mut second = first.clone();
    let page = location(&second.open(&world.gate.url("/auth/oidc/browser/start")), "");
    second.open(&world.provider.log_in(&page, "bob")).expect(303);
    second.open(&world.gate.url("/app/")).expect(200);
    eventually(PATIENCE, || (first.fetch(&world.gate.url("/app/"), &[]).status == 401).then_some(()));
    // A cookie of the development kind counts for nothing over TLS, nor the other way round.
    let session = second.cookies[COOKIE].clone();
    let mut renamed = Browser::default();
    renamed.cookies.insert("__Host-haechi".into(), session);
    renamed.fetch(&world.gate.url("/app/"), &[]).expect(401);
}

#[test]
fn a_login_needs_https_or_the_developers_own_machine() {
    let world = World::new();
    let mut browser = Browser::default();
    let port = world.gate.address().port();
    let start = world.gate.url("/auth/oidc/browser/start");
    let reply =
        browser.fetch(&start, &["Accept: text/html", &format!("Host: app.example:{port}")]).expect(400);
    assert!(reply.text().contains("needs https") && browser.cookies.is_empty(), "{reply:#?}");
    // Behind a proxy that is trusted the browser came over TLS, and its cookies are for TLS alone.
    let folder = Folder::new(&format!(
        "trusted_proxies: [127.0.0.1/32]\n{}",
        configuration(&world.provider, &world.backend, "")
    ));
    let gate = Gate::start_in(folder).ready();
    let tls = ["Accept: text/html", "Host: app.example", "X-Forwarded-Proto: https"];
    let page = location(&browser.fetch(&gate.url("/auth/oidc/browser/start?return_to=/app/"), &tls), "");
    assert_eq!(parameter(&page, "redirect_uri"), "https://app.example/auth/oidc/browser/callback");
    let back = world.provider.log_in(&page, "alice").replace("https://app.example", &gate.url(""));
    let reply = browser.fetch(&back, &tls);
    let cookie = set_cookie(&reply, "__Host-haechi");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    let reply = browser.fetch(&gate.url("/app/"), &tls).expect(200);
    assert_eq!(reply.text(), "reached");
}

#[test]
fn a_logout_ends_the_session_here_and_at_the_provider() {
    let world = World::with("    logout: { return_to: \"https://app.example/bye\" }");
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let stolen = browser.clone();
    let reply = browser.ask(
        &world.gate.url("/auth/logout"),
        &["--header", "Accept: text/html", "--header", "Sec-Fetch-Site: cross-site"],
    );
    assert!(reply.expect(200).text().contains("Log out of this site"), "another site cannot log people out");
    browser.fetch(&world.gate.url("/auth/logout"), &["Sec-Purpose: prefetch"]).expect(400);
    browser.open(&world.gate.url("/app/")).expect(200);
    browser.open(&world.gate.url("/auth/logout?return_to=https%3A%2F%2Fevil.example")).expect(400);
    let page = location(&browser.open(&world.gate.url("/auth/logout?return_to=/open/")), "");
    assert!(page.starts_with(&format!("{}/end?", world.provider.issuer())), "{page}");
    assert_eq!(parameter(&page, "post_logout_redirect_uri"), "https://app.example/bye");
    assert_eq!(parameter(&page, "client_id"), CLIENT);
    assert_eq!(parameter(&page, "id_token_hint").split('.').count(), 3);
    assert!(!browser.cookies.contains_key(COOKIE));
    eventually(PATIENCE, || {
        let mut thief = stolen.clone();
        (thief.fetch(&world.gate.url("/app/"), &[]).status == 401).then_some(())
    });
    assert!(world.audited().contains(&("logout".to_owned(), "done".to_owned())));
    let reply = browser.open(&world.gate.url("/auth/logout")).expect(200);
    assert!(reply.text().contains("You have logged out"), "{reply:#?}");
    assert_eq!(
        location(&browser.open(&world.gate.url("/auth/logout?return_to=/open/a?b=c")), ""),
        "/open/a?b=c"
    );
}

#[test]
fn a_provider_ends_sessions_by_logout_tokens() {
    let world = World::new();
    let (mut alice, _) = world.logged_in("alice", "/app/");
    let (mut bob, _) = world.logged_in("bob", "/app/");
    let end = world.gate.url("/auth/oidc/browser/backchannel_logout");
    let post =
        |token: &str| crate::harness::curl(&["--data-urlencode", &format!("logout_token={token}"), &end]);
    let alive = |browser: &mut Browser| browser.fetch(&world.gate.url("/app/"), &[]).status == 200;
    let sid = json!({ "sid": "sid-of-alice" });
    let with = |more: Value| {
        let mut claims = sid.clone();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    for wrong in [
        json!({ "iss": "https://evil.example" }),
        json!({ "aud": "somebody-else" }),
        json!({ "events": null }),
        json!({ "events": {} }),
        json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": 1 } }),
        json!({ "nonce": "n" }),
        json!({ "iat": null }),
        json!({ "iat": haechi_testkit::jose::now() - 600 }),
        json!({ "exp": haechi_testkit::jose::now() - 60 }),
        json!({ "exp": null }),
        json!({ "jti": null }),
        json!({ "sid": null }),
        json!({ "sid": 7 }),
    ] {
        let reply = post(&world.provider.logout_token(&with(wrong.clone())));
        assert_eq!(reply.status, 400, "{wrong}: {reply:#?}");
    }
    for token in [world.provider.id_token(&with(json!({}))), "nonsense".to_owned(), String::new()] {
        assert_eq!(post(&token).status, 400, "{token}");
    }
    let mut unsigned = world.provider.logout_token(&sid);
    unsigned.truncate(unsigned.rfind('.').unwrap() + 1);
    assert_eq!(post(&unsigned).status, 400);
    assert!(alive(&mut alice) && alive(&mut bob));
    let token = world.provider.logout_token(&sid);
    let reply = post(&token);
    assert_eq!((reply.status, reply.field("cache-control")), (200, Some("no-store")), "{reply:#?}");
    eventually(PATIENCE, || (!alive(&mut alice)).then_some(()));
    assert!(alive(&mut bob));
    assert_eq!(post(&token).status, 400, "a logout token works once");
    assert_eq!(post(&world.provider.logout_token(&json!({ "sub": "bob" }))).status, 200);
    eventually(PATIENCE, || (!alive(&mut bob)).then_some(()));
    assert!(world.audited().contains(&("session.end".to_owned(), "done".to_owned())));
}

#[test]
fn sessions_are_listed_and_ended_by_operators_and_outlive_the_process() {
    let world = World::new();
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let World { gate, provider: _provider, backend: _backend } = world;
    gate.signal("TERM");
    let folder = gate.into_folder();
    let gate = Gate::start_in(folder).ready();
    browser.open(&gate.url("/app/")).expect(200);
    let listed = haechi(gate.folder().path(), &["session", "list", "--output", "json"]).success();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let session = listed.as_array().unwrap().iter().find(|session| session["subject"] == "alice");
    let session = session.unwrap_or_else(|| panic!("{listed}"));
    assert_eq!(session["authenticator"], "browser");
    let id = session["id"].as_str().unwrap();
    haechi(gate.folder().path(), &["session", "end", id]).success();
    eventually(PATIENCE, || (browser.fetch(&gate.url("/app/"), &[]).status == 401).then_some(()));
}

#[test]
fn a_session_ends_when_it_is_idle_and_when_its_time_has_come() {
    let world = World::with("    session: { idle: 2s, absolute: 1h }");
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let url = world.gate.url("/app/");
    browser.open(&url).expect(200);
    // In use it goes on past its idle time.
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(4) {
        browser.open(&url).expect(200);
    }
    let idle = std::time::Instant::now();
    eventually(PATIENCE, || (idle.elapsed() > std::time::Duration::from_millis(2600)).then_some(()));
    browser.fetch(&url, &[]).expect(401);
    browser.open(&url).expect(303);
    let world = World::with("    session: { idle: 2s, absolute: 2s }");
    let (mut browser, _) = world.logged_in("alice", "/app/");
    eventually(PATIENCE, || (browser.fetch(&world.gate.url("/app/"), &[]).status == 401).then_some(()));
}

#[test]
fn a_provider_that_is_away_is_no_refusal() {
    let mut world = World::new();
    let (mut known, _) = world.logged_in("alice", "/app/");
    let World { gate, .. } = &world;
    let folder = Folder::new(&configuration(&world.provider, &world.backend, ""));
    let fresh = Gate::start_in(folder);
    let start = gate.url("/auth/oidc/browser/start");
    world.provider.stop();
    let other = fresh.url("/auth/oidc/browser/start");
    let mut browser = Browser::default();
    let reply = browser.open(&other).expect(503);
    assert!(reply.field("retry-after").is_some());
    known.open(&world.gate.url("/app/")).expect(200);
    drop(start);
    world.provider.restart();
    eventually(PATIENCE, || (browser.open(&other).status == 303).then_some(()));
}

#[test]
fn a_login_that_does_not_help_is_not_tried_for_ever() {
    let world = World::new();
    let mut browser = Browser::default();
    let mut ends = Vec::new();
    for _ in 0..6 {
        let start = location(&browser.open(&world.gate.url("/app/")), &world.base());
        let reply = browser.open(&start);
        if reply.status != 303 {
            ends.push(reply);
            break;
        }
        let back = world.provider.log_in(reply.field("location").unwrap(), "alice");
        browser.open(&back).expect(303);
        // This browser keeps every cookie but the session's.
        browser.cookies.remove(COOKIE);
    }
    let reply = ends.pop().expect("the loop is cut");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("does not keep the cookie of its session"), "{reply:#?}");
    // A browser without any cookies is told at the first return.
    let mut none = Browser::default();
    let page = world.led_to_login(&mut none, "/app/");
    none.cookies.clear();
    let reply = none.open(&world.provider.log_in(&page, "alice")).expect(400);
    assert!(reply.text().contains("its cookie was not kept"), "{reply:#?}");
}
