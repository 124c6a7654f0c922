//! A configuration as it is analysed.

use crate::config::Config;
use crate::inspect::InspectError;
use crate::wire::points::GivenAnswers;
use crate::wire::rules::{access, rules};
use haechi_authn::StepUp;
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{CallerOrigin, Example, RouteAccess, RouteMatcher, Side};
use haechi_core::{CanonicalPath, Outcome};
use haechi_proxy::{DryOutcome, DryRequest, DryRun, Found, Observer, Plan};
use http::Method;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration with the judge that would serve it.
pub(crate) struct Loaded {
    pub(crate) file: PathBuf,
    pub(crate) config: Arc<Config>,
    pub(super) dry: DryRun,
    pub(super) access: Vec<RouteAccess>,
}

impl Loaded {
    /// The configuration that stands in `file`, or would.
    ///
    /// # Errors
    /// When its rules cannot be put together.
    pub(crate) fn new(file: &Path, config: Arc<Config>) -> Result<Self, InspectError> {
        // What is proved and compared is what the rules say; a decision point could only deny more.
        let answers = GivenAnswers::default();
        answers.give(config.decision_points.keys().map(|name| (name.to_string(), Outcome::Allow)).collect());
        let dry = DryRun::new(Arc::new(rules(&config, &answers).map_err(InspectError::new)?));
        let access = access(&config);
        Ok(Self { file: file.to_owned(), config, dry, access })
    }

    /// As the solver is asked about it; `takes` is [`Self::takes`].
    pub(crate) fn side<'a>(&'a self, takes: &'a RouteMatcher<'a>) -> Side<'a> {
        Side { compiled: &self.config.policies, access: &self.access, takes }
    }

    /// The plan that would serve it.
    pub(crate) fn plan(&self) -> &Plan {
        self.dry.plan()
    }

    /// Who can come to a route.
    pub(crate) fn ways(&self, route: RouteIndex) -> &[CallerOrigin] {
        self.access.get(route.get()).map_or(&[], |access| &access.ways)
    }

    /// Which login the route asks for; any, where it is built in.
    pub(crate) fn step_up(&self, route: RouteIndex) -> Arc<StepUp> {
        self.dry.plan().route(route).map(|route| route.settings.step_up.clone()).unwrap_or_default()
    }

    /// Judges a request with a caller that the observer gives.
    pub(crate) async fn judge_as<O: Observer>(
        &self,
        request: &DryRequest<'_>,
        observer: &mut O,
    ) -> DryOutcome {
        self.dry.judge(request, |_| {}, observer).await
    }

    /// Whether the example's authenticator is the first that its route asks.
    pub(super) fn asks_first(&self, example: &Example) -> bool {
        let index = self.config.policies.vocabulary().index_of(&example.route);
        let access = index.and_then(|index| self.access.get(index.get()));
        let first = access.and_then(|access| access.ways.first());
        first.is_some_and(|way| way.authenticator == example.authenticator)
    }

    /// Whether the router sends this request to this route.
    pub(crate) fn takes(&self, route: RouteIndex, method: &Method, host: &str, path: &CanonicalPath) -> bool {
        let allowed = self.dry.plan().route(route).is_some_and(|route| route.allows(path));
        allowed && self.dry.plan().router().find(host, path, method) == Found::Route(route)
    }
}
