//! What people see of their own account.

use super::consent::GivenConsent;
use haechi_core::Timestamp;

/// What an account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether the login asks for a second factor.
    pub second_factor: bool,
    /// How many passkeys there are, where people may have some.
    pub passkeys: Option<usize>,
    /// Newest first.
    pub logins: Vec<OwnLogin>,
    /// By the client's id.
    pub consents: Vec<GivenConsent>,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLogin {
    /// Names it. No secret.
    pub id: String,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// Whether it is one of a browser at the provider's own pages.
    pub in_browser: bool,
    /// The application that was given it, by name.
    pub client: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// When it was used last, as far as that is noted: to the minute, of browsers.
    pub used: Option<Timestamp>,
    /// When it ends at the latest.
    pub ends: Timestamp,
}
