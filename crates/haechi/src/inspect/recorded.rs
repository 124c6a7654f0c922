//! A recorded decision, and how it is made again.

use crate::config::{Config, parse_time};
use crate::wire::points::GivenAnswers;
use haechi_authz::{DenyReason, Permitted, Refused, RouteIndex};
use haechi_core::id::DecisionId;
use haechi_core::path::as_sent;
use haechi_core::{Attributes, Caller, CallerKind, Outcome, Role, Timestamp};
use haechi_proxy::{DryOutcome, DryRequest, DryRun, Observer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What a record has of a decision.
pub(crate) struct RecordedDecision {
    pub(crate) at: String,
    pub(crate) request: String,
    pub(crate) outcome: String,
    pub(crate) route: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) roles: Vec<String>,
    pub(crate) config: String,
    time: Timestamp,
    host: String,
    secure: bool,
    headers: BTreeMap<String, String>,
    client: IpAddr,
    caller: Caller,
    point: Option<(String, bool)>,
}

/// What it comes to again.
pub(crate) struct Again {
    pub(crate) outcome: String,
    pub(crate) because: String,
}

impl RecordedDecision {
    /// `None` where what is sealed in it was not opened.
    pub(crate) fn of(record: &Value) -> Option<Self> {
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        let owned = |name: &str| text(name).map(str::to_owned);
        if record.get("sealed").is_some() || record.get("sealed_headers").is_some() {
            return None;
        }
        let person = record.get("person");
        let client = person.map_or(text("client"), |person| person.get("client")?.as_str());
        let roles: Vec<String> = serde_json::from_value(record.get("roles")?.clone()).ok()?;
        let headers = record.get("headers").cloned().map(serde_json::from_value).transpose().ok()?;
        Some(Self {
            time: parse_time(text("at")?).ok()?,
            at: owned("at")?,
            request: owned("request")?,
            outcome: owned("outcome")?,
            route: owned("route")?,
            method: owned("method")?,
            host: owned("host")?,
            path: owned("path")?,
            config: owned("config")?,
            secure: record.get("secure")?.as_bool()?,
            headers: headers.unwrap_or_default(),
            client: client?.parse().ok()?,
            caller: caller(record, &roles)?,
            point: owned("point").zip(record.get("point_allowed").and_then(Value::as_bool)),
            roles,
        })
    }

    /// Decides again, by these rules. Nobody is asked: decision points say what they said.
    pub(crate) async fn decide_again(&self, config: &Config, dry: &DryRun, answers: &GivenAnswers) -> Again {
        answers
            .give(config.decision_points.keys().map(|name| (name.to_string(), self.answer(name))).collect());
        let vocabulary = config.policies.vocabulary();
        let mut headers = vec![("host".to_owned(), self.host.clone())];
        for (name, value) in &self.headers {
            let field = vocabulary.headers.get(&**name).map_or(name.as_str(), |field| field);
            headers.push((field.to_owned(), value.clone()));
        }
        let target = as_sent(&self.path);
        let request = DryRequest {
            method: &self.method,
            target: &target,
            headers: &headers,
            peer: SocketAddr::new(self.client, 0),
            secure: self.secure,
            time: self.time,
            now: self.time,
        };
        let roles: Vec<Role> = self.roles.iter().map(|role| Role::from(role.clone())).collect();
        let caller = Caller { roles: config.roles.effective(&roles), ..self.caller.clone() };
        let mut steps = Steps { caller: Arc::new(caller), dry, decided: None };
        let outcome = dry.judge(&request, |_| (), &mut steps).await;
        steps.again(&outcome)
    }

    /// What a decision point said, of which only the last that was asked is on record: those before have allowed.
    fn answer(&self, name: &Arc<str>) -> Outcome {
        match &self.point {
            Some((point, allowed)) if **point == **name => Outcome::of(*allowed),
            _ if self.outcome == "unavailable" => Outcome::Unavailable,
            _ => Outcome::Allow,
        }
    }
}

fn caller(record: &Value, roles: &[String]) -> Option<Caller> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let authenticator = text(record, "authenticator")?;
    let kind = match text(record, "kind")?.as_str() {
        "user" => CallerKind::User,
        "api_key" => CallerKind::ApiKey,
        _ => return Some(Caller::anonymous(&authenticator)),
    };
    let person = record.get("person")?;
    let scopes: Vec<String> = serde_json::from_value(person.get("scopes")?.clone()).ok()?;
    let attributes: Attributes = serde_json::from_value(person.get("attributes")?.clone()).ok()?;
    Some(Caller {
        kind,
        subject: text(person, "subject")?.into(),
        issuer: text(person, "issuer")?.into(),
        roles: roles.iter().map(|role| Role::from(role.clone())).collect(),
        scopes: scopes.into_iter().map(Arc::from).collect(),
        attributes,
        credential_id: text(record, "credential").map(Arc::from),
        ..Caller::anonymous(&authenticator)
    })
}

/// Supposes the caller, where the route asks the authenticator that knew them.
struct Steps<'a> {
    caller: Arc<Caller>,
    dry: &'a DryRun,
    decided: Option<&'static str>,
}

impl Observer for Steps<'_> {
    fn supposed(&mut self, route: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        let route = self.dry.plan().route(route)?;
        let knows =
            |name: &str| route.authentication.authenticators().iter().any(|known| **known.name() == *name);
        Some(if knows(&self.caller.authenticator) {
            Ok(self.caller.clone())
        } else {
            Err(format!("the route does not ask `{}`, which knew the caller", self.caller.authenticator))
        })
    }

    fn deciding(&mut self) -> DecisionId {
        DecisionId::from_bits(0)
    }

    fn decided(&mut self, _: RouteIndex, outcome: &Result<Permitted, Refused>) {
        self.decided = Some(match outcome {
            Ok(_) => "allow",
            Err(Refused::Denied(_, DenyReason::Error(_), _)) => "error",
            Err(Refused::Denied(..)) => "deny",
            Err(Refused::Undecided(..) | Refused::Unknown(_)) => "unavailable",
        });
    }
}

impl Steps<'_> {
    fn again(&self, outcome: &DryOutcome) -> Again {
        let because = match outcome {
            DryOutcome::Refused(refused) => refused.reason().to_owned(),
            DryOutcome::Forwarded | DryOutcome::Preflight { .. } => String::new(),
        };
        let outcome = match self.decided {
            Some(decided) => decided.to_owned(),
            None => format!("{} ({})", outcome.name(), outcome.status()),
        };
        Again { outcome, because }
    }
}
