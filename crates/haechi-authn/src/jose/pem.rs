//! A public key in PEM (RFC 7468 13).

use super::algorithm::Algorithm;
use super::key::{KeyFault, VerifyingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// One key, parsed for every algorithm that it fits.
pub(crate) fn public_key(text: &str) -> Result<Vec<VerifyingKey>, KeyFault> {
    let der = sole_block(text)?;
    let fitting: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| !algorithm.is_symmetric())
        .map(|algorithm| VerifyingKey::from_spki(algorithm, &der))
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

fn sole_block(text: &str) -> Result<Vec<u8>, KeyFault> {
    let (_, after) = text.split_once(BEGIN).ok_or_else(|| unusable("there is no PEM block"))?;
    if after.contains(BEGIN) {
        return Err(unusable("there is more than one PEM block; keep the public key only"));
    }
    let (label, after) = after.split_once(DASHES).ok_or(KeyFault::Malformed("PEM"))?;
    match label {
        "PUBLIC KEY" => {}
        "CERTIFICATE" | "RSA PUBLIC KEY" => {
            return Err(unusable(
                "write the key as `PUBLIC KEY`: openssl x509 -pubkey, or openssl rsa -RSAPublicKey_in -pubout",
            ));
        }
        _ if label.contains("PRIVATE") => {
            return Err(unusable("this is a private key, which does not belong here; give its public half"));
        }
        _ => return Err(unusable("the PEM block is not a `PUBLIC KEY`")),
    }
    let body = after.split_once("-----END PUBLIC KEY-----").ok_or(KeyFault::Malformed("PEM"))?.0;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| KeyFault::Malformed("PEM"))
}

fn unusable(why: &str) -> KeyFault {
    KeyFault::Unusable(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, public_key};

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
        assert!(
            public_key(&P256.replace("PUBLIC KEY", "CERTIFICATE"))
                .unwrap_err()
                .to_string()
                .contains("openssl")
        );
        assert!(public_key(&[P256, P256].concat()).unwrap_err().to_string().contains("more than one"));
        for broken in ["", "MFkw", &P256.replace("MFkw", "MFk!"), &P256.replace("MFkw", "MFkx"), &P256[..100]]
        {
            assert!(public_key(broken).is_err(), "{broken}");
        }
    }
}
