//! An `introspection` authenticator as it is written.

use crate::authenticators::jwt::record::{Claims, Place, WrittenAudiences};
use crate::authenticators::possession::{Dpop, Requirement};
use crate::config::choice::choice;
use crate::config::read::Named;
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::{BoundedDuration, ForeignName, Origin, PrivateKeyJwt, RoleName, SecretPlace};
use haechi_authn::jose::Algorithm;
use haechi_authn::schemes::jwt::DEFAULT_LEEWAY;
use haechi_core::Secret;
use reqwest::Url;
use std::time::Duration;

/// How far clocks may differ: at most 10 min.
type Leeway = BoundedDuration<0, 600_000>;
/// How long an answer is gone by: at most an hour.
type CacheTime = BoundedDuration<0, 3_600_000>;
/// How long an answer may take: from 100 ms to 5 s.
type AnswerTime = BoundedDuration<100, 5_000>;

const CACHE: CacheTime = BoundedDuration(Duration::from_secs(30));
const TIMEOUT: AnswerTime = BoundedDuration(Duration::from_secs(3));

record! {
    "an `introspection` authenticator"
    tag "type" = "introspection"
    /// Tokens of which the authorization server is asked (RFC 7662).
    struct Introspection {
        /// The introspection endpoint. Discovered at `issuer` where this is left out.
        optional url as "url": At<Url>,
        /// Whose tokens they are: what `iss` must be where an answer has it. Where this is left out, `url` stands for it.
        optional issuer as "issuer": At<String>,
        /// How the gate is registered there.
        required client_id as "client_id": At<String>,
        /// The secret of that registration. This or `private_key_jwt`.
        optional client_secret as "client_secret": At<Secret<String>>,
        /// The private key whose public half is registered there. This or `client_secret`.
        optional private_key_jwt as "private_key_jwt": At<PrivateKeyJwt>,
        /// How the secret is shown: in the header (`basic`) or in the form (`post`). What the server takes where this is left out.
        optional client_authentication as "client_authentication": At<SecretPlace>,
        /// Of which an answer's `aud` must name one; `unchecked` where nobody is to check, which is what leaving it out means.
        optional audiences as "audiences": At<WrittenAudiences>,
        /// What an answer must say besides `active`, such as `exp`, `iss` or `token_type`; a token of which it does not is refused.
        optional required_claims as "required_claims": At<Vec<String>>,
        /// In which form answers are asked for.
        default answers as "answers": AnswerForm = AnswerForm::Json,
        /// Where a token may stand: `bearer`, a header, a cookie, a subprotocol of a WebSocket. `[bearer]` where this is left out.
        optional from as "from": At<Vec<At<Place>>>,
        /// What tokens must be bound to: `dpop`, or `certificate`. Those that are bound need their proof, whether or not this is here.
        optional require as "require": At<Requirement>,
        /// Which DPoP proofs are accepted.
        optional dpop as "dpop": At<Dpop>,
        /// How long an answer is gone by; never beyond the token's `exp`, and 5 s at most for a token that is not active. A token that is revoked at the server works here for so long.
        default cache as "cache": CacheTime = CACHE,
        /// What has not answered by then is not there.
        default timeout as "timeout": AnswerTime = TIMEOUT,
        /// How far the server's clock may differ from ours.
        default leeway as "leeway": Leeway = BoundedDuration(DEFAULT_LEEWAY),
        /// The algorithms that signed answers may be signed with. All asymmetric ones where this is left out.
        optional algorithms as "algorithms": At<Vec<At<Algorithm>>>,
        /// Besides the issuer's own, the origins from which keys of signed answers may be fetched where discovery leads there.
        optional key_origins as "key_origins": At<Vec<At<Origin>>>,
        /// What the server says in roles, and which role of ours that is. What is neither here nor declared is dropped.
        optional role_map as "role_map": At<Named<ForeignName, At<RoleName>>>,
        /// Where in an answer subject, roles, scopes and attributes stand.
        section claims as "claims": Claims,
        /// Takes a server over plain `http` at an address that is not on loopback.
        default allow_http as "allow_http": bool = false,
    }
}

choice! {
    "a form of answers"
    /// In which form answers are asked for.
    pub(crate) enum AnswerForm {
        /// As JSON (RFC 7662).
        Json = "json",
        /// As a JWT that `issuer` signs (RFC 9701). Nothing else is taken.
        Jwt = "jwt",
    }
}
