//! Answers that are signed (RFC 9701 5): whose they are, for whom, and that they are nothing else.

use crate::Unavailable;
use crate::jose::json::{Json, Object};
use crate::jose::{AlgorithmSet, Compact, TokenFault, claims};
use crate::keys::KeySource;
use crate::keys::signature::{self, SignatureFault};
use haechi_core::Timestamp;
use std::time::Duration;

/// The media type that is asked for.
pub(super) const MEDIA_TYPE: &str = "application/token-introspection+jwt";
/// What its `typ` must be.
const TYPE: &str = "token-introspection+jwt";
/// An answer is for now: one that is older is a repetition.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// Who signs, and what is believed of it.
#[derive(Clone, Copy)]
pub(super) struct Signer<'a> {
    pub(super) issuer: &'a str,
    pub(super) keys: &'a KeySource,
    pub(super) algorithms: AlgorithmSet,
    /// How the gate is called there.
    pub(super) client_id: &'a str,
    pub(super) leeway: Duration,
}

impl Signer<'_> {
    /// Checks the signature and whatever of the answer is not about the token, and gives what is about it to `read`.
    pub(super) async fn opened<T>(
        &self,
        body: &[u8],
        now: Timestamp,
        read: impl FnOnce(&Object<'_>) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        let told =
            |why: String| Unavailable::new(format!("the introspection endpoint's signed answer: {why}"));
        let broken = |fault: TokenFault| told(fault.to_string());
        let text = std::str::from_utf8(body).map_err(|_| told("it is no text".to_owned()))?;
        let compact = Compact::split(text.trim()).map_err(broken)?;
        let header = compact.header().map_err(broken)?;
        let typ = header.typ.as_deref().unwrap_or_default();
        if !typ.strip_prefix("application/").unwrap_or(typ).eq_ignore_ascii_case(TYPE) {
            return Err(broken(TokenFault::Type));
        }
        signature::check_newest(self.keys, self.algorithms, &compact, &header).await.map_err(|fault| {
            told(match fault {
                SignatureFault::Refused(fault) | SignatureFault::AskNewer(fault) => fault.to_string(),
                SignatureFault::TooOld => "the issuer's keys are too old".to_owned(),
                SignatureFault::NoKeys(why) | SignatureFault::Unknown(why) => why,
            })
        })?;
        let claims = compact.claims().map_err(broken)?;
        self.check(&claims, now).map_err(broken)?;
        match claims.member("token_introspection") {
            Some(Json::Object(answer)) => read(answer),
            _ => Err(told("`token_introspection` is missing".to_owned())),
        }
    }

    fn check(&self, claims: &Object<'_>, now: Timestamp) -> Result<(), TokenFault> {
        claims::check_issuer(claims, self.issuer)?;
        let audiences = [self.client_id.to_owned()];
        let audience = claims.member("aud");
        let expected = claims::Expected { now, leeway: self.leeway, audiences: &audiences, audience };
        claims::check_told(claims, expected).map(drop)?;
        let issued = claims::issued_at(claims)?.ok_or(TokenFault::Missing("iat"))?;
        if now.since(issued) > ANSWERED_WITHIN { Err(TokenFault::Expired) } else { Ok(()) }
    }
}
