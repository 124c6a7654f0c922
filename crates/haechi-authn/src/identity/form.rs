//! The parameters of OAuth 2 requests: `application/x-www-form-urlencoded` (RFC 6749, appendix B).

use crate::oidc_parameters::decoded;
use haechi_core::Secret;
use std::borrow::Cow;

/// Parameters, each of which stands once (RFC 6749 3.2), save `resource`, which may be repeated (RFC 8707 2). One without a value counts as left out.
#[derive(Debug)]
pub struct Form(Vec<(String, Secret<String>)>);

/// Why a body gives no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A `%` without two hex digits, or bytes that are no UTF-8.
    #[error("the body is not `application/x-www-form-urlencoded`")]
    Malformed,
    /// Which of the two is meant could be read in two ways.
    #[error("a parameter stands more than once")]
    Repeated,
}

/// The one parameter that may be repeated.
const REPEATABLE: &str = "resource";

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut read: Vec<(String, Secret<String>)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decoded(halves.next().unwrap_or_default()).ok_or(FormError::Malformed);
            let (name, value) = (half()?, Secret::new(half()?));
            if name != REPEATABLE && read.iter().any(|(other, _)| *other == name) {
                return Err(FormError::Repeated);
            }
            read.push((name, value));
        }
        read.retain(|(_, value)| !value.expose().is_empty());
        Ok(Self(read))
    }

    /// A parameter that stands at most once.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.expose().as_str())
    }

    /// A parameter's values, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.expose().as_str())
    }
}

/// Whether a `Content-Type` says that the body is a form.
pub fn is_form(content_type: Option<&[u8]>) -> bool {
    let essence = content_type.and_then(|value| value.split(|byte| *byte == b';').next());
    let essence = essence.map_or(Cow::Borrowed(""), String::from_utf8_lossy);
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::{Form, FormError, decoded, is_form};
    use proptest::prelude::*;

    #[test]
    fn parameters_stand_once_and_are_decoded() {
        let form =
            Form::parse(b"grant_type=client_credentials&scope=a+b%20c&&empty=&flag&resource=x&resource=y")
                .unwrap();
        assert_eq!((form.one("grant_type"), form.one("scope")), (Some("client_credentials"), Some("a b c")));
        assert_eq!((form.one("empty"), form.one("flag"), form.one("other")), (None, None, None));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        for (body, why) in [
            (&b"a=1&a=1"[..], FormError::Repeated),
            (b"a=&a=1", FormError::Repeated),
            (b"a=%", FormError::Malformed),
            (b"a=%4", FormError::Malformed),
            (b"a=%zz", FormError::Malformed),
            (b"a=%ff", FormError::Malformed),
            (b"\xff=1", FormError::Malformed),
        ] {
            assert_eq!(Form::parse(body).unwrap_err(), why, "{body:?}");
        }
        assert_eq!(Form::parse(b"a=b=c").unwrap().one("a"), Some("b=c"));
    }

    #[test]
    fn a_form_is_said_to_be_one() {
        for yes in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"] {
            assert!(is_form(Some(yes.as_bytes())), "{yes}");
        }
        for no in ["application/json", "", "application/x-www-form-urlencoded2"] {
            assert!(!is_form(Some(no.as_bytes())), "{no}");
        }
        assert!(!is_form(None));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Form::parse(&body));
        }

        #[test]
        fn what_is_encoded_comes_back(text in "\\PC*") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decoded(encoded.as_bytes()), Some(text));
        }
    }
}
