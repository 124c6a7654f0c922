//! Whether a name and a password belong to a user of the store: one answer for every way in that asks for both.

use super::limits::{CallLimited, LimitedCall};
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
/// No user has this id: counting a failure for it costs the same, and changes nothing.
const NOBODY: &str = "";

/// Verifies passwords of the store's users, counts failures, and honours lockout and disabling.
///
/// Unknown, disabled and locked users get the answer of a wrong password, after the same reads, the same hashing and the same write. Whoever failed too
/// often ([`crate::guessing`]) gets it without, whatever the name.
pub struct PasswordVerifier {
    users: Arc<dyn Users>,
    pool: Arc<PasswordPool>,
    clock: Arc<dyn Clock>,
    lockout: Lockout,
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
        pool: Arc<PasswordPool>,
        clock: Arc<dyn Clock>,
        lockout: Lockout,
    ) -> Self {
        Self { users, pool, clock, lockout }
    }

    /// The user, if the password is right, as the store has it after the password was verified. Needs a runtime with timers; ask it on
    /// the control runtime.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    pub async fn verify(
        &self,
        name: &str,
        password: Secret<String>,
        from: IpAddr,
    ) -> Result<UserRecord, PasswordRefused> {
        self.verify_within(name, password, from, None).await
    }

    /// The same, where the account may not have had too many logins before this `call`.
    ///
    /// # Errors
    /// [`PasswordRefused`].
    pub(super) async fn verify_within(
        &self,
        name: &str,
        password: Secret<String>,
        from: IpAddr,
        call: Option<&mut LimitedCall<'_>>,
    ) -> Result<UserRecord, PasswordRefused> {
        let started = Instant::now();
        let outcome = self.admit_and_judge(name, password, from, call).await;
        if outcome.as_ref().is_err_and(PasswordRefused::is_verdict) {
            tokio::time::sleep_until(next_refusal(started)).await;
        }
        outcome
    }

    /// The user of this name as the store has it now, for whoever knows already whether the password is right: nothing is hashed, and nobody's guess is
    /// counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn look_up(&self, name: &str) -> Result<Option<UserRecord>, StoreError> {
        self.users.by_name(name).await
    }

    async fn admit_and_judge(
        &self,
        name: &str,
        password: Secret<String>,
        from: IpAddr,
        call: Option<&mut LimitedCall<'_>>,
    ) -> Result<UserRecord, PasswordRefused> {
        let uptime = || self.clock.uptime();
        let guess = self.pool.guard().admit((REALM, name), from, self.lockout, uptime).await?;
        // After the guard: who is locked out uses up nothing that others have.
        if let Some(call) = call {
            call.login_as(name, from, guess.is_known).await.map_err(PasswordRefused::Limited)?;
        }
        let outcome = self.judge(name, password, guess.is_known).await;
        match &outcome {
            Ok(_) => guess.succeeded().await,
            Err(refused) if refused.is_verdict() => guess.failed(name, uptime()).await,
            Err(_) => {}
        }
        outcome
    }

    async fn judge(
        &self,
        name: &str,
        password: Secret<String>,
        is_known: bool,
    ) -> Result<UserRecord, PasswordRefused> {
        let before = self.users.by_name(name).await?;
        let matches = self.pool.verify(password, self.against(before.as_ref())?).await?;
        // Others may have failed, or an operator may have acted, while this password was hashed.
        let after = self.users.by_name(name).await?;
        let mut verdict = verdict(before.as_ref(), after, matches, is_known, self.clock.now());
        if let Err(refusal) = &mut verdict
            && is_known
        {
            // Whoever fails where the user is known locks nobody else.
            refusal.counts_for = None;
        }
        match &verdict {
            Ok(user) if user.login == Default::default() => {}
            Ok(user) => self.users.login_succeeded(&user.id).await?,
            Err(refusal) => self.count(refusal).await?,
        }
        verdict.map_err(|refusal| refusal.why)
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
