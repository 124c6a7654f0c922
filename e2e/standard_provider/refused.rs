//! What is refused at the authorization and token endpoints, with what is not beside it.

use super::{CHALLENGE, REDIRECT, World};
use crate::harness::{PASSWORD, PATIENCE, eventually};
use crate::login::browser::{Browser, find_parameter, location, parameter};
use haechi_testkit::Backend;

#[test]
fn an_unknown_client_or_redirect_uri_is_a_page_and_never_a_redirect() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let id = world.client.id.clone();
    for more in [
        vec![("client_id", "0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c")],
        vec![("client_id", "")],
        vec![("redirect_uri", "")],
        vec![("redirect_uri", "https://evil.example/callback")],
        vec![("redirect_uri", "https://app.example.com/callback/")],
        vec![("redirect_uri", "https://app.example.com/callback?x")],
        vec![("redirect_uri", "https://app.example.com.evil.example/callback")],
        vec![("redirect_uri", "https://app.example.com@evil.example/callback")],
        vec![("redirect_uri", "https://APP.example.com/callback")],
        vec![("redirect_uri", "https://app.example.com/callback#x")],
        vec![("redirect_uri", "javascript:alert(1)")],
    ] {
        let refused = Browser::default().open(&world.request(&id, &more));
        assert_eq!((refused.status, refused.field("location")), (400, None), "{more:?}");
        assert!(refused.text().contains("<h1>"), "{more:?}");
    }
    let twice = format!("{}&client_id={id}", world.request(&id, &[]));
    assert_eq!(Browser::default().open(&twice).status, 400);
    // A loopback address takes any port.
    let loopback = world.request(&world.public.id, &[("redirect_uri", "http://127.0.0.1:4711/cb")]);
    assert!(world.log_in(&mut Browser::default(), &loopback).starts_with("http://127.0.0.1:4711/cb?code="));
    assert!(world.log_in(&mut Browser::default(), &world.request(&id, &[])).starts_with(REDIRECT));
}

#[test]
fn a_request_that_is_not_sound_goes_back_with_its_error_and_iss() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    for (more, error) in [
        (vec![("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge", "short")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code id_token")], "unsupported_response_type"),
        (vec![("response_type", "")], "invalid_request"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("scope", "openid admin")], "invalid_scope"),
        (vec![("resource", "https://other.example")], "invalid_target"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("prompt", "none")], "login_required"),
        (vec![("max_age", "soon")], "invalid_request"),
        (vec![("request", "eyJ")], "request_not_supported"),
        (vec![("request_uri", "urn:x")], "request_uri_not_supported"),
    ] {
        let to = location(&Browser::default().open(&world.request(&world.client.id, &more)), "");
        assert!(to.starts_with(REDIRECT) && find_parameter(&to, "code").is_none(), "{more:?}: {to}");
        assert_eq!((&*parameter(&to, "error"), &*parameter(&to, "state")), (error, "s-1"), "{more:?}");
        assert_eq!(parameter(&to, "iss"), world.issuer, "{more:?}");
    }
    Browser::default().open(&world.request(&world.client.id, &[])).expect(200);
}

#[test]
fn a_code_is_good_once_for_who_asked_for_it() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let refused = |reply: crate::harness::Reply| {
        let body = reply.expect(400).json();
        assert_eq!(body["error"], "invalid_grant", "{body}");
        assert!(body.get("access_token").is_none());
    };
    let verifier = "a".repeat(43);
    refused(world.token(&world.client, &world.code(&world.client), &[("code_verifier", &verifier)]));
    refused(world.token(&world.client, &world.code(&world.client), &[("code_verifier", CHALLENGE)]));
    refused(world.token(
        &world.client,
        &world.code(&world.client),
        &[("redirect_uri", "https://app.example.com/")],
    ));
    refused(world.token(&world.public, &world.code(&world.client), &[]));
    refused(world.token(&world.client, "hc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &[]));
    let missing = world.token(&world.client, &world.code(&world.client), &[("code_verifier", "")]);
    assert_eq!(missing.expect(400).json()["error"], "invalid_request");
    let wrong = super::Client { id: world.client.id.clone(), secret: format!("hcs_{}", "A".repeat(43)) };
    assert_eq!(
        world.token(&wrong, &world.code(&world.client), &[]).expect(401).json()["error"],
        "invalid_client"
    );
    let bare = super::Client { id: world.client.id.clone(), secret: String::new() };
    assert_eq!(
        world.token(&bare, &world.code(&world.client), &[]).expect(401).json()["error"],
        "invalid_client"
    );
    // The control; and its replay ends what came of it.
    let code = world.code(&world.client);
    let first = world.token(&world.client, &code, &[]).expect(200).json();
    let access = first["access_token"].as_str().unwrap();
    world.gate.get_with_token("/x", access).expect(200);
    refused(world.token(&world.client, &code, &[]));
    eventually(PATIENCE, || (world.gate.get_with_token("/x", access).status == 401).then_some(()));
    // No code, and no token, stands in a log.
    let log = world.gate.log().join("\n");
    assert!(!log.contains(&code) && !log.contains(access));
}

#[test]
fn a_refresh_token_is_its_clients() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let offline = [("scope", "openid offline_access")];
    let to = world.log_in(&mut Browser::default(), &world.request(&world.client.id, &offline));
    let tokens = world.token(&world.client, &parameter(&to, "code"), &[]).expect(200).json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let with = |client: &super::Client, token: &str| {
        let mut form =
            vec![("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &client.id)];
        if !client.secret.is_empty() {
            form.push(("client_secret", &client.secret));
        }
        world.post("/auth/token", &form)
    };
    assert_eq!(with(&world.public, refresh).expect(400).json()["error"], "invalid_grant");
    world.gate.post_json("/auth/refresh", &serde_json::json!({ "refresh_token": refresh })).expect(401);
    let next = with(&world.client, refresh).expect(200).json();
    assert_eq!(next["scope"], "openid offline_access");
    assert_eq!(with(&world.client, refresh).expect(400).json()["error"], "invalid_grant", "used before");
    let after = next["refresh_token"].as_str().unwrap();
    assert_eq!(with(&world.client, after).expect(400).json()["error"], "invalid_grant", "the family ended");
}

#[test]
fn the_login_form_takes_nothing_that_another_site_or_browser_sends() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let request = world.request(&world.client.id, &[]);
    let mut attacker = Browser::default();
    let theirs = attacker.open(&request).expect(200);
    let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
    // A form that another browser was shown logs nobody in here.
    let mut victim = Browser::default();
    let shown = world.send(&mut victim, &theirs, &sent);
    assert_eq!((shown.status, shown.field("location")), (400, None));
    assert!(!victim.cookies.contains_key("haechi-identity-development"), "{victim:?}");
    // Neither does one that another site sends.
    let page = victim.open(&request).expect(200).text();
    let ticket = super::between(&page, "name=\"ticket\" value=\"", "\"");
    let form = format!("ticket={ticket}&username=alice&password={}&action=login", super::encoded(PASSWORD));
    let url = format!("{}/auth/authorize", world.issuer);
    for field in ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        let refused = victim.submit(&url, &form, &[field]);
        assert_eq!((refused.status, refused.field("location")), (400, None), "{field}");
        assert!(!victim.cookies.contains_key("haechi-identity-development"), "{field}");
    }
    let made_up = victim.submit(&url, &form.replace(ticket, &"A".repeat(ticket.len())), &[]);
    assert_eq!((made_up.status, made_up.field("location")), (400, None));
    let page = victim.open(&request).expect(200);
    assert!(location(&world.send(&mut victim, &page, &sent), "").starts_with(REDIRECT), "the control");
}

#[test]
fn pages_are_framed_by_nobody_and_run_nothing() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let page = Browser::default().open(&world.request(&world.client.id, &[])).expect(200);
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("form-action 'self' https://app.example.com;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.field("x-frame-options"), Some("DENY"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert_eq!(page.field("referrer-policy"), Some("same-origin"));
    assert!(!page.text().contains("<script") && !page.text().contains(PASSWORD));
    let cookie = page.head.all("set-cookie").join("\n");
    assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("development"), "{cookie}");
}

#[test]
fn userinfo_is_for_a_token_with_openid() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    world.gate.get("/auth/userinfo").expect(401);
    let bad = world.gate.get_with_token("/auth/userinfo", "nonsense").expect(401);
    assert!(bad.challenges().contains("invalid_token"), "{}", bad.challenges());
    let login = serde_json::json!({ "username": "alice", "password": PASSWORD });
    let own = world.gate.post_json("/auth/login", &login).expect(200).json();
    let plain = world.gate.get_with_token("/auth/userinfo", own["access_token"].as_str().unwrap());
    assert!(plain.expect(403).challenges().contains("insufficient_scope"));
    let tokens = world.token(&world.client, &world.code(&world.client), &[]).expect(200).json();
    let told = world.gate.get_with_token("/auth/userinfo", tokens["access_token"].as_str().unwrap());
    let told = told.expect(200).json();
    assert!(told["sub"].is_string() && told.get("preferred_username").is_none(), "{told}");
    // An ID token is no access token.
    let id = tokens["id_token"].as_str().unwrap();
    world.gate.get_with_token("/auth/userinfo", id).expect(401);
    world.gate.get_with_token("/x", id).expect(401);
    assert_eq!(backend.recorded().len(), 0);
}
