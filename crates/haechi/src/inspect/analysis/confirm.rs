//! Whether what the solver found is so: the judge that serves requests is asked.

use super::loaded::Loaded;
use haechi_authn::{LoginExample, StepUp};
use haechi_authz::analysis::{CallerOrigin, Example, PossibleValues};
use haechi_authz::{Permitted, Refused, RouteIndex};
use haechi_core::caller::{Claimed, LoginFacts, Vouched};
use haechi_core::host::is_meant;
use haechi_core::id::DecisionId;
use haechi_core::{Caller, Host, RequestHead};
use haechi_proxy::{DryOutcome, DryRequest, Observer};
use std::sync::Arc;

/// What becomes of a request.
pub(crate) struct ExampleOutcome {
    /// Whether it is forwarded.
    pub(crate) allowed: bool,
    /// In a few words.
    pub(crate) told: String,
}

impl ExampleOutcome {
    fn refused(told: impl Into<String>) -> Self {
        Self { allowed: false, told: told.into() }
    }
}

/// Gives the judge the example's caller, and sees which route it takes.
struct ExampleObserver<'a> {
    loaded: &'a Loaded,
    example: &'a Example,
    login: Option<&'a LoginExample>,
    route: Option<RouteIndex>,
    decided: bool,
}

impl Observer for ExampleObserver<'_> {
    fn routed(&mut self, route: RouteIndex, _: &RequestHead) {
        self.route = Some(route);
    }

    fn supposed(&mut self, route: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        Some(self.loaded.supposed(self.example, self.login, route).map(Arc::new))
    }

    fn deciding(&mut self) -> DecisionId {
        DecisionId::from_bits(0)
    }

    fn decided(&mut self, _: RouteIndex, _: &Result<Permitted, Refused>) {
        self.decided = true;
    }
}

impl Loaded {
    /// Leads the example along the real path: it must take its route, and be allowed, or not. Its caller has this login, or one that the route takes.
    ///
    /// # Errors
    /// What happens instead.
    pub(crate) async fn confirm(
        &self,
        example: &Example,
        login: Option<&LoginExample>,
        allowed: bool,
    ) -> Result<ExampleOutcome, String> {
        let (route, judged) = self.judged(example, login).await;
        let takes = route.is_some_and(|route| *self.name(route) == *example.route);
        if takes && judged.allowed == allowed {
            return Ok(judged);
        }
        let (method, path) = (&example.method, &example.path);
        Err(format!("the solver found {method} {path}, but the gate does not confirm it: {}", judged.told))
    }

    /// What becomes of the example's request from the example's caller, where every decision point says yes.
    pub(crate) async fn judge(&self, example: &Example) -> ExampleOutcome {
        self.judged(example, None).await.1
    }

    async fn judged(
        &self,
        example: &Example,
        login: Option<&LoginExample>,
    ) -> (Option<RouteIndex>, ExampleOutcome) {
        let headers = self.fields(example);
        let mut steps = ExampleObserver { loaded: self, example, login, route: None, decided: false };
        let outcome = self.dry.judge(&request(example, &headers), |_| {}, &mut steps).await;
        (steps.route, self.told(&outcome, &steps))
    }

    /// What becomes of the example's request if the route of the example's name takes it, whether or not it does. `None` without such a route.
    pub(crate) async fn judge_by_name(&self, example: &Example) -> Option<ExampleOutcome> {
        let index = self.config.policies.vocabulary().index_of(&example.route)?;
        let route = self.dry.plan().route(index)?;
        if !route.methods.contains(&example.method) {
            return Some(ExampleOutcome::refused(format!("405: not with {}", example.method)));
        }
        let host = Host::parse(example.host.as_bytes()).ok()?;
        if !route.hosts.is_empty() && !route.hosts.iter().any(|known| is_meant(known, host.name())) {
            return Some(ExampleOutcome::refused("404: not on this host"));
        }
        let headers = self.fields(example);
        let mut steps = ExampleObserver { loaded: self, example, login: None, route: None, decided: false };
        let outcome = self.dry.judge_on_route(&request(example, &headers), index, &mut steps).await;
        Some(self.told(&outcome, &steps))
    }

    fn told(&self, outcome: &DryOutcome, steps: &ExampleObserver<'_>) -> ExampleOutcome {
        let name = steps.route.map_or("", |route| self.name(route));
        match outcome {
            DryOutcome::Forwarded => {
                ExampleOutcome { allowed: true, told: format!("allowed on the route `{name}`") }
            }
            DryOutcome::Preflight { .. } => ExampleOutcome::refused("answered as a preflight"),
            DryOutcome::Refused(refused) if steps.decided => ExampleOutcome::refused(format!(
                "{} on the route `{name}`: {}",
                outcome.status(),
                refused.reason()
            )),
            DryOutcome::Refused(refused) => {
                ExampleOutcome::refused(format!("{}: {}", outcome.status(), refused.reason()))
            }
        }
    }

    fn name(&self, route: RouteIndex) -> &str {
        self.dry.plan().route(route).map_or("", |route| &route.name)
    }

    /// The example's caller, where the route has the way in by which it comes.
    fn supposed(
        &self,
        example: &Example,
        login: Option<&LoginExample>,
        route: RouteIndex,
    ) -> Result<Caller, String> {
        let ways = self.access.get(route.get()).map_or(&[][..], |access| &access.ways);
        let way = ways
            .iter()
            .find(|way| way.kind == example.kind && way.authenticator == example.authenticator)
            .ok_or_else(|| format!("the route `{}` asks other authenticators", self.name(route)))?;
        let asked = self.step_up(route);
        let own = asked.satisfied_with(&StepUp::default());
        let login = login.or(own.as_ref()).map(|login| login.facts(example.time)).unwrap_or_default();
        if !asked.is_satisfied_by(&login, example.time) {
            return Err(asked.why_not(&login, example.time));
        }
        Ok(self.caller(example, way, login))
    }

    fn caller(&self, example: &Example, way: &CallerOrigin, login: LoginFacts) -> Caller {
        let claimed = Claimed {
            subject: example.subject.clone(),
            issuer: example.issuer.clone(),
            roles: example.roles.iter().map(ToString::to_string).collect(),
            scopes: example.scopes.iter().map(ToString::to_string).collect(),
            attributes: example.attributes.clone(),
            login,
            ..Claimed::default()
        };
        let vouched =
            if way.roles == PossibleValues::NotBuiltIn { Vouched::ByOther } else { Vouched::BySelf };
        Caller::new(example.kind, &example.authenticator, vouched, &self.config.roles, claimed)
    }

    /// The example's header fields, name and value, `Host` among them.
    fn fields(&self, example: &Example) -> Vec<(String, String)> {
        let mut fields = vec![("host".to_owned(), example.host.clone())];
        // A header that only the other configuration declares is one that this one does not look at.
        let declared =
            example.headers.iter().map(|(name, value)| (self.header(name).to_owned(), value.clone()));
        fields.extend(declared);
        fields
    }
}

fn request<'a>(example: &'a Example, headers: &'a [(String, String)]) -> DryRequest<'a> {
    DryRequest {
        method: example.method.as_str(),
        target: example.path.as_str(),
        headers,
        peer: (example.ip, 0).into(),
        secure: example.secure,
        time: example.time,
        now: example.time,
    }
}
