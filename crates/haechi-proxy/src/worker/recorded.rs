//! What of routes and requests goes into the records of decisions.

use crate::decisions::RecordedRoute;
use crate::plan::Plan;
use crate::settings::Route;
use haechi_authn::{CredentialPlace, Scheme};
use haechi_authz::RouteIndex;
use std::sync::Arc;

/// What is recorded of each route, by its index.
pub(super) fn routes(plan: &Plan) -> Vec<Arc<RecordedRoute>> {
    let vocabulary = plan.enforcer.engine().compiled().vocabulary();
    let labels = |index| vocabulary.route(index).map(|route| route.labels.clone());
    let recorded = |(place, route): (usize, &Route)| {
        let (name, pattern) = (route.name.clone(), route.pattern.clone());
        Arc::new(RecordedRoute { name, pattern, labels: labels(RouteIndex::new(place)).unwrap_or_default() })
    };
    plan.routes.iter().enumerate().map(recorded).collect()
}

/// The request headers that policies may read and that are recorded: the name in policies, and the field's. A header that carries a credential is
/// not recorded, whatever policies read of it.
pub(super) fn headers<'a>(
    plan: &Plan,
    schemes: impl Iterator<Item = &'a dyn Scheme>,
) -> Vec<(Box<str>, Box<str>)> {
    const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    let places: Vec<_> = schemes.flat_map(Scheme::credential_places).collect();
    let is_credential = |field: &str| {
        let at = |place: &&CredentialPlace| matches!(place, CredentialPlace::Field(name) if **name == *field);
        CREDENTIALS.contains(&field) || places.iter().any(at)
    };
    let declared = &plan.enforcer.engine().compiled().vocabulary().headers;
    let recorded = declared.iter().filter(|(_, field)| !is_credential(field));
    recorded.map(|(name, field)| (name.clone(), field.clone())).collect()
}
