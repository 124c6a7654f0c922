//! Verification keys, parsed once.

use super::algorithm::Algorithm;
use super::der;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaSubjectPublicKey as RsaPublicKey, VerificationAlgorithm,
};
use std::fmt;
use std::ops::RangeInclusive;

/// RSA keys below are breakable, above cost too much to verify with (RFC 7518 3.3, RFC 8725 3.5).
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// A key together with the one algorithm that it verifies (RFC 8725 3.1): a token can choose another key, never another use of this one.
pub struct VerifyingKey {
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Public(ParsedPublicKey),
    /// Any of them verifies.
    Secrets(Box<[hmac::Key]>),
}

/// Why key material was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a key of the kind that it claims to be.
    #[error("malformed {0} key")]
    Malformed(&'static str),
    /// RSA modulus too short or too long.
    #[error("an RSA key has 2048 to 8192 bits, not {0}")]
    RsaSize(usize),
    /// A secret shorter than the hash (RFC 7518 3.2).
    #[error("a secret for {algorithm} has at least {least} bytes")]
    ShortSecret {
        /// The algorithm.
        algorithm: Algorithm,
        /// The least length in bytes.
        least: usize,
    },
    /// No algorithm known here verifies with such a key.
    #[error("{0}")]
    Unusable(String),
}

impl VerifyingKey {
    /// The algorithm that this key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's over `message`. ECDSA signatures are `r || s` at their fixed length (RFC 7518 3.4), never DER.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
            Material::Secrets(keys) => keys.iter().any(|key| hmac::verify(key, message, signature).is_ok()),
        }
    }

    /// A public key for an algorithm, from a `SubjectPublicKeyInfo` (RFC 5280 4.1) in DER.
    ///
    /// # Errors
    /// [`KeyFault`] when the key is malformed, of another type, or an RSA key of a refused size.
    pub fn from_spki(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyFault> {
        if let Family::Rsa = Family::of(algorithm) {
            let bits = rsa_bits(der).ok_or(KeyFault::Malformed("RSA"))?;
            if !RSA_BITS.contains(&bits) {
                return Err(KeyFault::RsaSize(bits));
            }
        }
        Self::parsed(algorithm, der)
    }

    /// An Ed25519 public key, or an uncompressed point of the algorithm's curve.
    pub(super) fn from_raw(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyFault> {
        match Family::of(algorithm) {
            Family::Ec | Family::Ed => Self::parsed(algorithm, bytes),
            Family::Rsa | Family::Hmac => Err(KeyFault::Malformed("elliptic-curve")),
        }
    }

    /// A shared secret for one of the HMAC algorithms.
    ///
    /// # Errors
    /// [`KeyFault::ShortSecret`] when it is shorter than the hash, [`KeyFault::Unusable`] for an algorithm without secrets.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyFault> {
        Self::from_secrets(algorithm, &[secret])
    }

    /// Shared secrets, any of which verifies: the new one, and those that it takes the place of.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_secret`], for each of them; [`KeyFault::Unusable`] where there is none.
    pub fn from_secrets(algorithm: Algorithm, secrets: &[&[u8]]) -> Result<Self, KeyFault> {
        let (hash, least) = match algorithm {
            Algorithm::Hs256 => (hmac::HMAC_SHA256, 32),
            Algorithm::Hs384 => (hmac::HMAC_SHA384, 48),
            Algorithm::Hs512 => (hmac::HMAC_SHA512, 64),
            _ => return Err(KeyFault::Unusable(format!("{algorithm} does not use a shared secret"))),
        };
        if secrets.is_empty() {
            return Err(KeyFault::Unusable("there is no secret".to_owned()));
        }
        if secrets.iter().any(|secret| secret.len() < least) {
            return Err(KeyFault::ShortSecret { algorithm, least });
        }
        let keys = secrets.iter().map(|secret| hmac::Key::new(hash, secret)).collect();
        Ok(Self { algorithm, material: Material::Secrets(keys) })
    }

    fn parsed(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyFault> {
        let (family, verifier) = verifier(algorithm).ok_or(KeyFault::Malformed("public"))?;
        let key = ParsedPublicKey::new(verifier, bytes).map_err(|_| KeyFault::Malformed(family))?;
        Ok(Self { algorithm, material: Material::Public(key) })
    }
}

/// Says which key, never what is in it.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The length of the modulus.
fn rsa_bits(spki: &[u8]) -> Option<usize> {
    let key = RsaPublicKey::from_der(spki).ok()?;
    let (modulus, _) = der::rsa_public_key(key.as_ref())?;
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}

#[derive(Clone, Copy)]
enum Family {
    Rsa,
    Ec,
    Ed,
    Hmac,
}

impl Family {
    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => Self::Rsa,
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => Self::Rsa,
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => Self::Ec,
            Algorithm::EdDsa => Self::Ed,
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Self::Hmac,
        }
    }
}

fn verifier(algorithm: Algorithm) -> Option<(&'static str, &'static dyn VerificationAlgorithm)> {
    Some(match algorithm {
        Algorithm::Rs256 => ("RSA", &signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => ("RSA", &signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => ("RSA", &signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => ("RSA", &signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => ("RSA", &signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => ("RSA", &signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => ("P-256", &signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => ("P-384", &signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::Es512 => ("P-521", &signature::ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDsa => ("Ed25519", &signature::ED25519),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, KeyFault, VerifyingKey};
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::RsaPublicKeyComponents;

    #[test]
    fn a_secret_is_at_least_as_long_as_the_hash() {
        for (algorithm, least) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
            let short = VerifyingKey::from_secret(algorithm, &vec![7; least - 1]).unwrap_err();
            assert_eq!(short, KeyFault::ShortSecret { algorithm, least });
            assert!(VerifyingKey::from_secret(algorithm, &vec![7; least]).is_ok());
        }
    }

    #[test]
    fn a_secret_is_no_public_key_and_the_other_way_round() {
        assert!(VerifyingKey::from_secret(Algorithm::Rs256, &[7; 64]).is_err());
        assert!(VerifyingKey::from_spki(Algorithm::Hs256, &[7; 64]).is_err());
        assert!(VerifyingKey::from_raw(Algorithm::Hs256, &[7; 64]).is_err());
    }

    fn rsa_spki(bytes: usize) -> Vec<u8> {
        let (n, e) = ([vec![0x81], vec![0xff; bytes - 1]].concat(), vec![1, 0, 1]);
        let der: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }.as_der().unwrap();
        der.as_ref().to_vec()
    }

    #[test]
    fn rsa_sizes_are_bounded() {
        for bytes in [128, 255, 1025] {
            let fault = VerifyingKey::from_spki(Algorithm::Rs256, &rsa_spki(bytes)).unwrap_err();
            assert_eq!(fault, KeyFault::RsaSize(bytes * 8));
        }
        for bytes in [256, 1024] {
            assert!(VerifyingKey::from_spki(Algorithm::Ps512, &rsa_spki(bytes)).is_ok());
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = VerifyingKey::from_secret(Algorithm::Hs256, b"abcdefghijklmnopqrstuvwxyz012345").unwrap();
        assert_eq!(format!("{key:?}"), "VerifyingKey { algorithm: Hs256, .. }");
    }
}
