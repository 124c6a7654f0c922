//! Background tasks for endpoints: DNS resolution and health checks, once for all workers.

use super::endpoint::EndpointState;
use super::health;
use super::registry::Endpoints;
use super::resolve::{self, Resolve};
use crate::plan::Plan;
use crate::settings::{HealthCheck, Service};
use haechi_authn::supervisor::supervise;
use haechi_core::ports::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// How long a start or a reload waits for names. What is not resolved by then is later, and takes no requests until it is.
const FIRST_RESOLUTION: Duration = Duration::from_secs(5);

/// Asks an endpoint how it is.
pub trait Probe: Send + Sync {
    /// One check, which the caller bounds in time. The error says what was wrong.
    fn probe<'a>(
        &'a self,
        endpoint: &'a EndpointState,
        check: &'a HealthCheck,
    ) -> BoxFuture<'a, Result<(), String>>;
}

/// Looks after the endpoints of the plan in force.
#[derive(Clone)]
pub struct Upkeep {
    endpoints: Endpoints,
    resolver: Arc<dyn Resolve>,
    probe: Arc<dyn Probe>,
    control: Handle,
    tended: Arc<Mutex<HashMap<usize, MaintainedEndpoint>>>,
}

/// One endpoint, and what is done for it.
struct MaintainedEndpoint {
    /// Held, so that the address by which it is known stays its own.
    state: Arc<EndpointState>,
    health: Option<HealthCheck>,
    resolve: Duration,
    checking: Option<AbortHandle>,
    resolving: Option<AbortHandle>,
}

impl Upkeep {
    /// Looks after nobody yet. Its tasks run on `control`.
    pub fn new(
        endpoints: Endpoints,
        resolver: Arc<dyn Resolve>,
        probe: Arc<dyn Probe>,
        control: Handle,
    ) -> Self {
        Self { endpoints, resolver, probe, control, tended: Arc::default() }
    }

    /// What is known of endpoints, for the next plan.
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Resolves the names that were never resolved: before a plan comes into force, so that its first requests find somebody.
    pub async fn prepare(&self, plan: &Plan) {
        let unknown = endpoints(plan).filter(|(_, state)| state.is_named() && state.addresses().is_empty());
        let tasks: Vec<_> = unknown
            .map(|(_, state)| {
                let (state, resolver) = (state.clone(), self.resolver.clone());
                self.control.spawn(async move { resolve::once(&state, &*resolver).await })
            })
            .collect();
        let all = async {
            for task in tasks {
                // A name that cannot be resolved is logged where it is tried.
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(FIRST_RESOLUTION, all).await;
    }

    /// Looks after the endpoints of `plan`, and no longer after others. What stays as it was goes on undisturbed.
    pub fn follow(&self, plan: &Plan) {
        let mut tended = self.tended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *tended);
        for (service, state) in endpoints(plan) {
            let key = Arc::as_ptr(state) as usize;
            let next = self.tend(service, state, before.remove(&key));
            tended.insert(key, next);
        }
        for gone in before.into_values() {
            let place = |state: &EndpointState| (state.service().clone(), state.host().clone(), state.port());
            if !endpoints(plan).any(|(_, state)| place(state) == place(&gone.state)) {
                // Who drains an endpoint means the one that is there; another may come to its place later.
                gone.state.set_drained(false);
            }
        }
    }

    fn tend(
        &self,
        service: &Service,
        state: &Arc<EndpointState>,
        before: Option<MaintainedEndpoint>,
    ) -> MaintainedEndpoint {
        let (health, resolve) = (service.settings.health.clone(), service.settings.resolve);
        let (mut checking, mut resolving) = (None, None);
        if let Some(mut before) = before {
            if before.health == health {
                checking = before.checking.take();
            }
            if before.resolve == resolve {
                resolving = before.resolving.take();
            }
        }
        if health.is_none() {
            // Nobody asks any more: what was found out is no longer known.
            state.set_healthy(true);
        }
        if let (None, Some(check)) = (&checking, &health) {
            let (state, probe, check) = (state.clone(), self.probe.clone(), check.clone());
            let task = move || health::check(state.clone(), probe.clone(), check.clone());
            checking = Some(supervise(&self.control, "health checks", task));
        }
        if resolving.is_none() && state.is_named() {
            let (state, resolver) = (state.clone(), self.resolver.clone());
            let task = move || resolve::again_and_again(state.clone(), resolver.clone(), resolve);
            resolving = Some(supervise(&self.control, "name resolution", task));
        }
        MaintainedEndpoint { state: state.clone(), health, resolve, checking, resolving }
    }
}

fn endpoints(plan: &Plan) -> impl Iterator<Item = (&Service, &Arc<EndpointState>)> {
    plan.services()
        .iter()
        .flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, &endpoint.state)))
}

impl Drop for MaintainedEndpoint {
    fn drop(&mut self) {
        for task in [&self.checking, &self.resolving].into_iter().flatten() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upkeep")
    }
}

/// `interval`, give or take a tenth, so that what began together does not stay together.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}
