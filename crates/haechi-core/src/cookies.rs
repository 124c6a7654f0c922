//! The cookies of a request (RFC 6265 4.2.1, 5.4). Who reads a cookie and who removes one divide the field in the same way.

use crate::fields::Repeated;
use crate::{FieldName, Fields};

/// What stands between two semicolons of a `Cookie` field; nothing but white space in an empty pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// All of it, as sent.
    pub text: &'a [u8],
    /// What stands before the first `=`, or everything without one; no white space around it. Names are compared byte for byte.
    pub name: &'a [u8],
    /// What stands behind the first `=`, without white space around it. Quotes are part of it.
    pub value: &'a [u8],
}

impl<'a> Cookie<'a> {
    fn of(text: &'a [u8]) -> Self {
        let mut parts = text.splitn(2, |&b| b == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Self { text, name: name.trim_ascii(), value: value.trim_ascii() }
    }

    /// Whether there is no cookie between the semicolons.
    pub const fn is_empty(&self) -> bool {
        self.text.trim_ascii().is_empty()
    }
}

/// The cookies of one `Cookie` field, in order. Quotes do not protect a semicolon.
pub fn of_field(value: &[u8]) -> impl Iterator<Item = Cookie<'_>> {
    value.split(|&b| b == b';').map(Cookie::of)
}

/// The value of the one cookie with this name, in all `Cookie` fields together.
///
/// # Errors
/// [`Repeated`] when it stands more often: which one is meant could be read in two ways.
pub fn sole<'a>(fields: &'a Fields, name: &[u8]) -> Result<Option<&'a [u8]>, Repeated> {
    let mut found = fields
        .all(FieldName::Cookie)
        .flat_map(of_field)
        .filter(|cookie| !cookie.is_empty() && cookie.name == name);
    let first = found.next().map(|cookie| cookie.value);
    if found.next().is_some() { Err(Repeated) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::{of_field, sole};
    use crate::{Fields, Repeated};

    fn fields(values: &[&str]) -> Fields {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.push(b"cookie", value.as_bytes()));
        fields
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let fields = fields(&["sessions=1; xsession=2;  session = a=b ;;", "Session=3"]);
        assert_eq!(sole(&fields, b"session"), Ok(Some(&b"a=b"[..])));
        assert_eq!(sole(&fields, b"sess"), Ok(None));
        assert_eq!(sole(&fields, b""), Ok(None), "an empty pair is no cookie");
    }

    #[test]
    fn two_of_one_name_are_not_decided_between() {
        for twice in [&["a=1; a=1"][..], &["a=1", "a=2"], &["a; a="]] {
            assert_eq!(sole(&fields(twice), b"a"), Err(Repeated), "{twice:?}");
        }
    }

    #[test]
    fn nothing_of_a_field_is_lost() {
        for value in ["", ";", " a=1 ; ;b=\"x; y\";", "a=1;b=2"] {
            let texts: Vec<&[u8]> = of_field(value.as_bytes()).map(|cookie| cookie.text).collect();
            assert_eq!(texts.join(&b';'), value.as_bytes());
        }
    }
}
