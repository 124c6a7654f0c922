//! The embedded identity provider, without its HTTP: users, passwords, sessions, tokens and keys.

mod account;
mod accounts;
mod authorization;
mod authorize;
mod browser_session;
mod client_accounts;
mod client_origins;
mod client_proof;
mod code_grant;
mod codes;
mod consent;
mod end_session;
mod form;
mod id_token_hint;
mod interaction;
mod key_accounts;
mod keyring;
mod limits;
mod new_password;
mod oauth;
mod oauth_error;
mod own_factor;
mod own_logins;
mod own_pages;
mod own_tokens;
mod passkey;
mod passkey_pages;
pub(crate) mod passwords;
mod pkce;
mod provider;
mod redirect_uri;
mod registration;
mod revocations;
mod rotation;
mod seal;
mod second_factor;
mod ticket;
mod token_desk;
mod tokens;
mod totp;
mod userinfo;
mod visit;

pub use crate::guessing::Lockout;
pub use account::{Account, OwnLogin};
pub use accounts::{AccountError, AccountStores, Accounts, UserSpec, check_roles};
pub use browser_session::BrowserSessionSpans;
pub use client_accounts::{ClientAccounts, ClientError, ClientSpec, ClientWith};
pub use client_origins::ClientOrigins;
pub use client_proof::public_keys;
pub use consent::GivenConsent;
pub use form::{Form, FormError, is_form};
pub use interaction::{BrowserAnswer, BrowserOutcome, Happened, Page, PageKind, Problem};
pub use key_accounts::{KeyGrant, KeyImport, KeySpec};
pub use keyring::{Keyring, KeyringFault, new_signing_key};
pub use limits::{CallLimited, IdentityLimit, IdentityLimits, IdentityRates, LoginRates, TokenRates};
pub use new_password::ChangeRefused;
pub use oauth::{OAuthRequest, TokenGrant};
pub use oauth_error::{OAuthError, OAuthErrorKind};
pub use own_factor::{FactorAction, FactorDone, FactorRefused};
pub use own_logins::OwnEnd;
pub use own_tokens::{OwnToken, payload};
pub use passkey::ceremony::RelyingParty;
pub use passkey::options::PasskeyQuestion;
pub use passkey::{OwnPasskey, Passkeys};
pub(crate) use passwords::{KnownPassword, KnownUser};
pub use passwords::{PasswordRefused, PasswordVerifier};
pub use provider::{
    Credentials, DEFAULT_PATH, IdentitySettings, LoginRefused, LogoutRefused, Provider, ProviderStores,
    RefreshRefused, TokenPair, TokenRefused, tokens_expire_at,
};
pub use redirect_uri::{RedirectUri, RedirectUriError};
pub use registration::{ClientMetadata, MOST_REGISTERED};
pub use revocations::watch_revocations;
pub use rotation::{RotationError, SOONEST, SigningKeyAccounts};
pub use seal::{NotASeal, Seal, SealError, Seals, sealed_with};
pub use second_factor::{FactorError, FactorStanding, NewFactor, SecondFactors};
pub use ticket::OwnPage;
pub use token_desk::{InspectedToken, TokenDesk, TokenDeskError};
pub use tokens::{
    ACCESS_TOKEN_TYPE, ClientSecret, IDENTITY_TOKEN_TYPE, OPERATORS, RESERVED_CLAIMS, operator_token,
};
pub use userinfo::BearerRefused;
pub use visit::{
    DEVELOPMENT_FORM_COOKIE, DEVELOPMENT_SESSION_COOKIE, FORM_COOKIE, SESSION_COOKIE, Visit, is_of_origin,
};
