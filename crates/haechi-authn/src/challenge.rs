//! `WWW-Authenticate` challenges (RFC 9110 11.6.1), and the errors that they carry (RFC 6750 3).

use std::fmt::{self, Display, Write};

/// One challenge: an invitation to one way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: &'static str,
    realm: Option<Box<str>>,
    parameters: Vec<(&'static str, Box<str>)>,
    tells_errors: bool,
}

/// Why a credential did not do, as far as the client may know (RFC 6750 3.1). A scheme other than `Bearer` may have no place for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChallengeError {
    /// It was presented in a way that could be read as two.
    InvalidRequest,
    /// It does not hold.
    InvalidToken,
    /// It holds, and its bearer has not proved to have its key (RFC 9449 7.1).
    InvalidDpopProof,
    /// It holds, and was not granted these scopes, divided by spaces.
    InsufficientScope(Box<str>),
    /// It holds, and the login behind it does not do (RFC 9470 3): what would, where that is asked for.
    InsufficientUserAuthentication {
        /// `acr_values`, divided by spaces.
        acr_values: Option<Box<str>>,
        /// `max_age`, in seconds.
        max_age: Option<Box<str>>,
    },
}

impl Challenge {
    /// An invitation to `scheme`, whose challenges have no place for an error.
    pub fn new(scheme: &'static str, realm: &str) -> Self {
        Self { scheme, realm: Some(realm.into()), parameters: Vec::new(), tells_errors: false }
    }

    /// An invitation to `Bearer`, which tells errors.
    pub fn bearer(realm: &str) -> Self {
        Self { tells_errors: true, ..Self::new("Bearer", realm) }
    }

    /// An invitation to `DPoP` (RFC 9449 7.1), which tells errors.
    pub fn dpop(realm: &str) -> Self {
        Self { tells_errors: true, ..Self::new("DPoP", realm) }
    }

    /// `Bearer` for no realm in particular, for errors that are no authenticator's.
    pub const fn bare_bearer() -> Self {
        Self { scheme: "Bearer", realm: None, parameters: Vec::new(), tells_errors: true }
    }

    /// With one more parameter, whose name is a token (RFC 9110 5.6.2).
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// Whether it invites to `Bearer`.
    pub fn is_bearer(&self) -> bool {
        self.scheme == "Bearer"
    }

    /// The value of a `WWW-Authenticate` field. The error is left out where the scheme has no place for it.
    pub fn told(&self, error: Option<&ChallengeError>) -> String {
        let mut told = self.scheme.to_owned();
        let mut separator = " ";
        let mut parameter = |name: &str, value: &str| {
            // Writing to a text does not fail.
            let _ = write!(told, "{separator}{name}={}", Quoted(value));
            separator = ", ";
        };
        if let Some(realm) = &self.realm {
            parameter("realm", realm);
        }
        self.parameters.iter().for_each(|(name, value)| parameter(name, value));
        // What sort of login is needed is told by every way in: scripts of a page with a session go by it, too.
        let step_up =
            |error: &&ChallengeError| matches!(error, ChallengeError::InsufficientUserAuthentication { .. });
        if let Some(error) = error.filter(|error| self.tells_errors || step_up(error)) {
            parameter("error", error.code());
            match error {
                ChallengeError::InsufficientScope(scopes) => parameter("scope", scopes),
                ChallengeError::InsufficientUserAuthentication { acr_values, max_age } => {
                    acr_values.iter().for_each(|values| parameter("acr_values", values));
                    max_age.iter().for_each(|age| parameter("max_age", age));
                }
                ChallengeError::InvalidRequest
                | ChallengeError::InvalidToken
                | ChallengeError::InvalidDpopProof => {}
            }
        }
        told
    }
}

impl Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(None))
    }
}

impl ChallengeError {
    const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::InsufficientUserAuthentication { .. } => "insufficient_user_authentication",
        }
    }
}

/// A `quoted-string` (RFC 9110 5.6.4) that nothing can leave.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars().filter(|c| !c.is_control()) {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenge, ChallengeError};

    #[test]
    fn an_error_is_told_where_the_scheme_has_a_place_for_it() {
        let basic = Challenge::new("Basic", "staff").with("charset", "UTF-8");
        let bearer = Challenge::bearer("corp");
        for (error, told) in [
            (None, r#"Bearer realm="corp""#),
            (Some(ChallengeError::InvalidToken), r#"Bearer realm="corp", error="invalid_token""#),
            (Some(ChallengeError::InvalidRequest), r#"Bearer realm="corp", error="invalid_request""#),
            (
                Some(ChallengeError::InsufficientScope("a:read b".into())),
                r#"Bearer realm="corp", error="insufficient_scope", scope="a:read b""#,
            ),
        ] {
            assert_eq!(bearer.told(error.as_ref()), told);
            assert_eq!(basic.told(error.as_ref()), r#"Basic realm="staff", charset="UTF-8""#);
        }
    }

    #[test]
    fn what_login_is_needed_is_told_by_every_way_in() {
        let error = ChallengeError::InsufficientUserAuthentication {
            acr_values: Some("gold silver".into()),
            max_age: Some("300".into()),
        };
        let told = r#", error="insufficient_user_authentication", acr_values="gold silver", max_age="300""#;
        assert_eq!(Challenge::bearer("corp").told(Some(&error)), format!(r#"Bearer realm="corp"{told}"#));
        let cookie = Challenge::new("Cookie", "browser");
        assert_eq!(cookie.told(Some(&error)), format!(r#"Cookie realm="browser"{told}"#));
    }

    #[test]
    fn parameters_begin_behind_the_scheme_whichever_is_first() {
        let told = Challenge::bare_bearer().told(Some(&ChallengeError::InvalidRequest));
        assert_eq!(told, r#"Bearer error="invalid_request""#);
        assert_eq!(Challenge::bare_bearer().to_string(), "Bearer");
    }

    #[test]
    fn a_realm_cannot_leave_its_quotes() {
        assert_eq!(Challenge::new("Basic", "a\"b\\c\r\n").to_string(), r#"Basic realm="a\"b\\c""#);
    }
}
