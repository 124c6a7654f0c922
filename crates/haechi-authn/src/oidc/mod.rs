//! Logging in with a browser at a provider from outside (OpenID Connect Core 1.0, RFC 6749, 7636, 9126, 9207), without the HTTP of it.
//!
//! A login under way is kept in a sealed cookie of its own ([`login_state`]); what comes of it is a session in the store, which the browser knows by a
//! random value and the store by the hash of it. The provider's tokens are sealed with a key that is made of that value.

mod calls;
mod client;
mod config;
mod discovery;
mod endpoint;
mod fault;
mod id_token;
mod kept_tokens;
mod login;
pub(crate) mod login_state;
mod logout;
mod registered;
mod return_to;
mod sessions;

pub use crate::effects::opens_a_page;
pub use calls::{JSON, WebAnswer, WebCalls, WebRequest};
pub use client::{CallbackAnswer, LoggedIn, OidcClient, OidcCounts, OidcParts, Redirection};
pub use config::{ClientProof, OidcConfig, ResponseMode, SecretIn};
pub(crate) use discovery::{Described, Discovery, Document};
pub(crate) use endpoint::{Granted, error_of, read_granted};
pub use fault::LoginFault;
pub(crate) use kept_tokens::SessionSecret;
pub(crate) use login_state::Way;
pub use login_state::{Cookies, DEVELOPMENT_LOGIN_COOKIE, HOST_PREFIX, LOGIN_COOKIE};
pub(crate) use registered::{ClientForm, RegisteredClient};
pub use return_to::ReturnTo;
pub(crate) use sessions::{FoundSession, KnownSession, SessionKeeper};
