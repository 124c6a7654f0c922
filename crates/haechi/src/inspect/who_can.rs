//! Who may make a request: kinds of callers, and everybody whom the store knows.

use super::InspectError;
use super::analysis::Loaded;
use super::matrix::{Outcome, kinds};
use crate::config::Config;
use crate::wire::identity::issuer as own_issuer;
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_authz::{Decision, DenyReason, Permitted, Read, Refused, RouteIndex};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::DecisionId;
use haechi_core::path::as_sent;
use haechi_core::ports::{ApiKeyRecord, KeyFilter, KeyPage, KeyStanding};
use haechi_core::{Caller, CallerKind, CanonicalPath, Clock, Host, SystemClock, Timestamp};
use haechi_proxy::{DryRequest, Found, Observer};
use haechi_store::Store;
use http::Method;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// So many users, keys and clients are looked at, of each.
const LOOKED_AT: usize = 10_000;
/// Keys are asked for in pages of so many.
const AT_ONCE: usize = 1000;

/// Who may.
#[derive(Debug, Default)]
pub(crate) struct WhoCan {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) route: Option<String>,
    /// Why nobody gets there.
    pub(crate) reason: Option<String>,
    /// The kind of caller, what they may, and on which condition.
    pub(crate) roles: Vec<(String, Outcome, Option<String>)>,
    pub(crate) users: Vec<May>,
    pub(crate) keys: Vec<May>,
    pub(crate) clients: Vec<May>,
    /// What is not known.
    pub(crate) notes: Vec<String>,
    pub(crate) truncated: bool,
}

/// Somebody who may.
#[derive(Debug)]
pub(crate) struct May {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) authenticator: String,
    pub(crate) depends_on: Vec<String>,
}

/// The request.
struct Asked<'a> {
    loaded: &'a Loaded,
    method: &'a Method,
    host: &'a str,
    target: String,
    route: RouteIndex,
    now: Timestamp,
}

/// Finds out. Decision points are not asked; their word stands among what it depends on.
///
/// # Errors
/// For what is no request, and when the store cannot be read.
pub(crate) async fn who_can(
    loaded: &Loaded,
    store: Option<&Store>,
    method: &Method,
    (host, path): (&str, &str),
) -> Result<WhoCan, InspectError> {
    let target = as_sent(path);
    let canonical = CanonicalPath::parse(target.as_bytes())
        .map_err(|error| InspectError::new(format!("`{path}` is no path that is routed: {error}")))?;
    let named =
        Host::parse(host.as_bytes()).map_err(|_| InspectError::new(format!("`{host}` is no host")))?;
    let mut told =
        WhoCan { host: named.name().to_owned(), path: canonical.as_str().to_owned(), ..WhoCan::default() };
    let plan = loaded.plan();
    let (index, reason) = match plan.router().find(named.name(), &canonical, method) {
        Found::Route(index) => (Some(index), None),
        Found::MethodNotAllowed { .. } => {
            (None, Some("405: the pattern that wins has no route for the method"))
        }
        Found::NotFound => (None, Some("404: no route takes the path")),
        Found::Ambiguous => (None, Some("400: the path spells a literal of a pattern in another way")),
    };
    told.reason = reason.map(str::to_owned);
    let Some((index, route)) = index.and_then(|index| Some((index, plan.route(index)?))) else {
        return Ok(told);
    };
    told.route = Some(route.name.to_string());
    if !route.allows(&canonical) {
        told.reason = Some("400: the route does not take such a path (`allow_in_path`)".to_owned());
        return Ok(told);
    }
    let ways = loaded.ways(index);
    let may = kinds(&loaded.config, index, method, ways).into_iter();
    told.roles = may.filter(|(_, outcome, _)| *outcome != Outcome::Deny).collect();
    told.notes = notes(&loaded.config, index, ways);
    let asked = Asked { loaded, method, host, target, route: index, now: SystemClock.now() };
    let open = ways.iter().any(|way| way.kind == CallerKind::Anonymous);
    if let (Some(store), false) = (store, open) {
        asked.of_store(store, ways, &mut told).await?;
    }
    Ok(told)
}

/// What the answer cannot know.
fn notes(config: &Config, route: RouteIndex, ways: &[CallerOrigin]) -> Vec<String> {
    let mut notes = Vec::new();
    let own = own_issuer(config);
    for way in ways {
        if way.kind == CallerKind::Anonymous {
            notes.push(
                "the route asks nobody who they are: its rules are asked about nobody in particular"
                    .to_owned(),
            );
        } else if way.kind == CallerKind::User && !is_of_store(way, &own) {
            notes.push(format!(
                "callers of `{}` are not in the store: whoever it gives one of these roles may",
                way.authenticator
            ));
        }
    }
    let all = config.routes.get(route.get()).map(|route| &route.authenticate);
    if let Some(crate::config::meant::Authenticate::All(names)) = all
        && names.len() > 1
    {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        notes.push(format!(
            "the route asks for a credential of all of {}; the caller is the first one's",
            names.join(", ")
        ));
    }
    notes.push("limits, lockouts and `Origin` are not looked at".to_owned());
    notes
}

/// Whether its callers are users of the store.
fn is_of_store(way: &CallerOrigin, own: &Arc<str>) -> bool {
    way.kind == CallerKind::User && way.roles == PossibleValues::Any && way.issuer.as_ref() == Some(own)
}

impl Asked<'_> {
    async fn of_store(
        &self,
        store: &Store,
        ways: &[CallerOrigin],
        told: &mut WhoCan,
    ) -> Result<(), InspectError> {
        let config = &self.loaded.config;
        let own = own_issuer(config);
        if let Some(way) = ways.iter().find(|way| is_of_store(way, &own)) {
            let users = store.users.page(None, LOOKED_AT + 1).await?;
            told.truncated |= users.len() > LOOKED_AT;
            for user in users.into_iter().take(LOOKED_AT).filter(|user| !user.disabled) {
                let claimed = claimed((user.id.clone(), &own), user.roles, Vec::new(), user.attributes);
                let may = self.may(way, claimed).await;
                told.users.extend(may.map(|depends_on| may_of(user.id, Some(user.name), way, depends_on)));
            }
        }
        let by_token = |way: &&CallerOrigin| {
            config
                .authenticators
                .get(&way.authenticator)
                .is_some_and(|known| known.settings.takes_own_tokens())
        };
        if let Some(way) = ways.iter().find(by_token) {
            let clients = store.clients.page(None, LOOKED_AT + 1).await?;
            told.truncated |= clients.len() > LOOKED_AT;
            for client in clients.into_iter().take(LOOKED_AT) {
                let claimed =
                    claimed((client.id.clone(), &own), client.roles, client.scopes, client.attributes);
                let may = self.may(way, claimed).await;
                told.clients.extend(may.map(|depends| may_of(client.id, Some(client.name), way, depends)));
            }
        }
        match ways.iter().find(|way| way.kind == CallerKind::ApiKey) {
            Some(way) => self.keys(store, way, told).await,
            None => Ok(()),
        }
    }

    async fn keys(&self, store: &Store, way: &CallerOrigin, told: &mut WhoCan) -> Result<(), InspectError> {
        let filter = KeyFilter { standing: Some((KeyStanding::Active, self.now)), ..KeyFilter::default() };
        let (mut page, mut seen) = (KeyPage::first(AT_ONCE), 0);
        loop {
            let keys = store.api_keys.list(&filter, &page).await?;
            let is_last = keys.len() < AT_ONCE;
            page.after = keys.last().map(|key| key.id.clone());
            seen += keys.len();
            for key in keys {
                if let Some(depends_on) = self.key(way, &key).await {
                    told.keys
                        .push(May { owner: Some(key.owner), ..may_of(key.id, key.name, way, depends_on) });
                }
            }
            if is_last {
                return Ok(());
            }
            if seen >= LOOKED_AT {
                told.truncated = true;
                return Ok(());
            }
        }
    }

    async fn key(&self, way: &CallerOrigin, key: &ApiKeyRecord) -> Option<Vec<String>> {
        let issuer = way.issuer.clone().unwrap_or_default();
        let (roles, scopes, attributes) = (key.roles.clone(), key.scopes.clone(), key.attributes.clone());
        let mut depends_on =
            self.may(way, claimed((key.owner.clone(), &issuer), roles, scopes, attributes)).await?;
        if !key.allowed_addresses.is_empty() {
            let networks: Vec<_> = key.allowed_addresses.iter().map(ToString::to_string).collect();
            depends_on.push(format!("the client's address, which must be in {}", networks.join(", ")));
        }
        Some(depends_on)
    }

    /// On what it depends whether this caller may; `None` for who may not, whatever the rest of the request is.
    async fn may(&self, way: &CallerOrigin, claimed: Claimed) -> Option<Vec<String>> {
        let caller =
            Caller::new(way.kind, &way.authenticator, Vouched::BySelf, &self.loaded.config.roles, claimed);
        let headers = [("host".to_owned(), self.host.to_owned())];
        let request = DryRequest {
            method: self.method.as_str(),
            target: &self.target,
            headers: &headers,
            peer: (IpAddr::V4(Ipv4Addr::LOCALHOST), 0).into(),
            secure: false,
            time: self.now,
            now: self.now,
        };
        let mut seen = Supposed { caller: Arc::new(caller), decided: None };
        self.loaded.judge_as(&request, &mut seen).await;
        let (allowed, decision) = seen.decided?;
        let reads = decision.verdict.reads.iter();
        let mut depends_on: Vec<String> =
            reads.filter(|read| is_of_request(read)).map(Read::to_string).collect();
        let never = matches!(decision.reason(), Some(DenyReason::Roles(_) | DenyReason::Scopes(_)));
        if !allowed && (never || depends_on.is_empty()) {
            return None;
        }
        let facts = self.loaded.config.policies.vocabulary().route(self.route)?;
        depends_on.extend(facts.rule.external().map(|name| format!("the decision point `{name}`")));
        Some(depends_on)
    }
}

/// Whether a fact is one that method, host, path and caller do not give.
const fn is_of_request(read: &Read) -> bool {
    matches!(read, Read::Header(_) | Read::Headers | Read::Ip | Read::Time | Read::Secure)
}

fn claimed(
    (subject, issuer): (String, &str),
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: haechi_core::Attributes,
) -> Claimed {
    Claimed { subject, issuer: issuer.to_owned(), roles, scopes, attributes, ..Claimed::default() }
}

fn may_of(id: String, name: Option<String>, way: &CallerOrigin, depends_on: Vec<String>) -> May {
    May { id, name, owner: None, authenticator: way.authenticator.to_string(), depends_on }
}

/// Gives the judge the caller.
struct Supposed {
    caller: Arc<Caller>,
    decided: Option<(bool, Decision)>,
}

impl Observer for Supposed {
    fn supposed(&mut self, _: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        Some(Ok(self.caller.clone()))
    }

    fn deciding(&mut self) -> DecisionId {
        DecisionId::from_bits(0)
    }

    fn decided(&mut self, _: RouteIndex, outcome: &Result<Permitted, Refused>) {
        self.decided = Some(match outcome {
            Ok(permitted) => (true, permitted.decision().clone()),
            Err(
                Refused::Denied(decision, ..) | Refused::Undecided(decision, _) | Refused::Unknown(decision),
            ) => (false, decision.clone()),
        });
    }
}
