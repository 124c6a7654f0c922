//! Properties of a configuration, as `haechi prove` reads them: a list in a file of its own, read as the configuration is.

use super::meant::{Config, Property, asked_login};
use super::placeholder::{Surroundings, plain, process_variable};
use super::read::{Defs, Maybe, Reader, Value};
use super::record::record;
use super::report::{Fault, Report};
use super::source::{At, Source, Span};
use super::value::{ConditionText, Identifier, RoleName, ScopeName};
use super::written::StepUp as WrittenStepUp;
use super::yaml::{self, Kind, Node};
use crate::authenticators::definition::open_words;
use haechi_authn::StepUp;
use haechi_authz::PolicyFault;
use haechi_authz::analysis::{self, Demand, Group, PropertyScope};
use haechi_authz::compile::condition;
use haechi_core::PathPattern;
use http::Method;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

record! {
    "a property"
    /// Something that is to be true of every caller and request.
    struct Written {
        /// What people call it.
        required name as "name": At<String>,
        /// Which requests it is about: a path pattern, or a list of routes. All where this is left out.
        optional routes as "routes": Routes,
        /// Which methods it is about. All where this is left out.
        optional methods as "methods": At<Vec<Method>>,
        /// Whoever passes fits this.
        optional allowed_only_if as "allowed_only_if": At<Fits>,
        /// Nobody who fits this passes.
        optional never as "never": At<Fits>,
        /// Whoever fits this passes.
        optional always_if as "always_if": At<Fits>,
    }
}

record! {
    "who fits"
    /// Callers and requests: all of these must fit.
    struct Fits {
        /// Any one of these roles, held itself or through another.
        optional roles as "roles": At<Vec<At<RoleName>>>,
        /// Any one of these roles, given to the caller itself.
        optional direct_roles as "direct_roles": At<Vec<At<RoleName>>>,
        /// All of these scopes.
        optional scopes as "scopes": At<Vec<ScopeName>>,
        /// Any one of these authenticators.
        optional authenticators as "authenticators": At<Vec<At<Identifier>>>,
        /// Whether the caller is nobody in particular.
        optional anonymous as "anonymous": At<bool>,
        /// A Cedar expression.
        optional when as "when": At<ConditionText>,
        /// Which login the caller has, as routes ask for one.
        optional step_up as "step_up": At<WrittenStepUp>,
    }
}

/// Which requests.
#[derive(Clone, Debug)]
pub(in crate::config) enum Routes {
    Path(PathPattern),
    Named(Vec<At<Identifier>>),
}

impl Value for Routes {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Sequence(_) => Vec::read(node, reader).map(Self::Named),
            _ => PathPattern::read(node, reader).map(Self::Path),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [PathPattern::schema(defs), Vec::<Identifier>::schema(defs)] })
    }
}

/// Reads the properties in `file` against the configuration that they are about.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn load_properties(file: &Path, config: &Config) -> Result<Vec<Property>, Report> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let fault = Fault::of_file(format!("the properties cannot be read: {}", plain(&error)));
        let help = "name the file: `haechi prove PROPERTIES.yaml`";
        Report::errors(Source::new(file, String::new()), vec![fault.help(help)])
    })?;
    let mut faults = Vec::new();
    let tree = yaml::parse(&text, &mut faults);
    let mut source = Source::new(file, text);
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let surroundings =
        Surroundings { folder, variable: &process_variable, files: RefCell::default(), kept: None };
    let definitions = config.definitions;
    let mut reader = Reader { definitions, source: &mut source, faults, surroundings: &surroundings };
    let written = tree.as_ref().and_then(|tree| Vec::<At<Written>>::read(tree, &mut reader));
    let mut faults = reader.faults;
    let mut properties = Vec::new();
    match &written {
        Some(written) if !written.is_empty() => {
            let mut resolver = Resolver { config, source: &source, faults: &mut faults };
            properties.extend(written.iter().filter_map(|written| resolver.property(written)));
        }
        _ if faults.is_empty() => {
            let help =
                "a property is `{ name: ..., routes: /admin/**, allowed_only_if: { roles: [ADMIN] } }`";
            faults.push(Fault::of_file("the file holds no property").help(help));
        }
        _ => {}
    }
    if faults.is_empty() { Ok(properties) } else { Err(Report::errors(source, faults)) }
}

struct Resolver<'a> {
    config: &'a Config,
    source: &'a Source,
    faults: &'a mut Vec<Fault>,
}

impl Resolver<'_> {
    fn property(&mut self, written: &At<Written>) -> Option<Property> {
        let concern = match &written.routes {
            Maybe::Absent => PropertyScope::All,
            Maybe::Faulty => return None,
            Maybe::Given(Routes::Path(pattern)) => PropertyScope::Path(pattern.clone()),
            Maybe::Given(Routes::Named(names)) => {
                let known = self.config.route_names();
                PropertyScope::Routes(self.declared("route", names, &known))
            }
        };
        let methods = written.methods.given().map_or_else(Vec::new, |methods| methods.value.clone());
        let (demand, login) = self.demand(written)?;
        let name = written.name.as_ref()?.value.clone();
        Some(Property { rules: analysis::Property { name, concern, methods, demand }, login })
    }

    fn demand(&mut self, written: &At<Written>) -> Option<(Demand, StepUp)> {
        type Make = fn(Group) -> Demand;
        let all: [(&Maybe<At<Fits>>, Make); 3] = [
            (&written.allowed_only_if, Demand::AllowedOnlyIf),
            (&written.never, Demand::Never),
            (&written.always_if, Demand::AlwaysIf),
        ];
        let given: Vec<_> = all.iter().filter(|(fits, _)| !fits.is_absent()).collect();
        let [(fits, make)] = given.as_slice() else {
            let help = "write `allowed_only_if: { roles: [ADMIN] }`, `never: { anonymous: true }` or `always_if: { roles: [ADMIN] }`";
            let message = "a property says exactly one of `allowed_only_if`, `never` and `always_if`";
            self.faults.push(Fault::new(written.span, message).help(help));
            return None;
        };
        let fits = fits.given()?;
        let login = asked_login(fits.step_up.given()).map_err(|fault| self.faults.push(fault)).ok();
        let group = self.group(fits);
        Some((make(group?), login?))
    }

    fn group(&mut self, fits: &At<Fits>) -> Option<Group> {
        let before = self.faults.len();
        let roles: Vec<&str> = self.config.roles.names().map(|role| &**role).collect();
        let mut authenticators: Vec<&str> = self.config.authenticators.keys().map(|name| &**name).collect();
        for word in open_words(self.config.definitions) {
            authenticators.push(word);
        }
        let group = Group {
            roles: self.listed("role", "roles", &fits.roles, &roles),
            direct_roles: self.listed("role", "direct_roles", &fits.direct_roles, &roles),
            scopes: fits.scopes.given().map_or_else(Vec::new, |scopes| {
                self.not_empty("scopes", scopes.span, scopes.len());
                scopes.iter().map(|scope| scope.0.clone()).collect()
            }),
            authenticators: self.listed(
                "authenticator",
                "authenticators",
                &fits.authenticators,
                &authenticators,
            ),
            anonymous: fits.anonymous.given().map(|anonymous| anonymous.value),
            when: fits.when.given().and_then(|when| self.condition(when)),
        };
        let nothing = fits.roles.is_absent()
            && fits.direct_roles.is_absent()
            && fits.scopes.is_absent()
            && fits.authenticators.is_absent()
            && fits.anonymous.is_absent()
            && fits.when.is_absent()
            && fits.step_up.is_absent();
        if nothing {
            let help =
                "give `roles`, `direct_roles`, `scopes`, `authenticators`, `anonymous`, `when` or `step_up`";
            self.faults.push(Fault::new(fits.span, "nothing says who fits").help(help));
        }
        (self.faults.len() == before).then_some(group)
    }

    fn listed<N: AsRef<Arc<str>>>(
        &mut self,
        what: &str,
        key: &str,
        names: &Maybe<At<Vec<At<N>>>>,
        known: &[&str],
    ) -> Vec<Arc<str>> {
        let Some(names) = names.given() else { return Vec::new() };
        self.not_empty(key, names.span, names.len());
        self.declared(what, names, known)
    }

    fn not_empty(&mut self, key: &str, span: Span, count: usize) {
        if count == 0 {
            let fault = Fault::new(span, format!("`{key}` names nothing"));
            self.faults.push(fault.help(format!("name something, or leave `{key}` out")));
        }
    }

    fn declared<N: AsRef<Arc<str>>>(&mut self, what: &str, names: &[At<N>], known: &[&str]) -> Vec<Arc<str>> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let text = name.value.as_ref();
            if known.contains(&&**text) {
                found.push(text.clone());
            } else {
                let fault = Fault::new(name.span, format!("there is no {what} `{text}`"));
                self.faults.push(fault.suggest(text, known.iter().copied()));
            }
        }
        found
    }

    fn condition(&mut self, when: &At<ConditionText>) -> Option<haechi_authz::expr::Expr> {
        match condition(&self.config.policies, &when.value.0) {
            Ok(expr) => Some(expr),
            Err(found) => {
                let faults = found.into_iter().map(|fault| self.placed(when, fault)).collect::<Vec<_>>();
                self.faults.extend(faults);
                None
            }
        }
    }

    fn placed(&self, when: &At<ConditionText>, found: PolicyFault) -> Fault {
        let span = self.source.span_in(when.span, &when.value.0, found.offset, found.length);
        let fault = Fault::new(span, found.message);
        match found.help {
            Some(help) => fault.help(help),
            None => fault,
        }
    }
}
