//! Policies that narrow what operators may do. The calls of the admin API are the routes that they speak of, so that they are written, validated and decided
//! as the policies of routes are.

use super::names::Resolver;
use super::policies::{Report, compiled, distinct};
use crate::config::written;
use haechi_admin::{Needs, OPERATIONS, Operation};
use haechi_authz::{Compiled, PolicyFile, RouteFacts, Rule, Vocabulary, compile};
use haechi_core::{AttributeType, MethodSet, PathPattern, RoleTable};
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The nouns of such policies: each call is a route of its name, in the service of the noun in its path, with the label `read` or `change`.
pub(crate) fn vocabulary(
    roles: RoleTable,
    attributes: BTreeMap<Box<str>, AttributeType>,
    rule: &Rule,
) -> Vocabulary {
    let calls = OPERATIONS.iter().filter(|operation| operation.needs != Needs::Nothing);
    let routes = calls.filter_map(|operation| facts(operation, rule)).collect();
    Vocabulary { roles, attributes, headers: BTreeMap::new(), routes }
}

/// A call that could not be spoken of is one that nobody may make where there are policies.
fn facts(operation: &Operation, rule: &Rule) -> Option<RouteFacts> {
    let noun = operation.path.split('/').nth(3)?.trim_end_matches(".json");
    let what = if operation.needs == Needs::Change { "change" } else { "read" };
    Some(RouteFacts {
        name: operation.name.into(),
        service: Some(noun.into()),
        labels: vec![what.into()],
        pattern: PathPattern::parse(operation.path).ok()?,
        methods: MethodSet::new([Method::from_bytes(operation.method.name().as_bytes()).ok()?]),
        rule: rule.clone(),
    })
}

/// Compiles them; `Some(None)` where there are none. Where one of them permits, only what one of them permits is permitted; else everything that the roles
/// permit and none of them forbids.
pub(super) fn policies(
    resolver: &mut Resolver<'_>,
    written: &written::Admin,
    roles: &RoleTable,
    attributes: &BTreeMap<Box<str>, AttributeType>,
) -> Option<Option<Arc<Compiled>>> {
    let files = distinct(&written.policies);
    if files.is_empty() {
        return Some(None);
    }
    let speaking = |rule: &Rule| Arc::new(vocabulary(roles.clone(), attributes.clone(), rule));
    // A route that grants by itself may be permitted besides.
    let closed = compiled(resolver, speaking(&Rule::policy()), &files, Report::Files)?;
    let permits = closed.vocabulary().indexed_routes().any(|(call, _)| closed.may_permit(call));
    if permits {
        return Some(Some(closed));
    }
    let texts: Vec<PolicyFile> = files
        .iter()
        .map(|file| PolicyFile { name: file.name.clone(), text: file.source.text().clone() })
        .collect();
    compile(speaking(&Rule::any()), &texts).ok().map(|open| Some(Arc::new(open)))
}

#[cfg(test)]
mod tests {
    use super::{Needs, OPERATIONS, vocabulary};
    use haechi_authz::Rule;
    use haechi_core::RoleTable;

    #[test]
    fn every_call_can_be_spoken_of() {
        let known = vocabulary(RoleTable::default(), Default::default(), &Rule::any());
        let calls = OPERATIONS.iter().filter(|operation| operation.needs != Needs::Nothing);
        let names: Vec<&str> = calls.map(|operation| operation.name).collect();
        assert_eq!(known.routes.iter().map(|route| &*route.name).collect::<Vec<_>>(), names);
    }
}
