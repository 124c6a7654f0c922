//! The rate limits that a request counts against.

use super::told::LimitShown;
use haechi_core::Caller;
use haechi_core::rate::Rate;
use haechi_proxy::Route;

/// Those of the route, and those that the caller's key brings itself.
pub(super) fn limits(route: &Route, caller: Option<&Caller>) -> Vec<LimitShown> {
    let of_route = route.settings.rate_limits.iter().map(|limit| {
        let when = if limit.by.needs_caller() { BY_CALLER } else { "before authentication" };
        shown(&limit.name, &limit.rate, when)
    });
    let own = caller.and_then(|caller| caller.limits.as_deref());
    let rate = own.and_then(|own| own.rate.as_ref()).map(|rate| shown("key-limit", rate, BY_CALLER));
    let quota = own.and_then(|own| own.quota.as_ref()).map(|quota| LimitShown {
        name: "key-quota".into(),
        requests: quota.requests(),
        per_seconds: quota.per().as_secs_f64(),
        burst: quota.requests(),
        when: BY_CALLER,
    });
    of_route.chain(rate).chain(quota).collect()
}

const BY_CALLER: &str = "by caller";

fn shown(name: &str, rate: &Rate, when: &'static str) -> LimitShown {
    LimitShown {
        name: name.to_owned(),
        requests: rate.requests.get(),
        per_seconds: rate.per.as_secs_f64(),
        burst: rate.burst.get(),
        when,
    }
}
