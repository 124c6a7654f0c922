//! What decides: the rules of routes and the policies of files, compiled against the vocabulary of the configuration.

use super::built_in::BuiltInRoute;
use super::names::Resolver;
use super::route::{NO_SERVICE, Route};
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::{At, Source, Span};
use crate::config::value::{ConditionText, PolicyPattern, PolicyText};
use crate::config::written;
use haechi_authz::{
    Compiled, CompiledText, PolicyFault, PolicyFile, RouteFacts, RouteIndex, Rule, Vocabulary, compile,
};
use haechi_core::{AttributeType, FieldName, MethodSet, RoleTable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What decides, and what is only compared with it.
pub(super) struct Deciding {
    pub(super) policies: Arc<Compiled>,
    pub(super) shadow: Option<Arc<Compiled>>,
    pub(super) files: PolicyFiles,
}

/// The policy files, in the order in which they are compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyFiles {
    /// Those in force.
    pub(crate) deciding: Vec<PolicyText>,
    /// Those that are only compared with them.
    pub(crate) shadow: Vec<PolicyText>,
}

/// Compiles everything that decides. Also where some route has a fault, as far as the others can be understood without it.
pub(super) fn policies(
    resolver: &mut Resolver<'_>,
    roles: Option<&RoleTable>,
    attributes: &BTreeMap<Box<str>, AttributeType>,
    routes: &[Option<Route>],
    built_in: &[BuiltInRoute],
) -> Option<Deciding> {
    let headers = context_headers(resolver);
    let own = built_in.iter().map(|route| Some(route.facts()));
    let vocabulary = Arc::new(Vocabulary {
        roles: roles?.clone(),
        attributes: attributes.clone(),
        headers: headers?,
        routes: resolver
            .written
            .routes
            .iter()
            .zip(routes)
            .map(|(w, r)| facts(w, r.as_ref()))
            .chain(own)
            .collect::<Option<_>>()?,
    });
    // A name that is declared with a fault is declared: policies that use it are not at fault.
    if resolver.written.caller_attributes.0.iter().any(|(_, kind)| kind.is_none()) {
        return None;
    }
    let written = resolver.written;
    let files = distinct(&written.policies);
    let texts = |files: &[&PolicyText]| files.iter().map(|file| (*file).clone()).collect();
    let policies = compiled(resolver, vocabulary.clone(), &files, Report::All);
    let compared = distinct(&written.shadow_policies);
    let kept = PolicyFiles { deciding: texts(&files), shadow: texts(&compared) };
    let shadow = match compared {
        files if files.is_empty() => Some(None),
        files => compiled(resolver, vocabulary, &files, Report::Files).map(Some),
    };
    let policies = policies?;
    somebody_can_pass(resolver, &policies);
    Some(Deciding { policies, shadow: shadow?, files: kept })
}

/// Which faults have not been told already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    All,
    /// Those of conditions were told with the policies in force.
    Files,
}

pub(super) fn compiled(
    resolver: &mut Resolver<'_>,
    vocabulary: Arc<Vocabulary>,
    files: &[&PolicyText],
    report: Report,
) -> Option<Arc<Compiled>> {
    let texts: Vec<PolicyFile> = files
        .iter()
        .map(|file| PolicyFile { name: file.name.clone(), text: file.source.text().clone() })
        .collect();
    let told = |found: &&PolicyFault| report == Report::All || matches!(found.within, CompiledText::File(_));
    match compile(vocabulary, &texts) {
        Ok(compiled) => {
            let odd = compiled.warnings().iter().filter(told);
            let odd: Vec<Fault> = odd.map(|found| fault(resolver, found, files)).collect();
            resolver.warnings.extend(odd);
            Some(Arc::new(compiled))
        }
        Err(found) => {
            let found: Vec<Fault> =
                found.iter().filter(told).map(|found| fault(resolver, found, files)).collect();
            resolver.faults.extend(found);
            None
        }
    }
}

/// Every file once, in the order of the patterns.
pub(super) fn distinct(patterns: &Maybe<Vec<At<PolicyPattern>>>) -> Vec<&PolicyText> {
    let mut known = BTreeSet::new();
    let all = patterns.given().into_iter().flatten().flat_map(|pattern| &pattern.value.0);
    all.filter(|file| known.insert(&file.file)).collect()
}

/// What policies can know of a route, also of one with a fault elsewhere.
fn facts(written: &At<written::Route>, route: Option<&Route>) -> Option<RouteFacts> {
    Some(match route {
        Some(route) => RouteFacts {
            name: route.name.clone(),
            service: route.service.clone(),
            labels: route.labels.clone(),
            pattern: route.path.clone(),
            methods: route.methods.clone(),
            rule: route.authorize.clone(),
        },
        None => RouteFacts {
            name: written.name.as_ref()?.value.0.clone(),
            service: Some(written.service.as_ref()?.value.0.clone()).filter(|name| **name != *NO_SERVICE),
            labels: Vec::new(),
            pattern: written.matches.as_ref()?.path.as_ref()?.value.clone(),
            methods: MethodSet::any(),
            rule: Rule::any(),
        },
    })
}

fn fault(resolver: &Resolver<'_>, found: &PolicyFault, files: &[&PolicyText]) -> Fault {
    let fault = match found.within {
        CompiledText::File(index) => match files.get(index) {
            Some(file) => {
                let span = span_of(&file.source, found);
                Fault::new(span, &*found.message).within(file.source.clone())
            }
            None => Fault::of_file(&*found.message),
        },
        CompiledText::Condition(route) => match condition(resolver.written, route) {
            Some(when) => {
                let span = resolver.source.span_in(when.span, &when.value.0, found.offset, found.length);
                Fault::new(span, &*found.message)
            }
            None => Fault::of_file(&*found.message),
        },
        CompiledText::Unbound | CompiledText::Schema => Fault::of_file(&*found.message),
    };
    match &found.help {
        Some(help) => fault.help(&**help),
        None => fault,
    }
}

fn span_of(source: &Source, found: &PolicyFault) -> Span {
    let end = found.offset.saturating_add(found.length);
    Span { start: source.position(found.offset), end: source.position(end) }
}

fn condition(written: &written::Config, route: RouteIndex) -> Option<&At<ConditionText>> {
    match &written.routes.get(route.get())?.authorize.as_ref()?.value {
        written::Authorize::Clauses(clauses) => clauses.when.given(),
        _ => None,
    }
}

/// Name in policies, and field name in lower case. No two are one field to a backend that reads `_` as `-`.
fn context_headers(resolver: &mut Resolver<'_>) -> Option<BTreeMap<Box<str>, Box<str>>> {
    let written = resolver.written;
    let credentials = resolver.credential_headers();
    let mut headers: BTreeMap<Box<str>, Box<str>> = BTreeMap::new();
    let mut complete = true;
    for (name, header) in &written.context_headers.0 {
        let Some(header) = header else {
            complete = false;
            continue;
        };
        let alike = |other: &str| FieldName::are_alike(other.as_bytes(), header.value.0.as_bytes());
        let shown = resolver.written_at(header.span);
        if credentials.iter().any(|credential| alike(credential)) {
            let message = format!("`{shown}` carries a credential, which is not for policies to read");
            let help =
                "policies read what it says of the caller: `principal.subject`, `principal in Role::…`";
            resolver.faults.push(Fault::new(header.span, message).help(help));
        } else if let Some((other, _)) = headers.iter().find(|(_, other)| alike(other)) {
            let message = format!("`{shown}` is the header of `{other}` already");
            let help = "backends read any other character as `-`; remove one of them";
            resolver.faults.push(Fault::new(header.span, message).help(help));
        }
        headers.insert(name.value.0.clone(), header.value.0.clone());
    }
    complete.then_some(headers)
}

/// On a route with `authorize: policy` only a policy can permit.
fn somebody_can_pass(resolver: &mut Resolver<'_>, compiled: &Compiled) {
    let mut closed = Vec::new();
    for ((index, route), written) in compiled.vocabulary().indexed_routes().zip(&resolver.written.routes) {
        let Some(authorize) = &written.authorize else { continue };
        if matches!(authorize.value, written::Authorize::Policy) && !compiled.may_permit(index) {
            closed.push((authorize.span, route.name.clone()));
        }
    }
    for (span, name) in closed {
        let help = format!(
            "write a policy that permits: `permit(principal in Role::\"…\", action, resource == Route::\"{name}\");`"
        );
        match &resolver.written.policies {
            // Written wrongly, which was told.
            Maybe::Faulty => {}
            Maybe::Given(patterns) if !patterns.is_empty() => {
                let message = format!("nobody can pass: no policy permits anything on the route `{name}`");
                resolver.warnings.push(Fault::new(span, message).help(help));
            }
            // The store may have one.
            _ if resolver.written.store.given().is_some() => {
                let message =
                    format!("nobody can pass the route `{name}` until a policy of the store permits");
                resolver.warnings.push(Fault::new(span, message).help(help));
            }
            _ => {
                let message = "nobody can pass: the policy files alone decide here, and there are none";
                let help = format!("add `policies: [policies/*.cedar]` at the top, and {help}");
                resolver.faults.push(Fault::new(span, message).help(help));
            }
        }
    }
}
