//! What a service is told of the caller in headers, and which of a client's headers it gets.

use super::names::Resolver;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::IdentityHeader;
use crate::config::written;
use haechi_core::FieldName;
use haechi_core::fields::FieldPattern;
use haechi_proxy::{IdentityHeaders, IdentityNames, OwnNames};

pub(super) fn meant(
    resolver: &mut Resolver<'_>,
    written: &written::ServiceIdentity,
) -> Option<IdentityHeaders> {
    let names = match &written.headers {
        written::IdentityHeaders::Standard(false) => IdentityNames::Untold,
        written::IdentityHeaders::Standard(true) => IdentityNames::Standard,
        written::IdentityHeaders::Own(own) => IdentityNames::Own(Box::new(own_names(resolver, own)?)),
    };
    let reserve = written.reserve.iter().map(|name| name.value.0.clone()).collect();
    let pass: Box<[FieldPattern]> = written.pass.iter().map(|name| name.value.0.clone()).collect();
    if let IdentityNames::Own(own) = &names {
        for passed in &written.pass {
            if let Some(name) = own.all().find(|name| passed.value.0.overlaps(name)) {
                let message = format!("`{name}` tells of the caller: a client's cannot be let through");
                let fault = Fault::new(passed.span, message);
                resolver
                    .faults
                    .push(fault.help("remove it from `pass`, or choose another name under `headers`"));
            }
        }
    }
    let client_certificate = written.client_certificate;
    Some(IdentityHeaders { names, client_certificate, reserve, pass })
}

fn own_names(resolver: &mut Resolver<'_>, own: &At<written::OwnIdentityHeaders>) -> Option<OwnNames> {
    let keys = [&own.subject, &own.issuer, &own.authenticator, &own.roles, &own.scopes];
    let attributes = own.attributes.0.iter();
    let mut given: Vec<&At<IdentityHeader>> = keys.into_iter().filter_map(Maybe::given).collect();
    given.extend(attributes.clone().filter_map(|(_, header)| header.as_ref()));
    if own.attributes.0.is_empty() && keys.into_iter().all(Maybe::is_absent) {
        let fault = Fault::new(own.span, "`headers` names no header");
        return resolver.fault(fault.help("write `subject: X-WEBAUTH-USER`, or `headers: false`"));
    }
    for (index, header) in given.iter().enumerate() {
        let alike = |other: &&At<IdentityHeader>| {
            FieldName::are_alike(other.value.0.as_bytes(), header.value.0.as_bytes())
        };
        if given.iter().take(index).any(alike) {
            let message = format!("`{}` stands twice under `headers`", resolver.written_at(header.span));
            let fault = Fault::new(header.span, message);
            resolver.faults.push(fault.help("give each its own header; backends read `_` as `-`"));
        }
    }
    for (name, _) in attributes.clone() {
        let declared = resolver.written.caller_attributes.0.iter();
        if !declared.map(|(known, _)| &known.value.0).any(|known| *known == name.value.0) {
            let message = format!("`{}` is not an attribute of callers", resolver.written_at(name.span));
            let fault = Fault::new(name.span, message);
            resolver.faults.push(fault.help("declare it under `caller_attributes`"));
        }
    }
    let name = |written: &Maybe<At<IdentityHeader>>| written.given().map(|header| header.value.0.clone());
    Some(OwnNames {
        subject: name(&own.subject),
        issuer: name(&own.issuer),
        authenticator: name(&own.authenticator),
        roles: name(&own.roles),
        scopes: name(&own.scopes),
        attributes: attributes
            .filter_map(|(name, header)| {
                Some((name.value.0.as_ref().into(), header.as_ref()?.value.0.clone()))
            })
            .collect(),
    })
}
