//! What an API key costs: `cargo bench -p haechi-authn`. docs/benchmarks.md tells how to read it.
//!
//! A scheme as a worker has it, over a store in an SQLite file: keys that are cached, keys that are looked up, keys that nobody knows, for 10 to a
//! million keys (`KEYS=10,1000` names others).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark is no part of the gate"
)]

use haechi_authn::api_key::ApiKey;
use haechi_authn::control::Control;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::key_uses::KeyUses;
use haechi_authn::quotas::QuotaKeeper;
use haechi_authn::schemes::api_key::{ApiKeyAuthenticator, KeyForm, Sources};
use haechi_authn::{Attempt, Authenticator, Look, RevocationView, RevocationWatch, Scheme};
use haechi_core::id::RequestId;
use haechi_core::ports::{ApiKeyRecord, KeyState};
use haechi_core::{
    CanonicalPath, Clock, ConnectionFacts, Fields, Host, RequestHead, RoleTable, SystemClock, Timestamp,
};
use haechi_testkit::Store;
use std::hint::black_box;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keys whose secrets are known here, among all those of the store.
const KNOWN: usize = 4000;
const ROUNDS: usize = 7;

fn main() {
    // `cargo test --benches` runs it too, without asking for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let sizes = std::env::var("KEYS").unwrap_or_else(|_| "10,1000,100000,1000000".into());
    println!(
        "{:>9}  {:>10}  {:>10}  {:>12}  {:>12}  {:>12}  {:>12}  {:>10}  {:>10}",
        "keys", "cached, us", "of 1000", "found, us", "99 %", "unknown, us", "99 %", "added, s", "grown, MiB"
    );
    for size in sizes.split(',') {
        measure(size.trim().parse().unwrap());
    }
}

fn measure(size: usize) {
    let folder = tempfile::tempdir().unwrap();
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = format!("sqlite:{}", folder.path().join("haechi.db").display());
    let store = control.block_on(Store::open(&url)).unwrap();
    let secrets: Vec<ApiKey> = (0..KNOWN.min(size)).map(|_| ApiKey::generate().unwrap()).collect();
    let began = Instant::now();
    control.block_on(fill(&store, &secrets, size));
    let added = began.elapsed().as_secs_f64();
    control.block_on(store.close());
    let before = resident();
    let store = control.block_on(Store::open(&url)).unwrap();
    let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scheme = scheme(&store, &control);
    let heads: Vec<RequestHead> = secrets.iter().map(|secret| head(secret.expose())).collect();
    let (found, found_tail) = worker.block_on(each(&scheme, &heads, true));
    let cached = cached(&scheme, &heads[..1]);
    let of_many = cached_of_many(&scheme, &heads);
    let wrong: Vec<RequestHead> = (0..KNOWN).map(|_| head(ApiKey::generate().unwrap().expose())).collect();
    let (unknown, unknown_tail) = worker.block_on(each(&scheme, &wrong, false));
    let grown = resident().saturating_sub(before) as f64 / 1024.0;
    println!(
        "{size:>9}  {cached:>10.3}  {of_many:>10.3}  {found:>12.1}  {found_tail:>12.1}  {unknown:>12.1}  {unknown_tail:>12.1}  {added:>10.1}  {grown:>10.1}"
    );
    control.block_on(store.close());
    drop(folder);
}

async fn fill(store: &Store, secrets: &[ApiKey], size: usize) {
    let known = secrets.iter().map(ApiKey::sha256);
    let others = (secrets.len()..size).map(|n| {
        // Spread evenly, as hashes are.
        let mut sha256 = [0; 32];
        for (index, part) in sha256.chunks_mut(8).enumerate() {
            let mixed = ((n * 4 + index) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            part.copy_from_slice(&mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes());
        }
        sha256
    });
    let mut all = known.chain(others).enumerate().map(|(n, sha256)| record(n, sha256));
    loop {
        let some: Vec<ApiKeyRecord> = all.by_ref().take(50_000).collect();
        if some.is_empty() {
            return;
        }
        store.api_keys.add_all(&some).await.unwrap();
    }
}

fn record(n: usize, sha256: [u8; 32]) -> ApiKeyRecord {
    ApiKeyRecord {
        id: format!("{:032x}", (n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        sha256,
        previous: None,
        owner: format!("partner-{}", n % 5000),
        name: Some("nightly".into()),
        roles: vec!["USER".into(), "PARTNER".into()],
        scopes: vec!["orders:read".into()],
        attributes: [].into(),
        expires_at: Some(Timestamp::from_seconds(4_000_000_000)),
        allowed_addresses: vec!["192.0.2.0/24".parse().unwrap()],
        rate_limit: None,
        quota: None,
        created_at: Timestamp::from_seconds(1_700_000_000 + n as i64),
        revision: haechi_core::ports::Revision::from_number(0),
        last_used_at: None,
        last_used_from: None,
        state: KeyState::Active,
        imported: false,
    }
}

fn scheme(store: &Store, control: &tokio::runtime::Runtime) -> Rc<dyn Scheme> {
    let watch = Arc::new(RevocationWatch::new(Arc::new(SystemClock)));
    // As fresh as if somebody went on asking.
    let fresh = SystemClock.uptime() + Duration::from_secs(3600);
    let view = RevocationView::clone(&watch.view()).with(&[], 0, fresh);
    watch.replace(view);
    let sources = Sources {
        keys: store.api_keys.clone(),
        uses: Arc::new(KeyUses::default()),
        watch,
        declared: Arc::new(DeclaredAttributes::default()),
        roles: Arc::new(RoleTable::default()),
        quotas: QuotaKeeper::new(store.quotas.clone(), Arc::new(SystemClock)),
        control: Control::new(control.handle().clone()),
    };
    let form = KeyForm { header: "X-API-Key", imported_keys: false };
    ApiKeyAuthenticator::new("partner", form, sources).unwrap().for_worker()
}

fn head(secret: &str) -> RequestHead {
    let mut fields = Fields::default();
    fields.push(b"x-api-key", secret.as_bytes());
    let client = ([192, 0, 2, 7], 4711).into();
    RequestHead::new(
        RequestId::from_bits(1),
        Timestamp::from_millis(0),
        ConnectionFacts::plain(client),
        http::Method::GET,
        Host::parse(b"localhost").unwrap(),
        CanonicalPath::parse(b"/").unwrap(),
    )
    .with_fields(fields)
}

/// Microseconds for each of these, one after the other: the median and the ninety-ninth of a hundred.
async fn each(scheme: &Rc<dyn Scheme>, heads: &[RequestHead], is_known: bool) -> (f64, f64) {
    let mut times = Vec::with_capacity(heads.len());
    for head in heads {
        let began = Instant::now();
        let attempt = match scheme.look(head, SystemClock.now()) {
            Look::Done(attempt) => attempt,
            Look::Wait(later) => later.await,
        };
        times.push(began.elapsed().as_secs_f64() * 1e6);
        assert_eq!(matches!(attempt, Attempt::Verified(_)), is_known, "{attempt:?}");
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// Microseconds for a key that is cached, the median of some rounds.
fn cached(scheme: &Rc<dyn Scheme>, heads: &[RequestHead]) -> f64 {
    const TIMES: usize = 100_000;
    let now = SystemClock.now();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for n in 0..TIMES {
                let look = scheme.look(black_box(&heads[n % heads.len()]), now);
                assert!(matches!(black_box(look), Look::Done(Attempt::Verified(_))));
            }
            began.elapsed().as_secs_f64() * 1e6 / TIMES as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// The same for many that take turns, of those that the cache has kept.
fn cached_of_many(scheme: &Rc<dyn Scheme>, heads: &[RequestHead]) -> f64 {
    let kept: Vec<RequestHead> = heads
        .iter()
        .filter(|head| matches!(scheme.look(head, SystemClock.now()), Look::Done(_)))
        .take(1000)
        .cloned()
        .collect();
    cached(scheme, &kept)
}

/// Resident memory of the process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
