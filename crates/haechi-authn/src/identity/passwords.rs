//! Whether a name and a password belong to a user of the store: one answer for every way in that asks for both.

use super::limits::{CallLimited, LimitedCall};
use super::second_factor::{FactorError, SecondFactors};
use super::tokens::methods_of;
use crate::guessing::{BY_NAME, Lockout, Refused};
use crate::hashing::{ExpectedHash, HashingError, PasswordPool, StoredHash};
use crate::random;
use haechi_core::ports::{StoreError, UserRecord, Users};
use haechi_core::{Clock, Secret, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Refusals are given at the next multiple of this, so that small differences in the work behind them cannot be measured.
const REFUSALS_EVERY: Duration = Duration::from_millis(50);
/// Names of the store's users, where several authenticators ask for passwords.
pub(super) const REALM: &str = "";
/// Where nobody can be asked for a code.
const NOT_ALONE: &str = "the user has a second factor, which is not asked for here";
/// Where nobody can be asked for a new password.
const TO_BE_CHANGED: &str = "the password must be changed, which is not asked for here";
/// No user has this id: counting a failure for it costs the same, and changes nothing.
const NOBODY: &str = "";

/// Verifies passwords of the store's users, counts failures, and honours lockout and disabling.
///
/// Unknown, disabled and locked users get the answer of a wrong password, after the same reads, the same hashing and the same write. Whoever failed too
/// often ([`crate::guessing`]) gets it without, whatever the name.
pub struct PasswordVerifier {
    pub(super) users: Arc<dyn Users>,
    pub(super) factors: SecondFactors,
    pub(super) pool: Arc<PasswordPool>,
    pub(super) clock: Arc<dyn Clock>,
    lockout: Lockout,
    /// After how long a password must be changed.
    max_age: Option<Duration>,
}

/// Why a name and password were not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// They are not right now. What exactly is for the operator only.
    #[error("{0}")]
    Wrong(&'static str),
    /// The password is not the user's. For the operator only.
    #[error("wrong password")]
    Mismatch,
    /// There is no user of this name. For the operator only: nobody else may tell it from a wrong password.
    #[error("no such user")]
    NoSuchUser,
    /// The account had too many logins.
    #[error("{0}")]
    Limited(CallLimited),
    /// Too many passwords are being verified.
    #[error("the password hashing pool is full")]
    Busy,
    /// Could not find out.
    #[error("{0}")]
    Unavailable(String),
}

impl PasswordVerifier {
    /// A verifier over the store's users.
    pub fn new(
        users: Arc<dyn Users>,
        factors: SecondFactors,
        pool: Arc<PasswordPool>,
        clock: Arc<dyn Clock>,
        lockout: Lockout,
    ) -> Self {
        Self { users, factors, pool, clock, lockout, max_age: None }
    }

    /// The same, where a password must be changed that is older than this.
    #[must_use]
    pub fn with_max_age(self, max_age: Option<Duration>) -> Self {
        Self { max_age, ..self }
    }

    /// Whether the user must change the password before anything else: an administrator said so, or it is too old.
    pub(super) fn must_change(&self, user: &UserRecord) -> bool {
        let set_at = user.password.changed_at.unwrap_or(user.created_at);
        let is_old = |most| self.clock.now().since(set_at) >= most;
        user.password.must_change || self.max_age.is_some_and(is_old)
    }

    /// The user, if the password is right and is all that the user has to show, as the store has it after the password was verified. Needs a runtime with
    /// timers; ask it on the control runtime.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    pub async fn verify(
        &self,
        name: &str,
        password: Secret<String>,
        from: IpAddr,
    ) -> Result<UserRecord, PasswordRefused> {
        let started = Instant::now();
        let outcome = match self.admit_and_judge(name, Tried::Password(password, None), from, None).await {
            Ok(Shown { lacks_code: true, .. }) => Err(PasswordRefused::Wrong(NOT_ALONE)),
            Ok(Shown { user, .. }) if self.must_change(&user) => Err(PasswordRefused::Wrong(TO_BE_CHANGED)),
            Ok(Shown { user, .. }) => Ok(user),
            Err(refused) => Err(refused),
        };
        in_time(started, outcome).await
    }

    /// What somebody has shown with a password, and with a code where there is one, if the account has not had too many logins before this `call`.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    pub(super) async fn verify_within(
        &self,
        name: &str,
        (password, code): (Secret<String>, Option<Secret<String>>),
        from: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<Shown, PasswordRefused> {
        let started = Instant::now();
        let tried = Tried::Password(password, code);
        in_time(started, self.admit_and_judge(name, tried, from, Some(call)).await).await
    }

    /// The same of a code alone, of a user who has shown the password before. Counts as a password does.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    pub(super) async fn verify_code(
        &self,
        user: &UserRecord,
        code: Secret<String>,
        from: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<Shown, PasswordRefused> {
        let started = Instant::now();
        let tried = Tried::Code(user, code);
        in_time(started, self.admit_and_judge(&user.name, tried, from, Some(call)).await).await
    }

    /// The user of this name as the store has it now, for whoever knows already whether the password is right, and why it is not all that the user has to
    /// show, where it is not: nothing is hashed, and nobody's guess is counted.
    ///
    /// # Errors
    /// [`PasswordRefused::Unavailable`].
    pub(crate) async fn look_up(&self, name: &str) -> Result<Option<KnownUser>, PasswordRefused> {
        let Some(user) = self.users.by_name(name).await? else { return Ok(None) };
        if user.disabled {
            return Ok(Some(KnownUser { user, barred: Some("the user is disabled") }));
        }
        let has_more = self.factors.standing(&user.id, self.clock.now()).await?.is_on;
        let barred =
            has_more.then_some(NOT_ALONE).or_else(|| self.must_change(&user).then_some(TO_BE_CHANGED));
        Ok(Some(KnownUser { user, barred }))
    }

    /// The second factors of these users.
    pub(super) const fn factors(&self) -> &SecondFactors {
        &self.factors
    }

    async fn admit_and_judge(
        &self,
        name: &str,
        tried: Tried<'_>,
        from: IpAddr,
        call: Option<&mut LimitedCall<'_>>,
    ) -> Result<Shown, PasswordRefused> {
        let uptime = || self.clock.uptime();
        let guess = self.pool.guard().admit((REALM, name), from, self.lockout, uptime).await?;
        // After the guard: who is locked out uses up nothing that others have.
        if let Some(call) = call {
            call.login_as(name, from, guess.is_known).await.map_err(PasswordRefused::Limited)?;
        }
        let outcome = self.judge(name, tried, guess.is_known).await;
        match &outcome {
            // The half of what is asked for is no success: else whoever knows the password could try codes without end.
            Ok(shown) if shown.lacks_code => {}
            Ok(_) => guess.succeeded().await,
            Err(refused) if refused.is_verdict() => guess.failed(name, uptime()).await,
            Err(_) => {}
        }
        outcome
    }

    async fn judge(&self, name: &str, tried: Tried<'_>, is_known: bool) -> Result<Shown, PasswordRefused> {
        let (before, matches, code) = match tried {
            Tried::Password(password, code) => {
                let before = self.users.by_name(name).await?;
                let matches = self.pool.verify(password, self.against(before.as_ref())?).await?;
                (before, matches, code)
            }
            Tried::Code(user, code) => (Some(user.clone()), true, Some(code)),
        };
        // Others may have failed, or an operator may have acted, while this password was hashed.
        let after = self.users.by_name(name).await?;
        let mut verdict = match verdict(before.as_ref(), after, matches, is_known, self.clock.now()) {
            Ok(user) => self.second(user, code.as_ref()).await?,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &mut verdict
            && is_known
        {
            // Whoever fails where the user is known locks nobody else.
            refusal.counts_for = None;
        }
        match &verdict {
            Ok(shown) if shown.lacks_code || shown.user.login == Default::default() => {}
            Ok(shown) => self.users.login_succeeded(&shown.user.id).await?,
            Err(refusal) => self.count(refusal).await?,
        }
        verdict.map_err(|refusal| refusal.why)
    }

    /// What the user has shown beyond the password.
    async fn second(
        &self,
        user: UserRecord,
        code: Option<&Secret<String>>,
    ) -> Result<Result<Shown, Refusal>, PasswordRefused> {
        let now = self.clock.now();
        if !self.factors.standing(&user.id, now).await?.is_on {
            return Ok(Ok(Shown { user, methods: methods_of(false), passkey: None, lacks_code: false }));
        }
        let Some(code) = code else {
            return Ok(Ok(Shown { user, methods: methods_of(false), passkey: None, lacks_code: true }));
        };
        if self.factors.takes(&user.id, code.expose(), now).await? {
            return Ok(Ok(Shown { user, methods: methods_of(true), passkey: None, lacks_code: false }));
        }
        Ok(Err(Refusal { why: PasswordRefused::Wrong("wrong code"), counts_for: Some(user.id) }))
    }

    fn against(&self, user: Option<&UserRecord>) -> Result<ExpectedHash, PasswordRefused> {
        let Some(user) = user else { return Ok(self.pool.decoy()) };
        let hash = StoredHash::parse(user.password_hash.expose());
        hash.map(ExpectedHash::Real).map_err(|fault| PasswordRefused::Unavailable(fault.to_string()))
    }

    async fn count(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let user = refusal.counts_for.as_deref().unwrap_or(NOBODY);
        let locked_until = self.clock.now().plus(self.lockout.lasts);
        // What all nodes count together locks the user for unknown addresses, far beyond what locks one address.
        let most = self.lockout.failures.get().saturating_mul(BY_NAME);
        match self.users.login_failed(user, most, locked_until).await {
            Ok(state) if state.failures == 0 && state.locked_until == Some(locked_until) => {
                tracing::warn!(
                    user,
                    "too many wrong passwords on all nodes: the user is locked for addresses that are not known"
                );
                Ok(())
            }
            Ok(_) | Err(StoreError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl PasswordRefused {
    /// Whether it is known that they may not log in with this.
    const fn is_verdict(&self) -> bool {
        match self {
            Self::Wrong(_) | Self::Mismatch | Self::NoSuchUser => true,
            Self::Limited(_) | Self::Busy | Self::Unavailable(_) => false,
        }
    }
}

/// What somebody tries.
enum Tried<'a> {
    /// A password, and a code beside it.
    Password(Secret<String>, Option<Secret<String>>),
    /// A code alone, of a user who has shown the password.
    Code(&'a UserRecord, Secret<String>),
}

/// What somebody has shown to be a user.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// As the store has the user after it was verified.
    pub(super) user: UserRecord,
    /// By what (RFC 8176).
    pub(super) methods: Vec<String>,
    /// By which passkey, where by one.
    pub(super) passkey: Option<String>,
    /// Whether a code is still to be shown.
    pub(super) lacks_code: bool,
}

/// A user whose password is known to be right.
#[derive(Clone, Debug)]
pub(crate) struct KnownUser {
    pub(crate) user: UserRecord,
    /// Why the password alone lets nobody in.
    pub(crate) barred: Option<&'static str>,
}

/// Refusals at the next multiple of what is told apart.
async fn in_time<T>(started: Instant, outcome: Result<T, PasswordRefused>) -> Result<T, PasswordRefused> {
    if outcome.as_ref().is_err_and(PasswordRefused::is_verdict) {
        tokio::time::sleep_until(next_refusal(started)).await;
    }
    outcome
}

/// A password of a user, as a store once had its hash: what is known of it holds for as long as the store has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownPassword {
    /// The user's id.
    pub(crate) user: String,
    /// SHA-256 of the stored hash.
    stored: [u8; 32],
}

impl KnownPassword {
    /// The one that the user has.
    pub(crate) fn of(user: &UserRecord) -> Self {
        Self { user: user.id.clone(), stored: random::sha256(user.password_hash.expose().as_bytes()) }
    }
}

struct Refusal {
    why: PasswordRefused,
    /// The user whose failures grow. A locked user's do not: whoever guesses on must not be able to keep the user out for ever.
    counts_for: Option<String>,
}

impl Refusal {
    const fn uncounted(reason: &'static str) -> Self {
        Self { why: PasswordRefused::Wrong(reason), counts_for: None }
    }
}

fn verdict(
    before: Option<&UserRecord>,
    after: Option<UserRecord>,
    matches: bool,
    is_known: bool,
    now: Timestamp,
) -> Result<UserRecord, Refusal> {
    let (Some(before), Some(user)) = (before, after) else {
        return Err(Refusal { why: PasswordRefused::NoSuchUser, counts_for: None });
    };
    if before.id != user.id || before.password_hash != user.password_hash {
        return Err(Refusal::uncounted("the password was changed meanwhile"));
    }
    if !is_known && user.login.locked_until.is_some_and(|until| until > now) {
        return Err(Refusal::uncounted("the user is locked"));
    }
    if !matches {
        return Err(Refusal { why: PasswordRefused::Mismatch, counts_for: Some(user.id) });
    }
    if user.disabled { Err(Refusal::uncounted("the user is disabled")) } else { Ok(user) }
}

fn next_refusal(started: Instant) -> Instant {
    let whole = started.elapsed().as_millis() / REFUSALS_EVERY.as_millis() + 1;
    started + REFUSALS_EVERY * u32::try_from(whole).unwrap_or(u32::MAX)
}

impl From<StoreError> for PasswordRefused {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<FactorError> for PasswordRefused {
    fn from(error: FactorError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Refused> for PasswordRefused {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Locked(reason) => Self::Wrong(reason),
            Refused::Busy => Self::Busy,
        }
    }
}

impl From<HashingError> for PasswordRefused {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::Busy,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
