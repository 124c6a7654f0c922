//! The second factor on the login page (docs/identity-provider.md#second-factor).

use super::{World, between};
use crate::harness::authenticator_app::code_in;
use crate::harness::{PASSWORD, Reply};
use crate::login::browser::{Browser, find_parameter, location, parameter};
use haechi_testkit::Backend;
use haechi_testkit::jose::part;
use serde_json::json;

const SEVERAL: &str = "urn:haechi:acr:mfa";

/// The secret and the recovery codes of `alice`, who has set up an app.
fn enrol(world: &World) -> (String, Vec<String>) {
    let who = json!({ "username": "alice", "password": PASSWORD, "action": "enrol" });
    let new = world.gate.post_json("/auth/totp", &who).expect(200).json();
    let secret = new["secret"].as_str().unwrap().to_owned();
    let code = code_in(&secret, 0);
    let who = json!({ "username": "alice", "password": PASSWORD, "action": "confirm", "code": code });
    let done = world.gate.post_json("/auth/totp", &who).expect(200).json();
    let codes = done["recovery_codes"].as_array().unwrap().iter();
    (secret, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
}

fn password(world: &World, browser: &mut Browser, request: &str) -> Reply {
    let page = browser.open(request).expect(200);
    world.send(browser, &page, &[("username", "alice"), ("password", PASSWORD), ("action", "login")])
}

#[test]
fn the_login_page_asks_for_the_code_and_the_tokens_say_so() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let request = world.request(&world.public.id, &[("acr_values", SEVERAL)]);
    // Without a second factor nobody gets what the application asks for.
    let mut browser = Browser::default();
    let to = world.log_in(&mut browser, &request);
    assert_eq!(parameter(&to, "error"), "unmet_authentication_requirements");
    let (secret, recovery) = enrol(&world);
    // The browser that had logged in with the password alone is asked again.
    let page = password(&world, &mut browser, &world.request(&world.public.id, &[])).expect(200);
    assert!(
        page.text().contains("autocomplete=\"one-time-code\"") && !page.text().contains("name=\"password\"")
    );
    assert!(
        browser.open(&request).expect(200).text().contains("name=\"password\""),
        "nobody is logged in yet"
    );
    let wrong = world.send(&mut browser, &page, &[("code", "000000"), ("action", "login")]).expect(400);
    assert!(wrong.text().contains("id=\"problem\"") && wrong.text().contains("aria-invalid=\"true\""));
    let code = code_in(&secret, 30);
    let sent = [("code", &*code), ("action", "login")];
    let to = location(&world.send(&mut browser, &wrong, &sent), &world.issuer);
    let tokens = world.token(&world.public, &parameter(&to, "code"), &[]).expect(200).json();
    for token in ["access_token", "id_token"] {
        let claims = part(tokens[token].as_str().unwrap(), 1);
        assert_eq!(
            (&claims["amr"], &claims["acr"]),
            (&json!(["pwd", "otp", "mfa"]), &json!(SEVERAL)),
            "{token}"
        );
    }
    // The same code again, of another browser with the same form.
    let mut other = Browser::default();
    let page = password(&world, &mut other, &request).expect(200);
    world.send(&mut other, &page, &sent).expect(400);
    // A form is good in the browser that it was shown in.
    let stolen = world.send(&mut Browser::default(), &page, &[("code", &recovery[0]), ("action", "login")]);
    assert!(find_parameter(stolen.field("location").unwrap_or_default(), "code").is_none());
    let to = location(
        &world.send(&mut other, &page, &[("code", &recovery[0]), ("action", "login")]),
        &world.issuer,
    );
    assert!(find_parameter(&to, "code").is_some(), "{to}");
    // Whoever has logged in with both is asked for nothing.
    let to = location(&other.open(&request), &world.issuer);
    assert!(find_parameter(&to, "code").is_some(), "{to}");
}

#[test]
fn a_code_page_shows_nothing_to_whoever_does_not_know_the_password() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    enrol(&world);
    let mut browser = Browser::default();
    let page = browser.open(&world.request(&world.public.id, &[])).expect(200);
    let wrong = [("username", "alice"), ("password", "wrong"), ("code", "000000"), ("action", "login")];
    let page = world.send(&mut browser, &page, &wrong).expect(400);
    assert!(!page.text().contains("one-time-code"));
    assert_eq!(between(&page.text(), "<h1>", "</h1>"), "Log in");
}
