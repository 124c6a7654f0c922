//! `basic`: a name and a password with every request (RFC 7617), of users in the store or in an htpasswd file.

mod keyed;
mod remembered;

use self::keyed::{CredentialHasher, CredentialKey};
use self::remembered::{Remembered, no_such_user, wrong};
use crate::authorization::{AuthScheme, Presented};
use crate::control::{Control, STORE_ANSWERS_WITHIN};
use crate::credential_cache::{CredentialCache, Recalled};
use crate::declared::DeclaredAttributes;
use crate::guessing::{Lockout, Refused};
use crate::hashing::{ExpectedHash, HashingError, Htpasswd, PasswordPool};
use crate::identity::{KnownPassword, KnownUser, PasswordRefused, PasswordVerifier};
use crate::{
    Attempt, Authenticator, Challenge, CredentialPlace, Look, RandomnessError, RevocationWatch, Scheme,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::ports::UserRecord;
use haechi_core::{Caller, CallerKind, Clock, RequestHead, RoleTable, Secret, Timestamp};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Waiting for the hashing pool and the store together.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// How many credentials that were right once a worker remembers.
const CAPACITY: usize = 1024;

/// The authenticator.
pub struct Basic {
    shared: Arc<Shared>,
}

/// Whose passwords are asked for.
pub enum Accounts {
    /// Users of the embedded identity provider, with its lockout.
    Store(StoreUsers),
    /// Users of an htpasswd file. Their issuer is `basic:<realm>`.
    File(FileUsers),
}

/// Users of the embedded identity provider.
pub struct StoreUsers {
    /// Verifies their passwords.
    pub verifier: Arc<PasswordVerifier>,
    /// Ends what is cached.
    pub watch: Arc<RevocationWatch>,
    /// The issuer of these callers: the identity provider's own, so that a user is the same one however the user comes.
    pub issuer: Arc<str>,
    /// The attributes that callers may have.
    pub declared: Arc<DeclaredAttributes>,
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
    cache: Rc<RefCell<CredentialCache<CredentialKey, Arc<Remembered>>>>,
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
        let known = match self.cache.borrow_mut().recall(&key, now) {
            Some(Recalled::Holds(known)) => match known.attempt() {
                Some(attempt) => return Look::Done(attempt),
                None => Some(known),
            },
            Some(Recalled::InDoubt(known)) => Some(known),
            None => None,
        };
        let Some((name, password)) = decode(text) else {
            return Look::Done(Attempt::invalid_credentials("not the base64 of `name:password` in UTF-8"));
        };
        let version = self.cache.borrow().version();
        let (shared, cache) = (self.shared.clone(), self.cache.clone());
        Look::Wait(Box::pin(async move {
            let judged = shared.verify(name, password, from, known).await;
            if let (Ok(remembered), Some(version)) = (&judged, version) {
                let (depends_on, ends) = (remembered.depends_on(), now.plus(remembered.lasts()));
                cache.borrow_mut().keep(key, remembered.clone(), depends_on, ends, version);
            }
            judged.map_or_else(|attempt| attempt, |remembered| remembered.answer())
        }))
    }
}

impl Shared {
    const fn watch(&self) -> Option<&Arc<RevocationWatch>> {
        match &self.accounts {
            Accounts::Store(users) => Some(&users.watch),
            Accounts::File(_) => None,
        }
    }

    /// What is to be remembered of the credential; or an answer that may be another the next time.
    async fn verify(
        &self,
        name: String,
        password: Secret<String>,
        from: IpAddr,
        known: Option<Arc<Remembered>>,
    ) -> Result<Arc<Remembered>, Attempt> {
        let remembered = match &self.accounts {
            Accounts::Store(users) => self.ask_store(users, (name, password, from), known).await?,
            Accounts::File(file) => {
                let claimed = self.ask_file(file, name, password, from).await?;
                Remembered::right(self.caller(Vouched::ByOther, claimed), None)
            }
        };
        Ok(Arc::new(remembered))
    }

    fn caller(&self, vouched: Vouched, claimed: Claimed) -> Arc<Caller> {
        Arc::new(Caller::new(CallerKind::User, &self.name, vouched, &self.roles, claimed))
    }

    /// A user of the store as a caller.
    fn caller_of(&self, StoreUsers { issuer, declared, .. }: &StoreUsers, user: UserRecord) -> Arc<Caller> {
        let (issuer, attributes) = (issuer.to_string(), declared.keep(&user.attributes));
        let claimed =
            Claimed { subject: user.id, issuer, attributes, roles: user.roles, ..Claimed::default() };
        self.caller(Vouched::BySelf, claimed)
    }

    async fn ask_store(
        &self,
        users: &StoreUsers,
        (name, password, from): (String, Secret<String>, IpAddr),
        known: Option<Arc<Remembered>>,
    ) -> Result<Remembered, Attempt> {
        let mut has_changed_to = None;
        if let Some(known) = known {
            let found = look_up(&self.control, users.verifier.clone(), name.clone()).await?;
            has_changed_to = found.as_ref().map(|known| KnownPassword::of(&known.user));
            if let Some(remembered) = known.now_that(found, |user| self.caller_of(users, user)) {
                return Ok(remembered);
            }
        }
        let verifier = users.verifier.clone();
        let question = async move { verifier.verify(&name, password, from).await };
        match self.control.ask(ANSWERS_WITHIN, question).await {
            Ok(Ok(user)) => {
                let password = KnownPassword::of(&user);
                Ok(Remembered::right(self.caller_of(users, user), Some(password)))
            }
            Ok(Err(refused)) => match (refused, has_changed_to) {
                (PasswordRefused::Mismatch, Some(password)) => Ok(Remembered::mismatch(password)),
                (PasswordRefused::Mismatch, None) => Err(wrong("wrong password")),
                (PasswordRefused::Wrong(reason), _) => Err(wrong(reason)),
                (PasswordRefused::NoSuchUser, _) => Err(no_such_user()),
                (refused, _) => Err(Attempt::unavailable(refused.to_string())),
            },
            Err(unavailable) => Err(Attempt::Unavailable(unavailable)),
        }
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

async fn look_up(
    control: &Control,
    verifier: Arc<PasswordVerifier>,
    name: String,
) -> Result<Option<KnownUser>, Attempt> {
    let question = async move { verifier.look_up(&name).await };
    match control.ask(STORE_ANSWERS_WITHIN, question).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Attempt::unavailable(error.to_string())),
        Err(unavailable) => Err(Attempt::Unavailable(unavailable)),
    }
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
