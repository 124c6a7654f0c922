//! How often the identity provider may be called: logins by address and by account, right or wrong, and tokens by address and by client.
//!
//! An address is counted before anything is read or hashed. An account is counted for all addresses together from which nobody has logged in under its
//! name, and for each other one by itself, and not for those who are locked out already: a stranger who tries without end keeps nobody else out. A
//! client is counted once it has proved who it is, for the same reason.

use crate::shared_count::CommonTable;
use crate::shared_key::shared_key;
use haechi_core::ports::{LimitAnswer, SharedLimits};
use haechi_core::rate::{Gcra, Rate};
use haechi_core::{Clock, address_block};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Places in the table of counts: 1 MiB when all are in use.
const PLACES: usize = 65_536;

/// What the configuration says of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRates {
    /// Of each client address; an IPv6 /64 is one.
    pub per_address: Rate,
    /// Of each account, by its name, whether there is such a user or not.
    pub per_account: Rate,
}

/// What the configuration says of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRates {
    /// Of each client address, for refreshing a login as well; an IPv6 /64 is one.
    pub per_address: Rate,
    /// Of each machine client.
    pub per_client: Rate,
}

/// How often the identity provider may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityRates {
    /// The login.
    pub login: LoginRates,
    /// The token endpoint and refreshing.
    pub token: TokenRates,
}

/// Counts calls of the identity provider. One for the process: it outlives configurations.
pub struct IdentityLimits {
    table: CommonTable,
    refused: [AtomicU64; 4],
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityLimit {
    /// Logins of an address.
    LoginAddress,
    /// Logins of an account.
    LoginAccount,
    /// Tokens of an address.
    TokenAddress,
    /// Tokens of a machine client.
    TokenClient,
}

/// A limit that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimited {
    /// Which.
    pub limit: IdentityLimit,
    /// The rate.
    pub rate: Rate,
    /// How it stands.
    pub answer: LimitAnswer,
}

impl IdentityLimit {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::LoginAddress, Self::LoginAccount, Self::TokenAddress, Self::TokenClient];

    /// What tells it from other limits; in `RateLimit` fields.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginAddress => "login-address",
            Self::LoginAccount => "login-account",
            Self::TokenAddress => "token-address",
            Self::TokenClient => "token-client",
        }
    }

    /// What is counted.
    pub const fn of(self) -> &'static str {
        match self {
            Self::LoginAddress | Self::LoginAccount => "login",
            Self::TokenAddress | Self::TokenClient => "token",
        }
    }

    /// By what.
    pub const fn by(self) -> &'static str {
        match self {
            Self::LoginAddress | Self::TokenAddress => "address",
            Self::LoginAccount => "account",
            Self::TokenClient => "client",
        }
    }

    /// How nodes name their common counts of it.
    const fn common_name(self) -> &'static [u8] {
        match self {
            Self::LoginAddress => b"login: address",
            Self::LoginAccount => b"login: account",
            Self::TokenAddress => b"token: address",
            Self::TokenClient => b"token: client",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

impl IdentityLimits {
    /// For one node, or for one of many that count together through `shared`.
    pub fn new(shared: Option<Arc<dyn SharedLimits>>, clock: Arc<dyn Clock>) -> Self {
        Self { table: CommonTable::new(PLACES, shared, clock), refused: Default::default() }
    }

    /// How many calls were refused because of this limit.
    pub fn refused(&self, limit: IdentityLimit) -> u64 {
        self.refused.get(limit.index()).map_or(0, |count| count.load(Relaxed))
    }

    /// One call, as `rates` limit it.
    pub(crate) fn call<'a>(&'a self, rates: &'a IdentityRates) -> LimitedCall<'a> {
        LimitedCall { limits: self, rates, counted: Vec::new() }
    }
}

/// One call that is counted.
pub(crate) struct LimitedCall<'a> {
    limits: &'a IdentityLimits,
    rates: &'a IdentityRates,
    /// What was counted on this node.
    counted: Vec<([u8; 16], Gcra)>,
}

impl LimitedCall<'_> {
    /// Counts a login for its address.
    ///
    /// # Errors
    /// [`CallLimited`], where it is one too many; then it was not counted.
    pub(crate) async fn login_from(&mut self, from: IpAddr) -> Result<(), CallLimited> {
        let from = address_block(from).to_string();
        self.count(IdentityLimit::LoginAddress, &[from.as_bytes()], self.rates.login.per_address).await
    }

    /// Counts a login for the name `account`, which `from` may be known for.
    ///
    /// # Errors
    /// [`CallLimited`], where it is one too many; then it was not counted.
    pub(crate) async fn login_as(
        &mut self,
        account: &str,
        from: IpAddr,
        is_known: bool,
    ) -> Result<(), CallLimited> {
        let from = if is_known { address_block(from).to_string() } else { String::new() };
        let whom = [from.as_bytes(), account.as_bytes()];
        self.count(IdentityLimit::LoginAccount, &whom, self.rates.login.per_account).await
    }

    /// Counts a request for tokens for its address.
    ///
    /// # Errors
    /// [`CallLimited`], where it is one too many; then it was not counted.
    pub(crate) async fn token_from(&mut self, from: IpAddr) -> Result<(), CallLimited> {
        let from = address_block(from).to_string();
        self.count(IdentityLimit::TokenAddress, &[from.as_bytes()], self.rates.token.per_address).await
    }

    /// Counts a token for the client of this id, which has proved that it is.
    ///
    /// # Errors
    /// [`CallLimited`], where it is one too many; then it was not counted.
    pub(crate) async fn token_of(&mut self, client: &str) -> Result<(), CallLimited> {
        self.count(IdentityLimit::TokenClient, &[client.as_bytes()], self.rates.token.per_client).await
    }

    /// It could not be found out whether the call is right: that is nobody's guess. What was counted over all nodes stays.
    pub(crate) fn give_back(self) {
        self.counted.iter().for_each(|(key, gcra)| self.limits.table.give_back(key, gcra));
    }

    async fn count(&mut self, limit: IdentityLimit, whom: &[&[u8]], rate: Rate) -> Result<(), CallLimited> {
        let key = shared_key([limit.common_name()].into_iter().chain(whom.iter().copied()));
        let (answer, counted_here) = self.limits.table.take(key, rate).await;
        if let Some(gcra) = counted_here {
            self.counted.push((key, gcra));
        }
        if answer.is_within {
            return Ok(());
        }
        if let Some(refused) = self.limits.refused.get(limit.index()) {
            refused.fetch_add(1, Relaxed);
        }
        Err(CallLimited { limit, rate, answer })
    }
}

impl std::fmt::Display for CallLimited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "too many {}s of one {}", self.limit.of(), self.limit.by())
    }
}

impl std::fmt::Debug for IdentityLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityLimits").field("refused", &self.refused).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{IdentityLimit, IdentityLimits, IdentityRates, LoginRates, TokenRates};
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

    fn limits() -> (IdentityLimits, Arc<FixedClock>, IdentityRates) {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(10)));
        let rates = IdentityRates {
            login: LoginRates { per_address: rate(6), per_account: rate(3) },
            token: TokenRates { per_address: rate(5), per_client: rate(2) },
        };
        (IdentityLimits::new(None, clock.clone()), clock, rates)
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_gets_them_back() {
        let (limits, clock, rates) = limits();
        let admit = async |from: &str| limits.call(&rates).login_from(from.parse().unwrap()).await;
        for _ in 0..6 {
            assert!(admit("2001:db8::1").await.is_ok());
        }
        let refused = admit("2001:db8::2").await.unwrap_err();
        assert_eq!(
            (refused.limit, refused.answer.retry_after),
            (IdentityLimit::LoginAddress, Duration::from_secs(10))
        );
        assert!(admit("192.0.2.1").await.is_ok(), "another address");
        clock.advance(Duration::from_secs(10));
        assert!(admit("2001:db8::2").await.is_ok());
        assert_eq!(IdentityLimit::ALL.map(|limit| limits.refused(limit)), [1, 0, 0, 0]);
    }

    #[tokio::test]
    async fn an_account_has_so_many_over_all_addresses_but_not_where_it_is_known() {
        let (limits, _, rates) = limits();
        let admit = async |from: u8, known| {
            limits.call(&rates).login_as("root", [192, 0, 2, from].into(), known).await
        };
        for from in 1..=3 {
            assert!(admit(from, false).await.is_ok());
        }
        assert_eq!(admit(4, false).await.unwrap_err().limit, IdentityLimit::LoginAccount);
        for _ in 0..3 {
            assert!(admit(9, true).await.is_ok(), "strangers keep nobody out");
        }
        assert!(admit(9, true).await.is_err(), "who is known has a limit as well");
        assert!(admit(8, true).await.is_ok());
    }

    #[tokio::test]
    async fn what_could_not_be_judged_counts_for_nothing() {
        let (limits, _, rates) = limits();
        for _ in 0..20 {
            let mut call = limits.call(&rates);
            assert!(call.login_from([192, 0, 2, 1].into()).await.is_ok());
            assert!(call.login_as("root", [192, 0, 2, 1].into(), false).await.is_ok());
            call.give_back();
        }
        assert_eq!(IdentityLimit::ALL.map(|limit| limits.refused(limit)), [0; 4]);
    }

    #[tokio::test]
    async fn tokens_are_counted_apart_from_logins_by_address_and_by_client() {
        let (limits, _, rates) = limits();
        let from = [192, 0, 2, 1].into();
        for _ in 0..5 {
            assert!(limits.call(&rates).token_from(from).await.is_ok());
        }
        let over = limits.call(&rates).token_from(from).await.unwrap_err();
        assert_eq!(
            (over.limit.name(), over.to_string().as_str()),
            ("token-address", "too many tokens of one address")
        );
        assert!(limits.call(&rates).login_from(from).await.is_ok());
        for _ in 0..2 {
            assert!(limits.call(&rates).token_of("a").await.is_ok());
        }
        assert_eq!(limits.call(&rates).token_of("a").await.unwrap_err().limit, IdentityLimit::TokenClient);
        assert!(limits.call(&rates).token_of("b").await.is_ok());
    }
}
