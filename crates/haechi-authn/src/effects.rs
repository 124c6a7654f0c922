//! Response effects of an authenticator: cookies to set, a login to redirect to.

use haechi_core::token::is_token;
use haechi_core::{FieldName, RequestHead};
use std::fmt;
use std::time::Duration;

/// What is added to the answer, whoever makes it. Without any effect nothing is allocated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    cookies: Vec<SetCookie>,
}

impl Effects {
    /// Sets one more cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: SetCookie) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// The cookies to set, in order.
    pub fn cookies(&self) -> &[SetCookie] {
        &self.cookies
    }

    /// Adds those of another authenticator.
    pub(crate) fn extend(&mut self, other: Self) {
        self.cookies.extend(other.cookies);
    }
}

/// A cookie for the host of the request and all its paths, that no script reads and, unless it says otherwise, only comes back over TLS (RFC 6265 4.1).
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie {
    name: Box<str>,
    value: Box<str>,
    max_age: Option<Duration>,
    secure: bool,
    cross_site: bool,
}

/// A name or value that cannot stand in a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cookie's name is a token, and its value has no space, quote, comma, semicolon, backslash or control character"
)]
pub struct CookieError;

impl SetCookie {
    /// A cookie that the browser keeps until it is closed.
    ///
    /// # Errors
    /// [`CookieError`] where name or value is not as in RFC 6265 4.1.1.
    pub fn new(name: &str, value: &str) -> Result<Self, CookieError> {
        let octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !is_token(name.as_bytes()) || !value.bytes().all(octet) {
            return Err(CookieError);
        }
        Ok(Self { name: name.into(), value: value.into(), max_age: None, secure: true, cross_site: false })
    }

    /// Kept for this long, in whole seconds; zero removes the cookie.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// A cookie that comes back over plain HTTP: for logins on a developer's own machine.
    #[must_use]
    pub fn insecure(self) -> Self {
        Self { secure: false, ..self }
    }

    /// A cookie that comes with requests which other sites begin: the answer of a login provider that is a form.
    #[must_use]
    pub fn cross_site(self) -> Self {
        Self { cross_site: true, ..self }
    }

    /// The value of a `Set-Cookie` field. It is a credential: it belongs in no log.
    pub fn field_value(&self) -> String {
        let secure = if self.secure { " Secure;" } else { "" };
        // Browsers take `None` only together with `Secure`.
        let same_site = if self.cross_site && self.secure { "None" } else { "Lax" };
        let mut value =
            format!("{}={}; Path=/;{secure} HttpOnly; SameSite={same_site}", self.name, self.value);
        if let Some(max_age) = self.max_age {
            value.push_str("; Max-Age=");
            value.push_str(&max_age.as_secs().to_string());
        }
        value
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetCookie").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a browser without a credential is sent to log in: a path of this host, or an `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRedirect {
    location: Box<str>,
    choice: Option<Box<LoginChoice>>,
}

/// What a page needs on which people choose where to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LoginChoice {
    chooser: Box<str>,
    name: Box<str>,
    return_to: Box<str>,
}

/// An address that no browser is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a login is at a path that begins with one `/`, or at an `https` URL with a host; other characters are percent-encoded"
)]
pub struct LoginRedirectError;

impl LoginRedirect {
    /// Checks the address.
    ///
    /// # Errors
    /// [`LoginRedirectError`] for anything but a path of this host or an `https` URL (RFC 3986).
    pub fn new(location: &str) -> Result<Self, LoginRedirectError> {
        // Browsers read `//host` and `/\host` as another host.
        let local = location.starts_with('/') && !location.starts_with("//");
        let remote = location
            .strip_prefix("https://")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['));
        let plain = location.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
        if plain && (local || remote) {
            Ok(Self { location: location.into(), choice: None })
        } else {
            Err(LoginRedirectError)
        }
    }

    /// The same, as one of those that people choose from where there are several: at `chooser`, a path, by `name`, for what was asked for
    /// (`return_to`). Name and `return_to` are percent-encoded.
    #[must_use]
    pub fn among(self, chooser: &str, name: &str, return_to: &str) -> Self {
        let choice = LoginChoice { chooser: chooser.into(), name: name.into(), return_to: return_to.into() };
        Self { choice: Some(Box::new(choice)), ..self }
    }

    /// Where to send somebody who could log in at each of these: to the only one, or to where they choose.
    pub(crate) fn of_all(all: Vec<Self>) -> Option<Self> {
        let mut choices = all.iter().filter_map(|login| login.choice.as_deref());
        if let (Some(first), true) = (choices.next(), all.len() > 1) {
            let names = std::iter::once(first).chain(choices);
            let names: String = names.map(|choice| format!("&with={}", choice.name)).collect();
            return Self::new(&format!("{}?return_to={}{names}", first.chooser, first.return_to)).ok();
        }
        all.into_iter().next()
    }

    /// The value of a `Location` field.
    pub fn location(&self) -> &str {
        &self.location
    }
}

/// Whether a browser makes the request to show a page, so that it can follow a redirect to a login. Scripts and prefetches cannot.
pub(crate) fn is_navigation(head: &RequestHead) -> bool {
    matches!(head.method.as_str(), "GET" | "HEAD")
        && head.fields.all(FieldName::ContentType).next().is_none()
        && head.fields.all(FieldName::Accept).any(names_html)
        && shows_a_page(head)
}

/// Whether a request for a page of the gate's own is made to show it. Whoever comes without a browser may as well.
pub fn opens_a_page(head: &RequestHead) -> bool {
    head.method.as_str() == "GET" && shows_a_page(head)
}

/// Whether a browser sends something (a form) and shows the answer as a page.
pub(crate) fn is_submission(head: &RequestHead) -> bool {
    !matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS")
        && head.fields.all(FieldName::Accept).any(names_html)
        && shows_a_page(head)
}

/// Whether what is answered is shown as a page of its own, as far as the request says: not in a frame, not to a script, and not some time before
/// somebody asks for it (`Purpose` and `X-Moz` are what browsers said before there was `Sec-Purpose`).
fn shows_a_page(head: &RequestHead) -> bool {
    let says = |name: &[u8]| head.fields.sole_named(name);
    matches!(says(b"sec-fetch-mode"), Ok(None | Some(b"navigate")))
        && matches!(says(b"sec-fetch-dest"), Ok(None | Some(b"document")))
        && [&b"sec-purpose"[..], b"purpose", b"x-moz", b"x-requested-with"]
            .iter()
            .all(|name| matches!(says(name), Ok(None)))
        && head.path.as_str() != "/favicon.ico"
}

fn names_html(accept: &[u8]) -> bool {
    let ranges = accept.split(|&byte| byte == b',');
    ranges
        .filter_map(|range| range.split(|&byte| byte == b';').next())
        .any(|range| range.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}

#[cfg(test)]
mod tests {
    use super::{LoginRedirect, SetCookie, is_navigation};
    use crate::test_support::head;
    use std::time::Duration;

    #[test]
    fn a_cookie_is_written_in_one_way_and_nothing_leaves_its_place() {
        let cookie = SetCookie::new("__Host-session", "abc=").unwrap().max_age(Duration::from_secs(60));
        let told = "__Host-session=abc=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60";
        assert_eq!(cookie.field_value(), told);
        assert!(!format!("{cookie:?}").contains("abc"), "a credential is not shown");
        for (name, value) in
            [("", "a"), ("a b", "a"), ("a=", "a"), ("a", "b; c"), ("a", "b\r\nc"), ("a", "é")]
        {
            assert!(SetCookie::new(name, value).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn a_login_is_of_this_host_or_https() {
        for good in ["/login?to=%2F", "/", "https://login.example/a?b=c", "https://[::1]/"] {
            assert_eq!(LoginRedirect::new(good).unwrap().location(), good);
        }
        for bad in [
            "",
            "login",
            "//evil.example",
            "/\\evil.example",
            "http://a",
            "https://",
            "https:///a",
            "/a\r\nb: c",
            "javascript:a",
        ] {
            assert!(LoginRedirect::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_browser_that_shows_a_page_navigates() {
        let html = ("accept", "application/xhtml+xml, Text/HTML;q=0.9");
        for (fields, navigates) in [
            (vec![html], true),
            (vec![html, ("sec-fetch-mode", "navigate")], true),
            (vec![html, ("sec-fetch-mode", "cors")], false),
            (vec![html, ("sec-purpose", "prefetch")], false),
            (vec![html, ("content-type", "application/grpc")], false),
            (vec![("accept", "*/*")], false),
            (vec![], false),
        ] {
            assert_eq!(is_navigation(&head(&fields, None)), navigates, "{fields:?}");
        }
    }
}
