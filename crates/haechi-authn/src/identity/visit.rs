//! How a browser comes to the provider's own pages: its cookies, and whether what it sends comes from a page of ours.

use crate::SetCookie;
use crate::jose::base64url;
use crate::oidc::login_state::Way;
use crate::random::{self, RandomnessError};
use haechi_core::{Fields, Host, RequestHead, Secret, cookies};
use std::net::IpAddr;

/// The cookie of the provider's own browser session.
pub const SESSION_COOKIE: &str = "__Host-haechi-identity";
/// The same over plain HTTP on a developer's own machine.
pub const DEVELOPMENT_SESSION_COOKIE: &str = "haechi-identity-development";
/// The cookie that ties a form to the browser it was shown in.
pub const FORM_COOKIE: &str = "__Host-haechi-identity-form";
/// The same over plain HTTP on a developer's own machine.
pub const DEVELOPMENT_FORM_COOKIE: &str = "haechi-identity-form-development";

/// One request of a browser.
#[derive(Debug)]
pub struct Visit {
    way: Way,
    host: Host,
    session: Option<Secret<String>>,
    form: Option<Secret<String>>,
    /// Where it came from.
    pub(super) from: IpAddr,
    /// Whether what it sends comes from a page of this origin, as far as the browser says (`Sec-Fetch-Site`, `Origin`).
    pub(super) is_ours: bool,
}

impl Visit {
    /// Reads a request; `None` over plain HTTP from anywhere but this machine, where whoever listens would have the session.
    pub fn of(head: &RequestHead) -> Option<Self> {
        let way = Way::of(head)?;
        let (session, form) = match way {
            Way::Secure => (SESSION_COOKIE, FORM_COOKIE),
            Way::Development => (DEVELOPMENT_SESSION_COOKIE, DEVELOPMENT_FORM_COOKIE),
        };
        let cookie = |name: &str| {
            // Two of one name are not decided between: that is no cookie.
            let value = cookies::sole(&head.fields, name.as_bytes()).ok().flatten()?;
            let text = std::str::from_utf8(value).ok()?;
            base64url::decode(text).filter(|bytes| bytes.len() == 32).map(|_| Secret::from(text))
        };
        Some(Self {
            way,
            host: head.host.clone(),
            session: cookie(session),
            form: cookie(form),
            from: head.client,
            is_ours: is_of_origin(&head.fields, head.secure, &head.host),
        })
    }

    /// Whether the page is one of this origin.
    pub(super) fn is_at(&self, origin: &str) -> bool {
        let scheme = match self.way {
            Way::Secure => "https://",
            Way::Development => "http://",
        };
        origin
            .strip_prefix(scheme)
            .is_some_and(|host| Host::parse(host.as_bytes()).is_ok_and(|host| host == self.host))
    }

    /// The hash of the session's cookie, by which the store knows it.
    pub(super) fn session_sha256(&self) -> Option<[u8; 32]> {
        self.session.as_ref().map(|value| random::sha256(value.expose().as_bytes()))
    }

    /// What ties forms to this browser, and the cookie to set where it has none yet.
    pub(super) fn form_tie(&self) -> Result<(String, Option<SetCookie>), RandomnessError> {
        match &self.form {
            Some(value) => Ok((tie(value), None)),
            None => {
                let value = new_value()?;
                let name = match self.way {
                    Way::Secure => FORM_COOKIE,
                    Way::Development => DEVELOPMENT_FORM_COOKIE,
                };
                let cookie = self.way.cookie(name, value.expose());
                Ok((tie(&value), cookie))
            }
        }
    }

    /// Whether a form with this tie was shown in this browser.
    pub(super) fn has_tie(&self, told: &str) -> bool {
        self.form.as_ref().is_some_and(|value| Secret::new(tie(value)) == Secret::from(told))
    }

    /// A new session's cookie, and the hash of its value.
    pub(super) fn new_session(&self) -> Result<(Option<SetCookie>, [u8; 32]), RandomnessError> {
        let value = new_value()?;
        let cookie = self.way.cookie(self.session_cookie(), value.expose());
        Ok((cookie, random::sha256(value.expose().as_bytes())))
    }

    /// Takes the session's cookie away from the browser.
    pub(super) fn forget_session(&self) -> Option<SetCookie> {
        self.session.as_ref()?;
        Some(self.way.cookie(self.session_cookie(), "")?.max_age(std::time::Duration::ZERO))
    }

    const fn session_cookie(&self) -> &'static str {
        match self.way {
            Way::Secure => SESSION_COOKIE,
            Way::Development => DEVELOPMENT_SESSION_COOKIE,
        }
    }
}

fn new_value() -> Result<Secret<String>, RandomnessError> {
    let bytes: Secret<[u8; 32]> = Secret::new(random::bytes()?);
    Ok(Secret::new(base64url::encode(bytes.expose())))
}

/// What a form carries of the cookie: its hash.
fn tie(value: &Secret<String>) -> String {
    base64url::encode(random::sha256(value.expose().as_bytes()))
}

/// Whether a request comes from a page of the origin that it goes to, as far as the browser says (`Sec-Fetch-Site`, `Origin`). Of a browser that says neither,
/// nothing is known against it.
pub fn is_of_origin(fields: &Fields, secure: bool, host: &Host) -> bool {
    let site = fields.sole_named(b"sec-fetch-site");
    let same_site = matches!(site, Ok(None | Some(b"same-origin")));
    let scheme = if secure { "https" } else { "http" };
    let same_origin = match fields.sole_named(b"origin") {
        Ok(None) => true,
        Ok(Some(origin)) => {
            let text = std::str::from_utf8(origin).unwrap_or_default();
            text.strip_prefix(scheme)
                .and_then(|rest| rest.strip_prefix("://"))
                .is_some_and(|page| Host::parse(page.as_bytes()).is_ok_and(|page| page == *host))
        }
        Err(_) => false,
    };
    same_site && same_origin
}

#[cfg(test)]
mod tests {
    use super::{DEVELOPMENT_SESSION_COOKIE, FORM_COOKIE, SESSION_COOKIE, Visit};
    use crate::jose::base64url;
    use crate::test_support::head;
    use haechi_core::{Host, RequestHead};

    fn at(fields: &[(&str, &str)], host: &str, secure: bool) -> RequestHead {
        let head = head(fields, None);
        let client = head.client;
        let made = RequestHead::new(
            head.id,
            head.received,
            head.connection.clone(),
            head.method.clone(),
            Host::parse(host.as_bytes()).unwrap(),
            head.path.clone(),
        );
        made.with_fields(head.fields).with_client(client, secure)
    }

    #[test]
    fn a_session_goes_by_the_cookie_of_its_way() {
        let value = base64url::encode([7; 32]);
        let cookie = |name: &str, value: &str| format!("{name}={value}");
        let has = |cookies: &str, secure| {
            Visit::of(&at(&[("cookie", cookies)], "localhost", secure)).unwrap().session_sha256().is_some()
        };
        assert!(has(&cookie(SESSION_COOKIE, &value), true));
        assert!(has(&cookie(DEVELOPMENT_SESSION_COOKIE, &value), false));
        assert!(!has(&cookie(SESSION_COOKIE, &value), false));
        assert!(!has(&cookie(DEVELOPMENT_SESSION_COOKIE, &value), true));
        assert!(!has(&cookie(SESSION_COOKIE, "short"), true));
        let twice = format!("{0}; {0}", cookie(SESSION_COOKIE, &value));
        assert!(!has(&twice, true), "two are not decided between");
        assert!(Visit::of(&at(&[], "app.example", false)).is_none(), "somebody may listen");
    }

    #[test]
    fn a_form_belongs_to_the_browser_that_it_was_shown_in() {
        let first = Visit::of(&at(&[], "localhost", true)).unwrap();
        let (tie, cookie) = first.form_tie().unwrap();
        let cookie = cookie.unwrap().field_value();
        assert!(
            cookie.starts_with(FORM_COOKIE) && cookie.contains("; Secure; HttpOnly; SameSite=Lax"),
            "{cookie}"
        );
        let value = cookie.split(';').next().unwrap();
        let again = Visit::of(&at(&[("cookie", value)], "localhost", true)).unwrap();
        assert!(again.has_tie(&tie) && !first.has_tie(&tie));
        let (same, none) = again.form_tie().unwrap();
        assert_eq!((same, none.is_none()), (tie.clone(), true));
        let other = format!("{FORM_COOKIE}={}", base64url::encode([9; 32]));
        assert!(!Visit::of(&at(&[("cookie", &other)], "localhost", true)).unwrap().has_tie(&tie));
    }

    #[test]
    fn what_another_site_sends_is_not_ours() {
        let ours = |fields: &[(&str, &str)]| Visit::of(&at(fields, "login.example", true)).unwrap().is_ours;
        assert!(ours(&[]));
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("origin", "https://login.example")]));
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "http://login.example"),
            ("origin", "https://login.example:444"),
            ("origin", "https://login.example.evil.example"),
            ("origin", "null"),
            ("origin", ""),
        ] {
            assert!(!ours(&[(name, value)]), "{name}: {value}");
        }
    }
}
