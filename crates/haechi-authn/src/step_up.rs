//! What a route asks of the login behind a credential, beyond that there is one (RFC 9470; OpenID Connect Core 1.0, 3.1.2.1).

use crate::ChallengeError;
use crate::jose::claims::date;
use crate::jose::json::{Json, Object};
use crate::oidc_parameters::encoded;
use haechi_core::Timestamp;
use haechi_core::caller::LoginFacts;
use std::fmt;
use std::time::Duration;

/// How far an issuer's clock may be ahead.
const AHEAD: Duration = Duration::from_secs(60);
/// The most bytes of `acr_values`, which stand in addresses and cookies.
const LONGEST: usize = 256;
/// How long ago the login of an example was: a moment.
const AGE: Duration = Duration::from_secs(1);
/// The longest `max_age`: a year.
const OLDEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a login must satisfy. Empty, it is satisfied by any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StepUp {
    acr_values: Vec<Box<str>>,
    max_age: Option<Duration>,
}

/// A login that shows what two demands have in common, or in what they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginExample {
    /// What it satisfied, where the issuer says so.
    pub acr: Option<Box<str>>,
    /// How long ago it was.
    pub age: Duration,
}

/// An `acr` that cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an `acr` is visible ASCII without spaces, quotes and backslashes, and all of them have at most {LONGEST} characters"
)]
pub struct BadAcr;

impl fmt::Display for LoginExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.acr {
            Some(acr) => write!(f, "logged in {} s ago with `acr` `{acr}`", self.age.as_secs()),
            None => write!(f, "logged in {} s ago without `acr`", self.age.as_secs()),
        }
    }
}

impl LoginExample {
    /// What a credential that comes from it says at `now`.
    pub fn facts(&self, now: Timestamp) -> LoginFacts {
        LoginFacts { acr: self.acr.as_deref().map(Into::into), at: Some(now.minus(self.age)) }
    }
}

impl StepUp {
    /// One of these `acr`, where any are listed, of a login that is no older than this, in whole seconds.
    ///
    /// # Errors
    /// [`BadAcr`].
    pub fn new(acr_values: Vec<Box<str>>, max_age: Option<Duration>) -> Result<Self, BadAcr> {
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        let fit = acr_values.iter().all(|acr| !acr.is_empty() && acr.bytes().all(legal));
        let length: usize = acr_values.iter().map(|acr| acr.len() + 1).sum();
        if fit && length <= LONGEST { Ok(Self { acr_values, max_age }) } else { Err(BadAcr) }
    }

    /// Reads what stands in an address that begins a login. `None` for what no gate wrote.
    pub fn of_parameters(acr_values: Option<&str>, max_age: Option<&str>) -> Option<Self> {
        let listed = acr_values.into_iter().flat_map(|all| all.split(' ')).map(Box::from).collect();
        let max_age = match max_age {
            None => None,
            Some(text) => {
                let seconds = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))?;
                Some(Some(Duration::from_secs(seconds)).filter(|age| *age <= OLDEST)?)
            }
        };
        Self::new(listed, max_age).ok()
    }

    /// Whether a login satisfies it at `now`. What the issuer does not say is not satisfied.
    pub fn is_satisfied_by(&self, login: &LoginFacts, now: Timestamp) -> bool {
        let known = |acr: &str| self.acr_values.iter().any(|wanted| **wanted == *acr);
        let acr = self.acr_values.is_empty() || login.acr.as_deref().is_some_and(known);
        let young = |at: Timestamp, most: Duration| at <= now.plus(AHEAD) && now.since(at) <= most;
        acr && self.max_age.is_none_or(|most| login.at.is_some_and(|at| young(at, most)))
    }

    /// Whether any login satisfies it.
    pub fn is_empty(&self) -> bool {
        self.acr_values.is_empty() && self.max_age.is_none()
    }

    /// Whether every login that satisfies this one satisfies `other` too.
    pub fn is_at_least(&self, other: &Self) -> bool {
        self.satisfied_without(other).is_none()
    }

    /// A login that satisfies both; `None` where none does.
    pub fn satisfied_with(&self, other: &Self) -> Option<LoginExample> {
        let (mine, theirs) = (&self.acr_values, &other.acr_values);
        let acr = match (mine.first(), theirs.first()) {
            (Some(_), Some(_)) => Some(mine.iter().find(|acr| theirs.contains(acr))?),
            (mine, theirs) => mine.or(theirs),
        };
        Some(LoginExample { acr: acr.cloned(), age: AGE })
    }

    /// A login that satisfies this one and not `other`; `None` where each that satisfies this one satisfies `other` too.
    pub fn satisfied_without(&self, other: &Self) -> Option<LoginExample> {
        let foreign = self.acr_values.iter().find(|acr| !other.acr_values.contains(acr));
        if !other.acr_values.is_empty() && (self.acr_values.is_empty() || foreign.is_some()) {
            return Some(LoginExample { acr: foreign.cloned(), age: AGE });
        }
        let over = other.max_age?.saturating_add(AGE);
        let old_enough = self.max_age.is_none_or(|most| over <= most);
        old_enough.then(|| LoginExample { acr: self.acr_values.first().cloned(), age: over })
    }

    /// The values of `acr_values`, most wanted first.
    pub fn acr_values(&self) -> Option<String> {
        (!self.acr_values.is_empty()).then(|| self.acr_values.join(" "))
    }

    /// The value of `max_age`, in seconds.
    pub fn max_age(&self) -> Option<String> {
        self.max_age.map(|age| age.as_secs().to_string())
    }

    /// As more parameters of an address that has some.
    pub fn more_parameters(&self) -> String {
        let pairs = [("acr_values", self.acr_values()), ("max_age", self.max_age())];
        let given =
            pairs.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(&value?))));
        given.collect()
    }

    /// What a client is told whose login does not satisfy it (RFC 9470 3).
    pub fn error(&self) -> ChallengeError {
        ChallengeError::InsufficientUserAuthentication {
            acr_values: self.acr_values().map(Into::into),
            max_age: self.max_age().map(Into::into),
        }
    }

    /// What it asks for, for the operator; `None` where any login will do.
    pub fn wanted(&self) -> Option<String> {
        match (self.acr_values(), self.max_age()) {
            (Some(acr), Some(age)) => Some(format!("`acr` among `{acr}` and a login within {age} s")),
            (Some(acr), None) => Some(format!("`acr` among `{acr}`")),
            (None, age) => age.map(|age| format!("a login within {age} s")),
        }
    }

    /// Why a login does not satisfy it, for the operator.
    pub fn why_not(&self, login: &LoginFacts, now: Timestamp) -> String {
        let wanted = self.wanted().unwrap_or_default();
        let acr = login
            .acr
            .as_deref()
            .map_or_else(|| "no `acr`".to_owned(), |acr| format!("`acr` `{}`", acr.escape_debug()));
        let at = login.at.map_or_else(
            || "no `auth_time`".to_owned(),
            |at| format!("a login {} s ago", now.since(at).as_secs()),
        );
        format!("the route asks for {wanted}, and the credential has {acr} and {at}")
    }
}

/// What claims say of a login. What is of another type says nothing.
pub(crate) fn login_facts(claims: &Object<'_>) -> LoginFacts {
    let acr = claims.member("acr").and_then(Json::as_str).filter(|acr| !acr.is_empty());
    LoginFacts { acr: acr.map(Into::into), at: date(claims, "auth_time").ok().flatten() }
}

#[cfg(test)]
mod tests {
    use super::{StepUp, login_facts};
    use crate::jose::json::Object;
    use haechi_core::Timestamp;
    use haechi_core::caller::LoginFacts;
    use std::time::Duration;

    fn asks(acr: &[&str], max_age: Option<u64>) -> StepUp {
        let acr = acr.iter().copied().map(Box::from).collect();
        StepUp::new(acr, max_age.map(Duration::from_secs)).unwrap()
    }

    #[test]
    fn asking_for_more_lets_in_no_others() {
        let (any, gold, both) = (asks(&[], None), asks(&["gold"], None), asks(&["gold", "silver"], None));
        let (young, younger) = (asks(&["gold"], Some(60)), asks(&["gold"], Some(30)));
        for (more, less) in [(&gold, &any), (&gold, &both), (&young, &gold), (&younger, &young)] {
            assert!(more.is_at_least(less) && more.is_at_least(more));
            assert!(!less.is_at_least(more), "{less:?} {more:?}");
        }
    }

    #[test]
    fn examples_show_what_demands_share_and_where_they_differ() {
        let demands: Vec<_> = [&[][..], &["gold"], &["silver"], &["gold", "silver"]]
            .into_iter()
            .flat_map(|acr| [None, Some(30), Some(60)].map(|age| asks(acr, age)))
            .collect();
        let now = Timestamp::from_seconds(1_000_000);
        let logins: Vec<_> = [None, Some("gold"), Some("silver"), Some("bronze")]
            .into_iter()
            .flat_map(|acr| {
                let age = |seconds| LoginFacts {
                    acr: acr.map(Into::into),
                    at: Some(now.minus(Duration::from_secs(seconds))),
                };
                [1, 31, 61].map(age)
            })
            .collect();
        for one in &demands {
            for other in &demands {
                let fits =
                    |login: &LoginFacts| (one.is_satisfied_by(login, now), other.is_satisfied_by(login, now));
                for (example, wanted) in
                    [(one.satisfied_with(other), (true, true)), (one.satisfied_without(other), (true, false))]
                {
                    match example {
                        Some(example) => assert_eq!(fits(&example.facts(now)), wanted, "{one:?} {other:?}"),
                        None => {
                            assert!(logins.iter().all(|login| fits(login) != wanted), "{one:?} {other:?}")
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_issuer_does_not_say_is_not_satisfied() {
        let now = Timestamp::from_seconds(1_000_000);
        for (claims, acr, young) in [
            (r#"{"acr":"gold","auth_time":999990}"#, true, true),
            (r#"{"acr":"gold","auth_time":999989}"#, true, false),
            (r#"{"acr":"silver","auth_time":1000060}"#, true, true),
            (r#"{"acr":"silver","auth_time":1000061}"#, true, false),
            (r#"{"acr":"bronze"}"#, false, false),
            (r#"{"acr":["gold"],"auth_time":"999999"}"#, false, false),
            (r#"{"acr":""}"#, false, false),
            (r#"{"auth_time":-1}"#, false, false),
            ("{}", false, false),
        ] {
            let facts = login_facts(&Object::parse(claims.as_bytes()).unwrap());
            assert_eq!(asks(&["gold", "silver"], None).is_satisfied_by(&facts, now), acr, "{claims}");
            assert_eq!(asks(&[], Some(10)).is_satisfied_by(&facts, now), young, "{claims}");
            assert_eq!(asks(&["gold", "silver"], Some(10)).is_satisfied_by(&facts, now), acr && young);
            assert!(asks(&[], None).is_satisfied_by(&facts, now));
        }
    }

    #[test]
    fn what_stands_in_an_address_is_read_as_it_was_written() {
        let asked = asks(&["urn:gold", "silver"], Some(300));
        assert_eq!(asked.more_parameters(), "&acr_values=urn%3Agold%20silver&max_age=300");
        assert_eq!(StepUp::of_parameters(Some("urn:gold silver"), Some("300")), Some(asked));
        assert_eq!(StepUp::of_parameters(None, None), Some(StepUp::default()));
        for (acr, age) in [
            (Some(""), None),
            (Some("a  b"), None),
            (Some("a\"b"), None),
            (Some("é"), None),
            (None, Some("-1")),
            (None, Some("+1")),
            (None, Some("")),
            (None, Some("99999999999")),
        ] {
            assert_eq!(StepUp::of_parameters(acr, age), None, "{acr:?} {age:?}");
        }
        assert_eq!(StepUp::of_parameters(Some(&"a".repeat(600)), None), None);
    }
}
