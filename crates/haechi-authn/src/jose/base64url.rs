//! base64url as JOSE writes it (RFC 7515 2): no padding, no white space, no stray bits in the last character.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for anything but the one spelling that [`encode`] gives these bytes.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn one_spelling_only() {
        assert_eq!(decode("AQI").as_deref(), Some(&[1, 2][..]));
        for other in ["AQI=", "AQJ", "AQI ", " AQI", "AQ\nI", "A", "AQ+I", "AQ/I", "AQI\0"] {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_decodes_is_the_canonical_spelling(text in "[A-Za-z0-9_=+/ -]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(bytes), text);
            }
        }
    }
}
