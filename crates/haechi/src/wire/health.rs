//! Readiness of the parts of the gate, for `/readyz`.

use super::authenticators::Built;
use super::key_expiry::KeyExpiry;
use super::reload::Record;
use super::service_tokens::ServiceTokens;
use super::sinks::SinkCounts;
use super::store_watch::StoreWatch;
use super::topology::drained;
use arc_swap::ArcSwap;
use haechi_admin::{Component, Health};
use haechi_audit::{Mode, Trail};
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::IdentityLimits;
use haechi_authn::key_uses::KeyUses;
use haechi_authn::supervisor;
use haechi_authn::{Authenticator, Readiness, RevocationWatch};
use haechi_core::ports::BoxFuture;
use haechi_proxy::{Plan, RateLimiter};
use haechi_shared::SharedState;
use haechi_store::Store;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Everything that readiness and metrics are read from.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) store: Option<Store>,
    pub(crate) shared_state: Option<SharedState>,
    pub(crate) plan: Arc<ArcSwap<Plan>>,
    pub(crate) built: Arc<ArcSwap<Built>>,
    pub(crate) watch: Arc<RevocationWatch>,
    pub(crate) store_watch: Arc<StoreWatch>,
    pub(crate) rate_limiter: Arc<RateLimiter>,
    pub(crate) service_tokens: Arc<ServiceTokens>,
    pub(crate) key_uses: Arc<KeyUses>,
    pub(crate) key_expiry: Arc<KeyExpiry>,
    pub(crate) identity_limits: Arc<IdentityLimits>,
    pub(crate) pool: Arc<OnceLock<Arc<PasswordPool>>>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) dropped_lines: Arc<AtomicU64>,
    pub(crate) dropped_traces: Arc<AtomicU64>,
    pub(crate) sinks: Vec<Arc<SinkCounts>>,
    /// The audit trail, and how many checkpoints could not be sent elsewhere.
    pub(crate) audit: Option<(Arc<Trail>, Arc<AtomicU64>)>,
    pub(crate) reloads: Arc<Record>,
}

impl Parts {
    fn store(&self) -> Option<Component> {
        let notes = || self.key_expiry.note().into_iter().collect();
        let component = |reason| Component { name: "store".into(), reason, notes: notes() };
        self.store.as_ref().map(|_| component(self.store_watch.fault()))
    }

    /// Said where they are not in force: this process would decide otherwise than others.
    fn policies(&self) -> Option<Component> {
        let reason = self.reloads.policies.fault()?;
        Some(Component { name: "policies of the store".into(), reason: Some(reason), notes: Vec::new() })
    }

    /// Never a reason not to be ready: everything goes on without it, with a share of each limit.
    fn shared_state(&self) -> Option<Component> {
        let shared = self.shared_state.as_ref()?;
        let stats = shared.stats();
        let note = match shared.fault() {
            Some(reason) => {
                format!("not reached: {reason}; this node counts alone, its share of {} nodes", stats.nodes)
            }
            None => format!("{} nodes", stats.nodes),
        };
        Some(Component { name: "shared state".into(), reason: None, notes: vec![note] })
    }

    /// Where the trail is required and cannot be written, every request is refused.
    fn audit(&self) -> Option<Component> {
        let (trail, unsent) = self.audit.as_ref()?;
        let failing = trail.failing();
        let (reason, note) =
            if trail.options().mode == Mode::Required { (failing, None) } else { (None, failing) };
        let slow = trail.is_slow().then(|| "the disk is slow; a thread waits for it".to_owned());
        let unsent = Some(unsent.load(Relaxed)).filter(|unsent| *unsent > 0);
        let unsent = unsent.map(|unsent| format!("{unsent} checkpoints could not be sent elsewhere"));
        Some(Component {
            name: "audit trail".into(),
            reason,
            notes: [note, slow, unsent].into_iter().flatten().collect(),
        })
    }

    /// Said where an endpoint is drained; what an operator wanted is no reason not to be ready.
    fn services(&self) -> Option<Component> {
        let notes = drained(&self.plan.load());
        (!notes.is_empty()).then(|| Component { name: "services".into(), reason: None, notes })
    }

    fn authenticators(&self) -> Vec<Component> {
        let component = |(name, authenticator): (&Arc<str>, &Arc<dyn Authenticator>)| {
            let reason = match authenticator.readiness() {
                Readiness::Ready => None,
                Readiness::NotReady(why) => Some(why),
            };
            Component { name: format!("authenticator {name}"), reason, notes: authenticator.notes() }
        };
        self.built.load().authenticators.iter().map(component).collect()
    }
}

/// Those that do not run at the moment.
fn background_tasks() -> impl Iterator<Item = Component> {
    supervisor::stats().into_iter().filter(|task| task.down > 0).map(|task| Component {
        name: format!("background task {}", task.kind),
        reason: Some("it stopped unexpectedly and is about to be started again".to_owned()),
        notes: Vec::new(),
    })
}

impl Health for Parts {
    fn components(&self) -> BoxFuture<'_, Vec<Component>> {
        Box::pin(async {
            let draining =
                self.draining.load(Relaxed).then(|| "draining: the process is about to end".to_owned());
            let mut all = vec![Component { name: "listeners".into(), reason: draining, notes: Vec::new() }];
            all.extend(self.store());
            all.extend(self.policies());
            all.extend(self.shared_state());
            all.extend(self.audit());
            all.extend(self.services());
            all.extend(self.authenticators());
            all.extend(background_tasks());
            all
        })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}
