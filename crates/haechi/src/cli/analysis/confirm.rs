//! Whether what the solver found is so: the same router and the same engine that serve requests are asked.

use super::Loaded;
use haechi_authz::analysis::{Example, Gives, Way};
use haechi_authz::{Facts, Memo, RouteIndex};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Caller, ConnectionFacts, Fields, Host, RequestHead};
use haechi_proxy::Found;

/// What becomes of a request.
pub(in crate::cli) struct ExampleOutcome {
    /// Whether it is forwarded.
    pub(in crate::cli) allowed: bool,
    /// In a few words.
    pub(in crate::cli) told: String,
}

impl ExampleOutcome {
    fn refused(told: impl Into<String>) -> Self {
        Self { allowed: false, told: told.into() }
    }
}

impl Loaded {
    /// Leads the example along the real path: it must take its route, and be allowed, or not.
    ///
    /// # Errors
    /// What happens instead.
    pub(in crate::cli) fn confirm(&self, example: &Example, allowed: bool) -> Result<ExampleOutcome, String> {
        let head = self.head(example)?;
        let found = self.plan.router().find(head.host.name(), &head.path, &head.method);
        let takes = matches!(found, Found::Route(index) if self.plan.route(index).is_some_and(|route| route.name == example.route));
        let judged = self.judge(example);
        if takes && judged.allowed == allowed {
            return Ok(judged);
        }
        let (method, path) = (&example.method, &example.path);
        Err(format!("the solver found {method} {path}, but the gate does not confirm it: {}", judged.told))
    }

    /// What becomes of the example's request from the example's caller.
    pub(in crate::cli) fn judge(&self, example: &Example) -> ExampleOutcome {
        let head = match self.head(example) {
            Ok(head) => head,
            Err(why) => return ExampleOutcome::refused(format!("400: {why}")),
        };
        match self.plan.router().find(head.host.name(), &head.path, &head.method) {
            Found::Route(route) => self.on_route(example, &head, route),
            Found::NotFound => ExampleOutcome::refused("404: no route takes it"),
            Found::MethodNotAllowed { .. } => {
                ExampleOutcome::refused(format!("405: not with {}", head.method))
            }
            Found::Ambiguous => ExampleOutcome::refused("400: the path could be read in two ways"),
        }
    }

    /// The same on the route of the example's name, whether or not the request would take it. `None` without such a route.
    pub(in crate::cli) fn judge_by_name(&self, example: &Example) -> Option<ExampleOutcome> {
        let route = self.config.policies.vocabulary().index_of(&example.route)?;
        let written = self.plan.route(route)?;
        let head = self.head(example).ok()?;
        if !written.methods.contains(&head.method) {
            return Some(ExampleOutcome::refused(format!("405: not with {}", head.method)));
        }
        if !written.hosts.is_empty() && !written.hosts.iter().any(|host| **host == *head.host.name()) {
            return Some(ExampleOutcome::refused("404: not on this host"));
        }
        Some(self.on_route(example, &head, route))
    }

    fn on_route(&self, example: &Example, head: &RequestHead, route: RouteIndex) -> ExampleOutcome {
        let Some(access) = self.access.get(route.get()) else {
            return ExampleOutcome::refused("403: the route has no rule");
        };
        let name = self.plan.route(route).map_or("", |route| &route.name);
        let way = access
            .ways
            .iter()
            .find(|way| way.kind == example.kind && way.authenticator == example.authenticator);
        let Some(way) = way else {
            return ExampleOutcome::refused(format!("401: the route `{name}` asks other authenticators"));
        };
        let caller = self.caller(example, way);
        let facts = Facts { head, route, caller: &caller };
        let decision = self.plan.enforcer().decide(&facts, DecisionId::from_bits(0), &Memo::default());
        match decision.reason() {
            Some(reason) => {
                ExampleOutcome::refused(format!("403 on the route `{name}`: {}", reason.describe()))
            }
            None => ExampleOutcome { allowed: true, told: format!("allowed on the route `{name}`") },
        }
    }

    fn caller(&self, example: &Example, way: &Way) -> Caller {
        let claimed = Claimed {
            subject: example.subject.clone(),
            issuer: example.issuer.clone(),
            roles: example.roles.iter().map(ToString::to_string).collect(),
            scopes: example.scopes.iter().map(ToString::to_string).collect(),
            attributes: example.attributes.clone(),
            ..Claimed::default()
        };
        let vouched = if way.roles == Gives::NotBuiltIn { Vouched::ByOther } else { Vouched::BySelf };
        Caller::new(example.kind, &example.authenticator, vouched, &self.config.roles, claimed)
    }

    fn head(&self, example: &Example) -> Result<RequestHead, String> {
        let mut fields = Fields::default();
        for (name, value) in &example.headers {
            let field = self.config.policies.vocabulary().headers.get(name.as_str());
            // A header that only the other configuration declares is one that this one does not look at.
            fields.push(field.map_or(name.as_bytes(), |field| field.as_bytes()), value.as_bytes());
        }
        let host = Host::parse(example.host.as_bytes()).map_err(|fault| fault.to_string())?;
        let (id, connection) = (RequestId::from_bits(0), ConnectionFacts::plain((example.ip, 0).into()));
        let (method, path) = (example.method.clone(), example.path.clone());
        let head = RequestHead::new(id, example.time, connection, method, host, path);
        Ok(head.with_fields(fields).with_client(example.ip, example.secure))
    }
}
