//! Which names are declared, and faults about those that are not.

use super::expiry::CertificateFile;
use crate::config::read::Definitions;
use crate::config::report::Fault;
use crate::config::source::{At, Position, Source, Span};
use crate::config::value::{Identifier, RoleName};
use crate::config::written;
use haechi_authn::CredentialPlace;
use haechi_authz::Place;
use haechi_core::role;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What resolving goes by, and what it has found wrong.
pub(super) struct Resolver<'a> {
    pub(super) written: &'a written::Config,
    pub(super) source: &'a Source,
    pub(super) definitions: Definitions,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
    /// Those that were read.
    pub(super) certificates: Vec<CertificateFile>,
    authenticators: BTreeSet<&'a str>,
    decision_points: BTreeSet<&'a str>,
    services: BTreeSet<&'a str>,
    roles: BTreeSet<&'a str>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(written: &'a written::Config, source: &'a Source, definitions: Definitions) -> Self {
        let authenticators = written.authenticators.0.iter().map(|(name, _)| &*name.value.0).collect();
        let decision_points = written.decision_points.0.iter().map(|(name, _)| &*name.value.0).collect();
        let services = written.services.0.iter().map(|(name, _)| &*name.value.0).collect();
        let mut roles: BTreeSet<&str> = written.roles.0.iter().map(|(name, _)| &*name.value.0).collect();
        roles.extend([role::ADMIN, role::AUDITOR]);
        Self {
            written,
            source,
            definitions,
            faults: Vec::new(),
            warnings: Vec::new(),
            certificates: Vec::new(),
            authenticators,
            decision_points,
            services,
            roles,
        }
    }

    pub(super) fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    /// The headers in which authenticators look for credentials.
    pub(super) fn credential_headers(&self) -> Vec<Arc<str>> {
        let all = self.written.authenticators.0.iter().filter_map(|(_, written)| written.as_ref());
        let fields = all.flat_map(|written| written.0.credential_places()).filter_map(|place| match place {
            CredentialPlace::Field(name) => Some(name),
            // No header of a name of its own, which is all that policies may read.
            CredentialPlace::Authorization
            | CredentialPlace::Cookie(_)
            | CredentialPlace::WebSocketProtocol(_)
            | CredentialPlace::Certificate => None,
        });
        fields.collect()
    }

    /// Whether any of these authenticators takes API keys. One that could not be read may.
    pub(super) fn takes_keys(&self, names: &[Arc<str>]) -> bool {
        let mut all = self.written.authenticators.0.iter().filter(|(name, _)| names.contains(&name.value.0));
        all.any(|(_, written)| written.as_ref().is_none_or(|written| written.0.takes_api_keys()))
    }

    /// Whether a role makes operators.
    pub(super) fn makes_operators(&self, role: &str) -> bool {
        let admin = self.written.admin.given().into_iter();
        let mut listed = admin.flat_map(|admin| admin.administrators.iter().chain(&admin.auditors));
        listed.any(|one| one.role.as_ref().is_some_and(|named| &*named.value.0 == role))
    }

    /// What stands at a place, as it was written.
    pub(super) fn written_at(&self, span: Span) -> String {
        self.source.written(span)
    }

    /// A place in the configuration, as decisions tell it: whoever reads them knows in which folder it stands.
    pub(super) fn place(&self, at: Position) -> Place {
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (file, at) = self.source.place_of(at);
        let folder = self.source.file().parent().unwrap_or_else(|| Path::new(""));
        let file = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into();
        Place { file, line: narrow(at.line), column: narrow(at.column) }
    }

    pub(super) fn authenticator(&mut self, name: &At<Identifier>) -> Option<Arc<str>> {
        if self.authenticators.contains(&*name.value.0) {
            return Some(name.value.0.clone());
        }
        let fault = self.undeclared("authenticator", "authenticators", name, &self.authenticators);
        self.fault(fault)
    }

    pub(super) fn decision_point(&mut self, name: &At<Identifier>) -> Option<Arc<str>> {
        if self.decision_points.contains(&*name.value.0) {
            return Some(name.value.0.clone());
        }
        let fault = self.undeclared("decision point", "decision_points", name, &self.decision_points);
        self.fault(fault)
    }

    pub(super) fn service(&mut self, name: &At<Identifier>) -> Option<Arc<str>> {
        if self.services.contains(&*name.value.0) {
            return Some(name.value.0.clone());
        }
        let fault = self.undeclared("service", "services", name, &self.services);
        self.fault(fault)
    }

    pub(super) fn role(&mut self, name: &At<RoleName>) -> Option<Arc<str>> {
        if self.roles.contains(&*name.value.0) {
            return Some(name.value.0.clone());
        }
        let fault = self.undeclared("role", "roles", name, &self.roles);
        self.fault(fault)
    }

    fn undeclared<N: AsRef<Arc<str>>>(
        &self,
        what: &str,
        section: &str,
        name: &At<N>,
        declared: &BTreeSet<&str>,
    ) -> Fault {
        let message = format!("there is no {what} `{}`", self.written_at(name.span));
        let fault = Fault::new(name.span, message).suggest(name.value.as_ref(), declared.iter().copied());
        if fault.help.is_some() { fault } else { fault.help(format!("declare it under `{section}`")) }
    }

    /// Notes what needs a store where there is none.
    pub(super) fn needs_store(&mut self, what: &str, span: Span) {
        if self.written.store.is_absent() {
            let fault = Fault::new(span, format!("{what} needs a store"));
            self.faults.push(fault.help("add `store: sqlite:haechi.db` at the top"));
        }
    }
}
