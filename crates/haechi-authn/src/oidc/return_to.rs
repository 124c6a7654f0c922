//! Where somebody goes after a login: a place of this site, and no other.

use crate::oidc_parameters::encoded;
use haechi_core::RequestHead;
use haechi_core::path::percent_decode;

/// The most bytes of what is returned to: it is kept in a cookie.
const LONGEST: usize = 2048;

/// A path of this host, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The site's first page.
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// What was asked for. What is too long to be kept loses its query, or is the site's first page.
    pub(crate) fn of_request(head: &RequestHead) -> Self {
        let path = head.path.as_str();
        let whole = head.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        Self::parse(&whole).or_else(|| Self::parse(path)).unwrap_or_else(Self::home)
    }

    /// Reads what somebody wrote. `None` for what is not surely a path of this host: browsers take `//host`, `/\host` and what has line ends or tabs in it
    /// for another one (WHATWG URL 4.4).
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let local = text.starts_with('/') && !text.starts_with("//");
        (plain && local && text.len() <= LONGEST).then(|| Self(text.to_owned()))
    }

    /// The same, unless it lies below the gate's own calls: a login does not lead to a login, nor to a logout.
    pub(crate) fn outside(self, base: &str) -> Self {
        let path = self.0.split(['?', '#']).next().unwrap_or_default();
        let path = String::from_utf8_lossy(&percent_decode(path)).into_owned();
        let below = path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if below || path.contains("/.") || path.contains("//") { Self::home() } else { self }
    }

    /// As the value of a `Location` field.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the value of a parameter.
    pub fn encoded(&self) -> String {
        encoded(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ReturnTo;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for text in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\r\nset-cookie: x=1",
            " /a",
            "/a b",
            "/é",
        ] {
            assert_eq!(ReturnTo::parse(text), None, "{text:?}");
        }
        for text in ["/", "/a", "/a?b=//c", "/a?b=https://c#d", "/%2F%2Fevil.example", "/a/{b}|^`<>\""] {
            assert_eq!(ReturnTo::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(2048))), None);
    }

    #[test]
    fn a_login_leads_to_no_call_of_the_gates_own() {
        for (text, expected) in [
            ("/auth/logout", "/"),
            ("/auth", "/"),
            ("/auth?x", "/"),
            ("/%61uth/logout", "/"),
            ("/x/../auth/logout", "/"),
            ("/./auth/logout", "/"),
            ("/x//auth", "/"),
            ("/authors?x=/auth/logout", "/authors?x=/auth/logout"),
            ("/a/b?c=d", "/a/b?c=d"),
        ] {
            assert_eq!(ReturnTo::parse(text).unwrap().outside("/auth").as_str(), expected, "{text}");
        }
    }

    #[test]
    fn a_parameter_leaves_its_place_nowhere() {
        assert_eq!(ReturnTo::parse("/a?b=c&d=%20#e").unwrap().encoded(), "%2Fa%3Fb%3Dc%26d%3D%2520%23e");
    }
}
