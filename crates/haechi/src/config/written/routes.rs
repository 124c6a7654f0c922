//! `routes`: what may be asked for, who may ask, and which service answers.

use super::answers::{Cors, RequestHeaders, ResponseHeaders};
use super::rate_limits::{OneOrMore, RateLimit};
use crate::authenticators::definition::{OpenScheme, open};
use crate::config::defaults::{BodySize, IdleTimeout, Timeout};
use crate::config::read::{Defs, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{BoundedDuration, ConditionText, Identifier, PageOrigin, RoleName, ScopeName};
use crate::config::yaml::{Kind, Node};
use haechi_core::{HostPattern, Irregular, PathPattern};
use haechi_proxy::CacheControl;
use http::Method;
use serde_json::{Value as Json, json};

record! {
    "a route"
    /// What may be asked for, who may ask, and which service answers.
    struct Route {
        /// Names the route in logs, metrics and policies.
        required name as "name": At<Identifier>,
        /// Which requests it takes.
        required matches as "match": Match,
        /// Who must be calling: an authenticator, a list of which any is enough, `{ all: [...] }`, `anonymous`, or `passthrough`. There is no default: a route is never open by omission.
        required authenticate as "authenticate": At<Authenticate>,
        /// What the login behind the credential must satisfy, beyond that there is one. Any login does where this is left out.
        optional step_up as "step_up": At<StepUp>,
        /// What the caller must be allowed: `any`, `policy`, or `{ roles: [...], scopes: [...], when: ... }`. There is no default: a route is never open by omission.
        required authorize as "authorize": At<Authorize>,
        /// Which service answers; `none` for a route that is there for other gateways alone, which ask a listener of `type: authorizer`.
        required service as "service": At<Identifier>,
        /// What the backend sees of the path.
        section rewrite as "rewrite": Rewrite,
        /// Words for policies to go by.
        default labels as "labels": Vec<Identifier> = Vec::new(),
        /// Sends the credential that was verified here on to the backend.
        default forward_credentials as "forward_credentials": bool = false,
        /// Ambiguous spellings of paths that the route takes.
        default allow_in_path as "allow_in_path": Vec<Irregular> = Vec::new(),
        /// The other sites whose pages may write here and open a WebSocket with a caller's cookie, as browsers write them in `Origin`.
        default origins as "origins": Vec<PageOrigin> = Vec::new(),
        /// The size of a request's body. `limits.body` where this is left out.
        optional max_body as "max_body": BodySize,
        /// How long the service may take to answer, up to the end of the answer's head. The service's `timeout` where this is left out.
        optional timeout as "timeout": Timeout,
        /// How long a request or an answer may be silent, either way, before it is ended. `0s` for no limit. The service's `idle_timeout` where this is left out.
        optional idle_timeout as "idle_timeout": IdleTimeout,
        /// Which pages of other sites may read the answers. None where this is left out.
        optional cors as "cors": At<Cors>,
        /// What changes in the heads of the requests that the backend receives.
        optional request_headers as "request_headers": RequestHeaders,
        /// What changes in the heads of answers.
        optional response_headers as "response_headers": ResponseHeaders,
        /// What becomes of `Cache-Control` in the service's answers to callers who are known: `private` is added where the service does not say which caches may keep the answer (`public`, `private`, `no-store`, `s-maxage`), or it stays `unchanged`. A route whose `response_headers` name `Cache-Control` has said it itself.
        default cache_control as "cache_control": CacheControl = CacheControl::Private,
        /// How many requests in how much time: one limit, or a list of them that all hold. What is over a limit is answered 429.
        optional rate_limit as "rate_limit": OneOrMore<At<RateLimit>>,
    }
}

/// How old a login may be: from 10 s to a year.
type LoginAge = BoundedDuration<10_000, 31_536_000_000>;

record! {
    "`step_up`"
    /// What a login must satisfy: at least one of these.
    struct StepUp {
        /// One of these must be the login's `acr`; a login provider is asked for them in this order.
        optional acr_values as "acr_values": At<Vec<String>>,
        /// The login (`auth_time`) may be no older than this.
        optional max_age as "max_age": LoginAge,
    }
}

record! {
    "`match`"
    /// Which requests a route takes.
    struct Match {
        /// Literal, `{name}` for one segment or a part of one (`{name}.json`), `*` for one segment, `**` for the rest.
        required path as "path": At<PathPattern>,
        /// The methods; all where this is left out. `GET` includes `HEAD`.
        optional methods as "methods": At<Vec<Method>>,
        /// The hosts; any where this is left out. `*.example.com` is every name below it. A name goes before a wildcard, and that before none.
        optional hosts as "hosts": At<Vec<At<HostPattern>>>,
    }
}

record! {
    "`rewrite`"
    /// What the backend sees of the path.
    struct Rewrite {
        /// What is taken off the path's beginning; the pattern must begin with it.
        optional strip_prefix as "strip_prefix": At<PathPattern>,
        /// What is then put before it.
        optional add_prefix as "add_prefix": At<PathPattern>,
    }
}

/// Who must be calling.
#[derive(Clone, Debug)]
pub(in crate::config) enum Authenticate {
    Open(OpenScheme),
    Any(Vec<At<Identifier>>),
    All(Vec<At<Identifier>>),
}

record! {
    "`authenticate`"
    /// Several authenticators: exactly one of these.
    struct AnyOrAll {
        /// Any one of them is enough; they are asked in order.
        optional any as "any": At<Vec<At<Identifier>>>,
        /// All of them must agree; the caller is who the first says.
        optional all as "all": At<Vec<At<Identifier>>>,
    }
}

/// What the caller must be allowed.
#[derive(Clone, Debug)]
pub(in crate::config) enum Authorize {
    Any,
    Policy,
    Clauses(Box<Clauses>),
}

record! {
    "`authorize`"
    /// Clauses that must all hold.
    struct Clauses {
        /// Any one of these roles.
        optional roles as "roles": At<Vec<At<RoleName>>>,
        /// All of these scopes.
        optional scopes as "scopes": At<Vec<ScopeName>>,
        /// A Cedar expression over `principal`, `action`, `resource` and `context`. An attribute that is missing makes it false.
        optional when as "when": At<ConditionText>,
        /// The decision point that must say yes as well, by its name under `decision_points`. It is asked after the other clauses, where they hold.
        optional external as "external": At<Identifier>,
    }
}

impl Value for Authenticate {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let read = match &node.kind {
            Kind::Sequence(_) => Self::Any(Vec::read(node, reader)?),
            Kind::Mapping(_) => Self::any_or_all(node, reader)?,
            _ => {
                let name = At::<Identifier>::read(node, reader)?;
                match open(reader.definitions, &name.value.0) {
                    Some(open) => Self::Open(open),
                    None => Self::Any(vec![name]),
                }
            }
        };
        if let Self::Any(names) | Self::All(names) = &read {
            not_empty(names.len(), node, reader)?;
            for name in names {
                stands_alone(name, reader)?;
            }
        }
        Some(read)
    }

    fn schema(defs: &mut Defs) -> Json {
        let (name, several) = (Identifier::schema(defs), Vec::<Identifier>::schema(defs));
        json!({ "anyOf": [name, several, AnyOrAll::schema(defs)] })
    }
}

impl Authenticate {
    fn any_or_all(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let before = reader.faults.len();
        let AnyOrAll { any, all } = AnyOrAll::read(node, reader)?;
        match (any.given(), all.given()) {
            (Some(any), None) => Some(Self::Any(any.value.clone())),
            (None, Some(all)) => Some(Self::All(all.value.clone())),
            _ if reader.faults.len() > before => None,
            _ => {
                let fault =
                    Fault::new(node.span, "`authenticate` is either `any` or `all` of some authenticators");
                reader.fault(fault.help("write `{ any: [a, b] }` or `{ all: [a, b] }`"))
            }
        }
    }
}

fn not_empty(count: usize, node: &Node, reader: &mut Reader<'_>) -> Option<()> {
    if count > 0 {
        return Some(());
    }
    let fault = Fault::new(node.span, "`authenticate` names no authenticator");
    reader.fault(fault.help("name one, or write `anonymous` to let everybody in"))
}

fn stands_alone(name: &At<Identifier>, reader: &mut Reader<'_>) -> Option<()> {
    if open(reader.definitions, &name.value.0).is_none() {
        return Some(());
    }
    let message = format!("`{}` does not stand among authenticators", name.value);
    let help = format!("write `authenticate: {}` alone, or name only authenticators", name.value);
    reader.fault(Fault::new(name.span, message).help(help))
}

impl Value for Authorize {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Kind::Mapping(_) = node.kind {
            return Clauses::read(node, reader).map(Box::new).map(Self::Clauses);
        }
        match reader.text("what the caller must be allowed", node)?.as_str() {
            "any" => Some(Self::Any),
            "policy" => Some(Self::Policy),
            word => {
                let known = ["any", "policy", "{ roles: [...] }", "{ scopes: [...] }", "{ when: ... }"];
                crate::config::choice::unknown(reader, node, "what `authorize` takes", word, &known, &[]);
                None
            }
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "enum": ["any", "policy"] }, Clauses::schema(defs)] })
    }
}
