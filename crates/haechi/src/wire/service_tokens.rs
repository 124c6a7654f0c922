//! The gate's own access tokens at services: fetched in the background, and kept across reloads that do not change how.

use haechi_authn::oidc::WebCalls;
use haechi_authn::service_token::{ServiceToken, ServiceTokenConfig};
use haechi_authn::supervisor::supervise;
use haechi_core::{Clock, Timestamp};
use haechi_proxy::AccessToken;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The tokens that plans hold.
pub(crate) struct ServiceTokens {
    known: Mutex<Vec<(Arc<str>, Weak<FollowedToken>)>>,
    calls: Arc<dyn WebCalls>,
    clock: Arc<dyn Clock>,
    control: Handle,
}

/// A token with the task that keeps it current, which ends with it.
struct FollowedToken {
    token: Arc<ServiceToken>,
    task: AbortHandle,
}

impl AccessToken for FollowedToken {
    fn authorization(&self, now: Timestamp) -> Result<Arc<str>, String> {
        self.token.authorization(now)
    }
}

impl Drop for FollowedToken {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ServiceTokens {
    pub(crate) const fn new(calls: Arc<dyn WebCalls>, clock: Arc<dyn Clock>, control: Handle) -> Self {
        Self { known: Mutex::new(Vec::new()), calls, clock, control }
    }

    /// The token for a service: the one that a plan holds which asks for it in the same way, or a new one.
    pub(crate) fn of(&self, service: &Arc<str>, config: &ServiceTokenConfig) -> Arc<dyn AccessToken> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, held)| held.strong_count() > 0);
        let same = known.iter().filter(|(name, _)| name == service).filter_map(|(_, held)| held.upgrade());
        if let Some(held) = same.into_iter().find(|held| held.token.config() == config) {
            return held;
        }
        let (calls, clock) = (self.calls.clone(), self.clock.clone());
        let token = Arc::new(ServiceToken::new(service.clone(), config.clone(), calls, clock));
        let followed = token.clone();
        let task = supervise(&self.control, "service tokens", move || followed.clone().follow());
        let made = Arc::new(FollowedToken { token, task });
        known.push((service.clone(), Arc::downgrade(&made)));
        made
    }
}
