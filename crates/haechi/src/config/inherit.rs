//! `defaults`: the keys that routes and services have unless they say otherwise, put into each of them before anything is read. And keys of one's own
//! (`x-…`), taken out: they are places for anchors.

use super::written::{Inherited, RouteKeys, ServiceKeys};
use super::yaml::{Key, Kind, Node};

/// Puts the defaults into routes and services, and takes out keys of one's own.
pub(super) fn apply(tree: &mut Node) {
    let Kind::Mapping(entries) = &mut tree.kind else { return };
    entries.retain(|(key, _)| !key.text.starts_with(OWN_PREFIX));
    let of = |name: &str, withheld: &[(&str, &str)]| {
        let defaults = entries.iter().find(|(key, _)| key.text == "defaults");
        let (_, defaults) =
            defaults.and_then(|(_, node)| mapping(node))?.iter().find(|(key, _)| key.text == name)?;
        let mut defaults = mapping(defaults)?.to_vec();
        defaults.retain(|(key, _)| withheld.iter().all(|(name, _)| key.text != *name));
        Some(defaults)
    };
    let (routes, services) = (of("route", RouteKeys::WITHHELD), of("service", ServiceKeys::WITHHELD));
    for (key, node) in entries {
        match (key.text.as_str(), &mut node.kind, &routes, &services) {
            ("routes", Kind::Sequence(all), Some(defaults), _) => {
                all.iter_mut().for_each(|route| inherit(route, defaults));
            }
            ("services", Kind::Mapping(all), _, Some(defaults)) => {
                all.iter_mut().for_each(|(_, service)| inherit(service, defaults));
            }
            _ => {}
        }
    }
}

/// What keys of one's own begin with.
pub(super) const OWN_PREFIX: &str = "x-";

fn mapping(node: &Node) -> Option<&[(Key, Node)]> {
    match &node.kind {
        Kind::Mapping(entries) => Some(entries),
        _ => None,
    }
}

/// A key that is there stays as it is; one that says nothing (`timeout: null`) is as if neither stood there.
fn inherit(node: &mut Node, defaults: &[(Key, Node)]) {
    let Kind::Mapping(entries) = &mut node.kind else { return };
    for (key, value) in defaults {
        match entries.iter().position(|(known, _)| known.text == key.text) {
            None => entries.push((key.clone(), value.clone())),
            Some(there) if entries.get(there).is_some_and(|(_, node)| node.is_null()) => {
                entries.remove(there);
            }
            Some(_) => {}
        }
    }
}
