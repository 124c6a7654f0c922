//! A public key or a certificate in PEM (RFC 7468 5, 13).

use super::algorithm::{Algorithm, SigningAlgorithm};
use super::key::{KeyFault, VerifyingKey};
use super::sign::Signer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Timestamp, certificate};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
const PUBLIC_KEY: &str = "PUBLIC KEY";
const CERTIFICATE: &str = "CERTIFICATE";

/// One key, parsed for every algorithm that it fits, and until when it holds: as long as the certificate that it stands in.
pub(crate) fn public_key(
    text: &str,
    now: Timestamp,
) -> Result<(Vec<VerifyingKey>, Option<Timestamp>), KeyFault> {
    let block = first_block(text)?;
    if block.label == PUBLIC_KEY {
        return Ok((fitting(&block.der)?, None));
    }
    let certificate = certificate::read(&block.der)
        .ok_or_else(|| unusable("the certificate cannot be read; it must be X.509 of version 3"))?;
    certificate.check_valid(now).map_err(|why| {
        KeyFault::Unusable(format!(
            "the certificate {why}; give the one that the issuer signs with now, or its public key alone"
        ))
    })?;
    Ok((fitting(certificate.public_key)?, Some(certificate.not_after)))
}

/// A `SubjectPublicKeyInfo`, parsed for every algorithm that it fits.
pub(super) fn fitting(der: &[u8]) -> Result<Vec<VerifyingKey>, KeyFault> {
    let fitting: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| !algorithm.is_symmetric())
        .map(|algorithm| VerifyingKey::from_spki(algorithm, der))
        .collect();
    if let Some(Err(size)) = fitting.iter().find(|key| matches!(key, Err(KeyFault::RsaSize(_)))) {
        return Err(size.clone());
    }
    let keys: Vec<_> = fitting.into_iter().flatten().collect();
    if keys.is_empty() {
        return Err(unusable("the key is not RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"));
    }
    Ok(keys)
}

/// A private key in PEM that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// There is not one block `PRIVATE KEY`.
    #[error("this is not one PEM block `PRIVATE KEY`; make it with `openssl pkcs8 -topk8 -nocrypt`")]
    Shape,
    /// Nothing here signs with such a key.
    #[error("the private key is not Ed25519, P-256 or RSA of 2048 to 8192 bits")]
    Kind,
}

/// What signs with a private key in PEM (RFC 7468 10), under this name or its thumbprint.
///
/// # Errors
/// [`PrivateKeyError`].
pub fn signer_of_pem(text: &str, kid: Option<String>) -> Result<Signer, PrivateKeyError> {
    const LABEL: &str = "PRIVATE KEY-----";
    let (_, after) = text.split_once("-----BEGIN PRIVATE KEY-----").ok_or(PrivateKeyError::Shape)?;
    let (body, rest) = after.split_once("-----END PRIVATE KEY-----").ok_or(PrivateKeyError::Shape)?;
    if rest.contains(LABEL) {
        return Err(PrivateKeyError::Shape);
    }
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = zeroize::Zeroizing::new(STANDARD.decode(body).map_err(|_| PrivateKeyError::Shape)?);
    let signers = SigningAlgorithm::ALL.into_iter();
    let mut signers = signers.filter_map(|algorithm| Signer::from_pkcs8(algorithm, kid.clone(), &der).ok());
    signers.next().ok_or(PrivateKeyError::Kind)
}

struct Block<'t> {
    label: &'t str,
    der: Vec<u8>,
}

/// The public key or the certificate. After a certificate those that lead to its authority may follow (RFC 7468 5); they are not read.
fn first_block(text: &str) -> Result<Block<'_>, KeyFault> {
    let (_, after) = text.split_once(BEGIN).ok_or_else(|| unusable("there is no PEM block"))?;
    let (label, rest) = after.split_once(DASHES).ok_or(KeyFault::Malformed("PEM"))?;
    if text.contains("PRIVATE KEY-----") {
        return Err(unusable("this is a private key, which does not belong here; give its public half"));
    }
    match label {
        CERTIFICATE if rest.match_indices(BEGIN).all(|(at, _)| begins_certificate(rest, at)) => {}
        PUBLIC_KEY | CERTIFICATE if rest.contains(BEGIN) => {
            return Err(unusable("there is more than one PEM block; keep the public key only"));
        }
        PUBLIC_KEY => {}
        "RSA PUBLIC KEY" => {
            return Err(unusable("write the key as `PUBLIC KEY`: openssl rsa -RSAPublicKey_in -pubout"));
        }
        _ => return Err(unusable("the PEM block is not a `PUBLIC KEY` or a `CERTIFICATE`")),
    }
    let end = format!("-----END {label}-----");
    let body = rest.split_once(&end).ok_or(KeyFault::Malformed("PEM"))?.0;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).map_err(|_| KeyFault::Malformed("PEM"))?;
    Ok(Block { label, der })
}

fn begins_certificate(text: &str, at: usize) -> bool {
    text.get(at + BEGIN.len()..).is_some_and(|rest| rest.starts_with("CERTIFICATE-----"))
}

fn unusable(why: &str) -> KeyFault {
    KeyFault::Unusable(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, KeyFault, Timestamp};

    fn public_key(text: &str) -> Result<Vec<super::VerifyingKey>, KeyFault> {
        super::public_key(text, Timestamp::from_seconds(1_800_000_000)).map(|(keys, _)| keys)
    }

    const P256: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\nq9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_fits_exactly_the_algorithms_of_its_type() {
        let keys = public_key(P256).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].algorithm(), Algorithm::Es256);
    }

    #[test]
    fn other_blocks_are_refused_with_what_to_do() {
        let private = P256.replace("PUBLIC", "PRIVATE");
        assert!(public_key(&private).unwrap_err().to_string().contains("private key"));
        let certificate = P256.replace("PUBLIC KEY", "CERTIFICATE");
        assert!(public_key(&certificate).unwrap_err().to_string().contains("X.509"));
        let pkcs1 = P256.replace("PUBLIC KEY", "RSA PUBLIC KEY");
        assert!(public_key(&pkcs1).unwrap_err().to_string().contains("openssl"));
        assert!(
            public_key(&[&certificate, P256].concat()).unwrap_err().to_string().contains("more than one")
        );
        assert!(public_key(&[P256, P256].concat()).unwrap_err().to_string().contains("more than one"));
        for broken in ["", "MFkw", &P256.replace("MFkw", "MFk!"), &P256.replace("MFkw", "MFkx"), &P256[..100]]
        {
            assert!(public_key(broken).is_err(), "{broken}");
        }
    }
}
