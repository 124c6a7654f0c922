//! Clients that register themselves (RFC 7591), where they may.

use super::{REDIRECT, World};
use crate::harness::{PASSWORD, Reply, haechi};
use crate::login::browser::{Browser, location, parameter};
use haechi_testkit::Backend;
use serde_json::{Value, json};

fn register(world: &World, metadata: &Value) -> Reply {
    world.gate.post_json("/auth/register", metadata)
}

#[test]
fn a_client_registers_itself_and_people_are_asked() {
    let backend = Backend::saying("reached");
    let world = World::with(&backend, ", registration: true", &[]);
    let discovery = world.gate.get("/.well-known/openid-configuration").json();
    assert_eq!(discovery["registration_endpoint"], format!("{}/auth/register", world.issuer));
    let uri = "http://localhost:4712/callback";
    let metadata = json!({ "redirect_uris": [uri], "client_name": "An <b>agent</b>", "token_endpoint_auth_method": "client_secret_post" });
    let made = register(&world, &metadata).expect(201).json();
    assert_eq!(
        (&made["token_endpoint_auth_method"], &made["redirect_uris"][0]),
        (&"none".into(), &uri.into())
    );
    let client = super::Client { id: made["client_id"].as_str().unwrap().to_owned(), secret: String::new() };
    let mut browser = Browser::default();
    let request = world.request(&client.id, &[("redirect_uri", uri), ("scope", "openid mcp:tools")]);
    let page = browser.open(&request).expect(200);
    let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
    let asked = world.send(&mut browser, &page, &sent).expect(200);
    let text = asked.text();
    assert!(text.contains("An &lt;b&gt;agent&lt;/b&gt;") && text.contains("registered itself"), "{text}");
    let to = location(&world.send(&mut browser, &asked, &[("action", "allow")]), "");
    let tokens = world.token(&client, &parameter(&to, "code"), &[("redirect_uri", uri)]).expect(200).json();
    assert_eq!(tokens["scope"], "openid", "nobody has granted it more");
    world.gate.get_with_token("/x", tokens["access_token"].as_str().unwrap()).expect(200);
    let listed =
        haechi(world.gate.folder().path(), &["client", "show", &client.id, "--output", "json"]).success();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((&listed["registered"], &listed["proof"]), (&true.into(), &"none".into()));
}

#[test]
fn what_a_client_says_of_itself_is_checked_and_no_operators_role_is_for_it() {
    let backend = Backend::saying("reached");
    let world = World::with(&backend, ", registration: true", &[]);
    world.gate.folder().add_user("root", &["USER", "haechi-admin"]);
    for (metadata, error) in [
        (json!({}), "invalid_client_metadata"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://app.example.com/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["com.example.app:/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://app.example.com/cb#x"] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt" }),
            "invalid_client_metadata",
        ),
        (
            json!({ "redirect_uris": [REDIRECT], "grant_types": ["client_credentials"] }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [REDIRECT], "response_types": ["token"] }), "invalid_client_metadata"),
    ] {
        assert_eq!(register(&world, &metadata).expect(400).json()["error"], error, "{metadata}");
    }
    let made = register(&world, &json!({ "redirect_uris": [REDIRECT] })).expect(201).json();
    let client = super::Client { id: made["client_id"].as_str().unwrap().to_owned(), secret: String::new() };
    let mut browser = Browser::default();
    let page = browser.open(&world.request(&client.id, &[])).expect(200);
    let sent = [("username", "root"), ("password", PASSWORD), ("action", "login")];
    let asked = world.send(&mut browser, &page, &sent).expect(200);
    let to = location(&world.send(&mut browser, &asked, &[("action", "allow")]), "");
    let tokens = world.token(&client, &parameter(&to, "code"), &[]).expect(200).json();
    let claims = haechi_testkit::jose::part(tokens["access_token"].as_str().unwrap(), 1);
    assert_eq!(claims["roles"], json!(["USER"]));
    let own = world.post("/auth/token", &[("grant_type", "client_credentials"), ("client_id", &client.id)]);
    assert_eq!(own.expect(400).json()["error"], "unauthorized_client");
}

#[test]
fn nobody_registers_where_that_is_not_said() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    assert_ne!(register(&world, &json!({ "redirect_uris": [REDIRECT] })).status, 201);
    assert!(
        world.gate.get("/.well-known/openid-configuration").json().get("registration_endpoint").is_none()
    );
}
