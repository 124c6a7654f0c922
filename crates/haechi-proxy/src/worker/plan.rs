//! The plan as one worker runs it.

use super::exchanged_tokens::ExchangedTokens;
use super::identity_tokens::IdentityTokens;
use super::recorded;
use crate::decisions::{Headers, RecordedRoute};
use crate::metrics::{PlanMetrics, ServiceMetrics, WorkerMetrics};
use crate::plan::Plan;
use crate::settings::{Authentication, CallerTokens, IdentityToken, Service, ServiceIndex};
use crate::upstream::balance::Balancer;
use crate::upstream::pool::Pool;
use haechi_authn::{Authenticator, Chain, Scheme, StepUp, Unavailable};
use haechi_authz::{Memo, RouteIndex};
use haechi_core::{Caller, RequestHead, Secret, Timestamp};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// The plan as this worker runs it: the shared part, and schemes, pools and caches of its own.
pub(crate) struct WorkerPlan {
    pub(crate) shared: Arc<Plan>,
    /// By route; routes that ask the same authenticators share one.
    chains: Vec<Option<Rc<Chain>>>,
    balancers: Vec<Balancer>,
    schemes: Schemes,
    /// By route, for the records of decisions.
    recorded_routes: Vec<Arc<RecordedRoute>>,
    /// The request headers that policies may read and that are no credential: the name in policies, and the field's.
    headers: Vec<(Box<str>, Box<str>)>,
    tokens: IdentityTokens,
    exchanged: ExchangedTokens,
    metrics: PlanMetrics,
    /// Decisions under this plan.
    pub(crate) memo: Memo,
}

/// By name, with what each was made from.
type Schemes = HashMap<Arc<str>, (Arc<dyn Authenticator>, Rc<dyn Scheme>)>;

/// Whether all are asked, who, and what their logins must satisfy.
type ChainKey = (bool, Vec<Arc<str>>, Arc<StepUp>);

impl WorkerPlan {
    /// Endpoints that stay keep their connections, authenticators that stay what they have verified.
    pub(crate) fn new(shared: Arc<Plan>, previous: Option<&Self>, metrics: &WorkerMetrics) -> Self {
        let mut schemes = Schemes::new();
        let scheme = |authenticator: &Arc<dyn Authenticator>| {
            let kept = previous.and_then(|previous| previous.schemes.get(authenticator.name()));
            let kept = kept.filter(|(made_from, _)| Arc::ptr_eq(made_from, authenticator));
            let scheme = kept.map_or_else(|| authenticator.for_worker(), |(_, scheme)| scheme.clone());
            (authenticator.clone(), scheme)
        };
        let mut known: HashMap<ChainKey, Option<Rc<Chain>>> = HashMap::new();
        let mut chain = |authentication: &Authentication, step_up: &Arc<StepUp>| {
            let authenticators = authentication.authenticators();
            let names: Vec<_> =
                authenticators.iter().map(|authenticator| authenticator.name().clone()).collect();
            let all = matches!(authentication, Authentication::All(_));
            let made = known.entry((all, names, step_up.clone())).or_insert_with(|| {
                let list = authenticators.iter().map(|authenticator| {
                    let made = schemes.entry(authenticator.name().clone());
                    made.or_insert_with(|| scheme(authenticator)).1.clone()
                });
                let list = list.collect();
                // Without an authenticator there is no chain, and nobody is let through.
                let chain = if all { Chain::all(list) } else { Chain::any(list) };
                chain.ok().map(|chain| Rc::new(chain.asking(step_up.clone())))
            });
            made.clone()
        };
        let chains =
            shared.routes.iter().map(|route| chain(&route.authentication, &route.settings.step_up)).collect();
        let services = shared.services.iter().map(|service| &service.name);
        let metrics = metrics.of_plan(shared.routes.iter().map(|route| &route.name), services);
        Self {
            chains,
            balancers: balancers(&shared, previous, &metrics),
            recorded_routes: recorded::routes(&shared),
            headers: recorded::headers(&shared, schemes.values().map(|(_, scheme)| &**scheme)),
            schemes,
            tokens: IdentityTokens::new(),
            exchanged: ExchangedTokens::new(),
            metrics,
            memo: Memo::default(),
            shared,
        }
    }

    /// The worker's metrics of what the plan has.
    pub(crate) const fn metrics(&self) -> &PlanMetrics {
        &self.metrics
    }

    /// What is recorded of decisions about a route.
    pub(crate) fn recorded_route(&self, route: RouteIndex) -> Option<&Arc<RecordedRoute>> {
        self.recorded_routes.get(route.get())
    }

    /// The declared headers of a request, for the record of the decision.
    pub(crate) fn headers(&self, head: &RequestHead) -> Headers {
        let value = |field: &str| head.fields.sole_named(field.as_bytes()).ok().flatten();
        let text = |field: &str| std::str::from_utf8(value(field)?).ok();
        self.headers.iter().filter_map(|(name, field)| Some((name.clone(), text(field)?.into()))).collect()
    }

    /// The authenticators of a route; `None` only for a route that has none, which is never let through.
    pub(crate) fn chain(&self, route: RouteIndex) -> Option<&Chain> {
        self.chains.get(route.get())?.as_deref()
    }

    /// A service and this worker's connections to it.
    pub(crate) fn service(&self, index: ServiceIndex) -> Option<(&Service, &Balancer)> {
        Some((self.shared.service(index)?, self.balancers.get(index.get())?))
    }

    /// A token that tells a service who is calling.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub(crate) fn identity_token(
        &self,
        wanted: &IdentityToken,
        caller: &Arc<Caller>,
        now: Timestamp,
    ) -> Result<Rc<str>, String> {
        let provider = self.shared.identity.as_ref().ok_or("no identity provider is configured")?;
        self.tokens.token(provider, wanted, caller, now)
    }

    /// The token that a service gets in exchange for `subject`, the one that its caller was verified by.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn exchanged_token(
        &self,
        service: &Service,
        tokens: &dyn CallerTokens,
        subject: &str,
        now: Timestamp,
    ) -> Result<Arc<Secret<String>>, Unavailable> {
        self.exchanged.token(service, tokens, subject, now).await
    }

    /// By service.
    pub(super) fn balancers(&self) -> &[Balancer] {
        &self.balancers
    }

    /// Closes the idle connections that `next` does not take over. Requests that began under this plan may hold it for long.
    pub(super) fn retire(&self, next: &Self) {
        let kept: HashSet<*const Pool> = next.pools().map(Rc::as_ptr).collect();
        self.pools().filter(|pool| !kept.contains(&Rc::as_ptr(pool))).for_each(|pool| pool.retire());
    }

    fn pools(&self) -> impl Iterator<Item = &Rc<Pool>> {
        self.balancers.iter().flat_map(Balancer::pools)
    }

    pub(super) fn sweep(&self) {
        self.pools().for_each(|pool| pool.sweep());
    }
}

fn balancers(plan: &Plan, previous: Option<&WorkerPlan>, metrics: &PlanMetrics) -> Vec<Balancer> {
    let known = previous.map(|plan| plan.balancers.as_slice()).unwrap_or_default();
    let by_name: HashMap<&str, &Balancer> = previous
        .map(|plan| plan.shared.services.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|service| &*service.name)
        .zip(known)
        .collect();
    let balancer = |(service, metrics): (&Service, &Arc<ServiceMetrics>)| {
        Balancer::new(service, by_name.get(&*service.name).copied(), metrics)
    };
    plan.services.iter().zip(metrics.services()).map(balancer).collect()
}
