//! A logout gives the provider's tokens back (RFC 7009): the refresh token first, and nobody waits for it.

use super::World;
use super::provider::form;
use crate::harness::{PATIENCE, eventually};
use haechi_testkit::{Answer, Latch};
use serde_json::json;
use std::sync::Arc;

/// A world whose provider takes tokens back and answers so.
fn world(more: &str, answer: impl Fn() -> Answer + Send + Sync + 'static) -> World {
    let world = World::with(more);
    let endpoint = format!("{}/revoke", world.provider.issuer());
    world.provider.breaks(move |faults| {
        faults.discovery = json!({ "revocation_endpoint": endpoint });
        faults.calls.insert("/revoke", Arc::new(move |_| answer()));
    });
    world
}

#[test]
fn a_logout_gives_the_providers_tokens_back() {
    let world = world("", || Answer::new(200, &[], ""));
    let (mut browser, _) = world.logged_in("alice", "/app/");
    browser.open(&world.gate.url("/auth/logout"));
    let asked = eventually(PATIENCE, || Some(world.provider.asked("/revoke")).filter(|all| all.len() == 2));
    let told: Vec<_> = asked.iter().map(form).collect();
    assert!(told[0]["token"].starts_with("refresh"), "{told:?}");
    assert_eq!(told[0]["token_type_hint"], "refresh_token");
    assert!(told[1]["token"].starts_with("access"), "{told:?}");
    assert_eq!(told[1]["token_type_hint"], "access_token");
    assert!(asked.iter().all(|request| request.field("authorization").is_some()), "in the client's name");
}

#[test]
fn a_provider_that_does_not_take_them_keeps_nobody_logged_in() {
    let latch = Latch::new();
    for answer in [None, Some(503)] {
        let latch = latch.clone();
        let world = world("", move || match answer {
            None => Answer::never(&latch),
            Some(status) => Answer::new(status, &[], ""),
        });
        let (mut browser, _) = world.logged_in("alice", "/app/");
        let session = browser.clone();
        browser.open(&world.gate.url("/auth/logout"));
        eventually(PATIENCE, || (!world.provider.asked("/revoke").is_empty()).then_some(()));
        session.clone().fetch(&world.gate.url("/app/"), &[]).expect(401);
    }
}

#[test]
fn a_logout_leaves_tokens_alone_where_it_shall() {
    let world = world("    logout: { revoke: false }", || Answer::new(200, &[], ""));
    let (mut browser, _) = world.logged_in("alice", "/app/");
    browser.open(&world.gate.url("/auth/logout"));
    // Whatever a logout does of its own accord has been done when the next login is over.
    let (mut browser, _) = world.logged_in("alice", "/app/");
    browser.open(&world.gate.url("/app/")).expect(200);
    assert!(world.provider.asked("/revoke").is_empty());
}
