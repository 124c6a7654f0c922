//! The provider's tokens as the store keeps them: sealed with a key that is made of the cookie's value. Whoever reads the store has no tokens.

use crate::jose::base64url;
use crate::random::{self, RandomnessError, sha256};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use haechi_core::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The length of the value of a session's cookie: 32 bytes in base64url.
const LENGTH: usize = 43;

/// The value of a session's cookie.
#[derive(Clone)]
pub(crate) struct SessionSecret(Secret<String>);

impl SessionSecret {
    /// A new one, of 256 random bits.
    pub(super) fn generate() -> Result<Self, RandomnessError> {
        Ok(Self(Secret::new(base64url::encode(random::bytes::<32>()?))))
    }

    /// Reads a cookie's value; `None` for what was never one.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let ours = value.len() == LENGTH && base64url::decode(value).is_some();
        let text = std::str::from_utf8(value).ok().filter(|_| ours)?;
        Some(Self(Secret::from(text)))
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        sha256(self.0.expose().as_bytes())
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }

    fn key(&self) -> Option<RandomizedNonceKey> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose().as_bytes());
        let tag = hmac::sign(&key, b"haechi tokens of a session");
        RandomizedNonceKey::new(&AES_256_GCM, tag.as_ref()).ok()
    }
}

/// The provider's tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptTokens {
    #[serde(rename = "a")]
    pub(super) access: String,
    #[serde(rename = "r")]
    pub(super) refresh: Option<String>,
    #[serde(rename = "i")]
    pub(super) id: Option<String>,
    /// When the access token ends, in milliseconds.
    #[serde(rename = "e")]
    pub(super) access_ends: Option<i64>,
    /// The scopes that were granted.
    #[serde(rename = "s")]
    pub(super) scope: Option<String>,
}

impl KeptTokens {
    /// Seals them for the session `id`.
    pub(super) fn seal(&self, secret: &SessionSecret, id: &str) -> Option<Vec<u8>> {
        let mut body = serde_json::to_vec(self).ok()?;
        let nonce = secret.key()?.seal_in_place_append_tag(Aad::from(id.as_bytes()), &mut body).ok()?;
        Some([nonce.as_ref().as_slice(), body.as_slice()].concat())
    }

    pub(super) fn open(sealed: &[u8], secret: &SessionSecret, id: &str) -> Option<Self> {
        let (nonce, body) = sealed.split_at_checked(12)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = secret.key()?.open_in_place(nonce, Aad::from(id.as_bytes()), &mut body).ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// Whether the access token still holds at `now`, as far as anybody has said.
    pub(super) fn access_holds(&self, now: Timestamp) -> bool {
        self.access_ends.is_none_or(|ends| now < Timestamp::from_millis(ends))
    }
}

#[cfg(test)]
mod tests {
    use super::{KeptTokens, SessionSecret};

    fn tokens() -> KeptTokens {
        KeptTokens {
            access: "access".into(),
            refresh: Some("refresh".into()),
            id: None,
            access_ends: Some(1000),
            scope: None,
        }
    }

    #[test]
    fn tokens_open_with_the_cookie_of_their_session_alone() {
        let (secret, other) = (SessionSecret::generate().unwrap(), SessionSecret::generate().unwrap());
        let sealed = tokens().seal(&secret, "s1").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"access"));
        assert_eq!(KeptTokens::open(&sealed, &secret, "s1").unwrap().access, "access");
        assert!(KeptTokens::open(&sealed, &other, "s1").is_none());
        assert!(KeptTokens::open(&sealed, &secret, "s2").is_none());
        assert!(KeptTokens::open(&sealed[..11], &secret, "s1").is_none());
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(KeptTokens::open(&changed, &secret, "s1").is_none());
    }

    #[test]
    fn a_secret_has_256_bits_and_one_spelling() {
        let secret = SessionSecret::generate().unwrap();
        assert_eq!(secret.expose().len(), 43);
        assert!(SessionSecret::parse(secret.expose().as_bytes()).is_some());
        for value in ["", "a", &"a".repeat(42), &"a".repeat(44), &"=".repeat(43), &"b".repeat(43)] {
            assert!(SessionSecret::parse(value.as_bytes()).is_none(), "{value}");
        }
    }
}
