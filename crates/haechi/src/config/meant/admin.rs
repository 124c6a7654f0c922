//! The admin API: where it is, and who may call it. And the listeners for probes.

use super::authenticator::Authenticator;
use super::names::Resolver;
use super::{admin_policies, tls};
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{Identifier, RoleName};
use crate::config::written::{self, ListenerType};
use haechi_authn::CredentialPlace;
use haechi_authz::Compiled;
use haechi_authz::analysis::PossibleValues;
use haechi_core::{AttributeType, Host, Role, RoleTable, role};
use haechi_proxy::ListenerTls;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `sun_path` has 108 bytes, one of which ends it (`unix(7)`).
const LONGEST_SOCKET: usize = 107;

/// The admin API.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    /// Elsewhere than on loopback there is `tls`.
    pub bind: Option<SocketAddr>,
    /// An absolute path.
    pub socket: Option<PathBuf>,
    /// At `bind`.
    pub tls: Option<Arc<ListenerTls>>,
    /// Names besides those that follow from the rest, in lower case.
    pub hosts: Vec<Host>,
    /// Who may do everything.
    pub administrators: Vec<OperatorRole>,
    /// Who may look.
    pub auditors: Vec<OperatorRole>,
    /// What narrows both.
    pub policies: Option<Arc<Compiled>>,
    /// Whether `/console` shows pages at `bind`.
    pub console: bool,
    /// Whether the gate may write another configuration into its file.
    pub write_config: bool,
    /// How long some changes wait for a second person; `None` where one is enough.
    pub second_person: Option<Duration>,
}

/// A role that an authenticator gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OperatorRole {
    /// Its name.
    pub authenticator: Arc<str>,
    /// The role.
    pub role: Role,
}

/// A listener for probes.
#[derive(Clone, Debug)]
pub(crate) struct ProbeListener {
    /// Port 0 stands for a free one.
    pub bind: SocketAddr,
    /// How it speaks TLS.
    pub tls: Option<Arc<ListenerTls>>,
}

impl Admin {
    /// What cannot change while the process runs: where it is.
    pub(super) fn places(&self) -> (Option<SocketAddr>, Option<&Path>) {
        (self.bind, self.socket.as_deref())
    }

    /// The roles that make operators.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &OperatorRole> {
        self.administrators.iter().chain(&self.auditors)
    }
}

/// The authenticators that callers of the admin API may show credentials of.
pub(super) fn asked(written: &written::Config) -> impl Iterator<Item = &str> {
    let admin = written.admin.given().into_iter();
    let listed = admin.flat_map(|admin| admin.administrators.iter().chain(&admin.auditors));
    listed.filter_map(|one| Some(&*one.authenticator.as_ref()?.value.0))
}

/// Whether it is a listener for probes, which the admin API's server answers.
pub(super) fn is_for_probes(listener: &written::Listener) -> bool {
    listener.kind.given().is_some_and(|kind| kind.value == ListenerType::Probes)
}

/// The listeners for probes.
pub(super) fn probes(resolver: &mut Resolver<'_>) -> Option<Vec<ProbeListener>> {
    let mut all = Vec::new();
    let mut complete = true;
    for listener in resolver.written.listeners.iter().flatten().filter(|listener| is_for_probes(listener)) {
        let odd = [
            (listener.proxy_protocol.given().map(|given| given.span), "proxy_protocol"),
            (listener.redirect.given().map(|given| given.span), "redirect"),
        ];
        for (span, key) in odd.into_iter().filter_map(|(span, key)| Some((span?, key))) {
            let fault = Fault::new(span, format!("a listener of `type: probes` has no `{key}`"));
            resolver.faults.push(fault.help("remove it, or `type`"));
        }
        let tls = listener.tls.resolve(|written| tls::listener(resolver, written));
        match (&listener.bind, tls) {
            (Some(bind), Some(tls)) => all.push(ProbeListener { bind: bind.value, tls }),
            _ => complete = false,
        }
    }
    complete.then_some(all)
}

/// The admin API; `Some(None)` where there is none.
pub(super) fn admin(
    resolver: &mut Resolver<'_>,
    folder: &Path,
    roles: Option<&RoleTable>,
    authenticators: Option<&BTreeMap<Arc<str>, Authenticator>>,
    attributes: &BTreeMap<Box<str>, AttributeType>,
) -> Option<Option<Admin>> {
    let written = match &resolver.written.admin {
        Maybe::Absent => return Some(None),
        Maybe::Faulty => return None,
        Maybe::Given(written) => written,
    };
    let tls = written.tls.resolve(|tls| tls::listener(resolver, tls));
    let bind = written.bind.given();
    if let Some(bind) = bind {
        clear_of_listeners(resolver, bind);
        reachable(resolver, written, bind);
    }
    let socket = written.socket.given().and_then(|socket| self::socket(resolver, socket, folder));
    if written.bind.is_absent() && written.socket.is_absent() {
        let fault = Fault::of_file("`admin` says neither `bind` nor `socket`, so nobody could reach it");
        resolver.faults.push(fault.help("add `bind: 127.0.0.1:9901`, or `socket: admin.sock`"));
    }
    if let Some(alone) = written.tls.given().filter(|_| written.bind.is_absent()) {
        let fault = Fault::new(alone.span, "`tls` of `admin` is for `bind`, and there is none");
        resolver.faults.push(fault.help("add `bind`, or remove `tls`"));
    }
    let mut operators = |listed: &[written::OperatorRole]| -> Option<Vec<OperatorRole>> {
        let each = listed.iter().map(|one| operator(resolver, one, roles, authenticators));
        each.collect::<Vec<_>>().into_iter().collect()
    };
    let (administrators, auditors) = (operators(&written.administrators), operators(&written.auditors));
    let listed = administrators.iter().chain(&auditors).flatten().map(|one| one.role.clone());
    let second_person = second_person(resolver, written);
    let known = roles.map(|roles| roles.clone().knowing(listed));
    let policies = known.and_then(|known| admin_policies::policies(resolver, written, &known, attributes));
    Some(Some(Admin {
        bind: bind.map(|bind| bind.value),
        socket,
        tls: tls?,
        hosts: written.hosts.iter().map(|host| host.value.clone()).collect(),
        administrators: administrators?,
        auditors: auditors?,
        policies: policies?,
        console: console(resolver, written),
        write_config: written.write_config.given().is_some_and(|wanted| wanted.value),
        second_person,
    }))
}

/// People come to an address, and log in as users of the gate's own.
fn console(resolver: &mut Resolver<'_>, written: &written::Admin) -> bool {
    let Some(wanted) = written.console.given().filter(|wanted| wanted.value) else { return false };
    if written.bind.is_absent() {
        let fault = Fault::new(wanted.span, "`console` needs `bind`: no browser comes over a Unix socket");
        resolver.faults.push(fault.help("add `bind: 127.0.0.1:9901`, or remove `console`"));
    }
    if resolver.written.identity.is_absent() {
        let fault = Fault::new(wanted.span, "`console` needs `identity`, as whose users people log in");
        resolver.faults.push(fault.help("add `identity`, or remove `console`"));
    }
    true
}

/// Who waits must be kept somewhere, for all nodes.
fn second_person(resolver: &mut Resolver<'_>, written: &written::Admin) -> Option<Duration> {
    let wanted = written.approvals.given().filter(|wanted| wanted.value.0 > 1)?;
    if resolver.written.store.is_absent() {
        let fault = Fault::new(
            wanted.span,
            "`approvals: 2` needs a store, in which changes wait for the second person",
        );
        resolver.faults.push(fault.help("add `store: sqlite:haechi.db`, or remove `approvals`"));
    }
    Some(written.approval_lifetime.0)
}

fn clear_of_listeners(resolver: &mut Resolver<'_>, bind: &At<SocketAddr>) {
    let listeners = resolver.written.listeners.iter().flatten();
    let taken =
        listeners.filter_map(|listener| listener.bind.as_ref()).any(|other| other.value == bind.value);
    if taken && bind.value.port() != 0 {
        let shown = resolver.written_at(bind.span);
        let fault = Fault::new(bind.span, format!("a listener has the address `{shown}` already"));
        resolver.faults.push(fault.help("give the admin listener a port of its own"));
    }
}

/// Where others than this machine reach it, credentials must not be read on the way, and somebody must be able to have one.
fn reachable(resolver: &mut Resolver<'_>, written: &written::Admin, bind: &At<SocketAddr>) {
    if bind.value.ip().to_canonical().is_loopback() {
        return;
    }
    let shown = resolver.written_at(bind.span);
    if written.tls.is_absent() {
        let message = format!("the admin listener on `{shown}` needs `tls`: tokens would travel unencrypted");
        let help = "add `tls: { certificates: [{ certificate: admin.pem, key: admin.key }] }`, or bind it to a loopback \
                    address; a listener of `type: probes` is for `/livez`, `/readyz` and `/metrics` alone";
        resolver.faults.push(Fault::new(bind.span, message).help(help));
    }
    let nobody = resolver.written.identity.is_absent()
        && written.administrators.is_empty()
        && written.auditors.is_empty();
    if nobody {
        let message = format!("nobody could call the admin listener on `{shown}`");
        let help = "add `administrators: [{ authenticator: NAME, role: ROLE }]` or `identity`; \
                    a listener of `type: probes` is for `/livez`, `/readyz` and `/metrics` alone";
        resolver.faults.push(Fault::new(bind.span, message).help(help));
    }
}

fn socket(resolver: &mut Resolver<'_>, written: &At<String>, folder: &Path) -> Option<PathBuf> {
    let shown = resolver.written_at(written.span);
    let fault = |message: String| Fault::new(written.span, message);
    if written.value.is_empty() || written.value.ends_with('/') {
        let fault = fault(format!("`{shown}` is not a file's name"));
        return resolver
            .fault(fault.help("write a path such as `admin.sock`, relative to the configuration's folder"));
    }
    let path = match std::path::absolute(folder.join(&written.value)) {
        Ok(path) => path,
        Err(error) => return resolver.fault(fault(format!("`{shown}` is no path: {error}"))),
    };
    if path.as_os_str().len() > LONGEST_SOCKET {
        let length = path.as_os_str().len();
        let fault = fault(format!(
            "the path of the socket has {length} bytes, and the system takes {LONGEST_SOCKET}"
        ));
        return resolver.fault(fault.help("choose a shorter one, such as `/run/haechi/admin.sock`"));
    }
    Some(path)
}

/// Whose holders are operators. What could never be one is a fault: somebody relies on it.
fn operator(
    resolver: &mut Resolver<'_>,
    written: &written::OperatorRole,
    roles: Option<&RoleTable>,
    authenticators: Option<&BTreeMap<Arc<str>, Authenticator>>,
) -> Option<OperatorRole> {
    let (name, role) = (written.authenticator.as_ref()?, written.role.as_ref()?);
    let authenticator = resolver.authenticator(name)?;
    can_vouch(resolver, name)?;
    if role.value.0.starts_with(role::RESERVED_PREFIX) {
        let message = format!("`{}` cannot be given so: such roles are built in", role.value);
        let help = "name a role as the authenticator gives it; users with `haechi-admin` and `haechi-auditor` are operators already";
        return resolver.fault(Fault::new(role.span, message).help(help));
    }
    if let Some(known) = authenticators.and_then(|all| all.get(&authenticator)) {
        gives(resolver, known, role, roles)?;
    }
    Some(OperatorRole { authenticator, role: role.value.0.clone() })
}

/// The admin API looks at header fields alone: a cookie is sent by browsers, whichever page asks.
fn can_vouch(resolver: &mut Resolver<'_>, name: &At<Identifier>) -> Option<()> {
    let all = &resolver.written.authenticators.0;
    let places = all
        .iter()
        .filter(|(known, _)| known.value.0 == name.value.0)
        .find_map(|(_, written)| written.as_ref().map(|written| written.0.credential_places()));
    let Some(places) = places else { return Some(()) };
    let in_a_field =
        |place: &CredentialPlace| matches!(place, CredentialPlace::Authorization | CredentialPlace::Field(_));
    if places.iter().any(in_a_field) {
        return Some(());
    }
    let message = format!(
        "the authenticator `{}` cannot vouch for callers of the admin API, which takes credentials in header fields only",
        name.value
    );
    resolver.fault(Fault::new(name.span, message).help("name one that looks into a header field"))
}

fn gives(
    resolver: &mut Resolver<'_>,
    authenticator: &Authenticator,
    role: &At<RoleName>,
    roles: Option<&RoleTable>,
) -> Option<()> {
    let nobody: Arc<str> = "".into();
    let shown = resolver.written_at(role.span);
    let name = &authenticator.name;
    match authenticator.settings.way(name, &nobody).roles {
        // Whatever the issuer says.
        PossibleValues::NotBuiltIn => Some(()),
        PossibleValues::Exactly(given) if !given.iter().any(|one| **one == *role.value.0) => {
            let message = format!("the authenticator `{name}` never gives the role `{shown}`");
            resolver.fault(
                Fault::new(role.span, message)
                    .help("say from which claim roles come, or name a role that it gives"),
            )
        }
        PossibleValues::Exactly(_) => Some(()),
        PossibleValues::Any if roles.is_none_or(|roles| roles.knows(&role.value.0)) => Some(()),
        PossibleValues::Any => resolver.role(role).map(drop),
    }
}
