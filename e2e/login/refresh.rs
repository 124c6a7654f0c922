//! The provider's tokens: forwarded, refreshed in time and once, and gone by while the provider is away.

use super::provider::{Provider, form, json_answer};
use super::{World, configuration};
use crate::harness::{Folder, Gate, PATIENCE, eventually};
use haechi_testkit::{Answer, Backend};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

const FORWARDS: &str = "    scopes: [openid, offline_access]\n    forward_access_token: true";

#[test]
fn a_backend_gets_the_access_token_where_that_is_asked_for() {
    let world = World::with(FORWARDS);
    let (mut browser, _) = world.logged_in("alice", "/app/");
    browser.fetch(&world.gate.url("/app/"), &["Authorization: Bearer of-the-client"]).expect(200);
    let seen = world.backend.last();
    assert!(seen.field("authorization").unwrap().starts_with("Bearer access-"), "{seen:?}");
    browser.open(&world.gate.url("/open/")).expect(200);
    assert_eq!(world.backend.last().field("authorization"), None);
}

#[test]
fn fifty_requests_at_the_end_of_a_token_make_one_refresh() {
    let world = World::with(FORWARDS);
    world.provider.access_tokens_last(5);
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let url = world.gate.url("/app/");
    browser.open(&url).expect(200);
    let first = world.backend.last().field("authorization").unwrap().to_owned();
    let refreshes = || {
        let all = world.provider.asked("/token");
        all.iter().filter(|request| form(request)["grant_type"] == "refresh_token").count()
    };
    world.provider.access_tokens_last(3600);
    assert_eq!(refreshes(), 0);
    // The token wants to be refreshed a second before its end, and is over after that.
    let began = std::time::Instant::now();
    eventually(PATIENCE, || (began.elapsed() > std::time::Duration::from_millis(5200)).then_some(()));
    let threads: Vec<_> = (0..50)
        .map(|_| {
            let (mut browser, url) = (browser.clone(), url.clone());
            std::thread::spawn(move || browser.fetch(&url, &[]).status)
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
    assert_eq!(refreshes(), 1);
    let seen: BTreeSet<String> = world
        .arrived()
        .iter()
        .skip(1)
        .map(|request| request.field("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(!seen.contains(&first));
}

#[test]
fn two_nodes_refresh_once_between_them() {
    let provider = Provider::start();
    provider.access_tokens_last(4);
    let backend = Backend::saying("reached");
    let one = Gate::start_in(Folder::new(&configuration(&provider, &backend, FORWARDS))).ready();
    let store = format!("store: sqlite:{}", one.folder().file("haechi.db").display());
    let other = configuration(&provider, &backend, FORWARDS).replace("store: sqlite:haechi.db", &store);
    let other = Gate::start_in(Folder::new(&other)).ready();
    let world = World { gate: one, provider, backend };
    let (browser, _) = world.logged_in("alice", "/app/");
    world.provider.access_tokens_last(3600);
    let began = std::time::Instant::now();
    eventually(PATIENCE, || (began.elapsed() > std::time::Duration::from_millis(4200)).then_some(()));
    let urls = [world.gate.url("/app/"), other.url("/app/")];
    let threads: Vec<_> = (0..20)
        .map(|n| {
            let (mut browser, url) = (browser.clone(), urls[n % 2].clone());
            std::thread::spawn(move || browser.fetch(&url, &[]).status)
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
    let refreshes = world.provider.asked("/token").len() - 1;
    assert_eq!(refreshes, 1);
}

#[test]
fn a_provider_that_is_away_for_a_while_logs_nobody_out() {
    let mut world = World::with("    scopes: [openid, offline_access]");
    world.provider.access_tokens_last(2);
    let (mut browser, _) = world.logged_in("alice", "/app/");
    let url = world.gate.url("/app/");
    world.provider.stop();
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_secs(4) {
        browser.open(&url).expect(200);
    }
    world.provider.restart();
    browser.open(&url).expect(200);
}

#[test]
fn a_backend_gets_no_token_that_is_over() {
    let mut world = World::with(FORWARDS);
    world.provider.access_tokens_last(2);
    let (mut browser, _) = world.logged_in("alice", "/app/");
    world.provider.stop();
    let url = world.gate.url("/app/");
    let reply = eventually(PATIENCE, || Some(browser.fetch(&url, &[])).filter(|reply| reply.status != 200));
    assert_eq!(reply.status, 503, "{reply:#?}");
}

#[test]
fn who_is_no_longer_known_at_the_provider_is_logged_out() {
    for (status, error, ends) in
        [(400, "invalid_grant", true), (401, "invalid_client", false), (500, "", false)]
    {
        let world = World::with("    scopes: [openid, offline_access]");
        world.provider.access_tokens_last(2);
        let (mut browser, _) = world.logged_in("alice", "/app/");
        world.provider.breaks(|faults| {
            let answer = move |_: &haechi_testkit::Recorded| -> Answer {
                json_answer(status, &json!({ "error": error }))
            };
            faults.calls.insert("/token", Arc::new(answer));
        });
        let url = world.gate.url("/app/");
        let asked = || world.provider.asked("/token").len() > 1;
        eventually(PATIENCE, || {
            browser.fetch(&url, &[]);
            asked().then_some(())
        });
        let status = browser.fetch(&url, &[]).status;
        assert_eq!(status, if ends { 401 } else { 200 }, "{error}");
    }
    // Another person's ID token in the answer to a refresh ends the session as well.
    let world = World::with("    scopes: [openid, offline_access]");
    world.provider.access_tokens_last(2);
    let (mut browser, _) = world.logged_in("alice", "/app/");
    world.provider.breaks(|faults| faults.claims = json!({ "sub": "root" }));
    let url = world.gate.url("/app/");
    eventually(PATIENCE, || {
        browser.fetch(&url, &[]);
        (world.provider.asked("/token").len() > 1).then_some(())
    });
    browser.fetch(&url, &[]);
    assert!(world.arrived().iter().all(|request| request.field("x-auth-subject") == Some("alice")));
}
