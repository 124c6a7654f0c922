//! Wrong passwords that all nodes count together.

use super::shared_limits::SharedStateError;
use super::stored::BoxFuture;
use std::num::NonZeroU32;
use std::time::Duration;

/// Who guesses, and at what. The same on every node, and no text that a client chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessKeys {
    /// A name and an address together.
    pub pair: [u8; 16],
    /// The address.
    pub address: [u8; 16],
    /// The name.
    pub account: [u8; 16],
}

/// When too many failures lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessBounds {
    /// Failures of a name and an address together since their last success.
    pub pair: NonZeroU32,
    /// Failures of an address within `lasts`; `None` where this failure is not counted for address and name alone.
    pub others: Option<OtherBounds>,
    /// How long a lock lasts.
    pub lasts: Duration,
}

/// See [`GuessBounds::others`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherBounds {
    /// Failures of an address.
    pub address: NonZeroU32,
    /// Failures at a name.
    pub account: NonZeroU32,
}

/// What all nodes know together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuessState {
    /// Failures of the pair since its last success.
    pub failures: u32,
    /// For how long the pair is locked from now; zero where it is not.
    pub pair_locked: Duration,
    /// The address.
    pub address_locked: Duration,
    /// The name.
    pub account_locked: Duration,
    /// Whether somebody has logged in with this name from this address.
    pub is_known: bool,
}

/// Where wrong passwords are counted for all nodes.
pub trait SharedGuesses: Send + Sync {
    /// What is known, counting nothing.
    fn look(&self, keys: GuessKeys) -> BoxFuture<'static, Result<GuessState, SharedStateError>>;
    /// Counts a failure. What is known with it.
    fn failed(
        &self,
        keys: GuessKeys,
        bounds: GuessBounds,
    ) -> BoxFuture<'static, Result<GuessState, SharedStateError>>;
    /// Forgets the failures of the pair, and remembers that it is known.
    fn succeeded(&self, keys: GuessKeys) -> BoxFuture<'static, Result<(), SharedStateError>>;
    /// Forgets the failures at a name ([`GuessKeys::account`]), those of each pair with it too.
    fn unlocked(&self, account: [u8; 16]) -> BoxFuture<'static, Result<(), SharedStateError>>;
    /// Whether the last question was answered: while it is not, nobody waits for one.
    fn is_reachable(&self) -> bool;
}
