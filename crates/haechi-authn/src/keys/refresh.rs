//! Refreshes key sets (JWKS) with backoff, on the control runtime.

use super::fetch::Fetch;
use super::freshness;
use super::set::{Identity, KeySet, Keys, MAX_BYTES, SetFault, Skipped};
use super::web::{AddressFault, WebOrigin};
use crate::jose::json::{Json, Object};
use arc_swap::ArcSwap;
use haechi_core::{Clock, Timestamp};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// At most one fetch per issuer in this span because of a `kid` that is not known.
pub const SPACING: Duration = Duration::from_secs(10);
/// How long the last good set serves while its source is down, unless configured.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// An attempt takes no longer, discovery and key set together.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
/// Between failed attempts: doubling from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Between failed attempts while there are no keys: with one attempt that hangs, recovery still takes less than 15 seconds.
const BACKOFF_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// How often a file is read again.
const FILE_EVERY: Duration = Duration::from_secs(60);
const MAX_DISCOVERY_BYTES: usize = 64 * 1024;

/// Where a key set is fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A JWK Set at this address.
    Jwks {
        /// https, or what `allow_http` admits.
        url: String,
    },
    /// OpenID Connect Discovery 1.0: the issuer's address says where.
    Discovery {
        /// Exactly as tokens carry it.
        issuer: String,
        /// Origins besides the issuer's own where its `jwks_uri` may lead.
        trusted: Vec<WebOrigin>,
    },
    /// A JWK Set in a file.
    JwksFile(PathBuf),
    /// A public key or a certificate in a PEM file.
    PemFile(PathBuf),
}

/// How a key set is kept current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Where from.
    pub origin: Origin,
    /// How long the last good set serves while its source is down.
    pub max_age: Duration,
    /// Whether plain http may leave this machine.
    pub allow_http: bool,
}

impl Origin {
    /// Its kind, as the configuration has it, and where it is.
    pub(super) fn named(&self) -> (&'static str, String) {
        match self {
            Self::Jwks { url } => ("jwks_url", url.clone()),
            Self::Discovery { issuer, .. } => ("discovery", issuer.clone()),
            Self::JwksFile(path) => ("jwks_file", path.display().to_string()),
            Self::PemFile(path) => ("pem_file", path.display().to_string()),
        }
    }

    /// Checks what can be known without asking anybody.
    pub(super) fn check(&self, allow_http: bool) -> Result<(), AddressFault> {
        match self {
            Self::Jwks { url } => WebOrigin::permitted(url, allow_http).map(drop),
            Self::Discovery { issuer, .. } => {
                let plain = !issuer.contains('?');
                WebOrigin::permitted(issuer, allow_http).map(drop)?;
                if plain { Ok(()) } else { Err(AddressFault::Malformed(issuer.clone())) }
            }
            Self::JwksFile(_) | Self::PemFile(_) => Ok(()),
        }
    }

    /// Keys of a file, which is there at start or is an error of the configuration; `None` for what is fetched.
    pub(super) fn read_now(&self, now: Timestamp) -> Result<Option<Keys>, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| unreadable(path, &e));
        match self {
            Self::JwksFile(path) => jwks(&read(path)?, now).map(Some).map_err(|fault| fault.reason),
            Self::PemFile(path) => pem_file(&read(path)?, now).map(Some),
            Self::Jwks { .. } | Self::Discovery { .. } => Ok(None),
        }
    }
}

/// One attempt after another; workers wait for the next to end.
#[derive(Clone, Debug, Default)]
pub(super) struct FetchAttempts {
    /// How many attempts have ended.
    pub(super) number: u64,
    /// When the last one began.
    pub(super) began: Option<Instant>,
    /// Why it failed, if it did.
    pub(super) fault: Option<Arc<str>>,
}

impl FetchAttempts {
    /// Whether the last attempt is too recent for another one.
    pub(super) fn is_recent(&self) -> bool {
        self.began.is_some_and(|began| began.elapsed() < SPACING)
    }
}

/// What the task, its source and the workers share.
pub(super) struct Shared {
    pub(super) issuer: Arc<str>,
    pub(super) plan: Refresh,
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) current: Arc<ArcSwap<KeySet>>,
    pub(super) wanted: Notify,
    pub(super) fetched: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Runs until aborted. Owns the sender of rounds: should it end, nobody waits for it any more.
pub(super) async fn run(shared: Arc<Shared>, rounds: watch::Sender<FetchAttempts>) {
    let mut backoff = BACKOFF.0;
    if shared.current.load().confirmed_at().is_some() {
        wait(&shared, Instant::now() + FILE_EVERY, &rounds).await;
    }
    loop {
        let began = Instant::now();
        let outcome = attempt(&shared).await;
        let most = if holds(&shared) { BACKOFF.1 } else { BACKOFF_WITHOUT_KEYS };
        let pause = match &outcome {
            Ok(pause) => *pause,
            Err(_) => backoff.min(most),
        };
        backoff = if outcome.is_ok() { BACKOFF.0 } else { (backoff * 2).min(BACKOFF.1) };
        rounds.send_modify(|round| {
            *round = FetchAttempts {
                number: round.number + 1,
                began: Some(began),
                fault: outcome.err().map(|fault| Arc::from(fault.reason)),
            };
        });
        wait(&shared, Instant::now() + pause, &rounds).await;
    }
}

/// Whether there are keys to go on with.
fn holds(shared: &Shared) -> bool {
    shared.current.load().keys(shared.clock.uptime(), shared.clock.now()).is_some()
}

/// Until the time has come, or a worker has met a `kid` that is not known and the last attempt is not recent.
async fn wait(shared: &Shared, until: Instant, rounds: &watch::Sender<FetchAttempts>) {
    loop {
        tokio::select! {
            () = sleep_until(until) => return,
            () = shared.wanted.notified() => {
                if !rounds.borrow().is_recent() {
                    return;
                }
            }
        }
    }
}

/// One attempt: a good set replaces the current one, anything else leaves it. Returns when the next is due.
async fn attempt(shared: &Arc<Shared>) -> Result<Duration, AttemptFault> {
    let task = {
        let shared = shared.clone();
        // A task of its own, so that a panic in a port is one failed attempt.
        tokio::spawn(async move { timeout(ATTEMPT_WITHIN, load(&shared)).await })
    };
    let loaded = match task.await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) => Err(format!("no answer within {ATTEMPT_WITHIN:?}").into()),
        Err(_) => Err("fetching broke off".to_owned().into()),
    };
    match loaded {
        Ok((keys, pause)) => {
            let now = shared.clock.uptime();
            let before = shared.current.load();
            tell_skipped(&shared.issuer, before.skipped(), keys.skipped());
            let next = before.followed_by(keys, now, now.saturating_add(shared.plan.max_age));
            tracing::debug!(issuer = %shared.issuer, set = %next, "key set fetched");
            shared.current.store(Arc::new(next));
            shared.fetched.fetch_add(1, Ordering::Relaxed);
            Ok(pause)
        }
        Err(AttemptFault { reason, leaked }) => {
            if let Some(rest) = shared.current.load().without(&leaked) {
                tracing::error!(issuer = %shared.issuer, "a key in use is public knowledge and no longer believed; the issuer must replace it");
                shared.current.store(Arc::new(rest));
            }
            tracing::warn!(issuer = %shared.issuer, reason, "cannot fetch the key set; the last good one stays in use");
            shared.failed.fetch_add(1, Ordering::Relaxed);
            Err(reason.into())
        }
    }
}

/// Tells what is not used of a set, once for as long as it stays the same.
pub(super) fn tell_skipped(issuer: &str, before: Option<&Skipped>, now: &Skipped) {
    if before == Some(now) {
        return;
    }
    for told in &now.told {
        if now.leaked.is_empty() {
            tracing::warn!(issuer, reason = told, "a key of the key set is not used");
        } else {
            tracing::error!(issuer, reason = told, "a key of the key set is not used");
        }
    }
}

/// Why an attempt gave no keys.
struct AttemptFault {
    reason: String,
    /// The keys that are public knowledge by what came.
    leaked: BTreeSet<Identity>,
}

impl From<String> for AttemptFault {
    fn from(reason: String) -> Self {
        Self { reason, leaked: BTreeSet::new() }
    }
}

async fn load(shared: &Shared) -> Result<(Keys, Duration), AttemptFault> {
    match &shared.plan.origin {
        Origin::Jwks { url } => fetch_jwks(shared, url).await,
        Origin::Discovery { issuer, trusted } => {
            let url = discover(shared, issuer, trusted).await?;
            fetch_jwks(shared, &url).await
        }
        Origin::JwksFile(path) => Ok((jwks(&read_file(path).await?, shared.clock.now())?, FILE_EVERY)),
        Origin::PemFile(path) => Ok((pem_file(&read_file(path).await?, shared.clock.now())?, FILE_EVERY)),
    }
}

async fn fetch_jwks(shared: &Shared, url: &str) -> Result<(Keys, Duration), AttemptFault> {
    let (body, cache_control) = get(shared, url, MAX_BYTES).await?;
    let keys = jwks(&body, shared.clock.now())
        .map_err(|fault| AttemptFault { reason: format!("`{url}`: {}", fault.reason), ..fault })?;
    Ok((keys, freshness::of(cache_control.as_deref())))
}

/// OpenID Connect Discovery 1.0, sections 4.1 to 4.3.
async fn discover(shared: &Shared, issuer: &str, trusted: &[WebOrigin]) -> Result<String, String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
    let (body, _) = get(shared, &url, MAX_DISCOVERY_BYTES).await?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
    let document = Object::parse(body).map_err(|e| format!("`{url}`: {e}"))?;
    if document.member("issuer").and_then(Json::as_str) != Some(issuer) {
        return Err(format!("`{url}` is of another issuer than `{issuer}`"));
    }
    let jwks_uri = document.member("jwks_uri").and_then(Json::as_str);
    let jwks_uri = jwks_uri.ok_or_else(|| format!("`{url}` has no `jwks_uri`"))?;
    let home = WebOrigin::of(issuer).map_err(|e| e.to_string())?;
    let leads_to = WebOrigin::permitted(jwks_uri, shared.plan.allow_http).map_err(|e| e.to_string())?;
    if leads_to != home && !trusted.contains(&leads_to) {
        return Err(AddressFault::Stranger(jwks_uri.to_owned()).to_string());
    }
    Ok(jwks_uri.to_owned())
}

async fn get(shared: &Shared, url: &str, limit: usize) -> Result<(Vec<u8>, Option<String>), String> {
    let answer = shared.fetch.get(url, limit).await.map_err(|e| format!("`{url}`: {e}"))?;
    match answer.status {
        200 if answer.body.len() <= limit => Ok((answer.body, answer.cache_control)),
        200 => Err(format!("`{url}`: the answer has more than {limit} bytes")),
        301..=308 => {
            Err(format!("`{url}` redirects, which is not followed; configure the address it leads to"))
        }
        status => Err(format!("`{url}` answers {status}")),
    }
}

async fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = tokio::fs::File::open(path).await.map_err(|e| unreadable(path, &e))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await.map_err(|e| unreadable(path, &e))?;
    Ok(bytes)
}

fn jwks(bytes: &[u8], now: Timestamp) -> Result<Keys, AttemptFault> {
    Keys::from_jwks(bytes, now).map_err(|fault| AttemptFault {
        reason: fault.to_string(),
        leaked: match fault {
            SetFault::NoUsable(Skipped { leaked, .. }) => leaked,
            _ => BTreeSet::new(),
        },
    })
}

fn pem_file(bytes: &[u8], now: Timestamp) -> Result<Keys, String> {
    let too_large = bytes.len() > MAX_BYTES;
    let text = str::from_utf8(bytes).map_err(|_| "the PEM file is not text".to_owned())?;
    if too_large {
        Err(SetFault::TooLarge.to_string())
    } else {
        Keys::from_pem(text, now).map_err(|e| e.to_string())
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("`{}` cannot be read: {error}", path.display())
}
