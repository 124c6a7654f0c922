//! The embedded identity provider, without its HTTP: users, passwords, sessions, tokens and keys.

mod accounts;
mod client_accounts;
mod client_proof;
mod form;
mod key_accounts;
mod keyring;
mod limits;
mod oauth;
mod oauth_error;
mod own_tokens;
pub(crate) mod passwords;
mod provider;
mod revocations;
mod rotation;
mod seal;
mod tokens;

pub use crate::guessing::Lockout;
pub use accounts::{AccountError, AccountStores, Accounts, UserSpec, check_roles};
pub use client_accounts::{ClientAccounts, ClientError, ClientSpec, ClientWith};
pub use client_proof::public_keys;
pub use form::{Form, FormError, is_form};
pub use key_accounts::{KeyGrant, KeyImport, KeySpec};
pub use keyring::{Keyring, KeyringFault, new_signing_key};
pub use limits::{CallLimited, IdentityLimit, IdentityLimits, IdentityRates, LoginRates, TokenRates};
pub use oauth::{OAuthRequest, TokenGrant};
pub use oauth_error::{OAuthError, OAuthErrorKind};
pub use own_tokens::{OwnToken, payload};
pub(crate) use passwords::KnownPassword;
pub use passwords::{PasswordRefused, PasswordVerifier};
pub use provider::{
    DEFAULT_PATH, IdentitySettings, LoginRefused, LogoutRefused, Provider, ProviderStores, RefreshRefused,
    TokenPair, TokenRefused, tokens_expire_at,
};
pub use revocations::watch_revocations;
pub use rotation::{RotationError, SOONEST, SigningKeyAccounts};
pub use seal::{NotASeal, Seal, SealError, Seals, sealed_with};
pub use tokens::{
    ACCESS_TOKEN_TYPE, ClientSecret, IDENTITY_TOKEN_TYPE, OPERATORS, RESERVED_CLAIMS, operator_token,
};
