//! Other sites' pages, several providers on one host, and providers that want to be asked in other ways.

use super::browser::{Browser, find_parameter, location, parameter};
use super::provider::{CLIENT, Provider, SECRET, form};
use super::{COOKIE, World, configuration, set_cookie};
use crate::harness::{Folder, Gate};
use haechi_testkit::Backend;
use haechi_testkit::jose::{Key, part};
use serde_json::json;

#[test]
fn another_sites_page_cannot_write_in_the_name_of_who_is_logged_in() {
    let world = World::new();
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let before = world.arrived().len();
    let (app, trusting) = (world.gate.url("/app/"), world.gate.url("/trusting/"));
    let socket = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    for origin in ["https://evil.example", "null", "https://friend.example"] {
        let origin = format!("Origin: {origin}");
        browser.submit(&app, "a=1", &[&origin]).expect(403);
        browser.ask(&app, &["--request", "DELETE", "--header", &origin]).expect(403);
        let fields: Vec<&str> = socket.iter().copied().chain([&*origin]).collect();
        browser.fetch(&app, &fields).expect(403);
    }
    for site in ["cross-site", "same-site"] {
        browser.submit(&app, "a=1", &[&format!("Sec-Fetch-Site: {site}")]).expect(403);
    }
    assert_eq!(world.arrived().len(), before, "nothing arrived");
    browser.submit(&trusting, "a=1", &["Origin: https://friend.example"]).expect(200);
    browser.submit(&app, "a=1", &[&format!("Origin: {}", world.base())]).expect(200);
    browser.submit(&app, "a=1", &[]).expect(200);
    browser.fetch(&app, &["Origin: https://evil.example"]).expect(200);
}

/// Two providers, of which one may be any: `browser` and `other`.
fn two(more: &str) -> (World, Provider) {
    let (provider, other) = (Provider::start(), Provider::start());
    let backend = Backend::saying("reached");
    let second = format!(
        "  other: {{ type: oidc, issuer: {}, client_id: {CLIENT}, client_secret: \"{SECRET}\", session: {{ cookie: __Host-other }} }}",
        other.issuer()
    );
    let both = configuration(&provider, &backend, &format!("{more}{second}"));
    let both = both.replace(
        "routes:\n",
        "routes:\n  - { name: both, match: { path: /both/** }, authenticate: [browser, other], authorize: any, service: web }\n",
    );
    let gate = Gate::start_in(Folder::new(&both)).ready();
    (World { gate, provider, backend }, other)
}

#[test]
fn several_providers_are_chosen_from_on_a_page_without_script() {
    let (world, other) = two("");
    let mut browser = Browser::default();
    let choice = location(&browser.open(&world.gate.url("/both/a?b=c")), &world.base());
    assert_eq!(choice, world.gate.url("/auth/oidc?return_to=%2Fboth%2Fa%3Fb%3Dc&with=browser&with=other"));
    let page = browser.open(&choice).expect(200);
    assert!(page.field("content-security-policy").unwrap().starts_with("default-src 'none'"), "{page:#?}");
    assert!(!page.text().contains("<script"), "{page:#?}");
    let link = "<a href=\"/auth/oidc/other/start?return_to=%2Fboth%2Fa%3Fb%3Dc\">other</a>";
    assert!(page.text().contains(link), "{page:#?}");
    let start = world.gate.url("/auth/oidc/other/start?return_to=%2Fboth%2Fa%3Fb%3Dc");
    let page = location(&browser.open(&start), "");
    let after = location(&browser.open(&other.log_in(&page, "bob")), "");
    assert_eq!(after, "/both/a?b=c");
    browser.open(&world.gate.url(&after)).expect(200);
    let seen = world.backend.last();
    assert_eq!(
        (seen.field("x-auth-subject"), seen.field("x-auth-authenticator")),
        (Some("bob"), Some("other"))
    );
    browser.open(&world.gate.url("/app/")).expect(303);
    for bad in ["return_to=//evil.example", "return_to=https:%2F%2Fevil.example", "return_to=/a&return_to=/b"]
    {
        browser.open(&world.gate.url(&format!("/auth/oidc?{bad}"))).expect(400);
    }
    let page = browser.open(&world.gate.url("/auth/oidc?with=%22%3E%3Cscript%3E")).expect(200);
    assert!(!page.text().contains("script"), "{page:#?}");
}

#[test]
fn providers_that_are_mixed_up_get_nothing_of_each_other() {
    let (world, other) = two("");
    let mut browser = Browser::default();
    // A login at one provider is brought to the callback of the other.
    let page = world.led_to_login(&mut browser, "/app/");
    let back = world.provider.log_in(&page, "alice");
    let crossed = back.replace("/oidc/browser/", "/oidc/other/");
    browser.open(&crossed).expect(400);
    assert!(other.asked("/token").is_empty(), "no code goes to another provider");
    // A session of one is none of the other's, whatever its cookie is called.
    location(&browser.open(&back), "");
    let session = browser.cookies[COOKIE].clone();
    browser.cookies.insert("other-development".into(), session);
    browser.cookies.remove(COOKIE);
    browser.fetch(&world.gate.url("/both/"), &[]).expect(401);
}

#[test]
fn a_provider_that_answers_with_a_form_is_understood() {
    let world = World::with("    response_mode: form_post");
    let mut browser = Browser::default();
    let start = location(&browser.open(&world.gate.url("/app/a?b=c")), &world.base());
    let page = location(&browser.open(&start), "");
    assert_eq!(parameter(&page, "response_mode"), "form_post");
    let (code, state, uri) = world.provider.code(&page, "alice");
    let by_query = browser.open(&format!("{uri}?code={code}&state={state}"));
    assert_eq!(by_query.status, 400, "{by_query:#?}");
    let reply = browser.submit(
        &uri,
        &format!("code={code}&state={state}"),
        &["Origin: https://sso.example", "Sec-Fetch-Site: cross-site"],
    );
    assert_eq!(location(&reply, ""), "/app/a?b=c");
    browser.open(&world.gate.url("/app/")).expect(200);
    // Over TLS the cookie of a login under way comes with what the provider's page sends, and the session's does not.
    let folder = Folder::new(&format!(
        "trusted_proxies: [127.0.0.1/32]\n{}",
        configuration(&world.provider, &world.backend, "    response_mode: form_post")
    ));
    let gate = Gate::start_in(folder).ready();
    let tls = ["Accept: text/html", "Host: app.example", "X-Forwarded-Proto: https"];
    let reply = browser.fetch(&gate.url("/auth/oidc/browser/start"), &tls).expect(303);
    let set = reply.head.all("set-cookie");
    assert!(
        set[0].starts_with("__Host-haechi-login-") && set[0].contains("Secure; HttpOnly; SameSite=None"),
        "{set:?}"
    );
}

#[test]
fn the_gate_proves_who_it_is_as_the_provider_takes_it() {
    // In the form, where the provider takes only that.
    let world = World::new();
    world.provider.breaks(|faults| {
        faults.discovery = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] })
    });
    world.logged_in("alice", "/app/");
    let asked = world.provider.asked("/token").pop().unwrap();
    assert_eq!(asked.field("authorization"), None);
    assert_eq!(
        (form(&asked)["client_secret"].as_str(), form(&asked)["client_id"].as_str()),
        (SECRET, CLIENT)
    );
    // With a key.
    let (provider, backend, key) = (Provider::start(), Backend::saying("reached"), Key::rsa("ours"));
    let secret = format!("    client_secret: \"{SECRET}\"\n");
    let signed = configuration(&provider, &backend, "")
        .replace(&secret, "    private_key_jwt: { key: client.pem, kid: ours }\n");
    let folder = Folder::new(&signed);
    folder.write("client.pem", &key.pkcs8_pem());
    let world = World { gate: Gate::start_in(folder).ready(), provider, backend };
    world.logged_in("alice", "/app/");
    let asked = world.provider.asked("/token").pop().unwrap();
    let sent = form(&asked);
    assert_eq!(sent["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let assertion = &sent["client_assertion"];
    let (header, claims) = (part(assertion, 0), part(assertion, 1));
    assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some("RS256"), Some("ours")));
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some(CLIENT), Some(CLIENT)));
    assert_eq!(claims["aud"].as_str(), Some(&*world.provider.issuer()));
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() == 32));
    assert!(!sent.contains_key("client_secret") && asked.field("authorization").is_none());
}

#[test]
fn an_authorization_request_is_pushed_where_the_provider_takes_that() {
    let world = World::new();
    let endpoint = format!("{}/par", world.provider.issuer());
    world
        .provider
        .breaks(|faults| faults.discovery = json!({ "pushed_authorization_request_endpoint": endpoint }));
    let mut browser = Browser::default();
    let page = world.led_to_login(&mut browser, "/app/");
    assert_eq!(parameter(&page, "request_uri"), "urn:pushed-1");
    assert_eq!(parameter(&page, "client_id"), CLIENT);
    assert!(find_parameter(&page, "state").is_none() && find_parameter(&page, "redirect_uri").is_none());
    let pushed = world.provider.asked("/par").pop().unwrap();
    assert!(pushed.field("authorization").is_some_and(|field| field.starts_with("Basic ")));
    location(&browser.open(&world.provider.log_in(&page, "alice")), "");
    browser.open(&world.gate.url("/app/")).expect(200);
    assert!(set_cookie(&browser.open(&world.gate.url("/auth/logout")), COOKIE).contains("Max-Age=0"));
}
