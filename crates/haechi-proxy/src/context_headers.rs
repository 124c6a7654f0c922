//! The request headers that policies read: what is decided is what the backend sees, or the request goes nowhere.

use haechi_core::token::is_printable;
use haechi_core::{FieldName, Fields};

/// The names of the headers that the configuration lets policies read.
#[derive(Debug, Default)]
pub(crate) struct ContextHeaders(Box<[Box<str>]>);

/// Why a request is not one about which could be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContextHeaderError {
    /// Some backends would read the one, some the other.
    #[error("a header that policies read was sent more than once")]
    Repeated,
    /// Policies would not see it, and a backend might.
    #[error("a header that policies read was sent in another spelling")]
    OtherSpelling,
    /// Backends differ in what they make of such bytes.
    #[error("a header that policies read is not printable ASCII")]
    NotPrintable,
    /// Policies would see it, and the backend would not.
    #[error("the `Connection` field names a header that policies read")]
    Nominated,
}

impl ContextHeaders {
    /// These names, in lower case.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(Box::from).collect())
    }

    /// Checks every field that is one of them to somebody.
    pub(crate) fn check(&self, fields: &Fields) -> Result<(), ContextHeaderError> {
        self.0.iter().try_for_each(|name| sole(name.as_bytes(), fields))
    }

    /// Whether a backend might take the name, in any case, for one of them.
    fn are_like(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| FieldName::are_alike(known.as_bytes(), name))
    }

    /// Checks that `Connection` takes none of them away.
    pub(crate) fn check_nominated<'a>(
        &self,
        mut nominated: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), ContextHeaderError> {
        if !self.0.is_empty() && nominated.any(|name| self.are_like(name)) {
            return Err(ContextHeaderError::Nominated);
        }
        Ok(())
    }
}

fn sole(name: &[u8], fields: &Fields) -> Result<(), ContextHeaderError> {
    let mut seen = false;
    for field in fields.iter().filter(|field| FieldName::are_alike(name, field.name)) {
        if field.name != name {
            return Err(ContextHeaderError::OtherSpelling);
        }
        if seen {
            return Err(ContextHeaderError::Repeated);
        }
        if !is_printable(field.value) {
            return Err(ContextHeaderError::NotPrintable);
        }
        seen = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ContextHeaderError, ContextHeaders};
    use haechi_core::Fields;

    fn checked(sent: &[(&str, &[u8])]) -> Result<(), ContextHeaderError> {
        let mut fields = Fields::default();
        sent.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value));
        ContextHeaders::new(["x-tenant", "x-region"]).check(&fields)
    }

    #[test]
    fn what_can_be_read_in_one_way_passes() {
        let passing: [&[(&str, &[u8])]; 5] = [
            &[],
            &[("X-Tenant", b"acme")],
            &[("X-Tenant", b"Mozilla/5.0 (X11; Linux x86_64)")],
            &[("x-tenant", b""), ("X-REGION", b"eu"), ("X-Other", b"a b"), ("x_other", b"\xff")],
            &[("x-tenants", b"a b"), ("x-tenan", b"\xff"), ("x-other", b"a"), ("x-other", b"b")],
        ];
        for sent in passing {
            assert_eq!(checked(sent), Ok(()), "{sent:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_does_not() {
        let twice: &[(&str, &[u8])] = &[("X-Tenant", b"acme"), ("x-tenant", b"acme")];
        assert_eq!(checked(twice), Err(ContextHeaderError::Repeated));
        for other in ["X_Tenant", "x.tenant", "x|TENANT", "X~Region"] {
            assert_eq!(checked(&[(other, b"acme")]), Err(ContextHeaderError::OtherSpelling), "{other}");
            assert_eq!(
                checked(&[("x-tenant", b"acme"), (other, b"acme")]),
                Err(ContextHeaderError::OtherSpelling)
            );
        }
        for value in [&b"a\tb"[..], b"a\0b", b"\xc3\xa9", b"\x7f"] {
            assert_eq!(checked(&[("x-tenant", value)]), Err(ContextHeaderError::NotPrintable), "{value:?}");
        }
    }

    #[test]
    fn connection_takes_none_of_them_away() {
        let nominated = |names: &[&'static str]| {
            let names = names.iter().map(|name| name.as_bytes());
            ContextHeaders::new(["x-tenant"]).check_nominated(names)
        };
        assert_eq!(nominated(&["close", "x-tenants"]), Ok(()));
        for name in ["X-Tenant", "x_tenant", "X.TENANT"] {
            assert_eq!(nominated(&["close", name]), Err(ContextHeaderError::Nominated), "{name}");
        }
        assert_eq!(ContextHeaders::default().check_nominated(std::iter::once(&b"x-tenant"[..])), Ok(()));
    }
}
