//! What a decision point changes about the request that the backend receives.

use haechi_core::FieldName;
use haechi_core::token::is_token;
use std::fmt;
use std::sync::Arc;

/// Changes of one answer, set and removed together.
const MOST_CHANGES: usize = 64;
/// Bytes of names and values in one answer: answers are kept.
const MOST_BYTES: usize = 8 * 1024;

/// Header fields that the upstream request gets, or loses. Checked when they are made; cheap to clone, and nothing where there are none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges(Option<Arc<Changes>>);

/// No two names are alike ([`FieldName::are_alike`]).
#[derive(Clone, Default, PartialEq, Eq)]
struct Changes {
    set: Vec<(Box<str>, Box<str>)>,
    remove: Vec<Box<str>>,
}

/// A change that nobody may ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderChangeError {
    /// Not a token (RFC 9110 5.6.2).
    #[error("`{0}` is not a header name")]
    Name(Box<str>),
    /// Only the gate writes it, or it holds a credential, or it is about one hop.
    #[error("the header `{0}` is not a decision point's to change")]
    Protected(Box<str>),
    /// Two changes of what a backend may take for one field.
    #[error("the header `{0}` is changed twice")]
    Twice(Box<str>),
    /// Not a field value (RFC 9110 5.5). The value is not shown: it may be a secret.
    #[error("the value for the header `{0}` is not a field value")]
    Value(Box<str>),
    /// More than is kept.
    #[error("there are more than {MOST_CHANGES} header changes, or more than {MOST_BYTES} bytes of them")]
    TooMany,
}

impl HeaderChanges {
    /// No changes.
    pub const NONE: Self = Self(None);

    /// Sets fields, name and value, in place of those of that name, and removes others. Names may be written in any case.
    ///
    /// # Errors
    /// [`HeaderChangeError`] for a change that nobody may ask for.
    pub fn new<'a>(
        set: impl IntoIterator<Item = (&'a str, &'a str)>,
        remove: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, HeaderChangeError> {
        let mut changes = Changes::default();
        let mut bytes = 0usize;
        let mut room = |name: &str, value: &str| {
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            if bytes > MOST_BYTES { Err(HeaderChangeError::TooMany) } else { Ok(()) }
        };
        for (name, value) in set {
            room(name, value)?;
            let name = changes.checked(name)?;
            if !is_value(value.as_bytes()) {
                return Err(HeaderChangeError::Value(name));
            }
            changes.set.push((name, value.into()));
        }
        for name in remove {
            room(name, "")?;
            let name = changes.checked(name)?;
            changes.remove.push(name);
        }
        Ok(if changes == Changes::default() { Self::NONE } else { Self(Some(Arc::new(changes))) })
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The fields that the request gets: name, in lower case, and value.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().flat_map(|changes| &changes.set);
        all.map(|(name, value)| (&**name, &**value))
    }

    /// Whether a client's field of this name, in lower case, goes no further: it is removed or replaced. Other spellings that a backend may take
    /// for the name go with it.
    pub fn drops(&self, name: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|changes| changes.have(name))
    }

    /// One of `names` (in lower case) that a backend may take for a field that is changed here.
    pub(crate) fn touches<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let changes = self.0.as_ref()?;
        names.find(|name| changes.have(name.as_bytes()))
    }

    /// These changes, and then those of somebody who was asked later and has the last word.
    pub(crate) fn then(&mut self, later: Self) {
        let (Some(first), Some(last)) = (&mut self.0, &later.0) else {
            if !later.is_empty() {
                *self = later;
            }
            return;
        };
        let first = Arc::make_mut(first);
        first.set.retain(|(name, _)| !last.have(name.as_bytes()));
        first.remove.retain(|name| !last.have(name.as_bytes()));
        first.set.extend_from_slice(&last.set);
        first.remove.extend_from_slice(&last.remove);
    }
}

impl Changes {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|(name, _)| &**name).chain(self.remove.iter().map(|name| &**name))
    }

    fn have(&self, name: &[u8]) -> bool {
        self.names().any(|known| FieldName::are_alike(known.as_bytes(), name))
    }

    /// The name in lower case, where one more change of it may stand.
    fn checked(&self, name: &str) -> Result<Box<str>, HeaderChangeError> {
        let lower: Box<str> = name.to_ascii_lowercase().into();
        if !is_token(lower.as_bytes()) {
            Err(HeaderChangeError::Name(lower))
        } else if is_protected(&lower) {
            Err(HeaderChangeError::Protected(lower))
        } else if self.have(lower.as_bytes()) {
            Err(HeaderChangeError::Twice(lower))
        } else if self.names().count() >= MOST_CHANGES {
            Err(HeaderChangeError::TooMany)
        } else {
            Ok(lower)
        }
    }
}

/// Values may be secrets between the decision point and the backend.
impl fmt::Debug for HeaderChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<&str> = self.set().map(|(name, _)| name).collect();
        let remove = self.0.as_ref().map_or(&[][..], |changes| &changes.remove);
        f.debug_struct("HeaderChanges").field("set", &set).field("remove", &remove).finish_non_exhaustive()
    }
}

/// Whether the name, in any spelling that a backend may take for it, is not a decision point's to change.
fn is_protected(lower: &str) -> bool {
    // Every name that the gate knows has `-` where another spelling has something else.
    let plain = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    let plain: Vec<u8> = lower.bytes().map(plain).collect();
    let known = FieldName::of(&plain);
    known.is_reserved()
        || known.is_hop_by_hop()
        || matches!(
            known,
            FieldName::Host
                | FieldName::ContentLength
                | FieldName::Expect
                | FieldName::Authorization
                | FieldName::Cookie
                | FieldName::MethodOverride
                | FieldName::Misspelled
        )
        // The handshake is between the client, the gate and the backend (RFC 6455 4).
        || plain.starts_with(b"sec-websocket-")
}

/// Visible bytes, with white space only between them.
fn is_value(value: &[u8]) -> bool {
    let white = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
        && !white(value.first())
        && !white(value.last())
}

#[cfg(test)]
mod tests {
    use super::{HeaderChangeError, HeaderChanges};

    fn set(name: &str, value: &str) -> Result<HeaderChanges, HeaderChangeError> {
        HeaderChanges::new([(name, value)], [])
    }

    #[test]
    fn what_is_protected_is_neither_set_nor_removed_in_any_spelling() {
        for name in [
            "X-Auth-Subject",
            "x_auth_roles",
            "X.Auth|Attr~tenant",
            "X-Forwarded-For",
            "x_forwarded_anything",
            "Forwarded",
            "X-Request_Id",
            "traceparent",
            "TraceState",
            "True_Client_IP",
            "Client-Cert-Chain",
            "X_HTTP_Method_Override",
            "Connection",
            "Keep_Alive",
            "Proxy-Connection",
            "proxy_authorization",
            "TE",
            "Trailer",
            "Upgrade",
            "HTTP2.Settings",
            "Transfer_Encoding",
            "content.length",
            "Content-Length",
            "Expect",
            "HOST",
            "Authorization",
            "Cookie",
            "Sec_WebSocket-Key",
        ] {
            let protected = Err(HeaderChangeError::Protected(name.to_ascii_lowercase().into()));
            assert_eq!(set(name, "forged"), protected, "{name}");
            assert_eq!(HeaderChanges::new([], [name]), protected, "{name}");
        }
    }

    #[test]
    fn names_are_tokens_and_values_field_values() {
        for name in ["", "a b", "a:", ":path", "a\r\nb", "é"] {
            assert!(matches!(set(name, ""), Err(HeaderChangeError::Name(_))), "{name:?}");
            assert!(matches!(HeaderChanges::new([], [name]), Err(HeaderChangeError::Name(_))), "{name:?}");
        }
        for value in [" a", "a\t", " ", "a\r\nb: c", "a\nb", "a\0", "\u{7f}"] {
            assert!(matches!(set("x-a", value), Err(HeaderChangeError::Value(_))), "{value:?}");
        }
        for value in ["", "a", "a b\tc", "é"] {
            assert_eq!(set("X-A", value).unwrap().set().collect::<Vec<_>>(), [("x-a", value)]);
        }
    }

    #[test]
    fn one_field_is_changed_once() {
        let twice = Err(HeaderChangeError::Twice("x_a".into()));
        assert_eq!(HeaderChanges::new([("x-a", "1"), ("X_A", "2")], []), twice);
        assert_eq!(HeaderChanges::new([("x-a", "1")], ["x_a"]), twice);
        assert_eq!(HeaderChanges::new([], ["x-a", "x_a"]), twice);
    }

    #[test]
    fn answers_are_bounded() {
        let names: Vec<String> = (0..65).map(|index| format!("x-{index}")).collect();
        let all = |count: usize| HeaderChanges::new([], names[..count].iter().map(String::as_str));
        assert!(all(64).is_ok());
        assert_eq!(all(65), Err(HeaderChangeError::TooMany));
        assert!(set("x-a", &"a".repeat(8189)).is_ok());
        assert_eq!(set("x-a", &"a".repeat(8190)), Err(HeaderChangeError::TooMany));
    }

    #[test]
    fn the_last_word_counts() {
        let mut changes = HeaderChanges::new([("x-a", "1"), ("x-b", "1")], ["x-c", "x-d"]).unwrap();
        changes.then(HeaderChanges::NONE);
        changes.then(HeaderChanges::new([("x_c", "2")], ["x-a"]).unwrap());
        let expected = HeaderChanges::new([("x-b", "1"), ("x_c", "2")], ["x-d", "x-a"]).unwrap();
        assert_eq!(changes, expected);
        let mut none = HeaderChanges::NONE;
        none.then(expected.clone());
        assert_eq!(none, expected);
        assert_eq!(HeaderChanges::new([], []).unwrap(), HeaderChanges::NONE);
    }

    #[test]
    fn a_change_of_a_header_is_found_in_any_spelling() {
        let changes = HeaderChanges::new([("X_Tenant", "acme")], ["x.region"]).unwrap();
        let read = |names: &'static [&str]| changes.touches(names.iter().copied());
        assert_eq!(read(&["x-other", "x-tenant"]), Some("x-tenant"));
        assert_eq!(read(&["x-region"]), Some("x-region"));
        assert_eq!(read(&["x-tenants", "x"]), None);
        assert_eq!(HeaderChanges::NONE.touches(["x-tenant"].into_iter()), None);
    }

    #[test]
    fn values_are_not_printed() {
        let told = format!("{:?}", set("x-a", "hunter2").unwrap());
        assert!(told.contains("x-a") && !told.contains("hunter2"), "{told}");
    }
}
