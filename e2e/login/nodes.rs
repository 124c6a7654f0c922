//! Two gates before one PostgreSQL and one Redis: a login that begins at one and ends at the other, one refresh between them, and a store that is away.

use super::provider::{Provider, form};
use super::{COOKIE, configuration};
use crate::harness::{Folder, Gate, PATIENCE, eventually};
use crate::login::browser::{Browser, location};
use haechi_testkit::{Backend, PostgresServer, RedisServer, postgres_database};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const FORWARDS: &str = "    scopes: [openid, offline_access]\n    forward_access_token: true";

fn gate(provider: &Provider, backend: &Backend, store: &str) -> Gate {
    let yaml = configuration(provider, backend, FORWARDS).replace("store: sqlite:haechi.db", store);
    Gate::start_in(Folder::new(&yaml)).ready()
}

fn port(gate: &Gate) -> String {
    gate.url("").trim_end_matches('/').rsplit(':').next().unwrap().to_owned()
}

/// Opens an address of `named` at `asked`, as behind a balancer that serves both under one name.
fn open_at(browser: &mut Browser, url: &str, (named, asked): (&Gate, &Gate)) -> crate::harness::Reply {
    let to = format!("127.0.0.1:{}:127.0.0.1:{}", port(named), port(asked));
    browser.ask(url, &["--connect-to", &to, "--header", "Accept: text/html"])
}

#[test]
fn redis_and_postgres_a_login_begins_at_one_node_and_ends_at_the_other() {
    let (provider, backend, redis) = (Provider::start(), Backend::saying("reached"), RedisServer::start(&[]));
    let store = format!("store: \"{}\"\nshared_state: \"{}?timeout=1s\"", postgres_database(), redis.url());
    let nodes = [gate(&provider, &backend, &store), gate(&provider, &backend, &store)];
    let [one, other] = &nodes;
    let base = one.url("");
    provider.access_tokens_last(5);
    let mut browser = Browser::default();
    let start = location(&open_at(&mut browser, &one.url("/app/deep?q=1"), (one, other)), &base);
    let page = location(&open_at(&mut browser, &start, (one, one)), &base);
    let back = provider.log_in(&page, "alice");
    let mut begun = browser.clone();
    let after = location(&open_at(&mut browser, &back, (one, other)), "");
    assert_eq!(after, "/app/deep?q=1");
    let url = one.url("/app/");
    for node in [one, other] {
        open_at(&mut browser, &url, (one, node)).expect(200);
    }
    // The answer once more, at the node that did not see it: the code is not looked at, and the page is shown.
    let asked = provider.asked("/token").len();
    assert_eq!(location(&open_at(&mut browser, &back, (one, one)), ""), "/app/deep?q=1");
    assert_eq!(provider.asked("/token").len(), asked);
    // And of a browser that knows nothing of its end: the provider takes a code once.
    open_at(&mut begun, &back, (one, one)).expect(403);
    assert!(!begun.cookies.contains_key(COOKIE));
    refreshed_once(&provider, &backend, (&browser, &url), &nodes);
    // A logout at one ends the session at the other.
    open_at(&mut browser.clone(), &one.url("/auth/logout?return_to=/open/"), (one, one)).expect(303);
    let ended = Instant::now();
    eventually(PATIENCE, || (open_at(&mut browser.clone(), &url, (one, other)).status == 303).then_some(()));
    assert!(ended.elapsed() < Duration::from_secs(5));
}

/// Fifty requests at the end of the token, at both nodes.
fn refreshed_once(
    provider: &Provider,
    backend: &Backend,
    (browser, url): (&Browser, &str),
    nodes: &[Gate; 2],
) {
    let refreshes = || {
        let all = provider.asked("/token");
        all.iter().filter(|request| form(request)["grant_type"] == "refresh_token").count()
    };
    assert_eq!(refreshes(), 0);
    provider.access_tokens_last(3600);
    let (began, before) = (Instant::now(), backend.recorded().len());
    eventually(PATIENCE, || (began.elapsed() > Duration::from_millis(5200)).then_some(()));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |n: usize| open_at(&mut browser.clone(), url, (&nodes[0], &nodes[n % 2])).status;
        let threads: Vec<_> = (0..50).map(|n| scope.spawn(move || ask(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 50]);
    assert_eq!(refreshes(), 1);
    let seen = backend.recorded();
    let tokens: BTreeSet<&str> =
        seen.iter().skip(before).map(|request| request.field("authorization").unwrap()).collect();
    assert_eq!((tokens.len(), seen.len() - before), (1, 50), "{tokens:?}");
}

#[test]
fn postgres_that_is_away_logs_nobody_in_and_nobody_out() {
    let (provider, backend) = (Provider::start(), Backend::saying("reached"));
    let mut server = PostgresServer::start(&[]);
    let gate = gate(&provider, &backend, &format!("store: \"{}\"", server.url()));
    let base = gate.url("");
    let mut browser = Browser::default();
    let start = location(&browser.open(&gate.url("/app/")), &base);
    let page = location(&browser.open(&start), &base);
    let back = provider.log_in(&page, "alice");
    let mut logged_in = Browser::default();
    let start = location(&logged_in.open(&gate.url("/app/")), &base);
    let other = location(&logged_in.open(&start), &base);
    logged_in.open(&provider.log_in(&other, "bob")).expect(303);
    server.kill();
    let reply = browser.open(&back).expect(503);
    assert!(reply.field("retry-after").is_some() && reply.text().contains("<html"), "{reply:#?}");
    assert!(!browser.cookies.contains_key(COOKIE));
    // Whoever has a session that nobody remembers is not told to log in: it could not be found out.
    let known = logged_in.cookies.clone();
    let asked =
        eventually(PATIENCE, || Some(logged_in.open(&gate.url("/app/"))).filter(|reply| reply.status == 503));
    assert!(asked.head.all("set-cookie").is_empty() && logged_in.cookies == known, "{asked:#?}");
    let arrived = backend.recorded().len();
    logged_in.open(&gate.url("/app/")).expect(503);
    assert_eq!(backend.recorded().len(), arrived);
    server.start_again(&[]);
    eventually(PATIENCE, || (logged_in.open(&gate.url("/app/")).status == 200).then_some(()));
}
