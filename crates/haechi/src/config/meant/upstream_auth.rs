//! `upstream_auth`: the gate's own credential at a service.

use super::names::Resolver;
use super::token_server::{self, TokenEndpoint};
use crate::authenticators::client_proof::{self, Proof, Ways};
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::FieldValueText;
use crate::config::written;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_authn::service_token::ServiceTokenConfig;
use haechi_authz::{HeaderChangeError, HeaderChanges};
use haechi_core::{FieldName, Secret};
use std::sync::Arc;

/// The gate's own credential at a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamAuth {
    /// Always the same value in this field, whose name is in lower case.
    Field(Arc<str>, Secret<String>),
    /// An access token in `Authorization`.
    Token(OwnToken),
}

/// An access token that the gate gets in its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnToken {
    /// What it is asked for with.
    pub(crate) config: ServiceTokenConfig,
    /// Who is asked.
    pub(crate) endpoint: TokenEndpoint,
}

const AUTHORIZATION: &str = "authorization";

impl UpstreamAuth {
    /// The field in which it stands.
    pub(crate) fn field(&self) -> &str {
        match self {
            Self::Field(field, _) => field,
            Self::Token(_) => AUTHORIZATION,
        }
    }
}

pub(super) fn meant(
    resolver: &mut Resolver<'_>,
    auth: &At<written::UpstreamAuth>,
    service: &written::Service,
) -> Option<UpstreamAuth> {
    let ways = (auth.basic.given(), auth.header.given(), auth.client_credentials.given());
    let meant = match ways {
        (Some(basic), None, None) => self::basic(resolver, basic),
        (None, Some(header), None) => self::header(resolver, header),
        (None, None, Some(client)) => token(resolver, client).map(UpstreamAuth::Token),
        (None, None, None) if !is_empty(auth) => None,
        _ => {
            let message = "a service is shown one credential";
            let help = "keep one of `basic`, `header`, `client_credentials`";
            resolver.fault(Fault::new(auth.span, message).help(help))
        }
    }?;
    apart_from_identity(resolver, meant.field(), auth.span, service).then_some(meant)
}

fn is_empty(auth: &written::UpstreamAuth) -> bool {
    auth.basic.is_absent() && auth.header.is_absent() && auth.client_credentials.is_absent()
}

/// Both would write the field.
fn apart_from_identity(
    resolver: &mut Resolver<'_>,
    field: &str,
    span: Span,
    service: &written::Service,
) -> bool {
    let told = service.identity.as_ref().and_then(|identity| {
        let token = (!identity.token.is_absent()).then_some("identity.token");
        token.or_else(|| (!identity.exchange.is_absent()).then_some("identity.exchange"))
    });
    if let Some(told) = told
        && FieldName::are_alike(field.as_bytes(), AUTHORIZATION.as_bytes())
    {
        let message = format!("`upstream_auth` and `{told}` would both stand in `Authorization`");
        let help = "keep one of them, or name another header: `upstream_auth: { header: { name, value } }`";
        resolver.faults.push(Fault::new(span, message).help(help));
        return false;
    }
    true
}

fn basic(resolver: &mut Resolver<'_>, basic: &At<written::UpstreamBasic>) -> Option<UpstreamAuth> {
    let (name, password) = (basic.username.as_ref()?, basic.password.as_ref()?);
    let plain = |text: &str| !text.chars().any(char::is_control);
    if name.value.contains(':') || !plain(&name.value) {
        let fault =
            Fault::new(name.span, "a name for Basic authentication has no `:` and no control characters");
        return resolver.fault(fault.help("write the name as the backend knows it"));
    }
    if !plain(password.value.expose()) {
        let fault =
            Fault::new(password.span, "a password for Basic authentication has no control characters");
        return resolver
            .fault(fault.help("does the file end in a line break? write `${file:…}`, which drops it"));
    }
    let pair = STANDARD.encode(format!("{}:{}", name.value, password.value.expose()));
    Some(UpstreamAuth::Field(AUTHORIZATION.into(), Secret::new(format!("Basic {pair}"))))
}

fn header(resolver: &mut Resolver<'_>, header: &At<written::UpstreamHeader>) -> Option<UpstreamAuth> {
    let (name, value) = (header.name.as_ref()?, header.value.value.as_ref()?);
    let field = &*name.value.0;
    let is_ours = || matches!(HeaderChanges::new([], [field]), Err(HeaderChangeError::Protected(_)));
    if field != AUTHORIZATION && is_ours() {
        let message = format!("`{}` is the gate's own, or the protocol's", resolver.written_at(name.span));
        return resolver.fault(Fault::new(name.span, message).help("name another header"));
    }
    if let Err(help) = FieldValueText::parse(value.value.expose()) {
        return resolver.fault(Fault::new(value.span, "this is not a header's value").help(help));
    }
    Some(UpstreamAuth::Field(field.into(), value.value.clone()))
}

fn token(resolver: &mut Resolver<'_>, client: &At<written::ClientCredentials>) -> Option<OwnToken> {
    let server = token_server::Written {
        of: "`client_credentials`",
        span: client.span,
        token_url: &client.token_url,
        issuer: &client.issuer,
        allow_http: client.allow_http,
    };
    let server = token_server::server(resolver, &server);
    let id = client_proof::client_id(resolver, &client.client_id);
    let ways = Ways {
        of: "`client_credentials`",
        span: client.span,
        secret: &client.client_secret,
        key: &client.private_key_jwt,
        place: &client.client_authentication,
    };
    let proof: Option<Proof> = client_proof::check(resolver, ways);
    let text = |given: Option<&At<String>>| given.map(|text| text.value.clone());
    Some(OwnToken {
        config: ServiceTokenConfig {
            scopes: client.scopes.clone(),
            audience: text(client.audience.given()),
            resource: text(client.resource.given()),
        },
        endpoint: TokenEndpoint {
            server: server?,
            client: Some((id?, proof?)),
            allow_http: client.allow_http,
        },
    })
}
