//! What routes say about the heads of requests and answers.

use super::names::Resolver;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::{FieldValueText, HeaderName};
use crate::config::written;
use haechi_authz::{HeaderChangeError, HeaderChanges};
use haechi_core::{FieldName, MethodSet};
use haechi_proxy::{Cors, CorsOrigins, FieldRules, OriginPattern};
use std::collections::HashMap;

/// `taken` are the route's own methods.
pub(super) fn cors(
    resolver: &mut Resolver<'_>,
    written: &At<written::Cors>,
    taken: &MethodSet,
) -> Option<Cors> {
    let origins = written.origins.as_ref().map(|origins| match &origins.value {
        written::Origins::Any => CorsOrigins::Any,
        written::Origins::Listed(listed) => {
            CorsOrigins::Listed(listed.iter().map(|origin| origin.0.clone()).collect())
        }
    });
    if let (Some(CorsOrigins::Any), Some(at), true) = (&origins, &written.origins, written.credentials) {
        let fault =
            Fault::new(at.span, "`\"*\"` with `credentials` would show every caller's data to every page");
        resolver.faults.push(fault.help("name the origins, or remove `credentials`"));
    }
    if let (Some(CorsOrigins::Listed(listed)), Some(at), true) =
        (&origins, &written.origins, written.credentials)
        && let Some(wide) = listed.iter().find(|origin| is_of_whole_domain(origin))
    {
        let OriginPattern::Below { before, after } = wide else { return None };
        let message = format!(
            "`{before}*{after}` with `credentials` would show every caller's data to whoever has a name there"
        );
        resolver
            .faults
            .push(Fault::new(at.span, message).help("name a domain of yours, or remove `credentials`"));
    }
    let methods = match written.methods.given() {
        None => taken.clone(),
        Some(listed) => methods(resolver, listed, taken),
    };
    let expose: Vec<&str> = written.expose.iter().map(|name| &*name.0).collect();
    Some(Cors {
        origins: origins?,
        methods,
        headers: written.headers.iter().map(|name| name.0.clone()).collect(),
        expose: (!expose.is_empty()).then(|| expose.join(", ").into()),
        credentials: written.credentials,
        max_age: written.max_age.0,
    })
}

/// `https://*.com`: below a name of one label, which nobody owns; `localhost` is this machine.
fn is_of_whole_domain(origin: &OriginPattern) -> bool {
    let OriginPattern::Below { after, .. } = origin else { return false };
    let name = after.trim_start_matches('.').split(':').next().unwrap_or_default();
    !name.contains('.') && name != "localhost"
}

fn methods(resolver: &mut Resolver<'_>, listed: &At<Vec<At<http::Method>>>, taken: &MethodSet) -> MethodSet {
    if listed.is_empty() {
        let fault = Fault::new(listed.span, "`methods` lists none, so no page could read");
        resolver.faults.push(fault.help("name at least one, or remove the key for the route's"));
    }
    for method in listed.iter().filter(|method| !taken.contains(&method.value)) {
        let message = format!("the route does not take `{}`", method.value);
        resolver
            .faults
            .push(Fault::new(method.span, message).help("remove it here, or add it under `match`"));
    }
    MethodSet::new(listed.iter().map(|method| method.value.clone()))
}

/// `cors` says whether the route has cross-origin rules, whose fields are then not to be written twice.
pub(super) fn response_headers(
    resolver: &mut Resolver<'_>,
    written: &written::ResponseHeaders,
    cors: bool,
) -> Option<FieldRules> {
    let pairs = |listed: &[(At<HeaderName>, Option<FieldValueText>)]| -> Vec<_> {
        let whole = listed.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        whole.map(|(name, value)| (name.value.0.clone(), value.0.clone())).collect()
    };
    let (set, add) = (&written.set.0, &written.add.0);
    let named = set.iter().chain(add).map(|(name, _)| name).chain(&written.remove);
    let mut lines = HashMap::new();
    for name in named {
        if let Some(why) = not_for_rules(&name.value.0, cors) {
            refuse(resolver, name, why);
        }
        if let Some(line) = lines.insert(&*name.value.0, name.span) {
            twice(resolver, name.span, line);
        }
    }
    let rules = FieldRules {
        remove: written.remove.iter().map(|name| name.value.0.clone()).collect(),
        set: pairs(set),
        add: pairs(add),
    };
    (rules != FieldRules::default()).then_some(rules)
}

/// `None` only when a fault was noted.
pub(super) fn request_headers(
    resolver: &mut Resolver<'_>,
    written: &written::RequestHeaders,
) -> Option<HeaderChanges> {
    let before = resolver.faults.len();
    let read: Vec<_> =
        resolver.written.context_headers.0.iter().filter_map(|(_, field)| field.as_ref()).collect();
    let credentials = resolver.credential_headers();
    let set: Vec<_> =
        written.set.0.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
    for name in written.set.0.iter().map(|(name, _)| name).chain(&written.remove) {
        let field = &*name.value.0;
        let alike = |known: &str| FieldName::are_alike(known.as_bytes(), field.as_bytes());
        if read.iter().any(|known| alike(&known.value.0)) {
            refuse(resolver, name, "is read by policies: the backend would see another value than they do");
        } else if credentials.iter().any(|known| alike(known)) {
            refuse(resolver, name, "carries a credential, which `forward_credentials` decides about");
        } else if let Err(HeaderChangeError::Protected(_)) = HeaderChanges::new([], [field]) {
            refuse(resolver, name, "is the gate's own, or the protocol's");
        }
    }
    let set = set.iter().map(|(name, value)| (&*name.value.0, &*value.0));
    let changes = HeaderChanges::new(set, written.remove.iter().map(|name| &*name.value.0));
    match changes {
        Ok(changes) => (resolver.faults.len() == before).then_some(changes),
        Err(error) => {
            let first = written.set.0.iter().map(|(name, _)| name).chain(&written.remove).next();
            if let Some(first) = first.filter(|_| resolver.faults.len() == before) {
                let message = format!("`request_headers` cannot be used: {error}");
                resolver.faults.push(Fault::new(first.span, message).help("keep one change of each header"));
            }
            None
        }
    }
}

fn refuse(resolver: &mut Resolver<'_>, name: &At<HeaderName>, why: &str) {
    let message = format!("`{}` {why}", resolver.written_at(name.span));
    resolver.faults.push(Fault::new(name.span, message).help("remove it"));
}

fn twice(resolver: &mut Resolver<'_>, span: Span, other: Span) {
    let message = format!("`{}` stands twice in `response_headers`", resolver.written_at(span));
    let line = resolver.source.line_beside(other.start, span.start);
    resolver.faults.push(Fault::new(span, message).help(format!("the other is on {line}; keep one of them")));
}

/// Why a rule may not name this header.
fn not_for_rules(name: &str, cors: bool) -> Option<&'static str> {
    let known = FieldName::of(name.as_bytes());
    if known.is_hop_by_hop() || known == FieldName::ContentLength {
        return Some("is about the connection or the framing, which the gate writes anew");
    }
    if matches!(known, FieldName::ContentType | FieldName::ContentEncoding) || name == "content-range" {
        return Some("says how the body is to be read, which only who wrote the body knows");
    }
    let folded = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let gates_own = ["x-request-id", "www-authenticate", "date", "allow", "retry-after"];
    if gates_own.contains(&&*folded) {
        return Some("is the gate's own");
    }
    if folded.starts_with("grpc-") || folded.starts_with("sec-websocket-") {
        return Some("belongs to the protocol that the answer speaks");
    }
    if cors && folded.starts_with("access-control-") {
        return Some("is written by the route's `cors`");
    }
    None
}
