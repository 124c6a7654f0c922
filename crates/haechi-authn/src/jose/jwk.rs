//! JSON Web Keys (RFC 7517, RFC 7518 6, RFC 8037 2): which algorithms a key verifies, parsed for each of them.

use super::algorithm::Algorithm;
use super::base64url;
use super::json::{Json, Object};
use super::key::{KeyFault, VerifyingKey};
use super::pem;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Timestamp, certificate};

/// What only the owner of a key may know (RFC 7518 6.2.2, 6.3.2, 6.4.1). Where one of them stands in a key set, everybody knows it.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A key as a JWK gives it.
pub(crate) struct Jwk {
    pub(crate) kid: Option<Box<str>>,
    /// Tells keys of one name apart from the same key listed twice.
    pub(crate) identity: Vec<u8>,
    /// One per algorithm; never empty.
    pub(crate) keys: Vec<VerifyingKey>,
}

/// Why a JWK is not used.
#[derive(Debug)]
pub(crate) enum JwkFault {
    /// It verifies nothing.
    Unusable(KeyFault),
    /// It carries this private member: whoever reads the set can sign with it.
    Leaked {
        /// The member.
        member: &'static str,
        /// The key that is not to be believed any more, where its public part could be read.
        identity: Option<Vec<u8>>,
    },
}

/// What a JWK's members say before its material is read.
struct Material {
    fits: &'static [Algorithm],
    identity: Vec<u8>,
    parse: fn(Algorithm, &[u8]) -> Result<VerifyingKey, KeyFault>,
}

impl Jwk {
    pub(crate) fn read(jwk: &Object<'_>, now: Timestamp) -> Result<Self, JwkFault> {
        if let Some(member) = PRIVATE.into_iter().find(|name| member(jwk, name).is_some()) {
            let identity = material(jwk).ok().map(|material| material.identity);
            return Err(JwkFault::Leaked { member, identity });
        }
        Self::of_public(jwk, now).map_err(JwkFault::Unusable)
    }

    fn of_public(jwk: &Object<'_>, now: Timestamp) -> Result<Self, KeyFault> {
        check_use(jwk)?;
        check_operations(jwk)?;
        let kid = optional_text(jwk, "kid")?.map(Box::from);
        let declared = optional_text(jwk, "alg")?;
        let (identity, keys) = match certificate_alone(jwk)? {
            Some(der) => of_certificate(&der, declared, now)?,
            None => of_members(material(jwk)?, declared)?,
        };
        if keys.is_empty() {
            let what = declared.unwrap_or("any algorithm");
            return Err(KeyFault::Unusable(format!(
                "the key is for `{}`, which verifies no signature with it",
                shown(what)
            )));
        }
        Ok(Self { kid, identity, keys })
    }
}

fn fits(declared: Option<&str>, algorithm: Algorithm) -> bool {
    declared.is_none_or(|name| Algorithm::named(name) == Some(algorithm))
}

fn of_members(material: Material, declared: Option<&str>) -> Result<(Vec<u8>, Vec<VerifyingKey>), KeyFault> {
    let algorithms = material.fits.iter().filter(|algorithm| fits(declared, **algorithm));
    let keys = algorithms.map(|&algorithm| (material.parse)(algorithm, &material.identity));
    let keys = keys.collect::<Result<_, _>>()?;
    Ok((material.identity, keys))
}

/// The certificate of a JWK that has no key besides it (RFC 7517 4.7): the first of `x5c`, in DER.
fn certificate_alone(jwk: &Object<'_>) -> Result<Option<Vec<u8>>, KeyFault> {
    let Some(chain) =
        member(jwk, "x5c").filter(|_| ["n", "x"].iter().all(|name| member(jwk, name).is_none()))
    else {
        return Ok(None);
    };
    let first = chain.as_array().and_then(|chain| chain.first()).and_then(Json::as_str);
    let text: String = first.unwrap_or_default().split_ascii_whitespace().collect();
    match STANDARD.decode(text) {
        Ok(der) if !der.is_empty() => Ok(Some(der)),
        _ => Err(KeyFault::Malformed("`x5c`")),
    }
}

fn of_certificate(
    der: &[u8],
    declared: Option<&str>,
    now: Timestamp,
) -> Result<(Vec<u8>, Vec<VerifyingKey>), KeyFault> {
    let certificate = certificate::read(der).ok_or(KeyFault::Malformed("`x5c`"))?;
    certificate.check_valid(now).map_err(|why| KeyFault::Unusable(format!("its certificate {why}")))?;
    let mut keys = pem::fitting(certificate.public_key)?;
    keys.retain(|key| fits(declared, key.algorithm()));
    Ok((certificate.public_key.to_vec(), keys))
}

/// RFC 7517 4.2: a key for encryption verifies nothing.
fn check_use(jwk: &Object<'_>) -> Result<(), KeyFault> {
    match member(jwk, "use").map(Json::as_str) {
        None | Some(Some("sig")) => Ok(()),
        Some(_) => Err(KeyFault::Unusable("`use` is not `sig`".into())),
    }
}

/// RFC 7517 4.3.
fn check_operations(jwk: &Object<'_>) -> Result<(), KeyFault> {
    match member(jwk, "key_ops").map(Json::as_strings) {
        None => Ok(()),
        Some(Some(operations)) if operations.contains(&"verify") => Ok(()),
        Some(_) => Err(KeyFault::Unusable("`key_ops` does not list `verify`".into())),
    }
}

fn material(jwk: &Object<'_>) -> Result<Material, KeyFault> {
    let curve = || text(jwk, "crv");
    let other = |what: &str, name: &str| {
        Err(KeyFault::Unusable(format!("{what} `{}` is not supported", shown(name))))
    };
    match text(jwk, "kty")? {
        "RSA" => rsa(jwk),
        "EC" => match curve()? {
            "P-256" => point(jwk, &[Algorithm::Es256], 32),
            "P-384" => point(jwk, &[Algorithm::Es384], 48),
            "P-521" => point(jwk, &[Algorithm::Es512], 66),
            name => other("curve", name),
        },
        "OKP" => match curve()? {
            "Ed25519" => Ok(Material {
                fits: &[Algorithm::EdDsa],
                identity: sized(bytes(jwk, "x", "Ed25519")?, 32, "Ed25519")?,
                parse: VerifyingKey::from_raw,
            }),
            name => other("curve", name),
        },
        "oct" => Err(KeyFault::Unusable(
            "a shared secret does not belong in a key set; configure it as `keys: { secret: … }`".into(),
        )),
        name => other("key type", name),
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
    let (n, e) = (unsigned(jwk, "n", "RSA")?, unsigned(jwk, "e", "RSA")?);
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
    let coordinate = |name| -> Result<Vec<u8>, KeyFault> {
        let bytes = unsigned(jwk, name, "EC")?;
        let zeros = length.checked_sub(bytes.len()).ok_or(KeyFault::Malformed("EC"))?;
        Ok([vec![0; zeros], bytes].concat())
    };
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    Ok(Material { fits, identity: [&[4], &*x, &*y].concat(), parse: VerifyingKey::from_raw })
}

fn sized(bytes: Vec<u8>, length: usize, kind: &'static str) -> Result<Vec<u8>, KeyFault> {
    if bytes.len() == length { Ok(bytes) } else { Err(KeyFault::Malformed(kind)) }
}

/// A number without its leading zero bytes, of which some issuers write one too many and some none where one belongs (RFC 7518 6.2.1.2, 6.3.1.1).
fn unsigned(jwk: &Object<'_>, name: &str, kind: &'static str) -> Result<Vec<u8>, KeyFault> {
    let mut bytes = bytes(jwk, name, kind)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}

fn bytes(jwk: &Object<'_>, name: &str, kind: &'static str) -> Result<Vec<u8>, KeyFault> {
    base64url::decode(text(jwk, name)?.trim_end_matches('=')).ok_or(KeyFault::Malformed(kind))
}

fn text<'a>(jwk: &'a Object<'_>, name: &str) -> Result<&'a str, KeyFault> {
    optional_text(jwk, name)?.ok_or_else(|| KeyFault::Unusable(format!("`{name}` is missing")))
}

fn optional_text<'a>(jwk: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, KeyFault> {
    match member(jwk, name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::Unusable(format!("`{name}` is not text"))),
    }
}

/// A member that says something: `null` is how some issuers leave one out.
fn member<'a, 'j>(jwk: &'a Object<'j>, name: &str) -> Option<&'a Json<'j>> {
    jwk.member(name).filter(|value| **value != Json::Null)
}

/// Text of a stranger, as it can stand in a log line.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Jwk, JwkFault};
    use crate::jose::json::Object;
    use crate::jose::{Algorithm, Signer, SigningAlgorithm};
    use haechi_core::Timestamp;
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
        let jwk = Jwk::read(&object, Timestamp::from_seconds(1_800_000_000)).map_err(|e| match e {
            JwkFault::Unusable(fault) => fault.to_string(),
            JwkFault::Leaked { member, identity } => format!("leaked {member} {}", identity.is_some()),
        })?;
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
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("kid", json!(7)),
            ("kty", json!("RSA")),
            ("kty", json!("LWE")),
            ("crv", json!("P-384")),
            ("crv", json!("secp256k1")),
            ("x", json!("AAAA")),
            ("x", json!("A".repeat(43))),
            ("x", json!("A".repeat(44))),
            ("x", json!(null)),
            ("y", json!(null)),
        ] {
            assert!(read(&with(&ec, name, value.clone())).is_err(), "{name} {value}");
        }
        assert!(read(&with(&ec, "key_ops", json!(["sign", "verify"]))).is_ok());
        for name in ["use", "alg", "kid", "key_ops", "x5c", "d"] {
            assert!(read(&with(&ec, name, json!(null))).is_ok(), "{name} is left out, not wrong");
        }
        let named = with(&public(SigningAlgorithm::EdDsa), "alg", json!("Ed25519"));
        assert_eq!(read(&named), Ok(vec![Algorithm::EdDsa]), "RFC 9864");
    }

    #[test]
    fn rsa_sizes_are_bounded() {
        let n = |bytes: usize| crate::jose::base64url::encode([vec![0x81], vec![0xff; bytes - 1]].concat());
        for (bytes, fits) in [(255, false), (256, true), (1024, true), (1025, false)] {
            let jwk = json!({ "kty": "RSA", "n": n(bytes), "e": "AQAB" });
            assert_eq!(read(&jwk).is_ok(), fits, "{bytes} {:?}", read(&jwk));
        }
        let zero_led = crate::jose::base64url::encode([vec![0], vec![0xff; 256]].concat());
        assert!(read(&json!({ "kty": "RSA", "n": zero_led, "e": "AAEAAQ==" })).is_ok());
        let short = crate::jose::base64url::encode([vec![0; 200], vec![0xff; 56]].concat());
        assert!(read(&json!({ "kty": "RSA", "n": short, "e": "AQAB" })).is_err());
        for e in ["", "AA", "AQ", "Ag", "AQAA"] {
            assert!(read(&json!({ "kty": "RSA", "n": n(256), "e": e })).is_err(), "{e}");
        }
    }

    #[test]
    fn a_coordinate_may_lack_its_zeros_or_have_too_many() {
        use crate::jose::base64url::{decode, encode};
        let ec = public(SigningAlgorithm::Es256);
        let x = decode(ec["x"].as_str().unwrap()).unwrap();
        let long = with(&ec, "x", json!(encode([vec![0, 0], x.clone()].concat())));
        let text = long.to_string();
        let object = Object::parse(text.as_bytes()).unwrap();
        let now = Timestamp::from_seconds(1_800_000_000);
        let read_long = Jwk::read(&object, now).ok().unwrap();
        assert!(read_long.identity.get(1..33) == Some(&x[..]));
        assert!(read(&with(&ec, "x", json!(encode([vec![1], x].concat())))).is_err());
    }

    #[test]
    fn a_private_part_is_found_whatever_else_is_wrong() {
        let ec = public(SigningAlgorithm::Es256);
        for name in super::PRIVATE {
            assert_eq!(read(&with(&ec, name, json!("AA"))), Err(format!("leaked {name} true")));
            assert_eq!(read(&json!({ "kty": "LWE", name: [] })), Err(format!("leaked {name} false")));
        }
        let oct = json!({ "kty": "oct", "k": crate::jose::base64url::encode([7; 48]) });
        assert_eq!(read(&oct), Err("leaked k false".into()));
    }
}
