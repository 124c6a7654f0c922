//! Signing, for the embedded identity provider and the tokens that backends receive.

use super::algorithm::SigningAlgorithm;
use super::{base64url, der};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use haechi_core::Secret;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

/// A private key that is ready to sign.
pub struct Signer {
    key: PrivateKey,
    kid: String,
    public: Value,
}

enum PrivateKey {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Why a key could not be made or read, or did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningFault {
    /// The PKCS #8 document is not an acceptable key of the algorithm (RSA: 2048 to 8192 bits).
    #[error("the stored key is not a {0} key in PKCS #8")]
    Key(SigningAlgorithm),
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as a JSON object: {0}")]
    Claims(String),
    /// The cryptographic library failed.
    #[error("the cryptographic library could not {0}")]
    Library(&'static str),
}

impl Signer {
    /// Makes a new private key, as a PKCS #8 document in DER. RSA keys have 2048 bits.
    ///
    /// # Errors
    /// [`SigningFault::Library`] without randomness.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Secret<Vec<u8>>, SigningFault> {
        match algorithm {
            SigningAlgorithm::Rs256 => Self::generate_rsa(KeySize::Rsa2048),
            SigningAlgorithm::EdDsa => generated(
                Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map(|d| d.as_ref().to_vec()),
            ),
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                generated(pair.and_then(|pair| pair.to_pkcs8v1()).map(|d| d.as_ref().to_vec()))
            }
        }
    }

    /// Makes a new RSA private key of this size, as a PKCS #8 document in DER.
    ///
    /// # Errors
    /// [`SigningFault::Library`] without randomness.
    pub fn generate_rsa(size: KeySize) -> Result<Secret<Vec<u8>>, SigningFault> {
        let pair = RsaKeyPair::generate(size);
        generated(pair.and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|d| d.as_ref().to_vec())))
    }

    /// Reads a private key. Without a `kid` the key is named by its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// [`SigningFault::Key`] for anything but a PKCS #8 document of a key that fits the algorithm.
    pub fn from_pkcs8(
        algorithm: SigningAlgorithm,
        kid: Option<String>,
        pkcs8: &[u8],
    ) -> Result<Self, SigningFault> {
        let key = PrivateKey::from_pkcs8(algorithm, pkcs8).ok_or(SigningFault::Key(algorithm))?;
        let members = key.public_members().ok_or(SigningFault::Key(algorithm))?;
        let kid = kid.unwrap_or_else(|| thumbprint(&members));
        let mut public = members;
        if let Value::Object(object) = &mut public {
            object.insert("alg".into(), algorithm.name().into());
            object.insert("kid".into(), kid.as_str().into());
            object.insert("use".into(), "sig".into());
        }
        Ok(Self { key, kid, public })
    }

    /// The name of the key, as headers carry it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What the key signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        match self.key {
            PrivateKey::Ed25519(_) => SigningAlgorithm::EdDsa,
            PrivateKey::P256(_) => SigningAlgorithm::Es256,
            PrivateKey::Rsa(_) => SigningAlgorithm::Rs256,
        }
    }

    /// The public half as a JWK (RFC 7517) with `alg`, `kid` and `use`.
    pub const fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// Signs claims as a compact JWS (RFC 7515 3.1) whose header has exactly `alg`, `kid` and `typ`.
    ///
    /// # Errors
    /// [`SigningFault::Claims`] when the claims are no JSON object, [`SigningFault::Library`] when the library fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningFault> {
        let header = json!({ "alg": self.algorithm().name(), "kid": self.kid, "typ": typ }).to_string();
        let claims = serde_json::to_string(claims).map_err(|e| SigningFault::Claims(e.to_string()))?;
        if !claims.starts_with('{') {
            return Err(SigningFault::Claims("it is something else".into()));
        }
        let mut token = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
        let signature = self.key.sign(token.as_bytes()).ok_or(SigningFault::Library("sign"))?;
        token.push('.');
        token.push_str(&base64url::encode(signature));
        Ok(token)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm()).field("kid", &self.kid).finish()
    }
}

/// The JWK Set (RFC 7517 5) of these keys' public halves.
pub fn public_jwks<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> Value {
    json!({ "keys": signers.into_iter().map(Signer::public_jwk).collect::<Vec<_>>() })
}

impl PrivateKey {
    fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::Ed25519),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok().map(Self::P256)
            }
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8)
                .ok()
                .filter(|pair| pair.public_modulus_len() >= 256)
                .map(Self::Rsa),
        }
    }

    /// The members that make the key, as RFC 7638 3.2 lists them; `serde_json` keeps them in lexicographic order.
    fn public_members(&self) -> Option<Value> {
        match self {
            Self::Ed25519(pair) => {
                let x = base64url::encode(pair.public_key().as_ref());
                Some(json!({ "crv": "Ed25519", "kty": "OKP", "x": x }))
            }
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Some(
                    json!({ "crv": "P-256", "kty": "EC", "x": base64url::encode(x), "y": base64url::encode(y) }),
                )
            }
            Self::Rsa(pair) => {
                let (n, e) = der::rsa_public_key(pair.public_key().as_ref())?;
                Some(json!({ "e": base64url::encode(e), "kty": "RSA", "n": base64url::encode(n) }))
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
            Self::P256(pair) => {
                pair.sign(&SystemRandom::new(), message).ok().map(|signature| signature.as_ref().to_vec())
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

/// RFC 7638 with SHA-256. Written by hand so that the order does not rest on a feature of `serde_json`.
fn thumbprint(members: &Value) -> String {
    let pairs: std::collections::BTreeMap<&str, &Value> =
        members.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
    let text: Vec<String> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let canonical = format!("{{{}}}", text.join(","));
    base64url::encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

fn generated(
    document: Result<Vec<u8>, aws_lc_rs::error::Unspecified>,
) -> Result<Secret<Vec<u8>>, SigningFault> {
    document.map(Secret::new).map_err(|_| SigningFault::Library("make a key"))
}

#[cfg(test)]
mod tests {
    use super::{Signer, SigningAlgorithm, SigningFault, public_jwks, thumbprint};
    use crate::jose::Compact;
    use crate::keys::{Choice, Keys};
    use serde_json::json;

    #[test]
    fn thumbprint_of_rfc_7638_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let members = json!({ "kty": "RSA", "n": n, "e": "AQAB" });
        assert_eq!(thumbprint(&members), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_public_half_carries_no_private_member() {
        for algorithm in SigningAlgorithm::ALL {
            let signer =
                Signer::from_pkcs8(algorithm, None, Signer::generate(algorithm).unwrap().expose()).unwrap();
            let jwk = signer.public_jwk().as_object().unwrap();
            assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|private| !jwk.contains_key(*private)));
            assert_eq!(jwk["alg"], algorithm.name());
            assert_eq!(jwk["kid"], signer.kid());
            assert_eq!(signer.kid().len(), 43);
        }
    }

    #[test]
    fn what_is_signed_verifies_with_the_published_set_and_nothing_else_does() {
        let make = |algorithm| {
            Signer::from_pkcs8(algorithm, None, Signer::generate(algorithm).unwrap().expose()).unwrap()
        };
        let signers = SigningAlgorithm::ALL.map(make);
        let document = public_jwks(&signers).to_string();
        let keys = Keys::from_jwks(document.as_bytes(), haechi_core::Timestamp::from_seconds(1_800_000_000))
            .unwrap();
        for signer in &signers {
            let token = signer.sign("at+jwt", &json!({ "sub": "a" })).unwrap();
            let compact = Compact::split(&token).unwrap();
            let header = compact.header().unwrap();
            assert_eq!((header.typ.as_deref(), header.kid.as_deref()), (Some("at+jwt"), Some(signer.kid())));
            let Choice::Key(key) = keys.choose(header.algorithm, Some(signer.kid())) else {
                panic!("no key")
            };
            assert!(key.verifies(compact.signed(), compact.signature()));
            assert!(!key.verifies(b"another", compact.signature()));
            let other = make(signer.algorithm());
            let forged = other.sign("at+jwt", &json!({ "sub": "a" })).unwrap();
            let forged = Compact::split(&forged).unwrap();
            assert!(!key.verifies(forged.signed(), forged.signature()));
        }
    }

    #[test]
    fn a_key_of_another_algorithm_is_refused() {
        let ed = Signer::generate(SigningAlgorithm::EdDsa).unwrap();
        assert_eq!(
            Signer::from_pkcs8(SigningAlgorithm::Es256, None, ed.expose()).unwrap_err(),
            SigningFault::Key(SigningAlgorithm::Es256)
        );
    }

    #[test]
    fn claims_are_an_object() {
        let pkcs8 = Signer::generate(SigningAlgorithm::EdDsa).unwrap();
        let signer = Signer::from_pkcs8(SigningAlgorithm::EdDsa, Some("a".into()), pkcs8.expose()).unwrap();
        assert!(signer.sign("JWT", &json!({ "sub": "a" })).is_ok());
        assert!(matches!(signer.sign("JWT", &json!([1])), Err(SigningFault::Claims(_))));
    }
}
