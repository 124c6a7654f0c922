//! Routes.

use super::answers;
use super::names::Resolver;
use super::rate_limits::{Asked, rate_limits};
use crate::authenticators::definition::OpenScheme;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::Identifier;
use crate::config::written;
use haechi_authn::StepUp;
use haechi_authz::{Clause, Condition, Rule};
use haechi_core::pattern::Segment;
use haechi_core::{HostPattern, Irregular, MethodSet, PathPattern, Role};
use haechi_proxy::{CacheControl, FieldRules, RouteSettings};
use http::Method;
use std::sync::Arc;

/// What may be asked for, who may ask, and which service answers.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Unique.
    pub name: Arc<str>,
    /// Where it stands in the file.
    pub span: Span,
    /// Which paths it takes.
    pub path: PathPattern,
    /// Which methods it takes; `GET` brings `HEAD`.
    pub methods: MethodSet,
    /// Which hosts it takes, without ports; any where empty.
    pub hosts: Vec<HostPattern>,
    /// Who must be calling.
    pub authenticate: Authenticate,
    /// What the caller must be allowed.
    pub authorize: Rule,
    /// Which service answers; declared. `None` where there is none, and other gateways ask.
    pub service: Option<Arc<str>>,
    /// Words for policies to go by.
    pub labels: Vec<Arc<str>>,
    /// Ambiguous spellings that it takes.
    pub allow_in_path: Irregular,
    /// What is done with a request that passes, and with its answer. Other sites may read never with credentials when all may; no header is
    /// changed that the gate or the protocol answers for.
    pub settings: RouteSettings,
}

/// Who must be calling. The names are declared, at least one, without repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authenticate {
    /// Nobody in particular, by the route's own choice.
    Open(OpenScheme),
    /// Whoever one of these vouches for.
    Any(Vec<Arc<str>>),
    /// Whoever all of these vouch for.
    All(Vec<Arc<str>>),
}

/// What stands for no service.
pub(super) const NO_SERVICE: &str = "none";

/// What the names of the gate's own routes begin with.
const RESERVED_PREFIX: &str = "identity-";

pub(super) fn route(resolver: &mut Resolver<'_>, written: &At<written::Route>) -> Option<Route> {
    let matches = written.matches.as_ref();
    let path = matches.and_then(|m| m.path.as_ref());
    let methods = matches.and_then(|m| methods(resolver, m.methods.given()));
    let hosts = matches.and_then(|m| hosts(resolver, m.hosts.given()));
    let authenticate = written.authenticate.as_ref().and_then(|a| authenticate(resolver, &a.value));
    let step_up = step_up(resolver, written.step_up.given());
    let authorize = written.authorize.as_ref().and_then(|a| authorize(resolver, a));
    let service = written.service.as_ref().and_then(|named| service(resolver, named));
    let rewrite = written.rewrite.as_ref();
    let stripped =
        rewrite.map(|rewrite| rewrite.strip_prefix.resolve(|prefix| strip_prefix(resolver, prefix, path?)));
    let added = rewrite.map(|rewrite| rewrite.add_prefix.resolve(|prefix| add_prefix(resolver, prefix)));
    let cors = written.cors.given().zip(methods.as_ref());
    let cors = cors.and_then(|(cors, methods)| answers::cors(resolver, cors, methods));
    let (rules, with_cors) = (written.response_headers.given(), !written.cors.is_absent());
    let response_headers = rules.and_then(|rules| answers::response_headers(resolver, rules, with_cors));
    let request_headers = written.request_headers.resolve(|rules| answers::request_headers(resolver, rules));
    let by_scheme = matches!(&authenticate, Some(Authenticate::Open(open)) if open.forwards_credentials);
    let forward_credentials = written.forward_credentials || by_scheme;
    let limited = written.name.as_ref().zip(path.zip(authenticate.as_ref()));
    let rate_limits = limited.and_then(|(name, (path, authenticate))| {
        let asked = match authenticate {
            Authenticate::Open(open) => Asked::Nobody(open.word),
            Authenticate::Any(names) | Authenticate::All(names) => Asked::Named(names),
        };
        rate_limits(resolver, written, &name.value.0, (path, asked))
    });
    if let Some(path) = path {
        meant_as_written(resolver, path);
        spelled_as_allowed(resolver, path, written);
    }
    can_pass(resolver, written);
    named_apart_from_own(resolver, written);
    Some(Route {
        name: written.name.as_ref()?.value.0.clone(),
        span: written.name.as_ref()?.span,
        path: path?.value.clone(),
        methods: methods?,
        hosts: hosts?,
        authenticate: authenticate?,
        authorize: authorize?,
        service: service?,
        labels: written.labels.iter().map(|label| label.0.clone()).collect(),
        allow_in_path: written.allow_in_path.iter().fold(Irregular::NONE, |all, one| all.union(*one)),
        settings: RouteSettings {
            max_body: written.max_body.given().map(|size| size.0),
            forward_credentials,
            strip_prefix: stripped??,
            add_prefix: added??,
            timeout: written.timeout.given().map(|timeout| timeout.0),
            idle_timeout: written.idle_timeout.given().map(|limit| limit.or_never()),
            cors,
            cache_control: cache_control(written, response_headers.as_ref()),
            request_headers: request_headers?.unwrap_or_default(),
            response_headers,
            step_up: Arc::new(step_up?),
            origins: written.origins.iter().map(|origin| origin.0.clone()).collect(),
            rate_limits: rate_limits?,
        },
    })
}

/// Who answers; nobody where other gateways ask.
fn service(resolver: &mut Resolver<'_>, named: &At<Identifier>) -> Option<Option<Arc<str>>> {
    if &*named.value.0 == NO_SERVICE { Some(None) } else { resolver.service(named).map(Some) }
}

/// What a route writes itself goes before what is added for it.
fn cache_control(written: &written::Route, rules: Option<&FieldRules>) -> CacheControl {
    let itself = rules.is_some_and(|rules| rules.names("cache-control"));
    if itself { CacheControl::Unchanged } else { written.cache_control }
}

/// Other gateways' wildcards are text here, which hardly any request has.
fn meant_as_written(resolver: &mut Resolver<'_>, path: &At<PathPattern>) {
    for (part, right) in path.doubtful() {
        let message = format!("`{part}` matches this text and nothing else");
        let help =
            format!("what other gateways mean by it is `{right}` here; patterns are no regular expressions");
        resolver.warnings.push(Fault::new(path.span, message).help(help));
    }
}

/// A pattern whose own text is refused in every request matches none.
fn spelled_as_allowed(resolver: &mut Resolver<'_>, path: &At<PathPattern>, written: &written::Route) {
    let allowed = written.allow_in_path.iter().fold(Irregular::NONE, |all, one| all.union(*one));
    let end = if path.takes_any_rest() { Irregular::NONE } else { Irregular::ENCODED_DELIMITER };
    let needed = path.irregular();
    let missing =
        Irregular::NAMES.iter().filter(|(_, one)| one.within(needed) && !one.within(allowed.union(end)));
    for (name, _) in missing {
        let message =
            format!("`{}` can match no request that the route takes", resolver.written_at(path.span));
        let help =
            format!("add `allow_in_path: [{name}]` where the backend reads such paths as they are written");
        resolver.faults.push(Fault::new(path.span, message).help(help));
    }
}

/// Logs, metrics and policies tell routes apart by name.
fn named_apart_from_own(resolver: &mut Resolver<'_>, written: &written::Route) {
    if let Some(name) = &written.name
        && name.value.0.starts_with(RESERVED_PREFIX)
    {
        let message = format!("`{}` begins as the identity provider's own routes do", name.value);
        let help = format!("choose a name that does not begin with `{RESERVED_PREFIX}`");
        resolver.faults.push(Fault::new(name.span, message).help(help));
    }
}

fn methods(resolver: &mut Resolver<'_>, listed: Option<&At<Vec<Method>>>) -> Option<MethodSet> {
    match listed {
        None => Some(MethodSet::any()),
        Some(listed) if listed.is_empty() => {
            let fault = Fault::new(listed.span, "`methods` lists none, so no request could match");
            resolver.fault(fault.help("name at least one, or remove the key for all"))
        }
        Some(listed) => Some(MethodSet::new(listed.value.iter().cloned())),
    }
}

fn hosts(resolver: &mut Resolver<'_>, listed: Option<&At<Vec<At<HostPattern>>>>) -> Option<Vec<HostPattern>> {
    match listed {
        None => Some(Vec::new()),
        Some(listed) if listed.is_empty() => {
            let fault = Fault::new(listed.span, "`hosts` lists none, so no request could match");
            resolver.fault(fault.help("name at least one, or remove the key for any"))
        }
        Some(listed) => {
            let mut hosts: Vec<HostPattern> = Vec::with_capacity(listed.len());
            for host in &listed.value {
                if !hosts.contains(&host.value) {
                    hosts.push(host.value.clone());
                }
            }
            Some(hosts)
        }
    }
}

fn authenticate(resolver: &mut Resolver<'_>, written: &written::Authenticate) -> Option<Authenticate> {
    let mut declared = |names: &[At<_>]| {
        let mut found: Vec<Arc<str>> = Vec::with_capacity(names.len());
        for name in names {
            if let Some(known) = resolver.authenticator(name)
                && !found.contains(&known)
            {
                found.push(known);
            }
        }
        (!found.is_empty()).then_some(found)
    };
    Some(match written {
        written::Authenticate::Open(open) => Authenticate::Open(*open),
        written::Authenticate::Any(names) => Authenticate::Any(declared(names)?),
        written::Authenticate::All(names) => Authenticate::All(declared(names)?),
    })
}

/// What the login must satisfy. Empty where nothing is asked.
fn step_up(resolver: &mut Resolver<'_>, written: Option<&At<written::StepUp>>) -> Option<StepUp> {
    match asked_login(written) {
        Ok(asked) => Some(asked),
        Err(fault) => resolver.fault(fault),
    }
}

/// The same, for whoever collects faults otherwise.
pub(in crate::config) fn asked_login(written: Option<&At<written::StepUp>>) -> Result<StepUp, Fault> {
    let Some(written) = written else { return Ok(StepUp::default()) };
    let acr = written.acr_values.given();
    if acr.is_some_and(|acr| acr.is_empty()) || (acr.is_none() && written.max_age.given().is_none()) {
        let fault = Fault::new(written.span, "`step_up` asks for nothing");
        return Err(fault.help("name `acr_values`, `max_age` or both, or remove it"));
    }
    let listed = acr.map(|acr| acr.iter().map(|one| one.as_str().into()).collect()).unwrap_or_default();
    StepUp::new(listed, written.max_age.given().map(|age| age.0)).map_err(|bad| {
        let fault = Fault::new(acr.map_or(written.span, |acr| acr.span), bad.to_string());
        fault.help("write each as the provider does")
    })
}

fn authorize(resolver: &mut Resolver<'_>, written: &At<written::Authorize>) -> Option<Rule> {
    let clauses = match &written.value {
        written::Authorize::Any => return Some(Rule::any()),
        written::Authorize::Policy => return Some(Rule::policy()),
        written::Authorize::Clauses(clauses) => clauses,
    };
    if [
        clauses.roles.is_absent(),
        clauses.scopes.is_absent(),
        clauses.when.is_absent(),
        clauses.external.is_absent(),
    ]
    .iter()
    .all(|absent| *absent)
    {
        let fault = Fault::new(written.span, "`authorize` has no clause; a route is never open by omission");
        let help = "add `roles`, `scopes`, `when` or `external`, or write `authorize: any`";
        return resolver.fault(fault.help(help));
    }
    // In this order they are asked, told and explained.
    let asked = [
        roles(resolver, clauses),
        scopes(resolver, clauses),
        when(resolver, clauses),
        external(resolver, clauses),
    ];
    Rule::all_of(asked.into_iter().flatten().collect()).ok()
}

fn roles(resolver: &mut Resolver<'_>, clauses: &written::Clauses) -> Option<Clause> {
    let listed = clauses.roles.given()?;
    names_some(resolver, listed, "roles");
    let roles: Vec<Role> = listed.iter().filter_map(|role| resolver.role(role)).collect();
    (!roles.is_empty()).then(|| Clause::Roles(roles.into()))
}

fn scopes(resolver: &mut Resolver<'_>, clauses: &written::Clauses) -> Option<Clause> {
    let listed = clauses.scopes.given()?;
    names_some(resolver, listed, "scopes");
    let scopes: Vec<Arc<str>> = listed.iter().map(|scope| scope.0.clone()).collect();
    (!scopes.is_empty()).then(|| Clause::Scopes(scopes.into()))
}

fn when(resolver: &Resolver<'_>, clauses: &written::Clauses) -> Option<Clause> {
    let when = clauses.when.given()?;
    let text = when.value.0.clone();
    let first = text.len() - text.trim_start().len();
    let place = resolver.place(resolver.source.place_in(when.span, &text, first));
    Some(Clause::When(Condition { text, place }))
}

fn external(resolver: &mut Resolver<'_>, clauses: &written::Clauses) -> Option<Clause> {
    resolver.decision_point(clauses.external.given()?).map(Clause::External)
}

fn names_some<T>(resolver: &mut Resolver<'_>, listed: &At<Vec<T>>, key: &str) {
    if listed.is_empty() {
        let fault = Fault::new(listed.span, format!("`{key}` lists none"));
        let help = "name at least one, or remove the key; `authorize: any` asks for nothing in particular";
        resolver.faults.push(fault.help(help));
    }
}

/// Without a caller there is nobody who could hold a role or a scope.
fn can_pass(resolver: &mut Resolver<'_>, written: &written::Route) {
    let Some(authenticate) = &written.authenticate else { return };
    let written::Authenticate::Open(OpenScheme { word, forwards_credentials, .. }) = authenticate.value
    else {
        return;
    };
    if let Some(authorize) = &written.authorize
        && let written::Authorize::Clauses(clauses) = &authorize.value
        && !(clauses.roles.is_absent() && clauses.scopes.is_absent())
    {
        let message = format!(
            "nobody can pass: with `authenticate: {word}` there is no caller who could hold a role or a scope"
        );
        let help = "name an authenticator under `authenticate`, or write `authorize: any`; a `when` may ask about the request";
        resolver.faults.push(Fault::new(authorize.span, message).help(help));
    }
    if written.forward_credentials && !forwards_credentials {
        let fault = Fault::new(
            authenticate.span,
            format!("`{word}` verifies no credential that `forward_credentials` could send on"),
        );
        resolver
            .faults
            .push(fault.help("write `authenticate: passthrough`, or remove `forward_credentials`"));
    }
}

fn strip_prefix(
    resolver: &mut Resolver<'_>,
    prefix: &At<PathPattern>,
    path: &At<PathPattern>,
) -> Option<Box<str>> {
    whole_segments(resolver, prefix)?;
    if path.segments().starts_with(prefix.segments()) {
        return Some(prefix.canonical().into());
    }
    let message = format!(
        "`{}` is not what the pattern `{}` begins with",
        resolver.written_at(prefix.span),
        resolver.written_at(path.span)
    );
    resolver
        .fault(Fault::new(prefix.span, message).help("strip literal segments that the pattern begins with"))
}

fn add_prefix(resolver: &mut Resolver<'_>, prefix: &At<PathPattern>) -> Option<Box<str>> {
    whole_segments(resolver, prefix)?;
    Some(prefix.canonical().into())
}

fn whole_segments(resolver: &mut Resolver<'_>, prefix: &At<PathPattern>) -> Option<()> {
    let literal = |segment: &Segment| matches!(segment, Segment::Literal(text) if !text.is_empty());
    if prefix.segments().iter().all(literal) {
        return Some(());
    }
    let message = format!("`{}` is not a plain prefix", resolver.written_at(prefix.span));
    resolver.fault(
        Fault::new(prefix.span, message).help("write literal segments without a `/` at the end: `/tenants`"),
    )
}
