//! What of a client's fields does not go on to the service: what only a gateway may say, and credentials that were verified here.

use super::question::{Allowed, Question};
use crate::headers::{fills, write_cookies};
use crate::identity_headers::{IdentityHeaders, IdentityNames};
use crate::judge::PermittedRequest;
use crate::settings::Target;
use haechi_authn::{Chain, CredentialPlace};
use haechi_core::fields::Field;
use haechi_core::{FieldName, Fields};

/// The names of the fields that are to be removed. What is left of cookies is added to `told`, which takes their place.
pub(super) fn from_request(question: &Question<'_>, allowed: &Allowed<'_>, told: &mut Fields) -> Vec<String> {
    let PermittedRequest { permitted, route, route_index, verified } = &allowed.permitted;
    let standard = IdentityHeaders { names: IdentityNames::Standard, ..IdentityHeaders::default() };
    let (headers, override_too) = match route.target {
        Target::Service(index) => question.plan.shared.service(index).map_or((&standard, false), |service| {
            (&service.settings.identity_headers, service.settings.allow_method_override)
        }),
        Target::Identity(_) | Target::Nowhere => (&standard, false),
    };
    let chain = question.plan.chain(*route_index);
    let verified = chain.map_or(&[][..], |chain| chain.places_of(*verified));
    let takes = |stands_at: &dyn Fn(&CredentialPlace) -> bool| {
        let forwarded = route.settings.forward_credentials && verified.iter().any(stands_at);
        chain.map_or(&[][..], Chain::places).iter().any(stands_at) && !forwarded
    };
    let logins = &question.plan.shared.logins;
    let takes_cookie = |name: &[u8]| {
        let is_place = |place: &CredentialPlace| matches!(place, CredentialPlace::Cookie(known) if known.as_bytes() == name);
        logins.owns_cookie(name) || takes(&is_place)
    };
    let mut removed = Vec::new();
    let mut cookies = Fields::new();
    let mut has_cookie = false;
    for field in permitted.head().fields.iter() {
        if field.known == FieldName::Cookie {
            has_cookie = true;
            write_cookies(&field, takes_cookie, &mut cookies);
        } else if !is_of_gateway(&field)
            && (!headers.admits(&field, override_too) || takes(&|place| fills(place, &field)))
        {
            removed.push(String::from_utf8_lossy(field.name).into_owned());
        }
    }
    if has_cookie {
        let left: Vec<&[u8]> = cookies.iter().map(|field| field.value).collect();
        match left.join(&b"; "[..]) {
            none if none.is_empty() => removed.push("cookie".to_owned()),
            left => told.push(b"cookie", &left),
        }
    }
    // Said in `Host`; a client's own was not looked at.
    let host = &permitted.head().host;
    if host.is_unnamed() {
        removed.push("x-forwarded-host".to_owned());
    } else {
        told.push(b"x-forwarded-host", host.to_string().as_bytes());
    }
    removed.sort_unstable();
    removed.dedup();
    // Envoy removes last.
    removed.retain(|name| told.iter().all(|field| field.name != name.as_bytes()));
    removed
}

/// Whether the gateway in front writes the field itself.
fn is_of_gateway(field: &Field<'_>) -> bool {
    matches!(
        field.known,
        FieldName::XForwardedFor
            | FieldName::XForwardedProto
            | FieldName::RequestId
            | FieldName::TraceParent
            | FieldName::TraceState
    )
}
