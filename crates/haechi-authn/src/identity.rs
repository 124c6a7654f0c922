//! The embedded identity provider, without its HTTP: users, passwords, sessions, tokens and keys.

mod accounts;
mod keyring;
pub(crate) mod passwords;
mod provider;
mod revocations;
mod tokens;

pub use crate::guessing::Lockout;
pub use accounts::{AccountError, AccountStores, Accounts, KeyImport, KeySpec, UserSpec, check_roles};
pub use keyring::{Keyring, KeyringFault, new_signing_key};
pub use passwords::{PasswordRefused, PasswordVerifier};
pub use provider::{
    IdentitySettings, LoginRefused, LogoutRefused, Provider, ProviderStores, RefreshRefused, TokenPair,
    TokenRefused,
};
pub use revocations::watch_revocations;
pub use tokens::{ACCESS_TOKEN_TYPE, IDENTITY_TOKEN_TYPE, OPERATORS, RESERVED_CLAIMS, operator_token};
