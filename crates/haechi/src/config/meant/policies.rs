//! What decides: the rules of routes and the policies of files, compiled against the vocabulary of the configuration.

use super::Route;
use crate::config::report::Fault;
use haechi_authz::{Compiled, PolicyFault, RouteFacts, Vocabulary, compile};
use haechi_core::{AttributeType, RoleTable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Compiles everything that decides.
pub(super) fn policies(
    roles: &RoleTable,
    attributes: &BTreeMap<Box<str>, AttributeType>,
    routes: &[Route],
    faults: &mut Vec<Fault>,
) -> Option<Arc<Compiled>> {
    let vocabulary = Vocabulary {
        roles: roles.clone(),
        attributes: attributes.clone(),
        headers: BTreeMap::new(),
        routes: routes.iter().map(facts).collect(),
    };
    match compile(Arc::new(vocabulary), &[]) {
        Ok(compiled) => Some(Arc::new(compiled)),
        Err(found) => {
            faults.extend(found.into_iter().map(fault));
            None
        }
    }
}

fn facts(route: &Route) -> RouteFacts {
    RouteFacts {
        name: route.name.clone(),
        service: route.service.clone(),
        labels: route.labels.clone(),
        pattern: route.path.clone(),
        methods: route.methods.clone(),
        rule: route.authorize.clone(),
    }
}

fn fault(found: PolicyFault) -> Fault {
    let fault = Fault::of_file(found.message);
    match found.help {
        Some(help) => fault.help(help),
        None => fault,
    }
}
