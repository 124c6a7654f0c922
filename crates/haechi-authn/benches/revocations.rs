//! What knowing of revocations costs: `cargo bench -p haechi-authn`. docs/benchmarks.md tells how to read it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark is no part of the gate"
)]

use haechi_authn::jose::{Signer, SigningAlgorithm, public_jwks};
use haechi_authn::keys::{KeySource, Keys};
use haechi_authn::possession::{ProofRules, ReplayMemory};
use haechi_authn::schemes::jwt::{
    Audiences, ClaimsMap, DEFAULT_LEEWAY, IssuerRule, JwtAuthenticator, JwtConfig, TokenPlace,
};
use haechi_authn::{Attempt, Authenticator, Look, RevocationView, RevocationWatch, Scheme};
use haechi_core::caller::Vouched;
use haechi_core::id::RequestId;
use haechi_core::ports::{Change, Revoked};
use haechi_core::{
    CanonicalPath, Clock, ConnectionFacts, Fields, Host, RequestHead, RoleTable, SystemClock, Timestamp,
};
use http::Method;
use serde_json::json;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ISSUER: &str = "http://localhost:8080";
/// How many callers a worker knows.
const TOKENS: usize = 10_000;
/// As many as the store is asked for at once.
const PAGE: usize = 10_000;
const ROUNDS: usize = 7;

fn main() {
    // `cargo test --benches` runs it too, without asking for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("a token that was verified before, nanoseconds a request, and the memory of the view");
    println!("{:>9}  {:>10}  {:>14}  {:>9}", "revoked", "unchanged", "after a change", "MiB");
    for revoked in [0, 10, 1_000, 100_000, 1_000_000] {
        known(revoked);
    }
    mass();
}

/// A worker's scheme, and what it is asked.
struct World {
    watch: Arc<RevocationWatch>,
    clock: Arc<dyn Clock>,
    scheme: Rc<dyn Scheme>,
    heads: Vec<RequestHead>,
}

impl World {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pkcs8 = Signer::generate(SigningAlgorithm::EdDsa).unwrap();
        let signer = Signer::from_pkcs8(SigningAlgorithm::EdDsa, None, pkcs8.expose()).unwrap();
        let jwks = public_jwks([&signer]).to_string();
        let keys = Keys::from_jwks(jwks.as_bytes(), clock.now()).unwrap();
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        let config = JwtConfig {
            name: "local".into(),
            issuer: IssuerRule::exactly(ISSUER),
            audiences: Audiences::OneOf(vec![ISSUER.into()]),
            audience_claim: None,
            from: vec![TokenPlace::Bearer],
            keys: Arc::new(KeySource::fixed(ISSUER, keys)),
            algorithms: JwtAuthenticator::default_algorithms(),
            leeway: DEFAULT_LEEWAY,
            token_types: vec!["at+jwt".into()],
            claims: ClaimsMap::default(),
            roles: Arc::new(RoleTable::default()),
            revocations: Some(watch.clone()),
            vouched: Vouched::BySelf,
            possession: ProofRules::new(
                "local".into(),
                DEFAULT_LEEWAY,
                Arc::new(ReplayMemory::new(None, clock.clone())),
            ),
            cache_entries: 2 * TOKENS,
            clock: clock.clone(),
        };
        let scheme = JwtAuthenticator::new(config).unwrap().for_worker();
        let heads = (0..TOKENS).map(|n| head(&signer, n, clock.now())).collect();
        let world = Self { watch, clock, scheme, heads };
        world.put(world.view().with(&[], 0, world.clock.uptime()));
        world.heads.iter().for_each(|head| assert!(world.holds(head)));
        world
    }

    fn view(&self) -> RevocationView {
        RevocationView::clone(&self.watch.view())
    }

    fn put(&self, view: RevocationView) {
        self.watch.replace(view);
    }

    /// Makes the view know so many sessions that are revoked, page by page.
    fn revoke(&self, from: usize, count: usize) {
        let until = self.clock.now().plus(Duration::from_secs(3600));
        for start in (from..from + count).step_by(PAGE) {
            let page: Vec<Change> = (start..(start + PAGE).min(from + count))
                .map(|n| Change::Revoked { what: Revoked::Session(format!("{n:032x}")), until })
                .collect();
            self.put(self.view().with(&page, start as u64 + 1, self.clock.uptime()));
        }
    }

    fn holds(&self, head: &RequestHead) -> bool {
        match self.scheme.look(head, head.received) {
            Look::Done(Attempt::Verified(_)) => true,
            Look::Done(Attempt::Rejected(_)) => false,
            _ => unreachable(),
        }
    }

    /// Nanoseconds for each of the requests of all callers, the median of the rounds.
    fn round(&self, between: impl Fn()) -> f64 {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                between();
                let begun = Instant::now();
                for head in &self.heads {
                    assert!(self.holds(black_box(head)));
                }
                begun.elapsed().as_nanos() as f64 / TOKENS as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    }
}

fn unreachable() -> bool {
    println!("revocations are not known recently enough");
    std::process::exit(1)
}

fn head(signer: &Signer, n: usize, now: Timestamp) -> RequestHead {
    let claims = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": format!("user{n}"), "jti": format!("token{n}"), "sid": format!("session{n}"),
        "exp": now.as_seconds() + 3600,
    });
    let mut fields = Fields::default();
    fields.push(b"authorization", format!("Bearer {}", signer.sign("at+jwt", &claims).unwrap()).as_bytes());
    let connection = ConnectionFacts::plain(([10, 1, 2, 3], 4711).into());
    let (host, path) = (Host::parse(b"localhost").unwrap(), CanonicalPath::parse(b"/").unwrap());
    RequestHead::new(RequestId::from_bits(1), now, connection, Method::GET, host, path).with_fields(fields)
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn known(revoked: usize) {
    let world = World::new();
    let before = resident();
    world.revoke(0, revoked);
    let memory = resident() - before;
    let fresh = || world.put(world.view().with(&[], world.view().epoch, world.clock.uptime()));
    fresh();
    world.heads.iter().for_each(|head| assert!(world.holds(head)));
    let unchanged = world.round(fresh);
    let next = std::cell::Cell::new(10_000_000);
    let after = world.round(|| {
        world.revoke(next.get(), 1);
        next.set(next.get() + 1);
    });
    println!("{revoked:>9}  {unchanged:>10.0}  {after:>14.0}  {memory:>9.1}");
}

/// Half of the callers lose their session at once.
fn mass() {
    let world = World::new();
    let until = world.clock.now().plus(Duration::from_secs(3600));
    let lost = |n: usize| Change::Revoked { what: Revoked::Session(format!("session{n}")), until };
    let changes: Vec<Change> = (0..TOKENS).map(lost).collect();
    let begun = Instant::now();
    world.put(world.view().with(&changes, 1, world.clock.uptime()));
    let learned = begun.elapsed();
    let begun = Instant::now();
    assert!(world.heads.iter().all(|head| !world.holds(head)));
    let each = begun.elapsed().as_nanos() as f64 / TOKENS as f64;
    println!(
        "\n{TOKENS} sessions revoked at once: learned in {:.1} ms; each caller refused in {each:.0} ns",
        learned.as_secs_f64() * 1000.0
    );
}
