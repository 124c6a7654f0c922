//! What hangs together in an `external` authenticator.

use super::record::{self, Encoding, Fact, OwnHeader, Without};
use super::settings::ExternalSettings;
use crate::authenticators::definition::Checks;
use crate::authenticators::file::usable;
use crate::authenticators::jwt::check::role_map;
use crate::config::report::Fault;
use crate::config::source::At;
use haechi_authn::external::{OwnAnswers, PassedField, RequestFact, ValueEncoding, WithoutCredential};
use haechi_authn::keys::{AddressFault, WebOrigin};
use haechi_core::AttributeType;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn external(checks: &mut dyn Checks, written: &At<record::External>) -> Option<ExternalSettings> {
    let url = address(checks, written);
    let headers = headers(written);
    let cookies = names(&written.cookies, |name| name.0.clone());
    let also_send = also_send(checks, written, headers.as_deref());
    let attributes = attributes(checks, written);
    let role_map = role_map(checks, &written.role_map);
    let own_answers = own_answers(checks, written);
    let authorities = authorities(checks, written);
    let (headers, cookies) = (headers?, cookies?);
    if headers.is_empty() && cookies.is_empty() {
        let fault = Fault::new(written.span, "no place is named in which a credential could stand");
        return checks.fault(fault.help("name one under `headers` or `cookies`"));
    }
    let url = url?;
    Some(ExternalSettings {
        issuer: written
            .issuer
            .given()
            .map_or_else(|| url.as_str().into(), |issuer| issuer.value.as_str().into()),
        url,
        headers,
        cookies,
        also_send: also_send?,
        tell: tell(written)?,
        without_credential: match written.without_credential {
            Without::Absent => WithoutCredential::Absent,
            Without::Ask => WithoutCredential::Ask,
        },
        subject: written.subject.0.clone(),
        roles: written.roles.0.clone(),
        scopes: written.scopes.0.clone(),
        attributes: attributes?,
        encoding: match written.encoding {
            Encoding::Plain => ValueEncoding::Plain,
            Encoding::Percent => ValueEncoding::Percent,
        },
        role_map: role_map?,
        own_answers: own_answers?,
        cache: written.cache.0,
        timeout: written.timeout.0,
        authorities: authorities?,
    })
}

/// Whoever is on the way of plain `http` reads credentials, and lets through whom it likes.
fn address(checks: &mut dyn Checks, written: &record::External) -> Option<String> {
    let url = written.url.as_ref()?;
    let (scheme, secure) = if url.grpc { ("gRPC", "grpcs://") } else { ("`http`", "https://") };
    match WebOrigin::permitted(url.web.as_str(), written.allow_http) {
        Ok(_) => {}
        Err(AddressFault::Plain(_)) => {
            let message = format!("credentials are sent to the authorization service over plain {scheme}");
            let help = format!("write `{secure}`; `allow_http: true` beside it takes the risk");
            checks.warn(Fault::new(url.span, message).help(help));
        }
        Err(_) => {
            let fault = Fault::new(url.span, "nobody is asked at an address of this form");
            return checks.fault(fault.help(format!("write `{secure}`, a plain host, and a path or a port")));
        }
    }
    Some(url.text())
}

fn names<T, N>(
    written: &crate::config::read::Maybe<At<Vec<At<T>>>>,
    name: impl Fn(&T) -> N,
) -> Option<Vec<N>> {
    let Some(listed) = written.given() else { return written.is_absent().then(Vec::new) };
    Some(listed.iter().map(|one| name(&one.value)).collect())
}

fn headers(written: &record::External) -> Option<Vec<Arc<str>>> {
    if written.headers.is_absent() {
        Some(vec!["authorization".into()])
    } else {
        names(&written.headers, |name| name.0.clone())
    }
}

fn also_send(
    checks: &mut dyn Checks,
    written: &record::External,
    headers: Option<&[Arc<str>]>,
) -> Option<Vec<Arc<str>>> {
    for sent in written.also_send.given().into_iter().flat_map(|listed| listed.iter()) {
        if headers.is_some_and(|headers| headers.iter().any(|name| **name == *sent.value.0)) {
            let fault = Fault::new(sent.span, "this header is sent already, as one with a credential");
            return checks.fault(fault.help("name it once"));
        }
        if &*sent.value.0 == "dpop" && !written.cache.0.is_zero() {
            let fault =
                Fault::new(sent.span, "a proof of possession is good once, and `cache` would take it again");
            return checks.fault(fault.help("remove `cache`, or this header"));
        }
    }
    names(&written.also_send, |name| Arc::from(&*name.0))
}

fn tell(written: &record::External) -> Option<Vec<RequestFact>> {
    const ALL: [RequestFact; 5] = [
        RequestFact::Method,
        RequestFact::Scheme,
        RequestFact::Host,
        RequestFact::Uri,
        RequestFact::ClientAddress,
    ];
    if written.tell.is_absent() {
        return Some(ALL.to_vec());
    }
    let meant = |fact: &Fact| match fact {
        Fact::Method => RequestFact::Method,
        Fact::Scheme => RequestFact::Scheme,
        Fact::Host => RequestFact::Host,
        Fact::Uri => RequestFact::Uri,
        Fact::ClientIp => RequestFact::ClientAddress,
    };
    names(&written.tell, meant)
}

/// By name, the header and the type.
type Attributes = BTreeMap<Box<str>, (Box<str>, AttributeType)>;

fn attributes(checks: &mut dyn Checks, written: &record::External) -> Option<Attributes> {
    let declared = checks.caller_attributes();
    let mut meant = Attributes::new();
    let Some(given) = written.attributes.given() else {
        return written.attributes.is_absent().then_some(meant);
    };
    for (name, header) in &given.0 {
        let Some((_, type_of)) = declared.iter().find(|(declared, _)| *declared == name.value.0) else {
            let message = format!("there is no caller attribute `{}`", name.value);
            let known = declared.iter().map(|(name, _)| &**name);
            checks.report(Fault::new(name.span, message).suggest(&name.value.0, known));
            continue;
        };
        if let (Some(header), Some(type_of)) = (header, type_of) {
            meant.insert(name.value.0.clone(), (header.value.0.clone(), *type_of));
        }
    }
    Some(meant)
}

fn own_answers(checks: &mut dyn Checks, written: &record::External) -> Option<OwnAnswers> {
    let Some(own) = written.own_answers.given() else {
        return written.own_answers.is_absent().then(OwnAnswers::default);
    };
    let listed = own.statuses.as_ref()?;
    let statuses: Vec<u16> = listed.iter().map(|status| status.value.0).collect();
    let redirects = listed.iter().find(|status| status.value.0 < 400);
    if let Some(redirect) = redirects
        && !own.headers.contains(&OwnHeader::Location)
    {
        let fault = Fault::new(redirect.span, "a redirect without `location` leads nowhere");
        return checks.fault(fault.help("add `location` under `headers`, or remove the status"));
    }
    let fields = own.headers.iter().map(|header| match header {
        OwnHeader::Location => PassedField::Location,
        OwnHeader::SetCookie => PassedField::SetCookie,
        OwnHeader::WwwAuthenticate => PassedField::WwwAuthenticate,
    });
    Some(OwnAnswers { statuses, fields: fields.collect(), body: own.body })
}

fn authorities(checks: &mut dyn Checks, written: &record::External) -> Option<Option<PathBuf>> {
    let Some(tls) = written.tls.given() else { return written.tls.is_absent().then_some(None) };
    if written.url.as_ref().is_some_and(|url| url.web.scheme() == "http") {
        let fault = Fault::new(tls.span, "`tls` is for an address with `https://` or `grpcs://`");
        return checks.fault(fault.help("write `url` so, or remove `tls`"));
    }
    let file = tls.ca.as_ref()?;
    usable(checks, file, |text| {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => Err("it has no certificate".to_owned()),
            Ok(_) => Ok(()),
            Err(fault) => Err(fault.to_string()),
        }
    })?;
    Some(Some(file.value.0.clone()))
}
