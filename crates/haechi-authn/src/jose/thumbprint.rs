//! The thumbprint of a JSON Web Key (RFC 7638): what stands for the key in `jkt`.

use super::base64url;
use super::json::Object;
use crate::random::sha256;

/// The SHA-256 of the key's own members, in their one spelling. `None` for what is no public key of a known type, or is spelled in another way than the one.
pub(crate) fn of(jwk: &Object<'_>) -> Option<[u8; 32]> {
    let names: &[&str] = match jwk.member("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let mut text = String::from("{");
    for (index, name) in names.iter().enumerate() {
        let value = jwk.member(name)?.as_str()?;
        // Names of curves and types have no character that JSON writes in another way; numbers are in base64url.
        let is_plain = match *name {
            "crv" | "kty" => value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            _ => base64url::decode(value).is_some(),
        };
        if !is_plain {
            return None;
        }
        let comma = if index == 0 { "" } else { "," };
        text.extend([comma, "\"", name, "\":\"", value, "\""]);
    }
    text.push('}');
    Some(sha256(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{base64url, of};
    use crate::jose::json::Object;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 7638 3.1.
        let jwk = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let thumbprint = of(&Object::parse(jwk.as_bytes()).unwrap()).unwrap();
        assert_eq!(base64url::encode(thumbprint), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn what_has_no_one_spelling_has_no_thumbprint() {
        for jwk in [
            "{}",
            r#"{"kty":"oct","k":"AAAA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA="}"#,
            r#"{"kty":"OKP","crv":"Ed\"25519","x":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":1}"#,
        ] {
            assert_eq!(of(&Object::parse(jwk.as_bytes()).unwrap()), None, "{jwk}");
        }
    }
}
