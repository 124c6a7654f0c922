//! `type: basic`: a name and a password with every request.

use super::definition::{AuthenticatorType, Checks, Materials, Needs, Record, Settings};
use super::file::usable;
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{FilePath, RoleName};
use haechi_authn::hashing::Htpasswd;
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::basic::{self, Basic as BasicAuthenticator};
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::{CallerKind, role};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<Basic>("basic");

record! {
    "a `basic` authenticator"
    tag "type" = "basic"
    /// A name and a password in the `Authorization` field (RFC 7617).
    struct Basic {
        /// What the client is told to log in to. The authenticator's name where this is left out.
        optional realm as "realm": At<String>,
        /// An htpasswd file (argon2id, bcrypt). Without it the users are those in the store.
        optional users_file as "users_file": At<FilePath>,
        /// The roles that every user in `users_file` holds; those in the store have their own.
        optional roles as "roles": At<Vec<At<RoleName>>>,
    }
}

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BasicSettings {
    /// What the client is told to log in to: visible ASCII and spaces without `"` and `\`.
    realm: String,
    /// Whose passwords count.
    users: Users,
    /// The roles of every user in a file, all declared; empty for users in the store, who have their own.
    roles: Vec<String>,
}

/// Whose passwords count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Users {
    /// Those in the store.
    Store,
    /// Those in an htpasswd file.
    File(PathBuf),
}

impl Record for At<Basic> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        vec![CredentialPlace::Authorization]
    }

    fn check(&self, name: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        let realm = match self.realm.given() {
            None => name.to_string(),
            Some(realm) if realm.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') => {
                realm.value.clone()
            }
            Some(realm) => {
                let fault = Fault::new(realm.span, "a realm is visible ASCII without `\"` and `\\`");
                return checks.fault(fault.help("choose a plain word"));
            }
        };
        let users = match self.users_file.given() {
            Some(file) => {
                let users = usable(checks, file, Htpasswd::parse)?;
                warn_of_weak_hashes(checks, file, &users);
                Users::File(file.0.clone())
            }
            None => {
                if self.users_file.is_absent() {
                    checks.needs_store("a `basic` authenticator without `users_file`", self.span);
                }
                Users::Store
            }
        };
        let roles = roles_of_all(checks, self)?;
        Some(Arc::new(BasicSettings { realm, users, roles }))
    }
}

/// How many users a warning names.
const NAMED: usize = 5;

/// Whoever gets hold of the file can try passwords against weak hashes too quickly.
fn warn_of_weak_hashes(checks: &mut dyn Checks, file: &At<FilePath>, users: &Htpasswd) {
    let mut weak: Vec<String> = users.weak().map(|(name, how)| format!("`{name}` ({how})")).collect();
    if weak.is_empty() {
        return;
    }
    let more = weak.len().saturating_sub(NAMED);
    weak.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message =
        format!("`{}` has weak password hashes: {}{more}", checks.text_at(file.span), weak.join(", "));
    let help = "hash the passwords anew: bcrypt with a cost of at least 10 (`htpasswd -nB -C 12 NAME`), or argon2id with at least m=19456, t=2";
    checks.warn(Fault::new(file.span, message).help(help));
}

fn roles_of_all(checks: &mut dyn Checks, written: &Basic) -> Option<Vec<String>> {
    let Some(roles) = written.roles.given() else { return Some(Vec::new()) };
    if written.users_file.is_absent() {
        let fault = Fault::new(roles.span, "users in the store have roles of their own");
        return checks.fault(fault.help("remove `roles`, or name a `users_file`"));
    }
    roles.iter().map(|role| role_of_all(checks, role)).collect()
}

/// Only the store makes administrators of the gate.
fn role_of_all(checks: &mut dyn Checks, role: &At<RoleName>) -> Option<String> {
    let name = checks.role(&role.value.0, role.span)?;
    if name.starts_with(role::RESERVED_PREFIX) {
        let message =
            format!("users in a file cannot have the built-in role `{}`", checks.text_at(role.span));
        return checks.fault(Fault::new(role.span, message).help("give it to users in the store, by name"));
    }
    Some(name.to_string())
}

impl Settings for BasicSettings {
    fn needs(&self) -> Needs<'_> {
        let file = match &self.users {
            Users::Store => None,
            Users::File(path) => Some(path.as_path()),
        };
        Needs { password_pool: true, file }
    }

    fn build(
        &self,
        name: &Arc<str>,
        _: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let pool = materials.pool.ok_or("no password can be verified without a hashing pool")?;
        let accounts = match &self.users {
            Users::Store => basic::Accounts::Store(basic::StoreUsers {
                verifier: materials.verifier.clone().ok_or("users in the store need `store`")?,
                watch: materials.watch.clone(),
                issuer: materials.own_issuer.clone(),
                declared: materials.declared.clone(),
            }),
            Users::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("`users_file` cannot be read: {error}"))?;
                let users = Htpasswd::parse(&text).map_err(|faults| faults.to_string())?;
                let lockout = materials.lockout;
                let (pool, roles, clock) = (pool.clone(), self.roles.clone(), materials.clock.clone());
                basic::Accounts::File(basic::FileUsers { users, pool, roles, lockout, clock })
            }
        };
        let (roles, control) = (materials.roles.clone(), materials.control.clone());
        let authenticator = BasicAuthenticator::new(name, &self.realm, accounts, roles, control);
        Ok(Arc::new(authenticator.map_err(|fault| fault.to_string())?))
    }

    fn way(&self, name: &Arc<str>, own_issuer: &Arc<str>) -> CallerOrigin {
        let user = CallerOrigin { scopes: false, ..CallerOrigin::any(CallerKind::User, name) };
        match &self.users {
            Users::Store => CallerOrigin { issuer: Some(own_issuer.clone()), ..user },
            Users::File(_) => CallerOrigin {
                issuer: Some(format!("basic:{}", self.realm).into()),
                roles: PossibleValues::Exactly(
                    self.roles.iter().map(|role| Arc::from(role.as_str())).collect(),
                ),
                attributes: Some(BTreeSet::new()),
                ..user
            },
        }
    }
}
