//! A signer of JSON Web Tokens that signs whatever it is told to: any header, any claims, also nonsense (RFC 7515, RFC 7517).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haechi_core::{Clock, SystemClock};
use serde_json::{Value, json};

/// A key that signs, with the id under which it is published.
pub struct Key {
    /// The key's id.
    pub kid: String,
    secret: Secret,
}

enum Secret {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Hmac(Vec<u8>),
}

impl Key {
    /// A new RSA key of 2048 bits, for RS256.
    pub fn rsa(kid: &str) -> Self {
        Self::new(kid, Secret::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())))
    }

    /// A new key on P-256, for ES256.
    pub fn p256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::new(kid, Secret::P256(Box::new(pair)))
    }

    /// A new key on Curve25519, for EdDSA.
    pub fn ed25519(kid: &str) -> Self {
        Self::new(kid, Secret::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap())))
    }

    /// A shared secret, for HS256.
    pub fn hmac(kid: &str, secret: &[u8]) -> Self {
        Self::new(kid, Secret::Hmac(secret.to_vec()))
    }

    fn new(kid: &str, secret: Secret) -> Self {
        Self { kid: kid.to_owned(), secret }
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> &'static str {
        match self.secret {
            Secret::Rsa(_) => "RS256",
            Secret::P256(_) => "ES256",
            Secret::Ed25519(_) => "EdDSA",
            Secret::Hmac(_) => "HS256",
        }
    }

    /// The public key as a JSON Web Key.
    ///
    /// # Panics
    /// For a shared secret, which has none.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.secret {
            Secret::Rsa(pair) => {
                let (n, e) = rsa_integers(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": base64url(n), "e": base64url(e)})
            }
            Secret::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": base64url(&point[1..33]), "y": base64url(&point[33..])})
            }
            Secret::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref())})
            }
            Secret::Hmac(_) => panic!("a shared secret has no public key"),
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The private key in PKCS #8, as PEM, for another library to sign with.
    ///
    /// # Panics
    /// For what has no such form here.
    pub fn pkcs8_pem(&self) -> String {
        let Secret::Rsa(pair) = &self.secret else { panic!("only RSA keys are handed out") };
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        pem("PRIVATE KEY", der.as_ref())
    }

    /// The public RSA key as PEM (PKCS #1), as an attacker would hold it.
    pub fn public_pem(&self) -> String {
        let Secret::Rsa(pair) = &self.secret else { panic!("only RSA keys are handed out") };
        pem("RSA PUBLIC KEY", pair.public_key().as_ref())
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.kid}), claims)
    }

    /// A token with any header and any claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token over any two texts, which need not even be JSON.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64url(header), base64url(payload));
        let signature = self.signature(input.as_bytes());
        format!("{input}.{}", base64url(signature))
    }

    fn signature(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).unwrap();
                signature
            }
            Secret::P256(pair) => pair.sign(&random, input).unwrap().as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.sign(input).as_ref().to_vec(),
            Secret::Hmac(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, input).as_ref().to_vec()
            }
        }
    }
}

/// The claims of a token that is in order: valid for ten minutes from now, for the audience `orders`.
pub fn claims(issuer: &str, subject: &str) -> Value {
    let now = now();
    json!({"iss": issuer, "sub": subject, "aud": "orders", "iat": now, "exp": now + 600})
}

/// `claims` with these members put in their place; `null` removes one.
#[must_use]
pub fn with(claims: &Value, members: &Value) -> Value {
    let mut changed = claims.clone();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value.clone();
        }
    }
    changed
}

/// Seconds since the epoch.
pub fn now() -> i64 {
    SystemClock.now().as_seconds()
}

/// Unpadded base64url (RFC 4648 section 5).
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Padded base64 (RFC 4648 section 4), as Basic credentials need it.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// The JSON in the part of a token at `index`: 0 the header, 1 the claims.
///
/// # Panics
/// Where there is none.
pub fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON")
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Modulus and exponent of an `RSAPublicKey` in DER (RFC 8017 A.1.1): a sequence of two integers.
fn rsa_integers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The content of the first value, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match usize::from(der[1]) {
        short @ 0..=127 => (short, 2),
        long => {
            let bytes = &der[2..2 + (long - 128)];
            (bytes.iter().fold(0, |sum, &byte| sum * 256 + usize::from(byte)), 2 + bytes.len())
        }
    };
    (&der[start..start + length], &der[start + length..])
}

#[cfg(test)]
mod tests {
    use super::{Key, part};
    use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RsaPublicKeyComponents, UnparsedPublicKey};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    fn bytes(jwk: &Value, member: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap()
    }

    #[test]
    fn tokens_verify_with_the_published_keys() {
        for key in [Key::rsa("a"), Key::p256("b"), Key::ed25519("c")] {
            let token = key.token(&json!({"sub": "alice"}));
            assert_eq!(part(&token, 1)["sub"], "alice");
            let (input, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let (jwk, input) = (key.jwk(), input.as_bytes());
            let verified = match key.algorithm() {
                "RS256" => RsaPublicKeyComponents { n: bytes(&jwk, "n"), e: bytes(&jwk, "e") }.verify(
                    &RSA_PKCS1_2048_8192_SHA256,
                    input,
                    &signature,
                ),
                "ES256" => {
                    let point = [vec![4], bytes(&jwk, "x"), bytes(&jwk, "y")].concat();
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(input, &signature)
                }
                _ => UnparsedPublicKey::new(&ED25519, bytes(&jwk, "x")).verify(input, &signature),
            };
            assert!(verified.is_ok(), "{}", key.algorithm());
        }
    }
}
