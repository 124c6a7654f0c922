//! Two gates on one PostgreSQL, and a gate whose store is away.

use super::{FORBID, NEW, PERMIT, Site, configuration, ended, if_match};
use crate::harness::{Folder, Gate, PATIENCE, eventually};
use haechi_testkit::{Backend, PostgresServer, postgres_database};
use std::time::{Duration, Instant};

/// What a node promises about a policy that was put on another; a slow machine gets more.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(5);

fn put_permit(site: &Site, name: &str) -> u16 {
    site.call("PUT", &format!("policies/{name}"), NEW, Some(PERMIT)).status
}

#[test]
fn a_policy_counts_on_all_nodes() {
    let store = format!("admin: {{ bind: 127.0.0.1:0 }}\nstore: \"{}\"\n", postgres_database());
    let one = Site::start(&store, &[]);
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&configuration(&backend, &store));
    let other = Site::running(Gate::start_in(folder).ready(), backend);
    assert_eq!((one.asks("/orders"), other.asks("/orders")), ((200, true), (200, true)));
    one.call("PUT", "policies/no-orders", NEW, Some(FORBID)).expect(201);
    assert_eq!(one.asks("/orders"), (403, false), "at once where it was put");
    let began = Instant::now();
    eventually(IN_FORCE_WITHIN, || (other.asks("/orders") == (403, false)).then_some(()));
    eprintln!("in force on the other node after {:?}", began.elapsed());
    assert_eq!(other.get("policies/no-orders")["state"], "in_force");
    other.call("PUT", "policies/reports", NEW, Some(PERMIT)).expect(201);
    eventually(IN_FORCE_WITHIN, || (one.asks("/reports") == (200, true)).then_some(()));
    // Both change at once: each sees what the other did, or is told.
    std::thread::scope(|scope| {
        let first = scope.spawn(|| put_permit(&one, "a"));
        let second = scope.spawn(|| put_permit(&other, "b"));
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (201, 201));
    });
    other.call("DELETE", "policies/no-orders", &if_match(1), None).expect(204);
    eventually(IN_FORCE_WITHIN, || (one.asks("/orders") == (200, true)).then_some(()));
    for site in [&one, &other] {
        eventually(IN_FORCE_WITHIN, || {
            (site.get("policies")["items"].as_array().unwrap().len() == 3).then_some(())
        });
        assert_eq!(site.replayed()["changes"], serde_json::json!([]));
    }
}

#[test]
fn a_store_that_is_away_opens_nothing() {
    let mut server = PostgresServer::start(&[]);
    let store = format!("admin: {{ bind: 127.0.0.1:0 }}\nstore: \"{}\"\n", server.url());
    let site = Site::start(&store, &[]);
    site.call("PUT", "policies/no-orders", NEW, Some(FORBID)).expect(201);
    server.kill();
    assert_eq!(site.gate.get("/open").status, 200, "what is known stays in force");
    let Site { gate, backend, .. } = site;
    let gate = Gate::start_in(ended(gate));
    // Nobody knows whether a policy forbids it.
    assert_eq!(gate.get("/open").status, 503);
    let refused = gate.get("/open");
    assert!(refused.field("retry-after").is_some());
    let ready = gate.admin("/readyz");
    assert!(ready.status == 503 && ready.text().contains("policies of the store"), "{}", ready.text());
    let arrived = backend.recorded().len();
    server.start_again(&[]);
    eventually(PATIENCE * 2, || (gate.get("/open").status == 200).then_some(()));
    assert_eq!(backend.recorded().len(), arrived + 1, "nothing had arrived before");
    let site = Site::running(gate, backend);
    assert_eq!(site.asks("/orders"), (403, false));
    assert_eq!(site.replayed()["changes"], serde_json::json!([]));
}

#[test]
fn a_policy_that_another_node_cannot_have_keeps_it_from_being_ready() {
    let store = format!("admin: {{ bind: 127.0.0.1:0 }}\nstore: \"{}\"\n", postgres_database());
    let one = Site::start(&store, &[]);
    let backend = Backend::saying("reached");
    let narrow = configuration(&backend, &store).replace("caller_attributes: { tenant: string }\n", "");
    let other = Gate::start_in(Folder::exactly(&narrow)).ready();
    let uses = "forbid(principal, action, resource == Route::\"orders\") unless { principal has tenant };";
    one.call("PUT", "policies/tenants", NEW, Some(uses)).expect(201);
    eventually(PATIENCE, || {
        let ready = other.admin("/readyz");
        (ready.status == 503 && ready.text().contains("do not fit the configuration")).then_some(())
    });
    one.call("DELETE", "policies/tenants", &if_match(1), None).expect(204);
    eventually(PATIENCE, || (other.admin("/readyz").status == 200).then_some(()));
}

#[test]
fn a_change_that_one_node_was_asked_for_is_agreed_to_at_another_and_once() {
    let store = format!("admin: {{ bind: 127.0.0.1:0, approvals: 2 }}\nstore: \"{}\"\n", postgres_database());
    let one = Site::start(&store, &[]);
    let backend = Backend::saying("reached");
    let other =
        Site::running(Gate::start_in(Folder::exactly(&configuration(&backend, &store))).ready(), backend);
    let asked = one.call("PUT", "policies/no-orders", NEW, Some(FORBID)).expect(202).json();
    let approve = format!("approvals/{}/approve", asked["id"].as_str().unwrap());
    assert_eq!(other.call("POST", &approve, "", None).status, 403, "the same person at another node");
    assert_eq!((one.asks("/orders"), other.asks("/orders")), ((200, true), (200, true)));
    // The second person presses twice, at both nodes.
    let statuses = std::thread::scope(|scope| {
        let presses =
            [&one, &other].map(|site| scope.spawn(|| site.call_as(1, "POST", &approve, "", None).status));
        presses.map(|press| press.join().unwrap())
    });
    let mut sorted = statuses;
    sorted.sort_unstable();
    assert_eq!(sorted, [200, 409], "{statuses:?}");
    for site in [&one, &other] {
        eventually(IN_FORCE_WITHIN, || (site.asks("/orders") == (403, false)).then_some(()));
        assert_eq!(site.get(&approve.replace("/approve", ""))["state"], "approved");
    }
    // What is on record before it is made is on record again where it was not made.
    let count = |outcome: &str| {
        let of = |site: &Site| {
            let all = site.records("approval.approve");
            all.iter().filter(|one| one["outcome"] == outcome).count()
        };
        of(&one) + of(&other)
    };
    assert_eq!(count("done") - count("failed"), 1);
}
