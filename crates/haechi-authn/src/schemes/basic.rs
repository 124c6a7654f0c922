//! `basic`: a name and a password with every request (RFC 7617), of users in the store or in an htpasswd file.

mod keyed;

use self::keyed::{CredentialHasher, CredentialKey};
use crate::authorization::{AuthScheme, Presented};
use crate::control::Control;
use crate::credential_cache::{CredentialCache, Found};
use crate::declared::DeclaredAttributes;
use crate::guessing::{Lockout, Refused};
use crate::hashing::{ExpectedHash, HashingError, Htpasswd, PasswordPool};
use crate::identity::{PasswordRefused, PasswordVerifier};
use crate::revocation::DependsOn;
use crate::{
    Attempt, Authenticator, Challenge, CredentialMatch, CredentialPlace, Look, RandomnessError,
    RevocationWatch, Scheme,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::{Caller, CallerKind, Clock, RequestHead, RoleTable, Secret, Timestamp};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Waiting for the hashing pool and the store together.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// How many verified credentials a worker remembers, and for how long.
const CAPACITY: usize = 1024;
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// The authenticator.
pub struct Basic {
    shared: Arc<Shared>,
}

/// Whose passwords are asked for.
pub enum Accounts {
    /// Users of the embedded identity provider, with its lockout.
    Store {
        /// Verifies their passwords.
        verifier: Arc<PasswordVerifier>,
        /// Ends what is cached.
        watch: Arc<RevocationWatch>,
        /// The issuer of these callers: the identity provider's own, so that a user is the same one however the user comes.
        issuer: Arc<str>,
        /// The attributes that callers may have.
        declared: Arc<DeclaredAttributes>,
    },
    /// Users of an htpasswd file. Their issuer is `basic:<realm>`.
    File(FileUsers),
}

/// Users of an htpasswd file.
pub struct FileUsers {
    /// The users.
    pub users: Htpasswd,
    /// Where their passwords are hashed.
    pub pool: Arc<PasswordPool>,
    /// Roles that all of them have. Built-in ones do not count: only the store makes administrators of the gate.
    pub roles: Vec<String>,
    /// When they are locked.
    pub lockout: Lockout,
    /// For how long they were.
    pub clock: Arc<dyn Clock>,
}

struct Shared {
    name: Arc<str>,
    realm: Arc<str>,
    challenge: Arc<Challenge>,
    accounts: Accounts,
    roles: Arc<RoleTable>,
    control: Control,
    keyed: CredentialHasher,
}

struct OnWorker {
    shared: Arc<Shared>,
    cache: Rc<RefCell<CredentialCache<CredentialKey, Arc<Caller>>>>,
}

impl Basic {
    /// The authenticator `name`, asking for the passwords of `accounts`.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn new(
        name: &str,
        realm: &str,
        accounts: Accounts,
        roles: Arc<RoleTable>,
        control: Control,
    ) -> Result<Self, RandomnessError> {
        let challenge = Challenge::new(AuthScheme::Basic.name(), realm).with("charset", "UTF-8").into();
        let keyed = CredentialHasher::new()?;
        let (name, realm) = (name.into(), realm.into());
        Ok(Self { shared: Arc::new(Shared { name, realm, challenge, accounts, roles, control, keyed }) })
    }
}

impl Authenticator for Basic {
    fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        let cache = CredentialCache::new(CAPACITY, self.shared.watch().cloned());
        Rc::new(OnWorker { shared: self.shared.clone(), cache: Rc::new(RefCell::new(cache)) })
    }
}

impl Scheme for OnWorker {
    fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.shared.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &[CredentialPlace::Authorization]
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        match AuthScheme::Basic.read(&head.fields) {
            Err(_) => Look::Done(Attempt::invalid_request("`Authorization` stands more than once")),
            Ok(Presented::Absent) => Look::Done(Attempt::Absent),
            Ok(Presented::Malformed) => Look::Done(Attempt::invalid_credentials("no base64 behind `Basic`")),
            Ok(Presented::Token68(text)) => self.judge(text, head.client, now),
        }
    }
}

impl OnWorker {
    fn judge(&self, text: &str, from: IpAddr, now: Timestamp) -> Look {
        let key = self.shared.keyed.key(text.as_bytes(), from);
        if let Some(Found::Holds(caller)) = self.cache.borrow_mut().find(&key, now, |_| true) {
            return Look::Done(Attempt::Verified(caller));
        }
        let Some((name, password)) = decode(text) else {
            return Look::Done(Attempt::invalid_credentials("not the base64 of `name:password` in UTF-8"));
        };
        let version = self.cache.borrow().version();
        let (shared, cache) = (self.shared.clone(), self.cache.clone());
        Look::Wait(Box::pin(async move {
            let attempt = shared.verify(name, password, from).await;
            if let (Attempt::Verified(caller), Some(version)) = (&attempt, version) {
                let (depends_on, ends) = (shared.depends_on(caller), now.plus(REMEMBERED_FOR));
                cache.borrow_mut().keep(key, caller.clone(), depends_on, ends, version);
            }
            attempt
        }))
    }
}

impl Shared {
    const fn watch(&self) -> Option<&Arc<RevocationWatch>> {
        match &self.accounts {
            Accounts::Store { watch, .. } => Some(watch),
            Accounts::File(_) => None,
        }
    }

    fn depends_on(&self, caller: &Caller) -> DependsOn {
        match &self.accounts {
            Accounts::Store { .. } => DependsOn::user(&caller.subject),
            Accounts::File(_) => DependsOn::nothing(),
        }
    }

    async fn verify(&self, name: String, password: Secret<String>, from: IpAddr) -> Attempt {
        let (vouched, claimed) = match &self.accounts {
            Accounts::Store { verifier, issuer, declared, .. } => {
                let question = (name, password, from);
                let claimed = self.ask_store(verifier.clone(), question, issuer, declared).await;
                (Vouched::BySelf, claimed)
            }
            Accounts::File(file) => (Vouched::ByOther, self.ask_file(file, name, password, from).await),
        };
        match claimed {
            Ok(claimed) => {
                let caller = Caller::new(CallerKind::User, &self.name, vouched, &self.roles, claimed);
                Attempt::Verified(Arc::new(caller))
            }
            Err(attempt) => attempt,
        }
    }

    async fn ask_store(
        &self,
        verifier: Arc<PasswordVerifier>,
        (name, password, from): (String, Secret<String>, IpAddr),
        issuer: &str,
        declared: &DeclaredAttributes,
    ) -> Result<Claimed, Attempt> {
        let question = async move { verifier.verify(&name, password, from).await };
        let user = match self.control.ask(ANSWERS_WITHIN, question).await {
            Ok(Ok(user)) => user,
            Ok(Err(PasswordRefused::Wrong(reason))) => return Err(wrong(reason)),
            Ok(Err(PasswordRefused::NoSuchUser)) => return Err(no_such_user()),
            Ok(Err(refused)) => return Err(Attempt::unavailable(refused.to_string())),
            Err(unavailable) => return Err(Attempt::Unavailable(unavailable)),
        };
        Ok(Claimed {
            subject: user.id,
            issuer: issuer.to_owned(),
            attributes: declared.keep(&user.attributes),
            roles: user.roles,
            ..Claimed::default()
        })
    }

    async fn ask_file(
        &self,
        file: &FileUsers,
        name: String,
        password: Secret<String>,
        from: IpAddr,
    ) -> Result<Claimed, Attempt> {
        let FileUsers { users, pool, roles, lockout, clock } = file;
        let claim = (&*self.name, &*name);
        let guess = match pool.guard().admit(claim, from, *lockout, || clock.uptime()).await {
            Ok(guess) => guess,
            Err(Refused::Locked(reason)) => return Err(Attempt::invalid_credentials(reason)),
            Err(Refused::Busy) => return Err(Attempt::unavailable(HashingError::Busy.to_string())),
        };
        let known = users.hash_of(&name);
        let against = match (known, users.any_hash(self.keyed.number(name.as_bytes()))) {
            (Some(hash), _) => ExpectedHash::Real(hash.clone()),
            (None, Some(other)) => ExpectedHash::Decoy(other.clone()),
            (None, None) => pool.decoy(),
        };
        match pool.verify(password, against).await {
            Ok(true) => {
                guess.succeeded().await;
                Ok(Claimed {
                    subject: name,
                    issuer: format!("basic:{}", self.realm),
                    roles: roles.clone(),
                    ..Claimed::default()
                })
            }
            Ok(false) => {
                guess.failed(&name, clock.uptime()).await;
                Err(if known.is_some() { wrong("wrong password") } else { no_such_user() })
            }
            Err(error) => Err(Attempt::unavailable(error.to_string())),
        }
    }
}

/// Of a name that is known here.
fn wrong(reason: &'static str) -> Attempt {
    Attempt::invalid_credentials(reason).matched(CredentialMatch::Named)
}

/// Another authenticator of the route may know the name.
fn no_such_user() -> Attempt {
    Attempt::invalid_credentials("no such user").matched(CredentialMatch::Other)
}

/// RFC 7617 2: base64 of `user-id:password`, the first colon divides, neither has control characters. UTF-8, as the challenge asks.
fn decode(text: &str) -> Option<(String, Secret<String>)> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let (name, password) = str::from_utf8(&bytes).ok()?.split_once(':')?;
    let sound = !name.is_empty() && !name.chars().chain(password.chars()).any(char::is_control);
    sound.then(|| (name.to_owned(), Secret::from(password)))
}

#[cfg(test)]
mod tests;
