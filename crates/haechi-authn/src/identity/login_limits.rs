//! How often passwords may be tried at the login, by address and by account, whether they are right or wrong. Counted before a password is hashed.
//!
//! An account is counted for all addresses together from which nobody has logged in under its name, and for each other one by itself, and not for
//! those who are locked out already: a stranger who tries without end keeps nobody else out.

use crate::shared_key::shared_key;
use haechi_core::ports::{LimitAnswer, LimitCheck, SharedLimits};
use haechi_core::rate::{Gcra, LimitTable, Rate};
use haechi_core::{Clock, address_block};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Places in the table of counts: 1 MiB when all are in use.
const PLACES: usize = 65_536;
/// The nodes' common count gives up by itself long before; nothing waits for it without end.
const SHARED_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRates {
    /// Of each client address; an IPv6 /64 is one.
    pub per_address: Rate,
    /// Of each account, by its name, whether there is such a user or not.
    pub per_account: Rate,
}

/// Counts logins. One for the process: it outlives configurations.
pub struct LoginLimits {
    table: LimitTable,
    shared: Option<Arc<dyn SharedLimits>>,
    clock: Arc<dyn Clock>,
    over_address: AtomicU64,
    over_account: AtomicU64,
}

/// A limit of the login that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimited {
    /// `address` or `account`.
    pub name: &'static str,
    /// The limit.
    pub rate: Rate,
    /// How it stands.
    pub answer: LimitAnswer,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginLimitStats {
    /// Logins refused because of their address.
    pub over_address: u64,
    /// Logins refused because of their account.
    pub over_account: u64,
}

const ADDRESS: &str = "address";
const ACCOUNT: &str = "account";

impl LoginLimits {
    /// For one node, or for one of many that count together through `shared`.
    pub fn new(shared: Option<Arc<dyn SharedLimits>>, clock: Arc<dyn Clock>) -> Self {
        let (over_address, over_account) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { table: LimitTable::new(PLACES), shared, clock, over_address, over_account }
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> LoginLimitStats {
        LoginLimitStats {
            over_address: self.over_address.load(Relaxed),
            over_account: self.over_account.load(Relaxed),
        }
    }

    /// One login, as `rates` limit it.
    pub(crate) fn attempt<'a>(&'a self, rates: &'a LoginRates) -> LoginAttempt<'a> {
        LoginAttempt { limits: self, rates, counted: Mutex::default() }
    }

    /// What the nodes' common count says; `None` where there is none, or it does not answer in time.
    async fn ask(&self, key: [u8; 16], rate: Rate) -> Option<LimitAnswer> {
        let shared = self.shared.as_ref().filter(|shared| shared.is_reachable())?;
        let asked = shared.take(vec![LimitCheck { key, rate }]);
        let answers = tokio::time::timeout(SHARED_ANSWERS_WITHIN, asked).await;
        answers.ok()?.ok()?.first().copied()
    }
}

/// One login that is counted.
pub(crate) struct LoginAttempt<'a> {
    limits: &'a LoginLimits,
    rates: &'a LoginRates,
    /// What was counted on this node.
    counted: Mutex<Vec<([u8; 16], Gcra)>>,
}

impl LoginAttempt<'_> {
    /// Counts it for its address.
    ///
    /// # Errors
    /// [`LoginLimited`], where it is one too many; then it was not counted.
    pub(crate) async fn admit_address(&self, from: IpAddr) -> Result<(), LoginLimited> {
        let key = shared_key([&b"login: address"[..], address_block(from).to_string().as_bytes()]);
        let outcome = self.count(ADDRESS, key, self.rates.per_address).await;
        self.limits.over_address.fetch_add(outcome.is_err().into(), Relaxed);
        outcome
    }

    /// Counts it for the name `account`, which `from` may be known for.
    ///
    /// # Errors
    /// [`LoginLimited`], where it is one too many; then it was not counted.
    pub(crate) async fn admit_account(
        &self,
        account: &str,
        from: IpAddr,
        is_known: bool,
    ) -> Result<(), LoginLimited> {
        let from = if is_known { address_block(from).to_string() } else { String::new() };
        let key = shared_key([&b"login: account"[..], from.as_bytes(), account.as_bytes()]);
        let outcome = self.count(ACCOUNT, key, self.rates.per_account).await;
        self.limits.over_account.fetch_add(outcome.is_err().into(), Relaxed);
        outcome
    }

    /// It could not be found out whether the password is right: that is nobody's guess. What was counted over all nodes stays.
    pub(crate) fn give_back(self) {
        let counted = self.counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let LoginLimits { table, .. } = self.limits;
        counted.iter().for_each(|(key, gcra)| table.give_back(table.key(key), gcra));
    }

    async fn count(&self, name: &'static str, key: [u8; 16], rate: Rate) -> Result<(), LoginLimited> {
        let LoginLimits { table, shared, clock, .. } = self.limits;
        let answer = match self.limits.ask(key, rate).await {
            Some(answer) => answer,
            None => {
                let share = shared.as_ref().map_or(rate, |shared| rate.share_of(shared.nodes()));
                let gcra = Gcra::new(&share);
                let answer = table.take(table.key(&key), &gcra, clock.uptime());
                if answer.is_within {
                    self.counted.lock().unwrap_or_else(PoisonError::into_inner).push((key, gcra));
                }
                answer
            }
        };
        if answer.is_within { Ok(()) } else { Err(LoginLimited { name, rate, answer }) }
    }
}

impl std::fmt::Display for LoginLimited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "too many logins of one {}", self.name)
    }
}

impl std::fmt::Debug for LoginLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginLimits").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{LoginLimits, LoginRates};
    use haechi_core::Timestamp;
    use haechi_core::rate::Rate;
    use haechi_testkit::FixedClock;
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::Duration;

    fn rate(requests: u32) -> Rate {
        let requests = NonZeroU32::new(requests).unwrap();
        Rate { requests, per: Duration::from_secs(60), burst: requests }
    }

    fn limits() -> (LoginLimits, Arc<FixedClock>, LoginRates) {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(10)));
        let rates = LoginRates { per_address: rate(6), per_account: rate(3) };
        (LoginLimits::new(None, clock.clone()), clock, rates)
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_gets_them_back() {
        let (limits, clock, rates) = limits();
        let admit = async |from: &str| limits.attempt(&rates).admit_address(from.parse().unwrap()).await;
        for _ in 0..6 {
            assert!(admit("2001:db8::1").await.is_ok());
        }
        let refused = admit("2001:db8::2").await.unwrap_err();
        assert_eq!((refused.name, refused.answer.retry_after), ("address", Duration::from_secs(10)));
        assert!(admit("192.0.2.1").await.is_ok(), "another address");
        clock.advance(Duration::from_secs(10));
        assert!(admit("2001:db8::2").await.is_ok());
        assert_eq!((limits.stats().over_address, limits.stats().over_account), (1, 0));
    }

    #[tokio::test]
    async fn an_account_has_so_many_over_all_addresses_but_not_where_it_is_known() {
        let (limits, _, rates) = limits();
        let admit = async |from: u8, known| {
            limits.attempt(&rates).admit_account("root", [192, 0, 2, from].into(), known).await
        };
        for from in 1..=3 {
            assert!(admit(from, false).await.is_ok());
        }
        assert_eq!(admit(4, false).await.unwrap_err().name, "account");
        for _ in 0..3 {
            assert!(admit(9, true).await.is_ok(), "strangers keep nobody out");
        }
        assert_eq!(admit(9, true).await.unwrap_err().name, "account", "who is known has a limit as well");
        assert!(admit(8, true).await.is_ok());
    }

    #[tokio::test]
    async fn what_could_not_be_judged_counts_for_nothing() {
        let (limits, _, rates) = limits();
        for _ in 0..20 {
            let attempt = limits.attempt(&rates);
            assert!(attempt.admit_address([192, 0, 2, 1].into()).await.is_ok());
            assert!(attempt.admit_account("root", [192, 0, 2, 1].into(), false).await.is_ok());
            attempt.give_back();
        }
        assert_eq!(limits.stats(), super::LoginLimitStats::default());
    }
}
