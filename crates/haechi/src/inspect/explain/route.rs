//! Which route, and why not another.

use haechi_core::host::is_meant;
use haechi_core::pattern::Segment;
use haechi_core::{CanonicalPath, PathPattern, RequestHead};
use haechi_proxy::Route;

/// Whether a pattern matches a path, apart from everything else. For telling, not for routing.
pub(super) fn matches(pattern: &PathPattern, path: &CanonicalPath) -> bool {
    let mut segments = path.segments();
    for part in pattern.segments() {
        match (part, segments.next()) {
            (Segment::Rest, _) => return true,
            (part, Some(segment)) if part.takes(segment) => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// Why `other`, whose pattern matches too, did not win against `chosen`.
pub(super) fn why_not(other: &Route, chosen: &Route, head: &RequestHead) -> String {
    let names_host = |route: &Route| route.hosts.iter().any(|host| is_meant(host, head.host.name()));
    if !other.hosts.is_empty() && !names_host(other) {
        "is for another host".into()
    } else if names_host(chosen) && !names_host(other) {
        format!("names no host, and `{}` names this one", chosen.name)
    } else if other.pattern.segments().len() == chosen.pattern.segments().len()
        && !other.methods.contains(&head.method)
    {
        "does not take this method".into()
    } else {
        format!("`{}` is less specific than `{}`", other.pattern, chosen.pattern)
    }
}
