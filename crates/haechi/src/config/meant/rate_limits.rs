//! Rate limits of routes, and those that cannot work.

use super::names::Resolver;
use crate::config::defaults::{BurstCount, RatePeriod, RequestCount};
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::written;
use haechi_authn::identity::{IdentityRates, LoginRates, TokenRates};
use haechi_core::PathPattern;
use haechi_core::rate::Rate;
use haechi_proxy::{LimitBy, RateLimit};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// More requests in a second than this nobody counts.
const MOST_A_SECOND: u128 = 1_000_000;
/// The longest time in which a burst may come back.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// What a rate means that stands at `span`; `None` where a fault was noted.
fn rate(
    resolver: &mut Resolver<'_>,
    (requests, per, burst): (Option<&At<RequestCount>>, Option<RatePeriod>, &Maybe<At<BurstCount>>),
    span: Span,
) -> Option<Rate> {
    let (requests, per, written_burst) = (requests?, per?.0, burst);
    let number = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let (count, burst) = (number(requests.value.0), written_burst.resolve(|burst| Some(burst.value.0))?);
    let rate = Rate { requests: count, per, burst: burst.map_or(count, number) };
    if u128::from(count.get()) * 1_000_000_000 > per.as_nanos() * MOST_A_SECOND {
        let fault = Fault::new(requests.span, "over 1,000,000 requests a second, which is no limit");
        return resolver.fault(fault.help("lower `requests`, raise `per`, or remove the limit"));
    }
    let back = per.as_nanos() * u128::from(rate.burst.get()) / u128::from(count.get());
    if back > LONGEST.as_nanos() {
        let span = written_burst.given().map_or(span, |burst| burst.span);
        let fault = Fault::new(span, "`burst` would take more than 10 years to be there again");
        return resolver.fault(fault.help("lower `burst`, or raise `requests`"));
    }
    Some(rate)
}

/// How many logins and tokens there may be, where nothing else is said, in a minute.
const LOGINS_PER_ADDRESS: u32 = 300;
const LOGINS_PER_ACCOUNT: u32 = 30;
const TOKENS_PER_ADDRESS: u32 = 1_200;
const TOKENS_PER_CLIENT: u32 = 600;

/// The limits of the identity provider's calls.
pub(super) fn identity_rates(
    resolver: &mut Resolver<'_>,
    written: &written::Identity,
) -> Option<IdentityRates> {
    let mut meant = |written: &Maybe<At<written::CallRate>>, usual: u32| match written {
        Maybe::Absent => Some(a_minute(usual)),
        Maybe::Faulty => None,
        Maybe::Given(given) => rate(resolver, (given.requests.as_ref(), given.per, &given.burst), given.span),
    };
    let login = written.login.as_ref().map(|login| {
        (meant(&login.per_address, LOGINS_PER_ADDRESS), meant(&login.per_account, LOGINS_PER_ACCOUNT))
    });
    let token = written.token.as_ref().map(|token| {
        (meant(&token.per_address, TOKENS_PER_ADDRESS), meant(&token.per_client, TOKENS_PER_CLIENT))
    });
    let ((login_address, per_account), (token_address, per_client)) = (login?, token?);
    Some(IdentityRates {
        login: LoginRates { per_address: login_address?, per_account: per_account? },
        token: TokenRates { per_address: token_address?, per_client: per_client? },
    })
}

fn a_minute(requests: u32) -> Rate {
    let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
    Rate { requests, per: Duration::from_secs(60), burst: requests }
}

/// Who is asked who calls, as far as it matters to limits.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// Nobody, by the route's own choice; the word for it.
    Nobody(&'static str),
    /// These authenticators.
    Named(&'a [Arc<str>]),
}

/// The limits of a route.
pub(super) fn rate_limits(
    resolver: &mut Resolver<'_>,
    written: &written::Route,
    name: &Arc<str>,
    (path, asked): (&PathPattern, Asked<'_>),
) -> Option<Vec<RateLimit>> {
    let entries = match &written.rate_limit {
        Maybe::Absent => return Some(Vec::new()),
        Maybe::Faulty => return None,
        Maybe::Given(limits) => &limits.0,
    };
    let mut limits: Vec<RateLimit> = Vec::new();
    for entry in entries {
        let parts = (entry.requests.as_ref(), entry.per, &entry.burst);
        let Some(rate) = rate(resolver, parts, entry.span) else { continue };
        for by in entry.by.iter().flat_map(|by| &by.0) {
            can_work(resolver, by, path, asked);
            let of_kind = limits.iter().filter(|known| known.by == by.value);
            if of_kind.clone().any(|known| known.rate == rate) {
                let message = format!("the route has this limit by `{}` twice", by.value);
                resolver.faults.push(Fault::new(by.span, message).help("remove one of them"));
            }
            let word = by.value.to_string();
            let name_of_limit = match of_kind.count() {
                0 => word,
                others => format!("{word}-{}", others + 1),
            };
            limits.push(RateLimit::new(name, name_of_limit, by.value.clone(), rate, entry.on_failure));
        }
    }
    Some(limits)
}

/// Notes a fault where there is nothing to count by.
fn can_work(resolver: &mut Resolver<'_>, by: &At<LimitBy>, path: &PathPattern, asked: Asked<'_>) {
    let fault = match (&by.value, asked) {
        (LimitBy::Subject | LimitBy::Key, Asked::Nobody(word)) => {
            let message = format!(
                "nobody to count: with `authenticate: {word}` there is no caller with a `{}`",
                by.value
            );
            let help = "count by `client_ip`, `route`, a header or a parameter; a limit that comes of `defaults` is taken away with `rate_limit: null`";
            Fault::new(by.span, message).help(help)
        }
        (LimitBy::Key, Asked::Named(names)) if !resolver.takes_keys(names) => {
            let message = "nobody to count: none of the route's authenticators is of `type: api_key`";
            Fault::new(by.span, message).help("count by `subject`, or name one that is")
        }
        (LimitBy::Param(name), _) if !path.params().any(|known| known == &**name) => {
            let message = format!("the pattern `{path}` has no parameter `{name}`");
            Fault::new(by.span, message).suggest(name, path.params())
        }
        _ => return,
    };
    resolver.faults.push(fault);
}
