//! Logins under way: each in a cookie of its own, sealed, so that as many tabs as one likes log in at once and nothing is kept for those who never
//! come back.

use super::return_to::ReturnTo;
use crate::jose::base64url;
use crate::random::{self, RandomnessError, sha256};
use crate::{SetCookie, StepUp};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use haechi_core::{FieldName, Fields, RequestHead, Timestamp, cookies};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// A login that takes longer begins anew.
pub(crate) const LASTS: Duration = Duration::from_secs(15 * 60);
/// So many logins may be under way in one browser; the oldest give way.
const MOST: usize = 12;
/// What the cookies of logins under way are called, up to what tells one from another.
pub const LOGIN_COOKIE: &str = "__Host-haechi-login-";
/// The same over plain HTTP on a developer's own machine.
pub const DEVELOPMENT_LOGIN_COOKIE: &str = "haechi-development-login-";
/// What the name of a session's cookie begins with: browsers take it only over TLS, from this very host, for all of its paths (RFC 6265bis 4.1.3.2).
pub const HOST_PREFIX: &str = "__Host-";

/// What the cookies of an authenticator are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookies {
    /// The session's, which begins with [`HOST_PREFIX`].
    pub session: Arc<str>,
    /// The session's over plain HTTP on a developer's own machine.
    pub development: Arc<str>,
}

impl Cookies {
    /// The session's cookie has this name; `None` for a name without [`HOST_PREFIX`], or with nothing behind it.
    pub fn named(session: &str) -> Option<Self> {
        let rest = session.strip_prefix(HOST_PREFIX).filter(|rest| !rest.is_empty())?;
        Some(Self { session: session.into(), development: format!("{rest}-development").into() })
    }

    /// The session's, for who came like this.
    pub(crate) fn of(&self, way: Way) -> &Arc<str> {
        match way {
            Way::Secure => &self.session,
            Way::Development => &self.development,
        }
    }
}

/// How a browser came, by which it can be given cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over TLS.
    Secure,
    /// Over plain HTTP, on a developer's own machine.
    Development,
}

impl Way {
    /// `None` over plain HTTP from anywhere else: whoever listens would have the session.
    pub(crate) fn of(head: &RequestHead) -> Option<Self> {
        if head.secure {
            return Some(Self::Secure);
        }
        let name = head.host.name();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let local = name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            || bare.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback());
        local.then_some(Self::Development)
    }

    const fn login_prefix(self) -> &'static str {
        match self {
            Self::Secure => LOGIN_COOKIE,
            Self::Development => DEVELOPMENT_LOGIN_COOKIE,
        }
    }

    /// The cookie as this way needs it; `None` for what is no cookie, which nothing here makes.
    pub(crate) fn cookie(self, name: &str, value: &str) -> Option<SetCookie> {
        let cookie = SetCookie::new(name, value).ok()?;
        Some(match self {
            Self::Secure => cookie,
            Self::Development => cookie.insecure(),
        })
    }
}

/// A login under way, or one that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoginState {
    /// `state`: that the answer belongs to this login.
    #[serde(rename = "s")]
    pub(crate) state: String,
    /// `nonce`: that the ID token does.
    #[serde(rename = "n")]
    pub(crate) nonce: String,
    /// The PKCE verifier: that the code does.
    #[serde(rename = "v")]
    pub(crate) verifier: String,
    /// Where the provider sends the browser back to, exactly.
    #[serde(rename = "u")]
    pub(crate) redirect_uri: String,
    #[serde(rename = "r")]
    return_to: String,
    /// When it began, or was over, in milliseconds.
    #[serde(rename = "t")]
    at: i64,
    /// How many logins before this one did not help.
    #[serde(rename = "c", default)]
    pub(crate) in_vain: u8,
    /// What the login must satisfy: `acr_values`, `max_age`.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    acr_values: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    max_age: Option<String>,
    /// Whether it is over: the browser's back button shows the provider's page once more.
    #[serde(rename = "d", default)]
    pub(crate) over: bool,
}

impl LoginState {
    pub(crate) fn begin(
        redirect_uri: String,
        return_to: &ReturnTo,
        asked: &StepUp,
        in_vain: u8,
        now: Timestamp,
    ) -> Result<Self, RandomnessError> {
        let random = || random::bytes::<32>().map(base64url::encode);
        Ok(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            redirect_uri,
            return_to: return_to.as_str().to_owned(),
            at: now.as_millis(),
            in_vain,
            acr_values: asked.acr_values(),
            max_age: asked.max_age(),
            over: false,
        })
    }

    /// What is left of it when it is over: where it led to, and that it did.
    pub(crate) fn finished(&self, now: Timestamp) -> Self {
        let in_vain = self.in_vain.saturating_add(1);
        let (nonce, verifier, redirect_uri) = Default::default();
        Self { nonce, verifier, redirect_uri, at: now.as_millis(), in_vain, over: true, ..self.clone() }
    }

    pub(crate) fn return_to(&self) -> ReturnTo {
        ReturnTo::parse(&self.return_to).unwrap_or_else(ReturnTo::home)
    }

    /// What the login must satisfy; `None` for what was never sealed here.
    pub(crate) fn asked(&self) -> Option<StepUp> {
        StepUp::of_parameters(self.acr_values.as_deref(), self.max_age.as_deref())
    }

    /// RFC 7636 4.2.
    pub(crate) fn challenge(&self) -> String {
        base64url::encode(sha256(self.verifier.as_bytes()))
    }

    /// How long ago it began or was over.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.at))
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        self.age(now) < LASTS && Timestamp::from_millis(self.at) <= now.plus(Duration::from_secs(60))
    }

    /// The name of its cookie, which tells nothing of its `state`.
    pub(crate) fn cookie_name(&self, way: Way) -> String {
        cookie_name(way, &self.state)
    }
}

fn cookie_name(way: Way, state: &str) -> String {
    let digest = base64url::encode(sha256(state.as_bytes()));
    format!("{}{}", way.login_prefix(), digest.get(..22).unwrap_or_default())
}

/// Seals and opens logins, on all nodes alike.
pub(crate) struct LoginSeal {
    key: RandomizedNonceKey,
    /// What is sealed for one authenticator opens for no other: whoever mixes providers up finds no login.
    associated: Vec<u8>,
}

impl LoginSeal {
    pub(crate) fn new(key: &[u8; 32], authenticator: &str, issuer: &str) -> Option<Self> {
        let associated = format!("haechi login\n{authenticator}\n{issuer}").into_bytes();
        RandomizedNonceKey::new(&AES_256_GCM, key).ok().map(|key| Self { key, associated })
    }

    pub(crate) fn seal(&self, login: &LoginState) -> Option<String> {
        let mut body = serde_json::to_vec(login).ok()?;
        let nonce = self.key.seal_in_place_append_tag(Aad::from(&self.associated), &mut body).ok()?;
        Some(base64url::encode([nonce.as_ref().as_slice(), body.as_slice()].concat()))
    }

    fn open(&self, value: &[u8]) -> Option<LoginState> {
        let sealed = base64url::decode(value)?;
        let (nonce, body) = sealed.split_at_checked(12)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(&self.associated), &mut body).ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// The login that an answer with this `state` belongs to, if this browser began it, and not too long ago.
    pub(crate) fn find(&self, fields: &Fields, way: Way, state: &str, now: Timestamp) -> Option<LoginState> {
        let value = cookies::sole(fields, cookie_name(way, state).as_bytes()).ok()??;
        self.open(value).filter(|login| login.state == state && login.is_alive(now))
    }

    /// All logins of this browser that are under way or were lately over, and the cookies of others that may go: too old, too many, or not to be
    /// opened.
    pub(crate) fn all(&self, fields: &Fields, way: Way, now: Timestamp) -> (Vec<LoginState>, Vec<String>) {
        let (mut logins, mut useless) = (Vec::new(), Vec::new());
        let ours = fields.all(FieldName::Cookie).flat_map(cookies::of_field);
        for cookie in ours.filter(|cookie| cookie.name.starts_with(way.login_prefix().as_bytes())) {
            match self.open(cookie.value).filter(|login| login.is_alive(now)) {
                Some(login) => logins.push(login),
                // Of another authenticator, perhaps; those are let be while there is room.
                None => useless.extend(String::from_utf8(cookie.name.to_vec()).ok()),
            }
        }
        logins.sort_by_key(|login| std::cmp::Reverse(login.at));
        let kept = MOST.saturating_sub(1);
        let others = useless.split_off(useless.len().min(kept.saturating_sub(logins.len().min(kept))));
        let mut goes = others;
        if logins.len() > kept {
            goes.extend(logins.split_off(kept).iter().map(|login| login.cookie_name(way)));
        }
        (logins, goes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cookies, LASTS, LoginSeal, LoginState, MOST, Way};
    use crate::StepUp;
    use crate::oidc::ReturnTo;
    use crate::test_support::head;
    use haechi_core::{Fields, Timestamp};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn seal(name: &str) -> LoginSeal {
        LoginSeal::new(&[7; 32], name, "https://sso.example.com").unwrap()
    }

    fn begin(at: Timestamp) -> LoginState {
        let to = ReturnTo::parse("/deep?a=b").unwrap();
        LoginState::begin("https://app/auth/oidc/a/callback".into(), &to, &StepUp::default(), 0, at).unwrap()
    }

    fn with(logins: &[&LoginState]) -> Fields {
        let mut fields = Fields::default();
        for login in logins {
            let cookie = format!("{}={}", login.cookie_name(Way::Secure), seal("a").seal(login).unwrap());
            fields.push(b"cookie", cookie.as_bytes());
        }
        fields
    }

    #[test]
    fn every_tab_finds_its_own_login() {
        let logins: Vec<LoginState> = (0..10).map(|_| begin(NOW)).collect();
        let fields = with(&logins.iter().collect::<Vec<_>>());
        for login in &logins {
            let found = seal("a").find(&fields, Way::Secure, &login.state, NOW).unwrap();
            assert_eq!((found.nonce, found.verifier), (login.nonce.clone(), login.verifier.clone()));
        }
        assert!(seal("a").all(&fields, Way::Secure, NOW).1.is_empty());
    }

    #[test]
    fn a_login_belongs_to_its_browser_its_authenticator_and_its_time() {
        let login = begin(NOW);
        let fields = with(&[&login]);
        let find = |seal: LoginSeal, way, state: &str, now| seal.find(&fields, way, state, now).is_some();
        assert!(find(seal("a"), Way::Secure, &login.state, NOW));
        assert!(!find(seal("b"), Way::Secure, &login.state, NOW), "mixed up");
        assert!(!find(seal("a"), Way::Development, &login.state, NOW));
        assert!(!find(seal("a"), Way::Secure, &begin(NOW).state, NOW), "another browser's");
        assert!(!find(seal("a"), Way::Secure, &login.state, NOW.plus(LASTS)));
        let other_key = LoginSeal::new(&[8; 32], "a", "https://sso.example.com").unwrap();
        assert!(!find(other_key, Way::Secure, &login.state, NOW));
        let renamed = LoginState { state: begin(NOW).state, ..login.clone() };
        let mut moved = Fields::default();
        let cookie = format!("{}={}", renamed.cookie_name(Way::Secure), seal("a").seal(&login).unwrap());
        moved.push(b"cookie", cookie.as_bytes());
        assert!(seal("a").find(&moved, Way::Secure, &renamed.state, NOW).is_none(), "moved to another state");
    }

    #[test]
    fn a_browser_holds_no_more_than_it_can_carry() {
        let at = |n: u64| NOW.plus(Duration::from_secs(n));
        let logins: Vec<LoginState> = (0..20).map(|n| begin(at(n))).collect();
        let fields = with(&logins.iter().collect::<Vec<_>>());
        let (kept, goes) = seal("a").all(&fields, Way::Secure, at(20));
        assert_eq!((kept.len(), goes.len()), (MOST - 1, 20 - (MOST - 1)));
        assert!(goes.contains(&logins[0].cookie_name(Way::Secure)), "the oldest goes");
        let long = ReturnTo::parse(&format!("/{}", "a".repeat(2047))).unwrap();
        let uri = format!("https://{}/auth/oidc/{}/callback", "h".repeat(253), "n".repeat(64));
        let asked = StepUp::new(vec!["a".repeat(255).into()], Some(Duration::from_secs(31_536_000))).unwrap();
        let largest = LoginState::begin(uri, &long, &asked, 9, NOW).unwrap();
        let cookie = largest.cookie_name(Way::Secure).len() + seal("a").seal(&largest).unwrap().len();
        assert!(cookie < 4096, "browsers take cookies of 4096 bytes; this is {cookie}");
    }

    #[test]
    fn who_could_be_listened_to_gets_no_cookie() {
        let secure = |host: &str, secure| {
            let head = head(&[], None);
            let client = head.client;
            let head = haechi_core::RequestHead::new(
                head.id,
                head.received,
                head.connection.clone(),
                head.method.clone(),
                haechi_core::Host::parse(host.as_bytes()).unwrap(),
                head.path.clone(),
            );
            Way::of(&head.with_client(client, secure))
        };
        assert_eq!(secure("app.example", true), Some(Way::Secure));
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "a.localhost"] {
            assert_eq!(secure(host, false), Some(Way::Development), "{host}");
        }
        for host in ["app.example", "10.0.0.1", "localhost.evil.example", "[::2]"] {
            assert_eq!(secure(host, false), None, "{host}");
        }
        let cookies = Cookies::named("__Host-haechi").unwrap();
        assert_eq!(&*cookies.development, "haechi-development");
        assert!(Cookies::named("haechi").is_none() && Cookies::named("__Host-").is_none());
    }
}
