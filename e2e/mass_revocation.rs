//! Many users who are disabled at once, and as many logins that end, while the gate serves others (docs/identity-provider.md#revocation).
//!
//! `scripts/mass-revocation` does the same with 10,000 of each, and shows what it measured.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, eventually, routes_to};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haechi_core::ports::{Session, UserRecord};
use haechi_core::{Clock, SystemClock};
use haechi_store::Store;
use haechi_testkit::Backend;
use haechi_testkit::load::{Load, Report, Steady};
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is promised of a revocation.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// So many of the users come back to see that they are refused.
const SAMPLE: usize = 24;
/// Test machines are noisy. Whoever waits for a revocation, or for passwords that are hashed, waits for far longer.
const ALLOWANCE: Duration = Duration::from_secs(1);

/// How many users and logins there are.
fn many() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many there are is a setting of the tests, not of the gate"
    )]
    let asked = std::env::var("HAECHI_E2E_REVOKED").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(600)
}

/// The refresh token of the login `n`.
fn refresh_token(n: usize) -> String {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    format!("hr_{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().unwrap()
}

/// Adds users with the password of `alice`, each with a login.
async fn fill(store: &Store, count: usize) {
    let alice = store.users.by_name("alice").await.unwrap().unwrap();
    let now = SystemClock.now();
    for n in 0..count {
        let user = UserRecord { id: format!("u-{n}"), name: format!("user{n}"), ..alice.clone() };
        store.users.add(&user).await.unwrap();
        let session = Session {
            id: format!("s-{n}"),
            user_id: user.id,
            token_sha256: sha256(&refresh_token(n)),
            expires_at: now.plus(Duration::from_secs(3600)),
            created_at: now,
            chain_key: None,
            details: Default::default(),
        };
        store.sessions.begin(&session).await.unwrap();
    }
}

/// Disables all of them, as `haechi user disable` does one.
async fn disable(store: &Store, count: usize) {
    let until = SystemClock.now().plus(Duration::from_secs(3600));
    for n in 0..count {
        store.users.set_disabled((&format!("user{n}")).into(), true).await.unwrap();
        store.sessions.end_all_of(&format!("u-{n}"), until).await.unwrap();
    }
}

fn configuration(store: &str, backend: &Backend, steady: &Steady) -> String {
    let routes = routes_to(backend, &[("/**", "[local]", "any"), ("/staff/**", "[staff]", "any")])
        .replace("services: {", &format!("services: {{ steady: {{ endpoints: [\"{}\"] }},", steady.url()));
    format!(
        "store: \"{store}\"
access_log: {{ target: \"off\" }}
identity:
  issuer: http://localhost:8080
  login: {{ per_address: {{ requests: 100000, per: 1m }} }}
  token: {{ per_address: {{ requests: 100000, per: 1m }} }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, staff: {{ type: basic, realm: staff }} }}
{routes}  - {{ name: steady, match: {{ path: /steady }}, authenticate: anonymous, authorize: any, service: steady }}
"
    )
}

struct World {
    gate: Gate,
    store: Store,
    runtime: tokio::runtime::Runtime,
    backend: Backend,
}

impl World {
    fn on(location: Option<String>) -> Self {
        let (backend, steady) = (Backend::saying("reached"), Steady::start());
        let written = location.clone().unwrap_or_else(|| "sqlite:haechi.db".to_owned());
        let folder = Folder::new(&configuration(&written, &backend, &steady));
        folder.add_user("alice", &[]);
        let location = location.unwrap_or_else(|| format!("sqlite:{}", folder.file("haechi.db").display()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = runtime.block_on(Store::open(&location)).unwrap();
        runtime.block_on(fill(&store, many()));
        Self { gate: Gate::start_in(folder).ready(), store, runtime, backend }
    }

    fn bearer(&self, n: usize) -> String {
        let refresh = json!({ "refresh_token": refresh_token(n) });
        let pair = self.gate.post_json("/auth/refresh", &refresh).expect(200).json();
        format!("Authorization: Bearer {}", pair["access_token"].as_str().unwrap())
    }

    /// Requests of others while `disturbance` lasts, and at least so many.
    fn beside(&self, disturbance: impl FnOnce()) -> Report {
        let address = self.gate.address();
        let load = Load::start(Arc::new(move || address), 4, 200);
        disturbance();
        eventually(PATIENCE, || (load.sent() >= 400).then_some(()));
        load.stop()
    }
}

fn basic(n: usize) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("user{n}:{PASSWORD}")))
}

fn revoke_all(location: Option<String>) {
    let (world, count) = (World::on(location), many());
    let (gate, step) = (&world.gate, (count / SAMPLE).max(1));
    let sample: Vec<(usize, String)> = (0..count).step_by(step).map(|n| (n, world.bearer(n))).collect();
    for (n, bearer) in &sample {
        assert_eq!(gate.get_with("/x", &[bearer]).status, 200, "user {n}");
        assert_eq!(gate.get_with("/staff/x", &[&basic(*n)]).status, 200, "user {n}");
    }
    let quiet = world.beside(|| {});
    let mut took = (Duration::ZERO, Duration::ZERO);
    let seen = world.beside(|| {
        let begun = Instant::now();
        world.runtime.block_on(disable(&world.store, count));
        took.0 = begun.elapsed();
        let last = Instant::now();
        // The last first: of the others it was known earlier.
        for (n, bearer) in sample.iter().rev() {
            let left = KNOWN_WITHIN.saturating_sub(last.elapsed());
            eventually(left, || (gate.get_with("/x", &[bearer]).status == 401).then_some(()));
            let refused = gate.get_with("/staff/x", &[&basic(*n)]);
            assert_eq!(refused.status, 401, "user {n}");
        }
        took.1 = last.elapsed();
        assert_eq!(gate.admin("/readyz").status, 200);
    });
    // They come again and again, and nobody else waits while it is found out about them.
    let again = world.beside(|| {
        let arrived = world.backend.recorded().len();
        for _ in 0..3 {
            for (n, bearer) in &sample {
                assert_eq!(gate.get_with("/x", &[bearer]).status, 401);
                assert_eq!(gate.get_with("/staff/x", &[&basic(*n)]).status, 401);
            }
        }
        assert_eq!(world.backend.recorded().len(), arrived, "nothing of it arrives");
    });
    report(count, took, [&quiet, &seen, &again]);
    for report in [&quiet, &seen, &again] {
        assert_eq!(report.failed, 0, "{report:?}");
    }
    let [before, beside, after] = [quiet, seen, again].map(|report| micros(report.latency[1]));
    assert!(
        beside.max(after) <= before * 2 + ALLOWANCE,
        "p99 {before:?} before, {beside:?} and {after:?} then"
    );
    // Whoever was not revoked logs in and comes in as before.
    let login = json!({ "username": "alice", "password": PASSWORD });
    gate.post_json("/auth/login", &login).expect(200);
    world.runtime.block_on(world.store.close());
}

fn micros(count: u32) -> Duration {
    Duration::from_micros(count.into())
}

/// For `scripts/mass-revocation`, which shows what the tests write to stderr.
fn report(count: usize, (disabled, refused): (Duration, Duration), reports: [&Report; 3]) {
    let [before, beside, after] = reports.map(|report| micros(report.latency[1]));
    let line = format!(
        "revoked: {count} users and logins in {disabled:.1?}; {SAMPLE} of them refused {refused:.1?} after the last; p99 of others {before:.1?} before, {beside:.1?} beside, {after:.1?} while they came again"
    );
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[test]
fn many_users_disabled_at_once_stop_nobody_else() {
    revoke_all(None);
}

#[test]
fn nor_do_they_on_postgres() {
    revoke_all(Some(haechi_testkit::postgres_database()));
}
