//! Headers that a service guards: nobody but the gate says what they say, and policies do not go by them.

use super::names::Resolver;
use super::service::Service;
use crate::config::report::Fault;
use haechi_core::FieldName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Notes routes that set such a header of their service, and `context_headers` that name one of any service.
pub(super) fn left_alone(resolver: &mut Resolver<'_>, services: &BTreeMap<Arc<str>, Service>) {
    let written = resolver.written;
    let guards =
        |service: &Service, name: &str| service.settings.identity_headers.is_guarded(name.as_bytes());
    for route in &written.routes {
        let service = route.service.as_ref().and_then(|service| services.get(&service.value.0));
        let (Some(service), Some(rules)) = (service, route.request_headers.given()) else { continue };
        for (name, _) in &rules.set.0 {
            // What every service guards is refused where it is read.
            let everywhere = FieldName::of(name.value.0.as_bytes()).is_reserved();
            if !everywhere && guards(service, &name.value.0) {
                let message = format!(
                    "`{}` is reserved by the service `{}`: only the gate says what it says",
                    resolver.written_at(name.span),
                    service.name
                );
                let help = "choose another name, or remove it from the service's `identity`";
                resolver.faults.push(Fault::new(name.span, message).help(help));
            }
        }
    }
    for header in written.context_headers.0.iter().filter_map(|(_, header)| header.as_ref()) {
        if let Some(service) = services.values().find(|service| guards(service, &header.value.0)) {
            let message = format!(
                "`{}` is reserved by the service `{}`, which never sees a client's: policies would decide by another value",
                resolver.written_at(header.span),
                service.name
            );
            let help = "choose another header, or remove it from the service's `identity`";
            resolver.faults.push(Fault::new(header.span, message).help(help));
        }
    }
}
