//! How machine clients prove who they are: a secret, or an assertion that they have signed.

use super::form::Form;
use super::oauth_error::OAuthError;
use super::tokens::ClientSecret;
use crate::authorization::token68;
use crate::jose::claims::{self, Expected};
use crate::jose::{Algorithm, Compact, TokenFault};
use crate::keys::{Choice, Keys, SetFault};
use crate::oidc_parameters::decoded;
use crate::random;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use haechi_core::ports::{ClientProof, ClientRecord, ClientSecrets, Clients};
use haechi_core::{Secret, Timestamp};
use std::time::Duration;

/// RFC 7523 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion that would be valid for longer is refused: it would have to be remembered for as long.
const LONGEST_ASSERTION: Duration = Duration::from_secs(60 * 60);
/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// The longest `jti`, in bytes.
const MAX_JTI: usize = 512;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request brings along to prove which client sends it. Not believed yet.
pub(super) enum PresentedProof {
    /// Nothing.
    Nothing,
    /// `client_secret_basic` or `client_secret_post` (RFC 6749 2.3.1).
    Secret { id: String, secret: Secret<String> },
    /// `none`: a public client says which it is, and proves nothing (RFC 6749 2.1).
    Public { id: String },
    /// `private_key_jwt` (RFC 7523 2.2).
    Assertion { id: Option<String>, assertion: String },
}

/// What the client is, of which an assertion may say who it is for.
pub(super) struct ExpectedAssertion {
    /// The issuer, the token endpoint, and the endpoint that was called.
    pub(super) audiences: Vec<String>,
    pub(super) now: Timestamp,
}

impl PresentedProof {
    /// Reads it from the `Authorization` field and the form. One way, never two (RFC 6749 2.3).
    pub(super) fn read(authorization: Option<&[u8]>, form: &Form) -> Result<Self, OAuthError> {
        let id = form.one("client_id").map(str::to_owned);
        let assertion = form.one("client_assertion");
        let assertion_type = form.one("client_assertion_type");
        let ways = [authorization.is_some(), form.one("client_secret").is_some(), assertion.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(OAuthError::request("the client proves who it is in more than one way"));
        }
        if assertion.is_some() != assertion_type.is_some()
            || assertion_type.is_some_and(|known| known != ASSERTION_TYPE)
        {
            return Err(OAuthError::request(
                "`client_assertion` and `client_assertion_type` do not go together",
            ));
        }
        if let Some(field) = authorization {
            let (user, secret) = basic(field)?;
            return match id {
                Some(id) if id != user => Err(OAuthError::request("`client_id` is another client's")),
                _ => Ok(Self::Secret { id: user, secret }),
            };
        }
        match (id, form.one("client_secret"), assertion) {
            (id, _, Some(assertion)) => Ok(Self::Assertion { id, assertion: assertion.to_owned() }),
            (Some(id), Some(secret), None) => Ok(Self::Secret { id, secret: Secret::from(secret) }),
            (None, Some(_), None) => Err(OAuthError::request("`client_secret` comes without `client_id`")),
            (Some(id), None, None) => Ok(Self::Public { id }),
            (None, None, None) => Ok(Self::Nothing),
        }
    }

    /// The client that this proves.
    pub(super) async fn verify(
        self,
        clients: &dyn Clients,
        expected: ExpectedAssertion,
    ) -> Result<ClientRecord, OAuthError> {
        match self {
            Self::Nothing => Err(OAuthError::client("the request says nothing of a client")),
            Self::Public { id } => {
                let client = known(clients, &id).await?;
                if client.proof == ClientProof::Public {
                    return Ok(client);
                }
                Err(OAuthError::client(format!("client `{id}` is not public, and proved nothing")))
            }
            Self::Secret { id, secret } => {
                let secret = ClientSecret::parse(secret);
                let secret = secret.ok_or_else(|| OAuthError::client("not a client's secret"))?;
                let client = known(clients, &id).await?;
                match &client.proof {
                    ClientProof::Secret(secrets) if holds(secrets, &secret, expected.now) => Ok(client),
                    ClientProof::Secret(_) => {
                        Err(OAuthError::client(format!("the secret of client `{id}` is wrong")))
                    }
                    ClientProof::Keys(_) => Err(OAuthError::client(format!(
                        "client `{id}` proves who it is by a key, and came with a secret"
                    ))),
                    ClientProof::Public => {
                        Err(OAuthError::client(format!("client `{id}` is public, and came with a secret")))
                    }
                }
            }
            Self::Assertion { id, assertion } => by_assertion(clients, id, &assertion, expected).await,
        }
    }
}

fn holds(secrets: &ClientSecrets, secret: &ClientSecret, now: Timestamp) -> bool {
    let presented = Secret::new(secret.sha256());
    let is_current = presented == Secret::new(secrets.current);
    let before = secrets.previous.filter(|(_, until)| now < *until);
    is_current || before.is_some_and(|(sha256, _)| presented == Secret::new(sha256))
}

async fn known(clients: &dyn Clients, id: &str) -> Result<ClientRecord, OAuthError> {
    let could_be = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let client = if could_be { clients.by_id(id).await? } else { None };
    client.ok_or_else(|| OAuthError::client(format!("there is no client `{}`", shown(id))))
}

/// `Basic` with both halves form-encoded (RFC 6749 2.3.1).
fn basic(field: &[u8]) -> Result<(String, Secret<String>), OAuthError> {
    let parameter = field.split_at_checked(6).filter(|(name, _)| name.eq_ignore_ascii_case(b"basic "));
    let (_, rest) = parameter.ok_or_else(|| OAuthError::client("`Authorization` is not `Basic`"))?;
    let malformed = || OAuthError::client("`Authorization: Basic` is malformed");
    let encoded = token68(rest.trim_ascii_start()).ok_or_else(malformed)?;
    let pair = Secret::new(BASE64.decode(encoded).map_err(|_| malformed())?);
    let colon = pair.expose().iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
    let (id, secret) = pair.expose().split_at(colon);
    let secret = decoded(secret.get(1..).unwrap_or_default()).ok_or_else(malformed)?;
    Ok((decoded(id).ok_or_else(malformed)?, Secret::new(secret)))
}

async fn by_assertion(
    clients: &dyn Clients,
    id: Option<String>,
    assertion: &str,
    expected: ExpectedAssertion,
) -> Result<ClientRecord, OAuthError> {
    let refused = |fault: TokenFault| OAuthError::client(format!("the assertion does not hold: {fault}"));
    let subject = subject(assertion).map_err(refused)?;
    if id.is_some_and(|id| id != subject) {
        return Err(OAuthError::request("`client_id` is another client's"));
    }
    let client = known(clients, &subject).await?;
    let ClientProof::Keys(document) = &client.proof else {
        return Err(OAuthError::client(format!(
            "client `{subject}` proves who it is by a secret, and came with an assertion"
        )));
    };
    let keys = public_keys(document, expected.now);
    let keys = keys.map_err(|fault| OAuthError::unavailable(format!("client `{subject}`: {fault}")))?;
    let (jti, ends) = check(assertion, &keys, &expected).map_err(refused)?;
    if ends > expected.now.plus(LONGEST_ASSERTION) {
        return Err(OAuthError::client(format!(
            "client `{subject}`: the assertion is valid for more than 1h"
        )));
    }
    let sha256 = random::sha256(format!("{subject}\n{jti}").as_bytes());
    if clients.note_assertion(&sha256, ends, expected.now).await? {
        Ok(client)
    } else {
        Err(OAuthError::client(format!("client `{subject}`: the assertion was used before")))
    }
}

/// Whose the assertion says that it is: `iss` and `sub` are the same (RFC 7523 3).
fn subject(assertion: &str) -> Result<String, TokenFault> {
    let compact = Compact::split(assertion)?;
    let claims = compact.claims()?;
    let subject = claims::text(&claims, "sub")?.ok_or(TokenFault::Missing("sub"))?;
    claims::check_issuer(&claims, subject)?;
    Ok(subject.to_owned())
}

/// The assertion's `jti`, and until when it could be presented.
fn check(
    assertion: &str,
    keys: &Keys,
    expected: &ExpectedAssertion,
) -> Result<(String, Timestamp), TokenFault> {
    let compact = Compact::split(assertion)?;
    let header = compact.header()?;
    if !Algorithm::asymmetric().contains(header.algorithm) {
        return Err(TokenFault::NotAllowed(header.algorithm));
    }
    match keys.choose(header.algorithm, header.kid.as_deref()) {
        Choice::Key(key) | Choice::Unnamed(key) if key.verifies(compact.signed(), compact.signature()) => {}
        Choice::Key(_) | Choice::Unnamed(_) => return Err(TokenFault::Signature),
        Choice::Unknown | Choice::None => return Err(TokenFault::NoKey),
    }
    // What the same key may have signed for another purpose is not taken for this one (RFC 8725 3.11).
    let typ = header.typ.as_deref().unwrap_or("JWT");
    if !["jwt", "client-authentication+jwt"].contains(&&*typ.to_ascii_lowercase()) {
        return Err(TokenFault::Type);
    }
    let claims = compact.claims()?;
    let ExpectedAssertion { audiences, now } = expected;
    let aud = claims.member("aud");
    let ends = claims::check(&claims, Expected { now: *now, leeway: LEEWAY, audiences, audience: aud })?;
    let jti = claims::text(&claims, "jti")?.ok_or(TokenFault::Missing("jti"))?;
    if jti.is_empty() || jti.len() > MAX_JTI {
        return Err(TokenFault::Malformed("jti"));
    }
    Ok((jti.to_owned(), ends))
}

/// Reads a client's public keys: a JWK Set (RFC 7517 5), or a key or certificate in PEM.
///
/// # Errors
/// [`SetFault`].
pub fn public_keys(document: &str, now: Timestamp) -> Result<Keys, SetFault> {
    if document.trim_start().starts_with('{') {
        Keys::from_jwks(document.as_bytes(), now)
    } else {
        Keys::from_pem(document, now)
    }
}

/// Text of a request as it can stand in a log line.
fn shown(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}
