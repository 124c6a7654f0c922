//! What is known of endpoints outlives the plan that names them: one whose service, address and TLS stay the same is the same endpoint.

use super::endpoint::EndpointState;
use crate::tls::ServiceTls;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Place = (Arc<str>, Arc<str>, u16);

/// The endpoints of every plan that is in use. The control side asks it when it makes a plan; requests never do.
#[derive(Clone, Default)]
pub struct Endpoints(Arc<Mutex<Known>>);

/// What somebody still has.
#[derive(Default)]
struct Known {
    states: HashMap<Place, Weak<EndpointState>>,
    /// Whether new requests are kept from a place, however it is spoken to.
    drained: HashMap<Place, Weak<AtomicBool>>,
}

impl Endpoints {
    /// The endpoint at `host` and `port` of the service of this name: the one that is known, or a new one of which nothing bad is known.
    ///
    /// Connections are kept with an endpoint. So one that is to be spoken to in another way is another endpoint: what was said under other
    /// authorities, or in the clear, is no connection for it.
    pub fn state(
        &self,
        service: &Arc<str>,
        host: &str,
        port: u16,
        tls: Option<Arc<ServiceTls>>,
    ) -> Arc<EndpointState> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.states.retain(|_, state| state.strong_count() > 0);
        known.drained.retain(|_, drained| drained.strong_count() > 0);
        let host: Arc<str> = host.into();
        let place = (service.clone(), host.clone(), port);
        if let Some(state) = known.states.get(&place).and_then(Weak::upgrade)
            && ServiceTls::are_alike(state.tls(), tls.as_ref())
        {
            return state;
        }
        let drained = known.drained.get(&place).and_then(Weak::upgrade).unwrap_or_default();
        known.drained.insert(place.clone(), Arc::downgrade(&drained));
        let state = Arc::new(EndpointState::new(service.clone(), host, port, tls).drained_by(drained));
        known.states.insert(place, Arc::downgrade(&state));
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
    use crate::settings::Protocol;
    use crate::tls::Authorities;
    use crate::tls::ServiceTls;
    use rustls::pki_types::ServerName;
    use std::sync::Arc;

    #[test]
    fn an_endpoint_is_the_same_while_somebody_has_it() {
        let endpoints = Endpoints::default();
        let (web, other) = ("web".into(), "other".into());
        let first = endpoints.state(&web, "127.0.0.1", 80, None);
        first.set_healthy(false);
        assert!(Arc::ptr_eq(&first, &endpoints.state(&web, "127.0.0.1", 80, None)));
        assert!(endpoints.state(&web, "127.0.0.1", 81, None).is_healthy());
        assert!(endpoints.state(&other, "127.0.0.1", 80, None).is_healthy());
        drop(first);
        assert!(
            endpoints.state(&web, "127.0.0.1", 80, None).is_healthy(),
            "one that comes back later is new"
        );
    }

    #[test]
    fn an_endpoint_that_is_spoken_to_in_another_way_is_another() {
        let endpoints = Endpoints::default();
        let web = "web".into();
        let authority = |name: &str| {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            Authorities::new([made.cert.der().clone()]).unwrap()
        };
        let (one, other) = (authority("one"), authority("other"));
        let tls = |roots: &Authorities, name: Option<&'static str>| {
            let name = name.map(|name| ServerName::try_from(name).unwrap());
            Some(Arc::new(ServiceTls::new(Arc::new(roots.clone()), name, None, Protocol::Http1).unwrap()))
        };
        let state = |tls| endpoints.state(&web, "127.0.0.1", 443, tls);
        let plain = state(None);
        let first = state(tls(&one, None));
        assert!(!Arc::ptr_eq(&plain, &first));
        assert!(Arc::ptr_eq(&first, &state(tls(&one, None))), "nothing changed but the allocation");
        assert!(!Arc::ptr_eq(&first, &state(tls(&other, None))));
        assert!(!Arc::ptr_eq(&first, &state(tls(&one, Some("b.example")))));
        first.set_drained(true);
        let other = state(tls(&one, Some("b.example")));
        assert!(other.is_drained(), "who drains an endpoint means the place");
        other.set_drained(false);
        assert!(!first.is_drained());
        assert!(state(None).tls().is_none());
    }
}
