//! What is known of endpoints outlives the plan that names them: one whose service and address stay the same is the same endpoint.

use super::endpoint::EndpointState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Place = (Arc<str>, Arc<str>, u16);

/// The endpoints of every plan that is in use. The control side asks it when it makes a plan; requests never do.
#[derive(Clone, Default)]
pub struct Endpoints(Arc<Mutex<HashMap<Place, Weak<EndpointState>>>>);

impl Endpoints {
    /// The endpoint at `host` and `port` of the service of this name: the one that is known, or a new one of which nothing bad is known.
    pub fn state(&self, service: &Arc<str>, host: &str, port: u16) -> Arc<EndpointState> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, state| state.strong_count() > 0);
        let host: Arc<str> = host.into();
        let place = (service.clone(), host.clone(), port);
        if let Some(state) = known.get(&place).and_then(Weak::upgrade) {
            return state;
        }
        let state = Arc::new(EndpointState::new(service.clone(), host, port));
        known.insert(place, Arc::downgrade(&state));
        state
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoints")
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoints;
    use std::sync::Arc;

    #[test]
    fn an_endpoint_is_the_same_while_somebody_has_it() {
        let endpoints = Endpoints::default();
        let (web, other) = ("web".into(), "other".into());
        let first = endpoints.state(&web, "127.0.0.1", 80);
        first.set_healthy(false);
        assert!(Arc::ptr_eq(&first, &endpoints.state(&web, "127.0.0.1", 80)));
        assert!(endpoints.state(&web, "127.0.0.1", 81).is_healthy());
        assert!(endpoints.state(&other, "127.0.0.1", 80).is_healthy());
        drop(first);
        assert!(endpoints.state(&web, "127.0.0.1", 80).is_healthy(), "one that comes back later is new");
    }
}
