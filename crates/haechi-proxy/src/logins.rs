//! The authenticators that log people in with a browser, and the cookies that are theirs alone.

use haechi_authn::identity::{
    DEVELOPMENT_FORM_COOKIE, DEVELOPMENT_SESSION_COOKIE, FORM_COOKIE, SESSION_COOKIE,
};
use haechi_authn::oidc::{DEVELOPMENT_LOGIN_COOKIE, LOGIN_COOKIE, OidcClient};
use haechi_core::Fields;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Those of one configuration, by name.
#[derive(Default)]
pub struct Logins {
    clients: BTreeMap<Arc<str>, OidcClient>,
    /// The cookies of their sessions, and of the embedded provider's.
    cookies: Vec<Arc<str>>,
}

/// The embedded provider's.
const PROVIDER_COOKIES: [&str; 4] =
    [SESSION_COOKIE, DEVELOPMENT_SESSION_COOKIE, FORM_COOKIE, DEVELOPMENT_FORM_COOKIE];

impl Logins {
    /// These, and the embedded provider where there `is_provider`.
    pub fn new(clients: impl IntoIterator<Item = OidcClient>, is_provider: bool) -> Self {
        let clients: BTreeMap<_, _> =
            clients.into_iter().map(|client| (client.name().clone(), client)).collect();
        let mut cookies: Vec<Arc<str>> = Vec::new();
        for client in clients.values() {
            let named = &client.config().cookies;
            for name in [&named.session, &named.development] {
                if !cookies.contains(name) {
                    cookies.push(name.clone());
                }
            }
        }
        if is_provider {
            cookies.extend(PROVIDER_COOKIES.map(Arc::from));
        }
        Self { clients, cookies }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OidcClient> {
        self.clients.get(name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &OidcClient> {
        self.clients.values()
    }

    /// Whether a cookie of this name is the gate's: no backend gets it, whichever route its request takes, and none sets it.
    pub(crate) fn owns_cookie(&self, name: &[u8]) -> bool {
        !self.cookies.is_empty()
            && (self.cookies.iter().any(|known| known.as_bytes() == name)
                || name.starts_with(LOGIN_COOKIE.as_bytes())
                || name.starts_with(DEVELOPMENT_LOGIN_COOKIE.as_bytes()))
    }

    /// Takes away what a backend sets in the gate's name: a session that somebody else chose.
    pub(crate) fn keep_own_cookies(&self, fields: &mut Fields) {
        if self.cookies.is_empty() {
            return;
        }
        fields.retain(|field| {
            let name = field.value.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
            field.name != b"set-cookie" || !self.owns_cookie(name)
        });
    }
}
