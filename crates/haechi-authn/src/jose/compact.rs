//! A token in JWS Compact Serialization (RFC 7515 7.1), taken apart but not yet believed.

use super::algorithm::Algorithm;
use super::base64url;
use super::json::{Json, Object};
use std::borrow::Cow;

/// A longer token is refused unread, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;

/// The three decoded parts of a token.
pub struct Compact<'t> {
    signed: &'t [u8],
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What of a header counts. Keys and addresses that a token brings along (`jwk`, `jku`, `x5c`, `x5u`, …) are not read: a stranger does not get to
/// say whom to trust (RFC 8725 3.10).
#[derive(Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub kid: Option<Cow<'a, str>>,
    /// `typ`, as written.
    pub typ: Option<Cow<'a, str>>,
}

/// Why a token does not hold. Of the token it carries at most whose and for whom it is: no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Longer than [`MAX_LENGTH`].
    #[error("the token is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Not three parts in strict base64url.
    #[error("the token is not three parts in base64url")]
    Shape,
    /// The header or the claims are not an object with distinct names.
    #[error("the {part} is {fault}")]
    Json {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        fault: super::json::BadJson,
    },
    /// `alg` is missing, `none`, or one that is not known.
    #[error("the header's `alg` names no signature algorithm")]
    Algorithm,
    /// A header parameter that changes what the token means (RFC 7515 4.1.11, RFC 7797).
    #[error("the header's `{0}` asks for what is not understood here")]
    Critical(&'static str),
    /// A header parameter or a claim of the wrong type or out of range.
    #[error("`{0}` is malformed")]
    Malformed(&'static str),
    /// A claim that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A claim that the configuration asks for.
    #[error("`{0}` is missing, which `required_claims` asks for")]
    Unsaid(String),
    /// `typ` is not one that is accepted.
    #[error("the token is of another type")]
    Type,
    /// `iss` is somebody else.
    #[error("other issuer: the token names {}, and configured is `{configured}`", quoted([found]))]
    Issuer {
        /// Whose tokens are taken.
        configured: String,
        /// Whose token it is, shortened; empty where it says nothing.
        found: String,
    },
    /// `iss` is of a tenant that is not ours.
    #[error("the token's `{claim}` is {}, which `tenants` does not list", quoted([found]))]
    Tenant {
        /// The claim.
        claim: String,
        /// What it says, shortened.
        found: String,
    },
    /// `aud`, or the claim that stands for it, does not name us.
    #[error(
        "the token is for another audience: it names {}, and configured is {}",
        quoted(found),
        quoted(configured)
    )]
    Audience {
        /// What we are called.
        configured: Vec<String>,
        /// Whom it is for, shortened.
        found: Vec<String>,
    },
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token's `{0}` lies in the future")]
    NotYet(&'static str),
    /// `cnf` without the proof that it asks for (RFC 7800).
    #[error("the token is bound to a key (`cnf`), and nothing proves possession of it")]
    Unproven,
    /// The allow-list does not have the algorithm.
    #[error("{0} is not among the accepted algorithms")]
    NotAllowed(Algorithm),
    /// No key for it.
    #[error("no key of the issuer fits the token's `kid` and `alg`")]
    NoKey,
    /// The signature is wrong.
    #[error("the signature does not verify")]
    Signature,
    /// Revoked before its time.
    #[error("the token or its session was revoked")]
    Revoked,
}

impl TokenFault {
    /// The issuer is another one.
    pub(crate) fn issuer(configured: &str, found: Option<&str>) -> Self {
        Self::Issuer { configured: configured.to_owned(), found: short(found.unwrap_or_default()) }
    }

    /// The tenant is another one.
    pub(crate) fn tenant(claim: &str, found: &str) -> Self {
        Self::Tenant { claim: claim.to_owned(), found: short(found) }
    }

    /// The audience is another one.
    pub(crate) fn audience(configured: &[String], found: &[&str]) -> Self {
        let found = found.iter().take(8).map(|name| short(name)).collect();
        Self::Audience { configured: configured.to_vec(), found }
    }
}

/// Text of a token that nothing vouches for, as it can stand in a log line.
fn short(text: &str) -> String {
    text.chars().take(256).collect::<String>().escape_debug().to_string()
}

fn quoted<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let told: Vec<_> =
        texts.into_iter().filter(|text| !text.is_empty()).map(|text| format!("`{text}`")).collect();
    if told.is_empty() { "none".into() } else { told.join(", ") }
}

impl<'t> Compact<'t> {
    /// Splits and decodes a token. Only its shape is checked.
    ///
    /// # Errors
    /// [`TokenFault::TooLong`] and [`TokenFault::Shape`].
    pub fn split(token: &'t str) -> Result<Self, TokenFault> {
        if token.len() > MAX_LENGTH {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Shape)?;
        let decode =
            |part: &str| base64url::decode(part).filter(|bytes| !bytes.is_empty()).ok_or(TokenFault::Shape);
        Ok(Self {
            signed: signed.as_bytes(),
            header: decode(header)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    /// What the signature is over (RFC 7515 5.1).
    pub const fn signed(&self) -> &'t [u8] {
        self.signed
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Reads the header.
    ///
    /// # Errors
    /// [`TokenFault`] for a header that is malformed, without a known `alg`, or with anything critical: no extension is understood here.
    pub fn header(&self) -> Result<Header<'_>, TokenFault> {
        let object = read("header", &self.header)?;
        if object.member("crit").is_some() {
            return Err(TokenFault::Critical("crit"));
        }
        if object.member("b64").is_some_and(|encoded| *encoded != Json::Bool(true)) {
            return Err(TokenFault::Critical("b64"));
        }
        let algorithm = object.member("alg").and_then(Json::as_str).and_then(Algorithm::named);
        Ok(Header {
            algorithm: algorithm.ok_or(TokenFault::Algorithm)?,
            kid: text(&object, "kid")?,
            typ: text(&object, "typ")?,
        })
    }

    /// The header with all of its parameters.
    ///
    /// # Errors
    /// [`TokenFault::Json`].
    pub(crate) fn header_object(&self) -> Result<Object<'_>, TokenFault> {
        read("header", &self.header)
    }

    /// Reads the claims, which nothing vouches for yet.
    ///
    /// # Errors
    /// [`TokenFault::Json`].
    pub fn claims(&self) -> Result<Object<'_>, TokenFault> {
        read("claims set", &self.payload)
    }

    /// The same, to be kept and joined with others.
    ///
    /// # Errors
    /// [`TokenFault::Json`].
    pub fn claims_map(&self) -> Result<serde_json::Map<String, serde_json::Value>, TokenFault> {
        self.claims()?;
        serde_json::from_slice(&self.payload).map_err(|_| TokenFault::Shape)
    }
}

fn read<'a>(part: &'static str, bytes: &'a [u8]) -> Result<Object<'a>, TokenFault> {
    Object::parse(bytes).map_err(|fault| TokenFault::Json { part, fault })
}

fn text<'a>(header: &Object<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, TokenFault> {
    match header.member(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenFault::Malformed(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Compact, MAX_LENGTH, TokenFault};
    use crate::jose::Algorithm;
    use crate::jose::base64url::encode;
    use proptest::prelude::*;

    fn header(json: &str) -> Result<Algorithm, TokenFault> {
        let token = format!("{}.e30.AA", encode(json));
        Compact::split(&token)?.header().map(|header| header.algorithm)
    }

    #[test]
    fn exactly_three_parts_none_of_them_empty() {
        assert!(Compact::split("e30.e30.AA").is_ok());
        for token in [
            "",
            ".",
            "..",
            "e30",
            "e30.e30",
            "e30.e30.",
            ".e30.AA",
            "e30..AA",
            "e30.e30.AA.AA",
            "a.b.c.d.e",
            "e30.e30.AA=",
            "e30.e30.A B",
        ] {
            assert_eq!(Compact::split(token).err(), Some(TokenFault::Shape), "{token}");
        }
        let long = format!("e30.e30.{}", "A".repeat(MAX_LENGTH));
        assert_eq!(Compact::split(&long).err(), Some(TokenFault::TooLong));
        let longest = format!("e30.{}.AAA", "A".repeat(MAX_LENGTH - 8));
        assert_eq!(longest.len(), MAX_LENGTH);
        assert!(Compact::split(&longest).is_ok());
    }

    #[test]
    fn headers_that_could_mean_something_else_are_refused() {
        assert_eq!(
            header(r#"{"alg":"ES256","jku":"https://x","jwk":{},"x5u":1,"x5c":[]}"#),
            Ok(Algorithm::Es256)
        );
        for (json, fault) in [
            (r#"{}"#, TokenFault::Algorithm),
            (r#"{"alg":"none"}"#, TokenFault::Algorithm),
            (r#"{"alg":"nOnE"}"#, TokenFault::Algorithm),
            (r#"{"alg":["ES256"]}"#, TokenFault::Algorithm),
            (r#"{"alg":"ES256","crit":[]}"#, TokenFault::Critical("crit")),
            (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, TokenFault::Critical("crit")),
            (r#"{"alg":"ES256","crit":null}"#, TokenFault::Critical("crit")),
            (r#"{"alg":"ES256","b64":false}"#, TokenFault::Critical("b64")),
            (r#"{"alg":"ES256","kid":1}"#, TokenFault::Malformed("kid")),
            (r#"{"alg":"ES256","typ":null}"#, TokenFault::Malformed("typ")),
        ] {
            assert_eq!(header(json), Err(fault), "{json}");
        }
        for json in [r#"{"alg":"ES256","alg":"ES256"}"#, r#"{"alg":"ES256","x":{"a":1,"a":1}}"#, "[]", "{"] {
            assert!(matches!(header(json), Err(TokenFault::Json { .. })), "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(token in "[A-Za-z0-9_.=-]{0,60}|\\PC{0,20}") {
            if let Ok(parts) = Compact::split(&token) {
                let _read = (parts.header(), parts.claims());
            }
        }
    }
}
