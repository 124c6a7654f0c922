//! `services`: named sets of backend endpoints.

use super::resilience::{Circuit, Ejection, Health, Keepalive, Retries};
use crate::config::choice::choice;
use crate::config::defaults::{
    self, IdleTimeout, ResolveInterval, SlowStart, Timeout, TokenLifetime, Weight,
};
use crate::config::read::{Defs, Named, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{
    AttributeName, EndpointUrl, FilePath, HeaderName, IdentityHeader, PassedHeader, PrivateKeyJwt,
    ReservedHeader, SecretPlace,
};
use crate::config::yaml::{Kind, Node};
use haechi_core::{FieldName, Host, Secret};
use haechi_proxy::{Balance, HashKey, Protocol, UpstreamHost};
use reqwest::Url;
use serde_json::{Value as Json, json};

record! {
    "a service"
    /// A named set of backend endpoints.
    struct Service {
        /// The backends: addresses, or addresses with a weight.
        required endpoints as "endpoints": At<Vec<Endpoint>>,
        /// How a request's endpoint is chosen.
        default balance as "balance": Balance = Balance::RoundRobin,
        /// What is spoken to the endpoints.
        default protocol as "protocol": Protocol = Protocol::Http1,
        /// How long a connection to an endpoint may take.
        default connect_timeout as "connect_timeout": Timeout = defaults::CONNECT_TIMEOUT,
        /// How long an endpoint may take to answer, up to the end of the answer's head.
        default timeout as "timeout": Timeout = defaults::RESPONSE_TIMEOUT,
        /// How long a request or an answer may be silent, either way, before it is ended. `0s` for no limit.
        optional idle_timeout as "idle_timeout": IdleTimeout,
        /// The `Host` that the backend sees: `preserve`, the request's; `endpoint`, the endpoint's own; or a name.
        default host as "host": UpstreamHost = UpstreamHost::Preserve,
        /// What the backend is told of the caller.
        section identity as "identity": ServiceIdentity,
        /// Lets `X-HTTP-Method-Override` and its like through.
        default allow_method_override as "allow_method_override": bool = false,
        /// What the gate shows to the backends as its own credential. Nothing of the client's travels in its place.
        optional upstream_auth as "upstream_auth": At<UpstreamAuth>,
        /// How endpoints with `https://` are spoken to. Their certificates are verified, always.
        optional tls as "tls": At<ServiceTls>,
        /// Asks endpoints how they are, and leaves out those that are not well.
        optional health as "health": Health,
        /// Leaves out, for a while, an endpoint to which requests fail.
        section ejection as "ejection": Ejection,
        /// Over how long the share of an endpoint that comes back grows to what it was.
        default slow_start as "slow_start": SlowStart = defaults::SLOW_START,
        /// What one endpoint is given to carry at once.
        section circuit as "circuit": Circuit,
        /// How long connections to endpoints are kept, and how many.
        section keepalive as "keepalive": Keepalive,
        /// When a request is sent again. Never where this is left out.
        optional retries as "retries": Retries,
        /// How often the addresses of endpoints given by name are looked up again.
        default resolve as "resolve": ResolveInterval = defaults::RESOLVE,
    }
}

record! {
    "`tls` of a service"
    /// How endpoints with `https://` are spoken to.
    struct ServiceTls {
        /// A PEM file with the authorities to believe, instead of the system's.
        optional ca as "ca": At<FilePath>,
        /// The name that the certificates must have and that is asked for, instead of the endpoint's.
        optional server_name as "server_name": At<Host>,
        /// A PEM file with the certificate that backends are shown where they ask for one.
        optional client_certificate as "client_certificate": At<FilePath>,
        /// A PEM file with its key.
        optional client_key as "client_key": At<FilePath>,
    }
}

record! {
    "`upstream_auth` of a service"
    /// The gate's own credential at a service, in one of three ways.
    struct UpstreamAuth {
        /// A name and a password (RFC 7617).
        optional basic as "basic": At<UpstreamBasic>,
        /// A secret in a header.
        optional header as "header": At<UpstreamHeader>,
        /// An access token that the gate gets for itself (RFC 6749 4.4), and renews before it ends.
        optional client_credentials as "client_credentials": At<ClientCredentials>,
    }
}

record! {
    "`basic`"
    /// A name and a password.
    struct UpstreamBasic {
        /// The name.
        required username as "username": At<String>,
        /// The password.
        required password as "password": At<Secret<String>>,
    }
}

record! {
    "`header`"
    /// A secret in a header.
    struct UpstreamHeader {
        /// The header's name.
        required name as "name": At<HeaderName>,
        /// Its value: the secret, with whatever stands before it (`Bearer …`).
        required value as "value": At<Secret<String>>,
    }
}

record! {
    "`client_credentials`"
    /// An access token for the gate itself.
    struct ClientCredentials {
        /// The token endpoint. Discovered at `issuer` where this is left out.
        optional token_url as "token_url": At<Url>,
        /// The issuer that says where its token endpoint is.
        optional issuer as "issuer": At<String>,
        /// How the gate is registered there.
        required client_id as "client_id": At<String>,
        /// The secret of that registration. This or `private_key_jwt`.
        optional client_secret as "client_secret": At<Secret<String>>,
        /// The private key whose public half is registered at the server. This or `client_secret`.
        optional private_key_jwt as "private_key_jwt": At<PrivateKeyJwt>,
        /// How the secret is shown: in the header (`basic`) or in the form (`post`). What the server takes where this is left out.
        optional client_authentication as "client_authentication": At<SecretPlace>,
        /// The scopes to ask for.
        default scopes as "scopes": Vec<String> = Vec::new(),
        /// What is sent as `audience`, which some servers want.
        optional audience as "audience": At<String>,
        /// What is sent as `resource` (RFC 8707).
        optional resource as "resource": At<String>,
        /// Takes a server over plain `http` at an address that is not on loopback.
        default allow_http as "allow_http": bool = false,
    }
}

record! {
    "`identity` of a service"
    /// What the backend is told of the caller.
    struct ServiceIdentity {
        /// Sends the `X-Auth-*` headers, or headers with names of one's own.
        default headers as "headers": IdentityHeaders = IdentityHeaders::Standard(true),
        /// More names of headers that clients' requests may not have: `X-User-Id`, `X-User-*`. Such headers are removed.
        default reserve as "reserve": Vec<At<ReservedHeader>> = Vec::new(),
        /// Reserved names of headers that clients' requests may have all the same: `X-Client-IP`, `X-Envoy-*`. `X-Auth-*` and `X-Accel-*` of this name travel on in responses, too.
        default pass as "pass": Vec<At<PassedHeader>> = Vec::new(),
        /// Sends the certificate that the client showed at the TLS handshake, as `Client-Cert` and `Client-Cert-Chain` (RFC 9440).
        default client_certificate as "client_certificate": bool = false,
        /// Sends a short JWT that the gate signs, in `Authorization`. Needs `identity` at the top.
        optional token as "token": At<IdentityToken>,
        /// Sends a token that an issuer gives for this service in exchange for the caller's own (RFC 8693), in `Authorization`.
        optional exchange as "exchange": At<Exchange>,
    }
}

record! {
    "`exchange`"
    /// A token for a service, in exchange for the one that its caller showed (RFC 8693).
    struct Exchange {
        /// The issuer that says where its token endpoint is. This or `token_url`.
        optional issuer as "issuer": At<String>,
        /// The token endpoint. This or `issuer`.
        optional token_url as "token_url": At<Url>,
        /// For whom the token is to be: what the issuer calls the service.
        required audience as "audience": At<String>,
        /// What is sent as `resource`.
        optional resource as "resource": At<String>,
        /// The scopes to ask for; the issuer's own choice where this is left out.
        default scopes as "scopes": Vec<String> = Vec::new(),
        /// What the callers' tokens are called.
        default subject_token_type as "subject_token_type": SubjectTokenType = SubjectTokenType::AccessToken,
        /// How the gate is registered at the issuer. Where this is left out it says nothing of itself.
        optional client_id as "client_id": At<String>,
        /// The secret of that registration. This or `private_key_jwt`.
        optional client_secret as "client_secret": At<Secret<String>>,
        /// The private key whose public half is registered at the issuer. This or `client_secret`.
        optional private_key_jwt as "private_key_jwt": At<PrivateKeyJwt>,
        /// How the secret is shown: in the header (`basic`) or in the form (`post`). What the issuer takes where this is left out.
        optional client_authentication as "client_authentication": At<SecretPlace>,
        /// Takes an issuer over plain `http` at an address that is not on loopback.
        default allow_http as "allow_http": bool = false,
    }
}

choice! {
    "a type of token"
    /// What a caller's token is called (RFC 8693 3).
    pub(crate) enum SubjectTokenType {
        /// `urn:ietf:params:oauth:token-type:access_token`.
        AccessToken = "access_token",
        /// `urn:ietf:params:oauth:token-type:jwt`.
        Jwt = "jwt",
    }
}

record! {
    "`headers`"
    /// The names of the headers that tell of the caller. What has no name here is not told.
    struct OwnIdentityHeaders {
        /// Who is calling.
        optional subject as "subject": At<IdentityHeader>,
        /// Who vouches for the subject.
        optional issuer as "issuer": At<IdentityHeader>,
        /// The configured authenticator's name.
        optional authenticator as "authenticator": At<IdentityHeader>,
        /// The roles, separated by commas.
        optional roles as "roles": At<IdentityHeader>,
        /// The scopes, separated by commas.
        optional scopes as "scopes": At<IdentityHeader>,
        /// Attributes by their names.
        default attributes as "attributes": Named<AttributeName, At<IdentityHeader>> = Named(Vec::new()),
    }
}

impl Value for UpstreamHost {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("`preserve`, `endpoint` or a host", node, |text| match text {
            "preserve" => Ok(Self::Preserve),
            "endpoint" => Ok(Self::Endpoint),
            name => Host::parse(name.as_bytes()).map(Self::Named).map_err(|_| {
                "write `preserve`, `endpoint`, or a name such as `app.internal`, with a port where it has one".into()
            }),
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn shown(&self) -> Json {
        match self {
            Self::Preserve => "preserve".into(),
            Self::Endpoint => "endpoint".into(),
            Self::Named(host) => host.to_string().into(),
        }
    }
}

/// How a service is told of the caller in headers.
#[derive(Clone, Debug)]
pub(crate) enum IdentityHeaders {
    /// With `X-Auth-*`, or not at all.
    Standard(bool),
    /// With names of its own.
    Own(Box<At<OwnIdentityHeaders>>),
}

impl Value for IdentityHeaders {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Kind::Mapping(_) = node.kind {
            return At::read(node, reader).map(|own| Self::Own(Box::new(own)));
        }
        bool::read(node, reader).map(Self::Standard)
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [bool::schema(defs), OwnIdentityHeaders::schema(defs)] })
    }

    fn shown(&self) -> Json {
        match self {
            Self::Standard(sent) => sent.shown(),
            Self::Own(_) => Json::Null,
        }
    }
}

record! {
    "`token`"
    /// The identity token.
    struct IdentityToken {
        /// Its `aud`.
        required audience as "audience": String,
        /// How long it is valid.
        default lifetime as "lifetime": TokenLifetime = defaults::IDENTITY_TOKEN_LIFETIME,
    }
}

/// One backend.
#[derive(Clone, Debug)]
pub(in crate::config) struct Endpoint {
    pub(in crate::config) url: EndpointUrl,
    pub(in crate::config) weight: Weight,
}

record! {
    "an endpoint"
    /// One backend.
    struct WeightedEndpoint {
        /// Its address: `http://127.0.0.1:7001`, `https://backend.internal`.
        required url as "url": EndpointUrl,
        /// How much of the traffic it gets, beside the others. With 0 it gets no new requests.
        default weight as "weight": Weight = defaults::WEIGHT,
    }
}

choice! {
    "a way to balance"
    /// The ways to balance that are a word.
    pub(crate) enum BalanceWord {
        /// In turn.
        RoundRobin = "round_robin",
        /// The less busy of two taken at random.
        LeastRequest = "least_request",
        /// At random.
        Random = "random",
    }
}

record! {
    "`balance`"
    /// Requests that are alike go to the same endpoint.
    struct HashBalance {
        /// What makes them alike: `subject`, `client_ip`, or `header:NAME`.
        required hash as "hash": HashKey,
    }
}

impl Value for Endpoint {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Kind::Mapping(_) = node.kind {
            let weighted = WeightedEndpoint::read(node, reader)?;
            return weighted.url.map(|url| Self { url, weight: weighted.weight });
        }
        EndpointUrl::read(node, reader).map(|url| Self { url, weight: defaults::WEIGHT })
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [EndpointUrl::schema(defs), WeightedEndpoint::schema(defs)] })
    }
}

impl Value for Balance {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Kind::Mapping(_) = node.kind {
            return HashBalance::read(node, reader)?.hash.map(Self::Hash);
        }
        BalanceWord::read(node, reader).map(|word| match word {
            BalanceWord::RoundRobin => Self::RoundRobin,
            BalanceWord::LeastRequest => Self::LeastRequest,
            BalanceWord::Random => Self::Random,
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [BalanceWord::schema(defs), HashBalance::schema(defs)] })
    }

    fn shown(&self) -> Json {
        match self {
            Self::RoundRobin => BalanceWord::RoundRobin.shown(),
            Self::LeastRequest => BalanceWord::LeastRequest.shown(),
            Self::Random => BalanceWord::Random.shown(),
            Self::Hash(_) => Json::Null,
        }
    }
}

impl Value for HashKey {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = reader.text("what to hash", node)?;
        let header =
            word.strip_prefix("header:").and_then(|name| http::HeaderName::from_bytes(name.as_bytes()).ok());
        match (word.as_str(), header) {
            ("subject", _) => Some(Self::Subject),
            ("client_ip", _) => Some(Self::ClientIp),
            (_, Some(name)) if FieldName::of(name.as_str().as_bytes()) == FieldName::Other => {
                Some(Self::Header(name.as_str().into()))
            }
            (_, Some(_)) => {
                let message = format!(
                    "`{}` cannot be hashed: the gate writes or removes this header",
                    reader.written(node.span)
                );
                reader.fault(Fault::new(node.span, message).help("choose a header of the client's own"))
            }
            _ => {
                let message = format!("`{}` is not what to hash", reader.written(node.span));
                reader.fault(
                    Fault::new(node.span, message)
                        .help("write `subject`, `client_ip` or `\"header:X-Name\"`"),
                )
            }
        }
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^(subject|client_ip|header:.+)$|\$\{" })
    }
}
