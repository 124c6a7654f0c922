//! The tokens that the gate makes: their claims, and the refresh tokens that are only random.

use crate::jose::{Signer, SigningAlgorithm, SigningFault};
use crate::random;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::ports::{ClientRecord, Session, UserRecord};
use haechi_core::{AttributeValue, Attributes, Caller, Secret, Timestamp};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The header's `typ` of access tokens (RFC 9068 2.1). The `jwt` scheme of the embedded issuer must accept no other: the tokens for
/// services are signed with the same keys.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The header's `typ` of identity tokens for services.
pub const IDENTITY_TOKEN_TYPE: &str = "JWT";
/// Claims whose names no attribute may take: the gate writes them itself.
pub const RESERVED_CLAIMS: [&str; 19] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "roles",
    "scope",
    "preferred_username",
    "idp",
    "authenticator",
    "cnf",
    "auth_time",
    "nonce",
    "azp",
    "at_hash",
];

/// `amr` (RFC 8176): a password.
const PASSWORD: &str = "pwd";
/// `amr` (RFC 8176): a one-time password.
const CODE: &str = "otp";
/// `amr` (RFC 8176): a key that does not leave its device.
const HARDWARE_KEY: &str = "hwk";
/// `amr` (RFC 8176): a key that software keeps.
const SOFTWARE_KEY: &str = "swk";
/// `amr` (RFC 8176): the person was there.
const PRESENCE: &str = "user";
/// `amr` (RFC 8176): more than one factor.
const SEVERAL: &str = "mfa";
/// `acr`: a password.
pub(super) const ACR_PASSWORD: &str = "urn:haechi:acr:password";
/// `acr`: more than one factor.
pub(super) const ACR_SEVERAL: &str = "urn:haechi:acr:mfa";
/// The attribute that says whether the login was one of more than one factor, where it is declared.
pub(super) const MFA_ATTRIBUTE: &str = "mfa";

/// The methods of a login by the password, and by a code beside it.
pub(super) fn methods_of(has_shown_code: bool) -> Vec<String> {
    let all: &[&str] = if has_shown_code { &[PASSWORD, CODE, SEVERAL] } else { &[PASSWORD] };
    all.iter().copied().map(str::to_owned).collect()
}

/// The methods of a login by a passkey: by itself, where the authenticator has verified the person, or beside the password. A key that may be on several
/// devices is kept by software.
pub(super) fn methods_of_passkey(has_shown_password: bool, is_synced: bool) -> Vec<String> {
    let key = if is_synced { SOFTWARE_KEY } else { HARDWARE_KEY };
    let password = has_shown_password.then_some(PASSWORD);
    password.into_iter().chain([key, PRESENCE, SEVERAL]).map(str::to_owned).collect()
}

/// Whether a login by these methods is all that is asked of a user who has a second factor, or has none. Whoever sets one up, or has it taken away, logs in
/// anew; a passkey is as good with as without.
pub(super) fn is_enough(methods: &[String], has_second_factor: bool) -> bool {
    let by_passkey = methods.iter().any(|method| [HARDWARE_KEY, SOFTWARE_KEY].contains(&method.as_str()));
    is_several(methods) && by_passkey || is_several(methods) == has_second_factor
}

/// Whether a login by these methods was one of more than one factor.
pub(super) fn is_several(methods: &[String]) -> bool {
    methods.iter().any(|method| method == SEVERAL)
}

/// The `acr` of a login by these methods.
pub(super) fn acr_of(methods: &[String]) -> &'static str {
    if is_several(methods) { ACR_SEVERAL } else { ACR_PASSWORD }
}

const REFRESH_PREFIX: &str = "hr_";
/// What every client secret begins with, so that secret scanners find it.
const SECRET_PREFIX: &str = "hcs_";

/// A refresh token: `hr_` and 32 random bytes in base64url. Only its SHA-256 is kept.
pub(super) struct RefreshToken(Secret<String>);

impl RefreshToken {
    pub(super) fn generate() -> Option<Self> {
        let bytes: Secret<[u8; 32]> = Secret::new(random::bytes().ok()?);
        Some(Self(Secret::new(format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.expose())))))
    }

    /// `None` for what was never one: no store need be asked.
    pub(super) fn parse(text: Secret<String>) -> Option<Self> {
        is_random(REFRESH_PREFIX, text.expose()).then_some(Self(text))
    }

    /// The one after this, in a session with this key: whoever has no more than this one cannot tell it.
    pub(super) fn next(&self, chain_key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, chain_key);
        let tag = hmac::sign(&key, self.0.expose().as_bytes());
        Self(Secret::new(format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(tag))))
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        random::sha256(self.0.expose().as_bytes())
    }

    pub(super) fn into_text(self) -> Secret<String> {
        self.0
    }
}

/// A client's secret: `hcs_` and 32 random bytes in base64url. Shown once, when it is made; only its SHA-256 is kept.
pub struct ClientSecret(Secret<String>);

impl ClientSecret {
    pub(super) fn generate() -> Result<Self, random::RandomnessError> {
        let bytes: Secret<[u8; 32]> = Secret::new(random::bytes()?);
        Ok(Self(Secret::new(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.expose())))))
    }

    /// `None` for what was never one: no store need be asked.
    pub(super) fn parse(text: Secret<String>) -> Option<Self> {
        is_random(SECRET_PREFIX, text.expose()).then_some(Self(text))
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        random::sha256(self.0.expose().as_bytes())
    }

    /// The secret as it is shown, once.
    pub const fn expose(&self) -> &String {
        self.0.expose()
    }
}

fn is_random(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|body| {
        body.len() == 43 && URL_SAFE_NO_PAD.decode(body).is_ok_and(|bytes| bytes.len() == 32)
    })
}

/// When a token is made, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) lifetime: Duration,
}

/// Whose login a token is of.
pub(super) struct TokenLogin<'a> {
    pub(super) user: &'a UserRecord,
    pub(super) attributes: &'a Attributes,
    pub(super) session: &'a Session,
    /// To whom it is given, where it is a client.
    pub(super) client: Option<&'a ClientRecord>,
}

/// An access token of a login (RFC 9068 2.2): for the gate itself, or for whom the client has asked.
pub(super) fn access_token(
    signer: &Signer,
    issuer: &str,
    login: &TokenLogin<'_>,
    span: Span,
) -> Result<Secret<String>, SigningFault> {
    let TokenLogin { user, session, client, .. } = login;
    let details = &session.details;
    let audience = match &*details.audiences {
        [] => issuer.into(),
        several => audience(several),
    };
    let mut claims = common(issuer, &user.id, audience, login.attributes, span)?;
    if let Some(client) = client {
        claims.insert("client_id".into(), client.id.as_str().into());
    }
    // Nobody vouches for a client that registered itself: it is no way to the admin API.
    let registered = client.is_some_and(|client| client.login.registered);
    let roles: Vec<&String> =
        user.roles.iter().filter(|role| !(registered && role.starts_with("haechi-"))).collect();
    claims.insert("sid".into(), session.id.as_str().into());
    claims.insert("roles".into(), json!(roles));
    claims.insert("scope".into(), details.scopes.join(" ").into());
    claims.insert("preferred_username".into(), user.name.as_str().into());
    claims.extend(authentication(session));
    signer.sign(ACCESS_TOKEN_TYPE, &claims).map(Secret::new)
}

/// How and when the user has logged in: `auth_time`, `acr`, `amr`. Nothing of a session of an earlier version.
fn authentication(session: &Session) -> Map<String, Value> {
    let mut claims = Map::new();
    if session.details.methods.is_empty() {
        return claims;
    }
    let at = session.details.authenticated_at.unwrap_or_else(|| session.created_at.as_seconds());
    claims.insert("auth_time".into(), at.into());
    claims.insert("acr".into(), acr_of(&session.details.methods).into());
    claims.insert("amr".into(), json!(session.details.methods));
    claims
}

/// What an ID token says beside what its session does.
pub(super) struct IdTokenFor<'a> {
    pub(super) user: &'a UserRecord,
    pub(super) session: &'a Session,
    pub(super) client: &'a ClientRecord,
    pub(super) nonce: Option<&'a str>,
    pub(super) access_token: &'a str,
}

/// An ID token (OpenID Connect Core 1.0, 2) for the client alone.
pub(super) fn id_token(
    signer: &Signer,
    issuer: &str,
    what: &IdTokenFor<'_>,
    span: Span,
) -> Result<Secret<String>, SigningFault> {
    let client = what.client.id.as_str();
    let mut claims = common(issuer, &what.user.id, client.into(), &Attributes::new(), span)?;
    claims.extend(authentication(what.session));
    claims.insert("at_hash".into(), half_hash(signer.algorithm(), what.access_token).into());
    if let Some(nonce) = what.nonce {
        claims.insert("nonce".into(), nonce.into());
    }
    if let Some(browser) = &what.session.details.browser {
        claims.insert("sid".into(), browser.as_str().into());
    }
    if what.session.details.scopes.iter().any(|scope| scope == "profile") {
        claims.insert("preferred_username".into(), what.user.name.as_str().into());
    }
    signer.sign(IDENTITY_TOKEN_TYPE, &claims).map(Secret::new)
}

/// The left half of a token's hash, by the hash of the algorithm (OpenID Connect Core 1.0, 3.1.3.6; SHA-512 for Ed25519).
fn half_hash(algorithm: SigningAlgorithm, token: &str) -> String {
    let hash = match algorithm {
        SigningAlgorithm::EdDsa => &digest::SHA512,
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => &digest::SHA256,
    };
    let digest = digest::digest(hash, token.as_bytes());
    let half = digest.as_ref().get(..digest.as_ref().len() / 2).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(half)
}

fn audience(audiences: &[String]) -> Value {
    match audiences {
        [one] => one.as_str().into(),
        several => json!(several),
    }
}

/// An access token (RFC 9068 2.2) that a machine client got for itself.
pub(super) fn client_token(
    signer: &Signer,
    issuer: &str,
    client: &ClientRecord,
    attributes: &Attributes,
    granted: &Granted,
    span: Span,
) -> Result<Secret<String>, SigningFault> {
    let mut claims = common(issuer, &client.id, audience(&granted.audiences), attributes, span)?;
    claims.insert("client_id".into(), client.id.as_str().into());
    claims.insert("roles".into(), json!(client.roles));
    claims.insert("scope".into(), granted.scopes.join(" ").into());
    signer.sign(ACCESS_TOKEN_TYPE, &claims).map(Secret::new)
}

/// What a client gets of what it asked for.
pub(super) struct Granted {
    /// For whom its token is. Not empty.
    pub(super) audiences: Vec<String>,
    pub(super) scopes: Vec<String>,
}

/// The `aud` of tokens that the admin listener takes and no route does.
pub const OPERATORS: &str = "urn:haechi:admin";

/// An access token for the admin listener alone, made by whoever can read the signing keys.
///
/// # Errors
/// [`SigningFault`].
pub fn operator_token(
    signer: &Signer,
    issuer: &str,
    subject: &str,
    role: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Secret<String>, SigningFault> {
    let span = Span { from: now, lifetime };
    let mut claims = common(issuer, subject, OPERATORS.into(), &Attributes::new(), span)?;
    claims.insert("roles".into(), json!([role]));
    claims.insert("scope".into(), "".into());
    signer.sign(ACCESS_TOKEN_TYPE, &claims).map(Secret::new)
}

/// A token that tells a service who is calling.
pub(super) fn identity_token(
    signer: &Signer,
    issuer: &str,
    caller: &Caller,
    audience: &str,
    span: Span,
) -> Result<String, SigningFault> {
    let mut claims = common(issuer, &caller.subject, audience.into(), &caller.attributes, span)?;
    let scopes: Vec<&str> = caller.scopes.iter().map(|scope| &**scope).collect();
    let roles: Vec<&str> = caller.roles.iter().map(|role| &**role).collect();
    claims.insert("roles".into(), json!(roles));
    claims.insert("scope".into(), scopes.join(" ").into());
    claims.insert("idp".into(), (&*caller.issuer).into());
    claims.insert("authenticator".into(), (&*caller.authenticator).into());
    signer.sign(IDENTITY_TOKEN_TYPE, &claims)
}

/// Attributes first, so that none can stand in for a claim that the gate writes.
fn common(
    issuer: &str,
    subject: &str,
    audience: Value,
    attributes: &Attributes,
    span: Span,
) -> Result<Map<String, Value>, SigningFault> {
    let free = attributes.iter().filter(|(name, _)| !RESERVED_CLAIMS.contains(&&***name));
    let mut claims: Map<String, Value> = free.map(|(name, value)| (name.to_string(), claim(value))).collect();
    let id = random::id().map_err(|_| SigningFault::Library("give random bytes"))?;
    claims.insert("iss".into(), issuer.into());
    claims.insert("sub".into(), subject.into());
    claims.insert("aud".into(), audience);
    claims.insert("iat".into(), span.from.as_seconds().into());
    claims.insert("exp".into(), span.from.plus(span.lifetime).as_seconds().into());
    claims.insert("jti".into(), id.into());
    Ok(claims)
}

fn claim(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Bool(value) => (*value).into(),
        AttributeValue::Long(value) => (*value).into(),
        AttributeValue::String(value) => (&**value).into(),
        AttributeValue::Set(values) => values.iter().map(|value| Value::from(&**value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::RefreshToken;
    use haechi_core::Secret;

    #[test]
    fn refresh_tokens_are_read_again_and_nothing_else_is() {
        let token = RefreshToken::generate().unwrap();
        let sha256 = token.sha256();
        let text = token.into_text();
        assert_eq!(text.expose().len(), 46);
        assert_eq!(RefreshToken::parse(text.clone()).unwrap().sha256(), sha256);
        let other = text.expose().replace("hr_", "hk_");
        let trailing_bits = format!("hr_{}B", "A".repeat(42));
        for bad in ["", "hr_", "hr_AAAA", &other, &format!("{}A", text.expose()), &trailing_bits] {
            assert!(RefreshToken::parse(Secret::from(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_next_one_depends_on_the_key_and_the_one_before() {
        let token = RefreshToken::generate().unwrap();
        let next = |key: u8| token.next(&[key; 32]).into_text();
        assert_eq!(next(1), next(1));
        assert_ne!(next(1), next(2));
        assert_ne!(next(1), RefreshToken::generate().unwrap().next(&[1; 32]).into_text());
        assert!(RefreshToken::parse(next(1)).is_some());
    }
}
