//! Who is logged in. A session is here and nowhere else: it ends with the process, and with the token that it stands for.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_authn::identity::TokenPair;
use haechi_core::{Secret, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many people are logged in at once. One more ends the session that was used least lately.
const MOST: usize = 256;
/// A session that is not used for so long ends.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// For so long after the password was shown again it is not asked for once more.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// A token is renewed so long before it expires.
const BEFORE_THE_END: Duration = Duration::from_secs(60);

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Session {
    /// What they typed to log in.
    pub(crate) name: String,
    /// What the calls are made with.
    pub(crate) bearer: HeaderValue,
    /// The login behind it.
    pub(crate) login: TokenPair,
    /// Whether they may change anything, as it was when they logged in. It hides buttons; whether they may is for each call to say.
    pub(crate) changes: bool,
    /// When the password was shown again, after the login.
    shown: Option<Timestamp>,
    used: Timestamp,
    ends: Timestamp,
}

impl Session {
    /// A session that ends with the access token. `None` for a token that no field can carry.
    pub(crate) fn of(name: String, login: TokenPair, now: Timestamp) -> Option<Self> {
        let bearer = bearer(&login)?;
        let ends = now.plus(login.expires_in);
        Some(Self { name, bearer, login, changes: false, shown: None, used: now, ends })
    }

    /// The same of somebody who may change things, or not.
    pub(crate) fn of_somebody_who_changes(self, changes: bool) -> Self {
        Self { changes, ..self }
    }

    /// The same with other tokens of its user.
    pub(crate) fn with(&self, login: TokenPair, now: Timestamp) -> Option<Self> {
        let (bearer, ends) = (bearer(&login)?, now.plus(login.expires_in));
        Some(Self { bearer, login, used: now, ends, ..self.clone() })
    }

    /// The same, whose password was shown again now.
    pub(crate) fn confirmed(self, now: Timestamp) -> Self {
        Self { shown: Some(now), ..self }
    }

    /// Whether the password was shown again lately.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.shown.is_some_and(|shown| now < shown.plus(FRESH))
    }

    /// Whether its token expires soon.
    pub(crate) fn is_ending(&self, now: Timestamp) -> bool {
        self.ends <= now.plus(BEFORE_THE_END)
    }

    fn holds(&self, now: Timestamp) -> bool {
        now < self.ends && now < self.used.plus(IDLE)
    }
}

/// By the hashes of their cookies.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Begins one; gives its cookie's value, or `None` without randomness.
    pub(crate) fn begin(&self, session: Session, now: Timestamp) -> Option<Secret<String>> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let mut all = self.all();
        all.retain(|_, session| session.holds(now));
        if all.len() >= MOST
            && let Some(least) = all.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            all.remove(&least);
        }
        all.insert(key(&value)?, session);
        Some(Secret::new(value))
    }

    /// The session of this cookie, which is used by that.
    pub(crate) fn find(&self, value: &Secret<String>, now: Timestamp) -> Option<Session> {
        let mut all = self.all();
        let key = key(value.expose())?;
        let session = all.get_mut(&key)?;
        if !session.holds(now) {
            all.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Puts another in its place; `false` where it has ended meanwhile.
    pub(crate) fn replace(&self, value: &Secret<String>, session: Session) -> bool {
        let mut all = self.all();
        match key(value.expose()).and_then(|key| all.get_mut(&key)) {
            Some(place) => {
                *place = session;
                true
            }
            None => false,
        }
    }

    /// Ends it.
    pub(crate) fn end(&self, value: &Secret<String>) -> Option<Session> {
        self.all().remove(&key(value.expose())?)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearer(login: &TokenPair) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", login.access_token.expose())).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

fn key(value: &str) -> Option<[u8; 32]> {
    digest(&SHA256, value.as_bytes()).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{IDLE, MOST, Session, Sessions};
    use haechi_authn::identity::TokenPair;
    use haechi_core::{Secret, Timestamp};
    use std::time::Duration;

    fn session(now: Timestamp, lasts: u64) -> Session {
        let login = TokenPair {
            access_token: Secret::from("t"),
            refresh_token: Secret::from("r"),
            expires_in: Duration::from_secs(lasts),
            subject: "1".into(),
            session: "s".into(),
            scope: String::new(),
        };
        Session::of("root".into(), login, now).unwrap()
    }

    #[test]
    fn a_session_ends_with_its_token_when_idle_and_when_told_to() {
        let (all, start) = (Sessions::default(), Timestamp::from_seconds(1000));
        let short = all.begin(session(start, 60), start).unwrap();
        let long = all.begin(session(start, 86_400), start).unwrap();
        let after = |seconds: u64| start.plus(Duration::from_secs(seconds));
        assert!(all.find(&short, after(59)).is_some());
        assert!(all.find(&short, after(60)).is_none());
        let idle = IDLE.as_secs();
        assert!(all.find(&long, after(idle - 1)).is_some());
        assert!(all.find(&long, after(2 * idle - 2)).is_some(), "it was used");
        assert!(all.find(&long, after(3 * idle - 2)).is_none());
        let told = all.begin(session(start, 60), start).unwrap();
        assert!(all.end(&told).is_some() && all.find(&told, start).is_none());
        assert!(all.find(&Secret::from("x"), start).is_none());
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (all, start) = (Sessions::default(), Timestamp::from_seconds(1000));
        let first = all.begin(session(start, 60), start).unwrap();
        let later = start.plus(Duration::from_secs(1));
        for _ in 0..MOST {
            all.begin(session(later, 60), later).unwrap();
        }
        assert_eq!(all.all().len(), MOST);
        assert!(all.find(&first, later).is_none(), "used least lately");
    }
}
