//! Rate limits: requests are counted before authentication, by address and whatever else needs no caller, and after it, by caller
//! (docs/rate-limits.md). Where they stand among the steps is said in `judge.rs`.

mod fields;
mod key;

pub use fields::CountedLimit;
pub(crate) use fields::LimitFields;

use crate::metrics::LimiterNumbers;
use crate::refusal::{Refusal, Refused};
use crate::settings::{OnFailure, RateLimit, Route, limit_policy};
use haechi_authn::{CommonCount, count_together};
use haechi_core::caller::CallerLimits;
use haechi_core::metrics::{Page, Source};
use haechi_core::ports::{LimitAnswer, LimitCheck, SharedLimits};
use haechi_core::rate::{Gcra, LimitTable, Rate, SlotKey};
use haechi_core::{Caller, Clock, RequestHead};
use key::Counted;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Places in the table of counts: 16 MiB when all are in use.
const PLACES: usize = 1 << 20;

/// Counts requests for all workers. One for the process: it outlives configurations.
pub struct RateLimiter {
    /// Made when the first request is counted.
    table: OnceLock<LimitTable>,
    shared: Option<Arc<dyn SharedLimits>>,
    /// Requests that were counted here because the nodes could not count together.
    by_share: AtomicU64,
    /// Requests that were refused because the nodes could not count together.
    uncounted: AtomicU64,
}

/// When a limit is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Stage<'a> {
    /// Nobody knows yet who calls.
    BeforeAuthentication,
    /// This caller does.
    ByCaller(&'a Caller),
}

/// Whether requests that are judged count.
#[derive(Clone, Copy)]
pub(crate) enum Counting<'a> {
    /// They do.
    On { limiter: &'a RateLimiter, clock: &'a dyn Clock },
    /// What is judged again, or only supposed, is no request.
    Off,
}

/// A limit that applies to a request.
struct Applied<'a> {
    name: &'a str,
    by: &'static str,
    policy: Cow<'a, str>,
    rate: Rate,
    gcra: Gcra,
    on_failure: OnFailure,
    counted: Counted<'a>,
}

impl<'a> Counting<'a> {
    /// Counts a request against the limits of one stage: against all of them, or none. `told` sees each count.
    pub(crate) async fn take(
        self,
        stage: Stage<'_>,
        head: &RequestHead,
        route: &Route,
        told: impl FnOnce(&[CountedLimit<'_>]),
    ) -> Result<(), Refused> {
        let Self::On { limiter, clock } = self else { return Ok(()) };
        let own = match stage {
            Stage::ByCaller(caller) => caller.limits.as_deref(),
            Stage::BeforeAuthentication => None,
        };
        if route.settings.rate_limits.is_empty() && own.is_none() {
            return Ok(());
        }
        let applied = applied(stage, head, route, own);
        let quota = own.and_then(|own| own.quota.as_ref());
        if applied.is_empty() && quota.is_none() {
            return Ok(());
        }
        // The quota first: it can be given back.
        let mut counted = Vec::with_capacity(applied.len() + 1);
        if let Some(quota) = quota {
            let answer = quota.take(head.received);
            let policy = limit_policy(QUOTA, quota.requests(), quota.per()).into();
            counted.push(CountedLimit { name: QUOTA, by: QUOTA, requests: quota.requests(), policy, answer });
        }
        let outcome = match counted.first() {
            Some(quota) if !quota.answer.is_within => Ok(()),
            _ => limiter.count(applied, clock, &mut counted).await,
        };
        told(&counted);
        let over = counted.iter().find(|limit| !limit.answer.is_within);
        if let (Some(quota), true) =
            (quota, outcome.is_err() || over.is_some_and(|limit| limit.name != QUOTA))
        {
            quota.give_back(head.received);
        }
        outcome?;
        over.map_or(Ok(()), |over| Err(over_limit(over)))
    }
}

/// The name of an API key's quota among limits.
pub(crate) const QUOTA: &str = "key-quota";
/// The name of an API key's own rate limit.
pub(crate) const KEY_LIMIT: &str = "key-limit";

fn over_limit(over: &CountedLimit<'_>) -> Refused {
    let reason = match over.by {
        QUOTA => "the API key's quota is used up".to_owned(),
        KEY_LIMIT => "over the API key's own rate limit".to_owned(),
        _ => format!("over the route's rate limit `{}`", over.name),
    };
    Refused::new(Refusal::RateLimited { retry_after: over.answer.retry_after }, reason)
}

/// The limits that a request is counted against at this stage, but for quotas.
fn applied<'a>(
    stage: Stage<'a>,
    head: &'a RequestHead,
    route: &'a Route,
    own: Option<&'a CallerLimits>,
) -> Vec<Applied<'a>> {
    let caller = match stage {
        Stage::BeforeAuthentication => None,
        Stage::ByCaller(caller) => Some(caller),
    };
    let of_route = |limit: &'a RateLimit| {
        (limit.by.needs_caller() == caller.is_some()).then(|| Applied {
            name: &limit.name,
            by: limit.by.kind(),
            policy: Cow::Borrowed(&limit.policy),
            rate: limit.rate,
            gcra: limit.gcra,
            on_failure: limit.on_failure,
            counted: Counted::by(limit, head, route, caller),
        })
    };
    let mut all: Vec<Applied<'a>> = route.settings.rate_limits.iter().filter_map(of_route).collect();
    if let (Some(rate), Some(caller)) = (own.and_then(|own| own.rate), caller) {
        all.push(Applied {
            name: KEY_LIMIT,
            by: KEY_LIMIT,
            policy: limit_policy(KEY_LIMIT, rate.requests.get(), rate.per).into(),
            rate,
            gcra: Gcra::new(&rate),
            on_failure: OnFailure::Local,
            counted: Counted::key(caller),
        });
    }
    all
}

impl<'a> Applied<'a> {
    fn check(&self) -> LimitCheck {
        LimitCheck { key: self.counted.on_every_node(), rate: self.rate }
    }

    fn told(self, answer: LimitAnswer) -> CountedLimit<'a> {
        let Self { name, by, policy, rate, .. } = self;
        CountedLimit { name, by, requests: rate.requests.get(), policy, answer }
    }
}

impl RateLimiter {
    /// A limiter for one node, or for one of many that count together through `shared`.
    pub fn new(shared: Option<Arc<dyn SharedLimits>>) -> Self {
        Self { table: OnceLock::new(), shared, by_share: AtomicU64::new(0), uncounted: AtomicU64::new(0) }
    }

    /// Counts against all of these, or none. Where one is over, it is the last that is told.
    async fn count<'a>(
        &self,
        applied: Vec<Applied<'a>>,
        clock: &dyn Clock,
        counted: &mut Vec<CountedLimit<'a>>,
    ) -> Result<(), Refused> {
        let shared = self.shared.as_ref().filter(|_| !applied.is_empty());
        let nodes = match count_together(shared, || applied.iter().map(Applied::check).collect()).await {
            CommonCount::Together(answers) => {
                counted.extend(applied.into_iter().zip(answers).map(|(limit, answer)| limit.told(answer)));
                return Ok(());
            }
            CommonCount::Alone => {
                self.count_here(applied, clock.uptime(), counted);
                return Ok(());
            }
            CommonCount::Apart(nodes) => nodes,
        };
        if applied.iter().any(|limit| limit.on_failure == OnFailure::Deny) {
            self.uncounted.fetch_add(1, Relaxed);
            return Err(Refused::new(
                Refusal::CANNOT_TELL,
                "the nodes cannot count together, and a rate limit says `on_failure: deny`",
            ));
        }
        self.by_share.fetch_add(1, Relaxed);
        let share = |limit: Applied<'a>| Applied { gcra: Gcra::new(&limit.rate.share_of(nodes)), ..limit };
        self.count_here(applied.into_iter().map(share).collect(), clock.uptime(), counted);
        Ok(())
    }

    fn count_here<'a>(&self, applied: Vec<Applied<'a>>, now: Duration, counted: &mut Vec<CountedLimit<'a>>) {
        let table = self.table.get_or_init(|| LimitTable::new(PLACES));
        let mut taken: Vec<(SlotKey, Gcra)> = Vec::with_capacity(applied.len());
        for limit in applied {
            let (key, gcra) = (limit.counted.in_table(table), limit.gcra);
            let answer = table.take(key, &gcra, now);
            counted.push(limit.told(answer));
            if !answer.is_within {
                taken.iter().for_each(|(key, gcra)| table.give_back(*key, gcra));
                return;
            }
            taken.push((key, gcra));
        }
    }
}

impl Source for RateLimiter {
    fn show(&self, page: &mut Page) {
        let numbers = LimiterNumbers {
            table: self.table.get().map(LimitTable::stats).unwrap_or_default(),
            by_share: self.by_share.load(Relaxed),
            denied: self.uncounted.load(Relaxed),
        };
        numbers.show(page);
    }
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").field("table", &self.table).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
