//! `defaults`: what routes and services have unless they say otherwise. Here are the names of the keys alone; what they say is read with each route or
//! service.

use super::routes::Route;
use super::services::Service;
use crate::config::read::{Defs, Reader, Value};
use crate::config::report::Fault;
use crate::config::yaml::Node;
use serde_json::{Map, Value as Json, json};
use std::marker::PhantomData;

/// Whose keys they are, and which of them are no defaults, with the reason.
pub(in crate::config) trait Inherited {
    const WHAT: &'static str;
    const DOC: &'static str;
    const NAME: &'static str;
    const OF: &'static str;
    const WITHHELD: &'static [(&'static str, &'static str)];
    fn record(defs: &mut Defs) -> Json;
}

/// The keys of routes.
#[derive(Clone, Debug)]
pub(in crate::config) struct RouteKeys;

/// The keys of services.
#[derive(Clone, Debug)]
pub(in crate::config) struct ServiceKeys;

impl Inherited for RouteKeys {
    const WHAT: &'static str = "`defaults.route`";
    const DOC: &'static str = "What routes have unless they say otherwise; a route takes a key away with `null`. Who may pass is said by each route itself.";
    const NAME: &'static str = "RouteDefaults";
    const OF: &'static str = "Route";
    const WITHHELD: &'static [(&'static str, &'static str)] = &[
        ("authenticate", "who must be calling is said by each route itself: none is open by omission"),
        (
            "authorize",
            "what the caller must be allowed is said by each route itself: none is open by omission",
        ),
        ("step_up", "which login is needed is said by each route itself"),
        ("forward_credentials", "which backend may see credentials is said by each route itself"),
        ("allow_in_path", "which odd paths a backend reads as the gate does is said by each route itself"),
        ("origins", "which sites may write on a caller's cookie is said by each route itself"),
        ("name", "each route has a name of its own"),
        ("match", "each route takes requests of its own"),
        ("service", "each route names its service"),
        ("rewrite", "what the backend sees of the path hangs on the route's own path"),
    ];

    fn record(defs: &mut Defs) -> Json {
        Route::schema(defs)
    }
}

impl Inherited for ServiceKeys {
    const WHAT: &'static str = "`defaults.service`";
    const DOC: &'static str =
        "What services have unless they say otherwise; a service takes a key away with `null`.";
    const NAME: &'static str = "ServiceDefaults";
    const OF: &'static str = "Service";
    const WITHHELD: &'static [(&'static str, &'static str)] = &[
        ("endpoints", "each service has endpoints of its own"),
        ("allow_method_override", "which backend may be told another method is said by each service itself"),
    ];

    fn record(defs: &mut Defs) -> Json {
        Service::schema(defs)
    }
}

/// The names of keys that are given. What they say is read with each route or service.
#[derive(Clone, Debug)]
pub(in crate::config) struct Inheritance<K>(PhantomData<K>);

impl<K: Inherited> Inheritance<K> {
    fn properties(defs: &mut Defs) -> Map<String, Json> {
        K::record(defs);
        let record = defs.known(K::OF).and_then(|record| record.get("properties")).and_then(Json::as_object);
        let mut properties = record.cloned().unwrap_or_default();
        properties.retain(|key, _| K::WITHHELD.iter().all(|(name, _)| key != name));
        properties
    }
}

impl<K: Inherited> Value for Inheritance<K> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let known = Self::properties(&mut Defs::new(reader.definitions));
        for (key, _) in reader.mapping(K::WHAT, node)? {
            if let Some((_, why)) = K::WITHHELD.iter().find(|(name, _)| key.text == *name) {
                let message = format!("`{}` has no default", key.text);
                reader.faults.push(Fault::new(key.span, message).help(*why));
            } else if !known.contains_key(&key.text) {
                let message = format!("`{}` is not a key of {}", reader.written(key.span), K::WHAT);
                let names = known.keys().map(String::as_str);
                reader.faults.push(Fault::new(key.span, message).suggest(&key.text, names));
            }
        }
        Some(Self(PhantomData))
    }

    fn schema(defs: &mut Defs) -> Json {
        let mut properties = Self::properties(defs);
        for property in properties.values_mut().filter_map(Json::as_object_mut) {
            property.remove("default");
        }
        defs.refer(K::NAME, |_| {
            json!({
                "description": K::DOC,
                "type": "object",
                "properties": properties,
                "additionalProperties": false,
            })
        })
    }
}
