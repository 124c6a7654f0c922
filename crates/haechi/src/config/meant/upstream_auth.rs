//! `upstream_auth`: the gate's own credential at a service.

use super::names::Resolver;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::FieldValueText;
use crate::config::written;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_authn::keys::{AddressFault, WebOrigin};
use haechi_authn::service_token::{ServiceTokenConfig, TokenServer};
use haechi_authz::{HeaderChangeError, HeaderChanges};
use haechi_core::{FieldName, Secret};
use std::sync::Arc;

/// The gate's own credential at a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamAuth {
    /// Always the same value in this field, whose name is in lower case.
    Field(Arc<str>, Secret<String>),
    /// An access token in `Authorization`.
    Token(ServiceTokenConfig),
}

const AUTHORIZATION: &str = "authorization";

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
    let field = match &meant {
        UpstreamAuth::Field(field, _) => &**field,
        UpstreamAuth::Token(_) => AUTHORIZATION,
    };
    apart_from_identity(resolver, field, auth.span, service).then_some(meant)
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
    let has_token = service.identity.as_ref().is_some_and(|identity| !identity.token.is_absent());
    if has_token && FieldName::are_alike(field.as_bytes(), AUTHORIZATION.as_bytes()) {
        let message = "`upstream_auth` and `identity.token` would both stand in `Authorization`";
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

fn token(resolver: &mut Resolver<'_>, client: &At<written::ClientCredentials>) -> Option<ServiceTokenConfig> {
    let server = match (client.token_url.given(), client.issuer.given()) {
        (Some(url), None) if client.issuer.is_absent() => {
            address(resolver, url.value.as_str(), url.span, client.allow_http)
                .then(|| TokenServer::At(url.value.to_string()))
        }
        (None, Some(issuer)) if client.token_url.is_absent() => {
            address(resolver, &issuer.value, issuer.span, client.allow_http)
                .then(|| TokenServer::OfIssuer(issuer.value.as_str().into()))
        }
        (None, None) if !(client.token_url.is_absent() && client.issuer.is_absent()) => None,
        _ => {
            let message = "`client_credentials` needs `token_url` or `issuer`, and not both";
            let help = "name the token endpoint, or the issuer that says where it is";
            resolver.fault(Fault::new(client.span, message).help(help))
        }
    };
    let (id, secret) = (client.client_id.as_ref()?, client.client_secret.as_ref()?);
    if id.value.is_empty() || secret.value.expose().is_empty() {
        let fault = Fault::new(client.span, "the client's id or its secret is empty");
        return resolver.fault(fault.help("write both as the server shows them"));
    }
    let text = |given: Option<&At<String>>| given.map(|text| text.value.clone());
    Some(ServiceTokenConfig {
        server: server?,
        client_id: id.value.clone(),
        client_secret: secret.value.clone(),
        secret_in: client.client_authentication.given().map(|place| place.value.meant()),
        scopes: client.scopes.clone(),
        audience: text(client.audience.given()),
        resource: text(client.resource.given()),
        allow_http: client.allow_http,
    })
}

fn address(resolver: &mut Resolver<'_>, url: &str, span: Span, allow_http: bool) -> bool {
    let fault = match WebOrigin::permitted(url, allow_http) {
        Ok(_) => return true,
        Err(AddressFault::Plain(_)) => {
            Fault::new(span, "the client's secret would be sent over plain `http`")
                .help("write `https://`; `allow_http: true` beside it takes the risk")
        }
        Err(_) => Fault::new(span, "nobody is asked at an address of this form")
            .help("write `https://`, a plain host, and a path"),
    };
    resolver.faults.push(fault);
    false
}
