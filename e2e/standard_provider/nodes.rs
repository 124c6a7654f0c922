//! The provider on two gates before one PostgreSQL: pages, codes and sessions of one are those of the other, and what cannot be found out is 503.

use super::{Client, REDIRECT, World, add_client, configuration, free_port};
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, eventually};
use crate::login::browser::{Browser, find_parameter, location, parameter};
use haechi_testkit::{Backend, PostgresServer, RedisServer, postgres_database};

/// Two gates of one issuer, the address of the first.
fn nodes(backend: &Backend, store: &str) -> [World; 2] {
    let ports = [free_port(), free_port()];
    let issuer = format!("http://127.0.0.1:{}", ports[0]);
    let folder = |port: u16| {
        let yaml = configuration(port, "", backend).replace("store: sqlite:haechi.db", store);
        Folder::exactly(
            &yaml.replace(&format!("issuer: \"http://127.0.0.1:{port}\""), &format!("issuer: \"{issuer}\"")),
        )
    };
    let folders = ports.map(folder);
    folders[0].add_user("alice", &["USER"]);
    let public = add_client(&folders[0], &["app", "--public", "--redirect-uri", REDIRECT]).id;
    let mut ports = ports.into_iter();
    folders.map(|folder| {
        let client = || Client { id: public.clone(), secret: String::new() };
        let issuer = format!("http://127.0.0.1:{}", ports.next().unwrap());
        World { gate: Gate::start_in(folder).ready(), issuer, client: client(), public: client() }
    })
}

#[test]
fn redis_and_postgres_a_code_of_one_node_is_taken_once_by_either() {
    let (backend, redis) = (Backend::saying("reached"), RedisServer::start(&[]));
    let store = format!("store: \"{}\"\nshared_state: \"{}?timeout=1s\"", postgres_database(), redis.url());
    let [one, other] = nodes(&backend, &store);
    let mut browser = Browser::default();
    // The page of one node is sent to the other.
    let page = browser.open(&one.request(&one.public.id, &[])).expect(200);
    let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
    let to = location(&other.send(&mut browser, &page, &sent), "");
    assert_eq!(parameter(&to, "iss"), one.issuer);
    let tokens = one.token(&one.public, &parameter(&to, "code"), &[]).expect(200).json();
    let access = tokens["access_token"].as_str().unwrap();
    for node in [&one, &other] {
        eventually(PATIENCE, || (node.gate.get_with_token("/x", access).status == 200).then_some(()));
    }
    // Whoever is logged in is so at both.
    let mut another = |node: &World| {
        let to = location(&browser.open(&node.request(&node.public.id, &[("prompt", "none")])), "");
        parameter(&to, "code")
    };
    let code = another(&one);
    other.token(&other.public, &code, &[]).expect(200);
    assert_eq!(one.token(&one.public, &code, &[]).expect(400).json()["error"], "invalid_grant");
    // Of many who bring one code to both at once one gets tokens at most: it is none that somebody keeps to themselves.
    for _ in 0..3 {
        let code = another(&other);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let ask = |n: usize| [&one, &other][n % 2].token(&one.public, &code, &[]).status;
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || ask(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(statuses.iter().filter(|status| **status == 200).count() <= 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 400].contains(status)), "{statuses:?}");
    }
    // A logout at one is one at the other.
    let page = browser.open(&format!("{}/auth/end_session", other.issuer)).expect(200);
    other.send(&mut browser, &page, &[("action", "logout")]).expect(200);
    let none = location(&browser.open(&one.request(&one.public.id, &[("prompt", "none")])), "");
    assert_eq!(parameter(&none, "error"), "login_required");
}

#[test]
fn postgres_that_is_away_is_a_page_that_says_so_and_never_a_wrong_password() {
    let backend = Backend::saying("reached");
    let mut server = PostgresServer::start(&[]);
    let [world, _other] = nodes(&backend, &format!("store: \"{}\"", server.url()));
    let request = world.request(&world.public.id, &[]);
    let mut browser = Browser::default();
    let page = browser.open(&request).expect(200);
    let code = world.code(&world.public);
    let sent = |password| [("username", "alice"), ("password", password), ("action", "login")];
    server.kill();
    let token = world.token(&world.public, &code, &[]);
    assert_eq!(token.status, 503, "{token:#?}");
    for reply in [
        browser.open(&request),
        browser.open(&format!("{}/auth/account", world.issuer)),
        browser.open(&format!("{}/auth/end_session", world.issuer)),
        world.send(&mut browser, &page, &sent(PASSWORD)),
        world.send(&mut browser, &page, &sent("wrong")),
    ] {
        assert_eq!(reply.status, 503, "{reply:#?}");
        assert!(reply.field("retry-after").is_some(), "{reply:#?}");
        assert!(reply.field("content-type").unwrap().starts_with("text/html"), "{reply:#?}");
        let text = reply.text();
        assert!(!text.contains("wrong") && !text.contains("id=\"problem\""), "{text}");
        assert!(reply.field("location").is_none());
    }
    server.start_again(&[]);
    eventually(PATIENCE, || (world.gate.admin("/readyz").status == 200).then_some(()));
    let to = location(&world.send(&mut browser, &page, &sent(PASSWORD)), "");
    assert!(find_parameter(&to, "code").is_some(), "the form is still good: {to}");
}
