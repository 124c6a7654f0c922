//! Guessing passwords locks out the one who guesses, and nobody else (docs/identity-provider.md).

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, routes_to};
use haechi_testkit::Backend;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

fn start(backend: &Backend) -> Gate {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth, lockout: {{ failures: 5, for: 15m }} }}
authenticators: {{ staff: {{ type: basic, realm: staff }} }}
{}",
        routes_to(backend, &[("/x", "[staff]", "any")])
    ));
    folder.add_user("root", &[]);
    Gate::start_in(folder).ready()
}

/// From this address of the machine itself.
fn login(gate: &Gate, from: &str, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password }).to_string();
    let json = "Content-Type: application/json";
    gate.curl("/auth/login", &["--interface", from, "--header", json, "--data-binary", &body])
}

#[test]
fn a_stranger_locks_out_nobody_but_the_stranger() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    for n in 0..5 {
        login(&gate, "127.0.0.2", "root", &format!("wrong {n}")).expect(401);
    }
    login(&gate, "127.0.0.2", "root", PASSWORD).expect(401);
    login(&gate, "127.0.0.1", "root", PASSWORD).expect(200);
    let basic = format!("root:{PASSWORD}");
    gate.curl("/x", &["--interface", "127.0.0.3", "--user", &basic]).expect(200);
    gate.curl("/x", &["--interface", "127.0.0.2", "--user", &basic]).expect(401);
    assert_eq!(gate.metric("haechi_authn_lockouts_total", &["of=\"user_at_address\""]), 1.0);
    assert_eq!(gate.metric("haechi_authn_passwords_unhashed_total", &[]), 2.0);
    assert!(gate.log().iter().any(|line| line.contains("locked for this address")), "{:#?}", gate.log());
}

#[test]
fn who_guesses_without_end_keeps_nobody_waiting() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let (over, guesses) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (gate, over, guesses) = (&gate, &over, &guesses);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    let n = guesses.fetch_add(1, SeqCst);
                    // At one name, and at ever new ones.
                    let name = if thread % 2 == 0 { "root".to_owned() } else { format!("user {n}") };
                    let refused = login(gate, "127.0.0.2", &name, &format!("wrong {n}")).status;
                    assert!([401, 429, 503].contains(&refused), "{refused}");
                }
            });
        }
        eventually(PATIENCE, || (guesses.load(SeqCst) > 60).then_some(()));
        let statuses: Vec<u16> =
            (0..10).map(|_| login(&gate, "127.0.0.3", "root", PASSWORD).status).collect();
        over.store(true, SeqCst);
        assert_eq!(statuses, [200; 10]);
    });
}
