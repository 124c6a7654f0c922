//! Authenticators.

use super::names::Resolver;
use crate::authenticators::definition::{Checks, Settings, open};
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::{Identifier, RoleName};
use crate::config::written;
use haechi_core::AttributeType;
use ipnet::IpNet;
use std::sync::Arc;

/// A named way to establish who is calling.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// What it does, of whichever type it is.
    pub settings: Arc<dyn Settings>,
}

impl PartialEq for Authenticator {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.settings.is_same(&*other.settings)
    }
}

impl Eq for Authenticator {}

pub(super) fn authenticator(
    resolver: &mut Resolver<'_>,
    name: &At<Identifier>,
    written: &written::Authenticator,
) -> Option<Authenticator> {
    if open(resolver.definitions, &name.value.0).is_some() {
        let message = format!("`{}` is a word of its own and names no authenticator", name.value);
        resolver.faults.push(Fault::new(name.span, message).help("choose another name"));
    }
    let settings = written.0.check(&name.value.0, resolver)?;
    Some(Authenticator { name: name.value.0.clone(), settings })
}

impl Checks for Resolver<'_> {
    fn report(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn warn(&mut self, warning: Fault) {
        self.warnings.push(warning);
    }

    fn text_at(&self, span: Span) -> String {
        self.written_at(span)
    }

    fn needs_store(&mut self, what: &str, span: Span) {
        Resolver::needs_store(self, what, span);
    }

    fn role(&mut self, name: &Arc<str>, span: Span) -> Option<Arc<str>> {
        // Whoever has it is an operator, and it is for nothing else.
        if self.makes_operators(name) {
            return Some(name.clone());
        }
        Resolver::role(self, &At { value: RoleName(name.clone()), span })
    }

    fn has_identity(&self) -> bool {
        !self.written.identity.is_absent()
    }

    fn asks_for_certificates(&self) -> bool {
        let listeners = self.written.listeners.iter().flatten();
        listeners.filter_map(|listener| listener.tls.given()).any(|tls| !tls.client_ca.is_absent())
    }

    fn trusted_proxies(&self) -> Vec<IpNet> {
        self.written.trusted_proxies.iter().map(|network| network.value).collect()
    }

    fn caller_attributes(&self) -> Vec<(Box<str>, Option<AttributeType>)> {
        let declared = self.written.caller_attributes.0.iter();
        declared.map(|(name, type_of)| (name.value.0.clone(), *type_of)).collect()
    }
}
