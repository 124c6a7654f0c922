//! JSON Web Keys (RFC 7517, RFC 7518 6, RFC 8037 2): which algorithms a key verifies, parsed for each of them.

use super::algorithm::Algorithm;
use super::base64url;
use super::json::{Json, Object};
use super::key::{KeyFault, VerifyingKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;

/// Whether shared secrets may stand in a key set: only in one that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// A set from a URL: a secret in it is known to everybody.
    Refused,
    /// A set from a file of ours.
    Accepted,
}

/// A key as a JWK gives it.
pub(crate) struct Jwk {
    pub(crate) kid: Option<Box<str>>,
    /// Tells keys of one name apart from the same key listed twice.
    pub(crate) identity: Vec<u8>,
    /// One per algorithm; never empty.
    pub(crate) keys: Vec<VerifyingKey>,
}

/// What a JWK's members say before its material is read.
struct Material {
    fits: &'static [Algorithm],
    identity: Vec<u8>,
    parse: fn(Algorithm, &[u8]) -> Result<VerifyingKey, KeyFault>,
}

impl Jwk {
    pub(crate) fn read(jwk: &Object<'_>, secrets: Secrets) -> Result<Self, KeyFault> {
        check_use(jwk)?;
        check_operations(jwk)?;
        let kid = optional_text(jwk, "kid")?.map(Box::from);
        let declared = optional_text(jwk, "alg")?;
        let material = material(jwk, secrets)?;
        let algorithms = material.fits.iter().filter(|fits| declared.is_none_or(|name| name == fits.name()));
        let keys: Vec<VerifyingKey> = algorithms
            .map(|&algorithm| (material.parse)(algorithm, &material.identity))
            .filter(|key| declared.is_some() || !matches!(key, Err(KeyFault::ShortSecret { .. })))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            let what = declared.map_or("is too short".into(), |name| format!("is for `{name}`"));
            return Err(KeyFault::Unusable(format!("the key {what}, which verifies no signature with it")));
        }
        Ok(Self { kid, identity: material.identity, keys })
    }
}

/// RFC 7517 4.2: a key for encryption verifies nothing.
fn check_use(jwk: &Object<'_>) -> Result<(), KeyFault> {
    match jwk.member("use").map(Json::as_str) {
        None | Some(Some("sig")) => Ok(()),
        Some(_) => Err(KeyFault::Unusable("`use` is not `sig`".into())),
    }
}

/// RFC 7517 4.3.
fn check_operations(jwk: &Object<'_>) -> Result<(), KeyFault> {
    match jwk.member("key_ops").map(Json::as_strings) {
        None => Ok(()),
        Some(Some(operations)) if operations.contains(&"verify") => Ok(()),
        Some(_) => Err(KeyFault::Unusable("`key_ops` does not list `verify`".into())),
    }
}

fn material(jwk: &Object<'_>, secrets: Secrets) -> Result<Material, KeyFault> {
    let curve = || text(jwk, "crv");
    match text(jwk, "kty")? {
        "RSA" => rsa(jwk),
        "EC" => match curve()? {
            "P-256" => point(jwk, &[Algorithm::Es256], 32),
            "P-384" => point(jwk, &[Algorithm::Es384], 48),
            "P-521" => point(jwk, &[Algorithm::Es512], 66),
            other => Err(KeyFault::Unusable(format!("curve `{other}` is not supported"))),
        },
        "OKP" => match curve()? {
            "Ed25519" => Ok(Material {
                fits: &[Algorithm::EdDsa],
                identity: sized(jwk, "x", 32, "Ed25519")?,
                parse: VerifyingKey::from_raw,
            }),
            other => Err(KeyFault::Unusable(format!("curve `{other}` is not supported"))),
        },
        "oct" if secrets == Secrets::Refused => {
            Err(KeyFault::Unusable("a shared secret does not belong in a public key set".into()))
        }
        "oct" => Ok(Material {
            fits: &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512],
            identity: bytes(jwk, "k", "oct")?,
            parse: VerifyingKey::from_secret,
        }),
        other => Err(KeyFault::Unusable(format!("key type `{other}` is not supported"))),
    }
}

fn rsa(jwk: &Object<'_>) -> Result<Material, KeyFault> {
    const FITS: &[Algorithm] = &[
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];
    let (n, e) = (bytes(jwk, "n", "RSA")?, bytes(jwk, "e", "RSA")?);
    let bits =
        n.len().saturating_mul(8).saturating_sub(n.first().map_or(0, |high| high.leading_zeros() as usize));
    if !(2048..=8192).contains(&bits) {
        return Err(KeyFault::RsaSize(bits));
    }
    let der: Result<PublicKeyX509Der<'_>, _> = RsaPublicKeyComponents { n, e }.as_der();
    let identity = der.map_err(|_| KeyFault::Malformed("RSA"))?.as_ref().to_vec();
    Ok(Material { fits: FITS, identity, parse: VerifyingKey::from_spki })
}

fn point(jwk: &Object<'_>, fits: &'static [Algorithm], length: usize) -> Result<Material, KeyFault> {
    let (x, y) = (sized(jwk, "x", length, "EC")?, sized(jwk, "y", length, "EC")?);
    Ok(Material { fits, identity: [&[4], &*x, &*y].concat(), parse: VerifyingKey::from_raw })
}

fn sized(jwk: &Object<'_>, name: &str, length: usize, kind: &'static str) -> Result<Vec<u8>, KeyFault> {
    let bytes = bytes(jwk, name, kind)?;
    if bytes.len() == length { Ok(bytes) } else { Err(KeyFault::Malformed(kind)) }
}

fn bytes(jwk: &Object<'_>, name: &str, kind: &'static str) -> Result<Vec<u8>, KeyFault> {
    base64url::decode(text(jwk, name)?).ok_or(KeyFault::Malformed(kind))
}

fn text<'a>(jwk: &'a Object<'_>, name: &str) -> Result<&'a str, KeyFault> {
    optional_text(jwk, name)?.ok_or_else(|| KeyFault::Unusable(format!("`{name}` is missing")))
}

fn optional_text<'a>(jwk: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, KeyFault> {
    match jwk.member(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::Unusable(format!("`{name}` is not text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Jwk, Secrets};
    use crate::jose::json::Object;
    use crate::jose::{Algorithm, Signer, SigningAlgorithm};
    use serde_json::{Value, json};

    fn public(algorithm: SigningAlgorithm) -> Value {
        let pkcs8 = Signer::generate(algorithm).unwrap();
        let mut jwk = Signer::from_pkcs8(algorithm, None, pkcs8.expose()).unwrap().public_jwk().clone();
        jwk.as_object_mut().unwrap().remove("alg");
        jwk
    }

    fn read(jwk: &Value) -> Result<Vec<Algorithm>, String> {
        let text = jwk.to_string();
        let object = Object::parse(text.as_bytes()).unwrap();
        let jwk = Jwk::read(&object, Secrets::Refused).map_err(|e| e.to_string())?;
        Ok(jwk.keys.iter().map(super::VerifyingKey::algorithm).collect())
    }

    fn with(jwk: &Value, name: &str, value: Value) -> Value {
        let mut jwk = jwk.clone();
        jwk.as_object_mut().unwrap().insert(name.to_owned(), value);
        jwk
    }

    #[test]
    fn a_key_verifies_what_its_type_allows_and_its_alg_narrows() {
        let rsa = public(SigningAlgorithm::Rs256);
        assert_eq!(read(&rsa).unwrap().len(), 6);
        assert_eq!(read(&with(&rsa, "alg", json!("PS384"))), Ok(vec![Algorithm::Ps384]));
        let ec = public(SigningAlgorithm::Es256);
        assert_eq!(read(&ec), Ok(vec![Algorithm::Es256]));
        assert_eq!(read(&public(SigningAlgorithm::EdDsa)), Ok(vec![Algorithm::EdDsa]));
    }

    #[test]
    fn what_does_not_verify_is_refused() {
        let ec = public(SigningAlgorithm::Es256);
        for (name, value) in [
            ("alg", json!("ES384")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("alg", json!(1)),
            ("use", json!("enc")),
            ("use", json!(null)),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("kid", json!(7)),
            ("kty", json!("RSA")),
            ("kty", json!("LWE")),
            ("crv", json!("P-384")),
            ("crv", json!("secp256k1")),
            ("x", json!("AAAA")),
            ("x", json!("A".repeat(43))),
            ("y", json!(null)),
        ] {
            assert!(read(&with(&ec, name, value.clone())).is_err(), "{name} {value}");
        }
        assert!(read(&with(&ec, "key_ops", json!(["sign", "verify"]))).is_ok());
    }

    #[test]
    fn rsa_sizes_are_bounded() {
        let n = |bytes: usize| crate::jose::base64url::encode([vec![0x81], vec![0xff; bytes - 1]].concat());
        for (bytes, fits) in [(255, false), (256, true), (1024, true), (1025, false)] {
            let jwk = json!({ "kty": "RSA", "n": n(bytes), "e": "AQAB" });
            assert_eq!(read(&jwk).is_ok(), fits, "{bytes} {:?}", read(&jwk));
        }
        let zero_led = crate::jose::base64url::encode([vec![0], vec![0xff; 256]].concat());
        assert!(read(&json!({ "kty": "RSA", "n": zero_led, "e": "AQAB" })).is_err());
        for e in ["", "AA", "AQ", "Ag", "AQAA"] {
            assert!(read(&json!({ "kty": "RSA", "n": n(256), "e": e })).is_err(), "{e}");
        }
    }

    #[test]
    fn secrets_only_where_they_are_accepted() {
        let jwk = json!({ "kty": "oct", "k": crate::jose::base64url::encode([7; 48]) }).to_string();
        let object = Object::parse(jwk.as_bytes()).unwrap();
        assert!(Jwk::read(&object, Secrets::Refused).is_err());
        let keys = Jwk::read(&object, Secrets::Accepted).unwrap().keys;
        let algorithms: Vec<_> = keys.iter().map(super::VerifyingKey::algorithm).collect();
        assert_eq!(algorithms, [Algorithm::Hs256, Algorithm::Hs384]);
    }
}
