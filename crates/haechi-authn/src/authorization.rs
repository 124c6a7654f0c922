//! Reading the `Authorization` field (RFC 9110 11.6.2), once for all schemes that find their credential there.

use haechi_core::{FieldName, Fields, Repeated};

/// The authentication schemes that are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// RFC 6750.
    Bearer,
    /// RFC 7617.
    Basic,
    /// RFC 9449.
    Dpop,
}

/// What the `Authorization` field holds for one scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// There is no such field, or it is for another scheme.
    Absent,
    /// The scheme's one parameter: characters of `token68` (RFC 9110 11.2), at least one.
    Token68(&'a str),
    /// The scheme is named, but no `token68` follows.
    Malformed,
}

impl AuthScheme {
    /// The scheme's name as challenges write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Basic => "Basic",
            Self::Dpop => "DPoP",
        }
    }

    /// Reads the field for this scheme. The scheme's name is compared without regard to case; one or more spaces follow it.
    ///
    /// # Errors
    /// [`Repeated`] when the field stands twice: which of the two is meant could be read in two ways.
    pub fn read(self, fields: &Fields) -> Result<Presented<'_>, Repeated> {
        Ok(match self.read_unchecked(fields)? {
            None => Presented::Absent,
            Some(parameter) => token68(parameter).map_or(Presented::Malformed, Presented::Token68),
        })
    }

    /// Like [`AuthScheme::read`], but whatever follows the scheme's name, any bytes or none, for comparing with what was checked before.
    ///
    /// # Errors
    /// [`Repeated`] when the field stands twice.
    pub fn read_unchecked(self, fields: &Fields) -> Result<Option<&[u8]>, Repeated> {
        Ok(fields.sole(FieldName::Authorization)?.and_then(|value| self.parameter(value)))
    }

    fn parameter(self, value: &[u8]) -> Option<&[u8]> {
        let name = self.name().as_bytes();
        let (named, rest) = value.split_at_checked(name.len())?;
        let ours = named.eq_ignore_ascii_case(name) && matches!(rest.first(), None | Some(b' '));
        ours.then(|| after_spaces(rest))
    }
}

fn after_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|&&b| b == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

/// Which bytes may stand in a `token68` before its padding; a token has hundreds of them.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    table
};

/// `token68` of RFC 9110 11.2; `None` for anything else.
pub fn token68(text: &[u8]) -> Option<&str> {
    let unpadded = text.iter().rposition(|&b| b != b'=').map_or(0, |last| last + 1);
    let legal = |b: &u8| TOKEN68.get(usize::from(*b)).is_some_and(|legal| *legal);
    (unpadded > 0 && text.iter().take(unpadded).all(legal)).then(|| str::from_utf8(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{AuthScheme, Presented};
    use haechi_core::{Fields, Repeated};

    fn fields(values: &[&str]) -> Fields {
        let mut fields = Fields::default();
        for value in values {
            fields.push(b"Authorization", value.as_bytes());
        }
        fields
    }

    #[test]
    fn schemes_are_told_apart() {
        for (value, bearer) in [
            ("Bearer a.b-c_d~e+f/==", Presented::Token68("a.b-c_d~e+f/==")),
            ("bEARER   abc", Presented::Token68("abc")),
            ("Basic abc", Presented::Absent),
            ("Bearers abc", Presented::Absent),
            ("Bear", Presented::Absent),
            ("", Presented::Absent),
            ("Bearer", Presented::Malformed),
            ("Bearer ", Presented::Malformed),
            ("Bearer =", Presented::Malformed),
            ("Bearer a b", Presented::Malformed),
            ("Bearer a,b", Presented::Malformed),
            ("Bearer a=b", Presented::Malformed),
            ("Bearer \"a\"", Presented::Malformed),
            ("Bearer \u{e9}", Presented::Malformed),
            ("Bearer\tabc", Presented::Absent),
            ("Bearer \tabc", Presented::Malformed),
        ] {
            assert_eq!(AuthScheme::Bearer.read(&fields(&[value])), Ok(bearer), "{value:?}");
        }
        assert_eq!(AuthScheme::Basic.read(&fields(&["basic eA=="])), Ok(Presented::Token68("eA==")));
        assert_eq!(AuthScheme::Bearer.read(&fields(&[])), Ok(Presented::Absent));
    }

    #[test]
    fn two_fields_are_not_decided_between() {
        assert_eq!(AuthScheme::Bearer.read(&fields(&["Bearer a", "Basic b"])), Err(Repeated));
    }
}
