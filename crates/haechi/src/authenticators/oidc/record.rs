//! An `oidc` authenticator as it is written.

use crate::authenticators::jwt::record::Claims;
use crate::config::choice::choice;
use crate::config::read::Named;
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::{
    BoundedDuration, ForeignName, Origin, PrivateKeyJwt, RoleName, ScopeName, SecretPlace,
};
use haechi_authn::jose::Algorithm;
use haechi_authn::schemes::jwt::DEFAULT_LEEWAY;
use haechi_core::Secret;
use reqwest::Url;
use std::time::Duration;

/// How far clocks may differ: at most 10 min.
type Leeway = BoundedDuration<0, 600_000>;
/// How long a session lasts: from one second to a year.
type SessionTime = BoundedDuration<1_000, 31_536_000_000>;

/// A session that is not used ends after this.
const IDLE: SessionTime = BoundedDuration(Duration::from_secs(30 * 60));
/// Any session ends after this.
const ABSOLUTE: SessionTime = BoundedDuration(Duration::from_secs(12 * 60 * 60));

record! {
    "an `oidc` authenticator"
    tag "type" = "oidc"
    /// Login in a browser at a provider from outside (OpenID Connect), and the session that comes of it.
    struct Oidc {
        /// The provider, exactly as its ID tokens' `iss` says; its endpoints and keys are discovered there.
        required issuer as "issuer": At<String>,
        /// How the gate is registered at the provider.
        required client_id as "client_id": At<String>,
        /// The secret of that registration. This or `private_key_jwt`.
        optional client_secret as "client_secret": At<Secret<String>>,
        /// The private key whose public half is registered at the provider. This or `client_secret`.
        optional private_key_jwt as "private_key_jwt": At<PrivateKeyJwt>,
        /// How the secret is shown: in the header (`basic`) or in the form (`post`). What the provider takes where this is left out.
        optional client_authentication as "client_authentication": At<SecretPlace>,
        /// What is asked for; `openid` must be among it. `[openid]` where this is left out; `offline_access` asks many providers for a refresh token.
        optional scopes as "scopes": At<Vec<At<ScopeName>>>,
        /// More parameters of the authorization request, such as `prompt` or `acr_values`.
        optional parameters as "parameters": At<Named<ForeignName, String>>,
        /// How the provider answers.
        default response_mode as "response_mode": AnswerBy = AnswerBy::Query,
        /// Asks the provider's `userinfo` as well; its claims count where the ID token has none of that name.
        default userinfo as "userinfo": bool = false,
        /// Where in the ID token subject, roles, scopes and attributes stand.
        section claims as "claims": Claims,
        /// What the provider says in roles, and which role of ours that is. What is neither here nor declared is dropped.
        optional role_map as "role_map": At<Named<ForeignName, At<RoleName>>>,
        /// The algorithms that ID tokens may be signed with. All asymmetric ones where this is left out.
        optional algorithms as "algorithms": At<Vec<At<Algorithm>>>,
        /// How far the provider's clock may differ from ours.
        default leeway as "leeway": Leeway = BoundedDuration(DEFAULT_LEEWAY),
        /// The session that a login begins.
        section session as "session": At<SessionRecord>,
        /// Gives backends the provider's access token as `Authorization: Bearer`.
        default forward_access_token as "forward_access_token": bool = false,
        /// What a logout does at the provider.
        section logout as "logout": LogoutRecord,
        /// Besides the issuer's own, the origins from which keys may be fetched where discovery leads there.
        optional key_origins as "key_origins": At<Vec<At<Origin>>>,
        /// Takes a provider over plain `http` at an address that is not on loopback.
        default allow_http as "allow_http": bool = false,
    }
}

record! {
    "`session`"
    /// A session.
    struct SessionRecord {
        /// It ends when it is not used for so long.
        default idle as "idle": SessionTime = IDLE,
        /// It ends so long after the login, however much it is used.
        default absolute as "absolute": SessionTime = ABSOLUTE,
        /// The name of its cookie, which begins with `__Host-`; `__Host-haechi` where this is left out.
        optional cookie as "cookie": At<String>,
    }
}

record! {
    "`logout`"
    /// What a logout does at the provider.
    struct LogoutRecord {
        /// Ends the provider's session as well, where it has a page for it.
        default provider as "provider": bool = true,
        /// Gives the provider's tokens back (RFC 7009), where it has an endpoint for it.
        default revoke as "revoke": bool = true,
        /// Where the provider sends people after that, exactly as it is registered there (`post_logout_redirect_uri`). Its own page where this is left out.
        optional return_to as "return_to": Url,
    }
}

choice! {
    "a response mode"
    /// How a provider answers.
    pub(crate) enum AnswerBy {
        /// In the query of a redirect.
        Query = "query",
        /// As a form that the browser sends, for providers that insist on it. The cookie of a login under way is then `SameSite=None`.
        FormPost = "form_post",
    }
}
