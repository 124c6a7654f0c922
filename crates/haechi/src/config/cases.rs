//! Cases of access rules, as `haechi test` reads them: a list in a file of its own, read as the configuration is.

use super::choice::choice;
use super::meant::Config;
use super::placeholder::{Surroundings, plain, process_variable};
use super::read::{Defs, Maybe, Named, Reader, Value};
use super::record::record;
use super::report::{Fault, Report};
use super::source::{At, Source, Span};
use super::value::{AttributeName, BoundedDuration, Identifier, RoleName, ScopeName};
use super::yaml::{self, Kind as NodeKind, Node};
use haechi_core::{AttributeType, AttributeValue, Attributes, CallerKind, Outcome, Timestamp};
use http::Method;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A request, who makes it, and what is to come of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Where it is written.
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) host: Option<String>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) secure: bool,
    pub(crate) time: Option<Timestamp>,
    /// `None` for a request without a credential.
    pub(crate) caller: Option<CaseCaller>,
    pub(crate) expect: Expect,
    /// What decision points say, by name.
    pub(crate) points: BTreeMap<String, Outcome>,
}

/// What authentication is supposed to have found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaseCaller {
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) attributes: Attributes,
    pub(crate) subject: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) authenticator: Option<Arc<str>>,
    pub(crate) kind: Option<CallerKind>,
    pub(crate) acr: Option<String>,
    pub(crate) login_age: Option<Duration>,
}

/// What is to come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Allow,
    Deny,
    /// This refusal.
    Status(u16),
    /// Whatever comes of it, this route takes it.
    Route(String),
}

choice! {
    "a kind of caller"
    /// What sort of principal a caller is.
    pub(in crate::config) enum WrittenKind {
        /// A person or workload.
        User = "user",
        /// An API key.
        ApiKey = "api_key",
    }
}

record! {
    "a case"
    /// A request, who makes it, and what is to come of it.
    struct WrittenCase {
        /// What people call it.
        required name as "name": String,
        /// What is asked for.
        required request as "request": WrittenRequest,
        /// Who asks: `anonymous`, as without it, or what authentication is supposed to have found out.
        optional caller as "caller": WrittenCaller,
        /// `allow`, `deny`, 400, 401, 404, 405, 503, or `{ route: NAME }`.
        required expect as "expect": At<Expect>,
        /// What decision points say.
        default decision_points as "decision_points": Named<Identifier, Outcome> = Named(Vec::new()),
    }
}

record! {
    "a request"
    /// What is asked for.
    struct WrittenRequest {
        /// The method.
        required method as "method": Method,
        /// The path, with its query where it has one.
        required path as "path": String,
        /// The host; `localhost` unless given.
        optional host as "host": String,
        /// The client's address; 127.0.0.1 unless given.
        optional ip as "ip": IpAddr,
        /// Header fields.
        default headers as "headers": Named<FieldName, Raw> = Named(Vec::new()),
        /// Whether it came over TLS.
        default secure as "secure": bool = false,
        /// When the policies are to think it is; now unless given.
        optional time as "time": Timestamp,
    }
}

/// How long ago a login may have been.
type Age = BoundedDuration<0, 31_536_000_000>;

record! {
    "a caller"
    /// What authentication is supposed to have found out.
    struct Claims {
        /// The roles that the caller was given.
        default roles as "roles": Vec<At<RoleName>> = Vec::new(),
        /// The scopes that the caller was granted.
        default scopes as "scopes": Vec<ScopeName> = Vec::new(),
        /// Declared attributes.
        default attributes as "attributes": Named<AttributeName, At<RawAttribute>> = Named(Vec::new()),
        /// Who it is.
        optional subject as "subject": String,
        /// Who vouches for that; what the authenticator says unless given.
        optional issuer as "issuer": String,
        /// Through which authenticator; the route's first unless given.
        optional authenticator as "authenticator": At<Identifier>,
        /// What the login satisfied, for routes with `step_up`.
        optional acr as "acr": String,
        /// How long ago the login was, for routes with `step_up`.
        optional login_age as "login_age": Age,
        /// `user` or `api_key`; what the authenticator makes unless given.
        optional kind as "kind": WrittenKind,
    }
}

#[derive(Clone, Debug)]
pub(in crate::config) enum WrittenCaller {
    Anonymous,
    Claims(Box<At<Claims>>),
}

/// A single value of whatever type.
#[derive(Clone, Debug)]
pub(in crate::config) struct Raw(String);

/// An attribute's value: a single one, or the members of a set.
#[derive(Clone, Debug)]
pub(in crate::config) enum RawAttribute {
    One(String),
    Set(Vec<String>),
}

impl Value for RawAttribute {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            NodeKind::Sequence(items) => items
                .iter()
                .map(|item| reader.text("a member of a set", item))
                .collect::<Option<_>>()
                .map(Self::Set),
            _ => reader.scalar("a value, or a list of texts", node).map(Self::One),
        }
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "anyOf": [
            { "type": ["string", "integer", "boolean"] },
            { "type": "array", "items": { "type": "string" } },
        ] })
    }
}

/// The name of a header field, as a key.
#[derive(Clone, Debug)]
pub(in crate::config) struct FieldName(String);

impl Value for Raw {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.scalar("a single value", node).map(Self)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": ["string", "integer", "boolean"] })
    }
}

impl super::read::Name for FieldName {
    const WHAT: &'static str = "the name of a header";
    const PATTERN: &'static str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

    fn parse(text: &str) -> Result<Self, String> {
        match http::HeaderName::from_bytes(text.as_bytes()) {
            Ok(name) => Ok(Self(name.as_str().to_owned())),
            Err(_) => Err("it is letters, digits and `-`".into()),
        }
    }
}

impl Value for IpAddr {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("an address", node, |text| {
            text.parse().map_err(|_| "write an address without a port, such as `10.0.0.7`".to_owned())
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string" })
    }
}

impl Value for Timestamp {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a date and time", node, parse_time)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "format": "date-time" })
    }
}

impl Value for WrittenCaller {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar { text, .. } if text == "anonymous" => Some(Self::Anonymous),
            NodeKind::Mapping(_) => At::read(node, reader).map(|claims| Self::Claims(Box::new(claims))),
            _ => reader.expected("`anonymous` or a mapping with `roles`, `scopes`, `attributes`", node),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "const": "anonymous" }, Claims::schema(defs)] })
    }
}

const OUTCOMES: &str = "write `allow`, `deny`, `400`, `401`, `404`, `405`, `503` or `{ route: NAME }`";

impl Value for Expect {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let NodeKind::Mapping(_) = &node.kind {
            let fields = reader.fields("`expect`", node, &["route"])?;
            return fields
                .required::<String>(reader, "route", "the route that takes the request")
                .map(Self::Route);
        }
        reader.parsed("an outcome", node, |text| match text {
            "allow" => Ok(Self::Allow),
            "deny" | "403" => Ok(Self::Deny),
            "400" | "401" | "404" | "405" | "503" => Ok(Self::Status(text.parse().unwrap_or_default())),
            other => match other.strip_prefix("route:") {
                Some(name) => Ok(Self::Route(name.trim().to_owned())),
                None => Err(OUTCOMES.to_owned()),
            },
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({})
    }
}

/// Reads the cases in `file` against the configuration that they are about.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load_cases(file: &Path, config: &Config) -> Result<Vec<Case>, Report> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let fault = Fault::of_file(format!("the cases cannot be read: {}", plain(&error)));
        Report::errors(
            Source::new(file, String::new()),
            vec![fault.help("name the file: `haechi test CASES.yaml`")],
        )
    })?;
    read_cases(file, text, config)
}

/// The cases of a text, which stands in `file` as far as messages and what it names are concerned.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn read_cases(file: &Path, text: String, config: &Config) -> Result<Vec<Case>, Report> {
    let mut faults = Vec::new();
    let tree = yaml::parse(&text, &mut faults);
    let mut source = Source::new(file, text);
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let surroundings =
        Surroundings { folder, variable: &process_variable, files: RefCell::default(), kept: None };
    let definitions = config.definitions;
    let mut reader = Reader { definitions, source: &mut source, faults, surroundings: &surroundings };
    let written = tree.as_ref().and_then(|tree| Vec::<At<WrittenCase>>::read(tree, &mut reader));
    let mut faults = reader.faults;
    let mut cases = Vec::new();
    match written {
        Some(written) if !written.is_empty() => {
            let mut resolver = Resolver { config, faults: &mut faults };
            cases.extend(written.into_iter().filter_map(|written| resolver.case(written)));
        }
        _ if faults.is_empty() => {
            let help = "a case is `{ name: ..., request: { method: GET, path: /a }, caller: { roles: [USER] }, expect: allow }`";
            faults.push(Fault::of_file("the file holds no case").help(help));
        }
        _ => {}
    }
    if faults.is_empty() { Ok(cases) } else { Err(Report::errors(source, faults)) }
}

struct Resolver<'a> {
    config: &'a Config,
    faults: &'a mut Vec<Fault>,
}

impl Resolver<'_> {
    fn case(&mut self, written: At<WrittenCase>) -> Option<Case> {
        let At { value: written, span } = written;
        let caller = match written.caller {
            Maybe::Absent | Maybe::Given(WrittenCaller::Anonymous) => None,
            Maybe::Faulty => return None,
            Maybe::Given(WrittenCaller::Claims(claims)) => Some(self.caller(*claims)),
        };
        let expect = written.expect?;
        if let Expect::Route(name) = &expect.value {
            let known = self.config.route_names();
            self.declared("route", name, expect.span, &known);
        }
        let request = written.request?;
        let points = written.decision_points.0.into_iter();
        let headers = request.headers.0.into_iter();
        Some(Case {
            name: written.name?,
            line: span.start.line,
            column: span.start.column,
            method: request.method?,
            path: request.path?,
            host: request.host.given().cloned(),
            ip: request.ip.given().copied(),
            headers: headers.filter_map(|(name, value)| Some((name.value.0, value?.0))).collect(),
            secure: request.secure,
            time: request.time.given().copied(),
            caller,
            expect: expect.value,
            points: points.filter_map(|(name, says)| Some((name.value.0.to_string(), says?))).collect(),
        })
    }

    fn caller(&mut self, claims: At<Claims>) -> CaseCaller {
        let claims = claims.value;
        let roles: Vec<&str> = self.config.roles.names().map(|role| &**role).collect();
        for role in &claims.roles {
            self.declared("role", &role.value.0, role.span, &roles);
        }
        let authenticator = claims.authenticator.given().map(|name| {
            let known: Vec<&str> = self.config.authenticators.keys().map(|name| &**name).collect();
            self.declared("authenticator", &name.value.0, name.span, &known);
            name.value.0.clone()
        });
        let attributes = claims.attributes.0.into_iter();
        CaseCaller {
            roles: claims.roles.into_iter().map(|role| role.value.0.to_string()).collect(),
            scopes: claims.scopes.into_iter().map(|scope| scope.0.to_string()).collect(),
            attributes: attributes.filter_map(|(name, value)| self.attribute(name, value?)).collect(),
            subject: claims.subject.given().cloned(),
            issuer: claims.issuer.given().cloned(),
            authenticator,
            acr: claims.acr.given().cloned(),
            login_age: claims.login_age.given().map(|age| age.0),
            kind: claims.kind.given().map(|kind| match kind {
                WrittenKind::User => CallerKind::User,
                WrittenKind::ApiKey => CallerKind::ApiKey,
            }),
        }
    }

    fn attribute(
        &mut self,
        name: At<AttributeName>,
        value: At<RawAttribute>,
    ) -> Option<(Box<str>, AttributeValue)> {
        let key = name.value.0.clone();
        let known: Vec<&str> = self.config.caller_attributes.keys().map(|name| &**name).collect();
        let Some(kind) = self.config.caller_attributes.get(&key) else {
            self.declared("caller attribute", &key, name.span, &known);
            return None;
        };
        let (text, parsed) = match &value.value {
            RawAttribute::One(text) => (text.clone(), AttributeValue::parse(text, *kind)),
            RawAttribute::Set(members) => {
                let set = AttributeValue::Set(members.iter().map(|member| member.as_str().into()).collect());
                (members.join(", "), Some(set).filter(|_| *kind == AttributeType::Set))
            }
        };
        if parsed.is_none() {
            let message = format!("`{text}` is not a {kind}, as which `{key}` is declared");
            self.faults.push(Fault::new(value.span, message));
        }
        Some((key, parsed?))
    }

    fn declared(&mut self, what: &str, name: &str, span: Span, known: &[&str]) {
        if !known.contains(&name) {
            let fault = Fault::new(span, format!("there is no {what} `{name}`"));
            self.faults.push(fault.suggest(name, known.iter().copied()));
        }
    }
}

/// A moment, as RFC 3339 writes it.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write a date and time, such as `2026-11-23T10:00:00Z`".to_owned())
}
