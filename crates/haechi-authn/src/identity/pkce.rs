//! Proof key for code exchange (RFC 7636): whoever redeems a code is who asked for it. `S256` alone; `plain` proves nothing to whoever sees the request.

use crate::jose::base64url;
use crate::random;
use haechi_core::Secret;

/// What a client has shown of its verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge([u8; 32]);

impl Challenge {
    /// Reads `code_challenge` (RFC 7636 4.2): a SHA-256 in base64url.
    pub(super) fn parse(text: &str) -> Option<Self> {
        base64url::decode(text)?.try_into().ok().map(Self)
    }

    /// As it was written.
    pub(super) fn text(&self) -> String {
        base64url::encode(self.0)
    }

    /// Whether `verifier` is one (RFC 7636 4.1), and the one behind the challenge.
    pub(super) fn is_of(&self, verifier: &str) -> bool {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && Secret::new(random::sha256(verifier.as_bytes())) == Secret::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Challenge;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(challenge.text(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(
            !challenge.is_of("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            "the challenge is no verifier"
        );
        for bad in [
            "",
            "short",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN=",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
        ] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_verifier_fits(verifier in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{0,140}") {
            let text = crate::jose::base64url::encode(crate::random::sha256(verifier.as_bytes()));
            let challenge = Challenge::parse(&text).unwrap();
            prop_assert!(challenge.is_of(&verifier));
            prop_assert_eq!(challenge.is_of(&other), other == verifier);
        }

        #[test]
        fn a_verifier_has_its_length_and_letters(verifier in "[A-Za-z0-9]{0,42}|[A-Za-z0-9]{129,140}|[A-Za-z0-9]{42}[ /+=]") {
            let text = crate::jose::base64url::encode(crate::random::sha256(verifier.as_bytes()));
            prop_assert!(!Challenge::parse(&text).unwrap().is_of(&verifier));
        }
    }
}
