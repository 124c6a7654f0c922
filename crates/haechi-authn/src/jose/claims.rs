//! The registered claims (RFC 7519 4.1), typed and checked.

use super::binding::Binding;
use super::compact::TokenFault;
use super::json::{Json, Object};
use haechi_core::Timestamp;
use std::time::Duration;

/// The last second of the year 9999. A date beyond it is a mistake, such as milliseconds for seconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// What a token's time claims and audience must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The time now.
    pub now: Timestamp,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// One of these must be in `aud`; with none, `aud` is only checked for its type.
    pub audiences: &'a [String],
    /// What stands for `aud`: the claim of that name, or another for issuers that write none.
    pub audience: Option<&'a Json<'a>>,
}

/// `iss`, before anything else is known about the token: it only says whose keys to take.
///
/// # Errors
/// [`TokenFault::Issuer`] unless it is exactly `issuer`, [`TokenFault::Malformed`] if it is no text.
pub fn check_issuer(claims: &Object<'_>, issuer: &str) -> Result<(), TokenFault> {
    match claims.member("iss") {
        Some(Json::String(iss)) if iss == issuer => Ok(()),
        Some(Json::String(iss)) => Err(TokenFault::issuer(issuer, Some(iss))),
        None => Err(TokenFault::issuer(issuer, None)),
        Some(_) => Err(TokenFault::Malformed("iss")),
    }
}

/// Checks everything but `iss`, of a token that is good for whoever bears it. Returns the first instant at which the token is no longer accepted: `exp` and the leeway.
///
/// # Errors
/// [`TokenFault`], the first that is found; [`TokenFault::Unproven`] for a token that is bound to a key.
pub fn check(claims: &Object<'_>, expected: Expected<'_>) -> Result<Timestamp, TokenFault> {
    match check_bound(claims, expected)? {
        (end, None) => Ok(end),
        (_, Some(_)) => Err(TokenFault::Unproven),
    }
}

/// The same of a token that may be bound to keys, which whoever shows it must then prove to have.
pub(crate) fn check_bound(
    claims: &Object<'_>,
    expected: Expected<'_>,
) -> Result<(Timestamp, Option<Binding>), TokenFault> {
    let Expected { now, leeway, audiences, audience } = expected;
    // Before the times: of a token for somebody else it does not matter whether it has expired.
    check_audience(audience, audiences)?;
    let end = date(claims, "exp")?.ok_or(TokenFault::Missing("exp"))?.plus(leeway);
    if now >= end {
        return Err(TokenFault::Expired);
    }
    check_begun(claims, now, leeway)?;
    Ok((end, Binding::of(claims)?))
}

/// The same of what an issuer tells of a token (RFC 7662 2.2), where `exp` may be left out. Returns `exp`, without the leeway.
///
/// # Errors
/// [`TokenFault`], the first that is found.
pub(crate) fn check_told(
    claims: &Object<'_>,
    expected: Expected<'_>,
) -> Result<(Option<Timestamp>, Option<Binding>), TokenFault> {
    let Expected { now, leeway, audiences, audience } = expected;
    check_audience(audience, audiences)?;
    let end = date(claims, "exp")?;
    if end.is_some_and(|end| now >= end.plus(leeway)) {
        return Err(TokenFault::Expired);
    }
    check_begun(claims, now, leeway)?;
    Ok((end, Binding::of(claims)?))
}

/// That it does not begin later.
fn check_begun(claims: &Object<'_>, now: Timestamp, leeway: Duration) -> Result<(), TokenFault> {
    for name in ["nbf", "iat"] {
        if date(claims, name)?.is_some_and(|start| now.plus(leeway) < start) {
            return Err(TokenFault::NotYet(name));
        }
    }
    Ok(())
}

/// A claim that is text where it is there.
///
/// # Errors
/// [`TokenFault::Malformed`] if it is anything else.
pub fn text<'a>(claims: &'a Object<'_>, name: &'static str) -> Result<Option<&'a str>, TokenFault> {
    match claims.member(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenFault::Malformed(name)),
    }
}

/// `iat`, where there is one.
///
/// # Errors
/// [`TokenFault::Malformed`] if it is no date.
pub fn issued_at(claims: &Object<'_>) -> Result<Option<Timestamp>, TokenFault> {
    date(claims, "iat")
}

/// A NumericDate (RFC 7519 2): whole or broken seconds.
pub(crate) fn date(claims: &Object<'_>, name: &'static str) -> Result<Option<Timestamp>, TokenFault> {
    let seconds = match claims.member(name) {
        None => return Ok(None),
        Some(Json::Integer(whole)) => *whole as f64,
        Some(Json::Float(broken)) => *broken,
        Some(_) => return Err(TokenFault::Malformed(name)),
    };
    if !(0.0..=LAST_SECOND).contains(&seconds) {
        return Err(TokenFault::Malformed(name));
    }
    Ok(Some(Timestamp::from_millis((seconds * 1000.0) as i64)))
}

fn check_audience(audience: Option<&Json<'_>>, audiences: &[String]) -> Result<(), TokenFault> {
    let names = match audience {
        None => Vec::new(),
        Some(Json::String(name)) => vec![&**name],
        Some(list) => list.as_strings().ok_or(TokenFault::Malformed("aud"))?,
    };
    let ours = names.iter().any(|name| audiences.iter().any(|audience| audience == name));
    if ours || audiences.is_empty() { Ok(()) } else { Err(TokenFault::audience(audiences, &names)) }
}

#[cfg(test)]
mod tests {
    use super::{Expected, TokenFault, check, check_issuer};
    use crate::jose::json::Object;
    use haechi_core::Timestamp;
    use std::time::Duration;

    fn judge(claims: &str) -> Result<Timestamp, TokenFault> {
        let audiences = ["orders".to_owned(), "stock".to_owned()];
        let now = Timestamp::from_seconds(1_000_000);
        let claims = Object::parse(claims.as_bytes()).unwrap();
        let audience = claims.member("aud");
        check(&claims, Expected { now, leeway: Duration::from_secs(30), audiences: &audiences, audience })
    }

    #[test]
    fn dates_hold_within_the_leeway_to_the_millisecond() {
        for (claims, verdict) in [
            (r#""exp":1000000"#, Ok(())),
            (r#""exp":999970.001"#, Ok(())),
            (r#""exp":999970"#, Err(TokenFault::Expired)),
            (r#""exp":0"#, Err(TokenFault::Expired)),
            (r#""exp":1000001,"nbf":1000030,"iat":1000030"#, Ok(())),
            (r#""exp":1000001,"nbf":1000031"#, Err(TokenFault::NotYet("nbf"))),
            (r#""exp":1000001,"iat":1000030.5"#, Err(TokenFault::NotYet("iat"))),
            (r#""exp":1e9"#, Ok(())),
        ] {
            let claims = format!(r#"{{"aud":"orders",{claims}}}"#);
            assert_eq!(judge(&claims).map(drop), verdict, "{claims}");
        }
        assert_eq!(judge(r#"{"aud":"stock","exp":1000100}"#), Ok(Timestamp::from_seconds(1_000_130)));
    }

    #[test]
    fn dates_are_numbers_within_reason() {
        for (name, other) in [("exp", ""), ("nbf", r#""exp":2000000,"#), ("iat", r#""exp":2000000,"#)] {
            for value in [
                "\"2000000\"",
                "null",
                "true",
                "[2000000]",
                "{}",
                "-1",
                "1e300",
                "2000000000000000",
                "18446744073709551615",
            ] {
                let claims = format!(r#"{{"aud":"orders",{other}"{name}":{value}}}"#);
                assert_eq!(judge(&claims), Err(TokenFault::Malformed(name)), "{claims}");
            }
        }
        assert_eq!(judge(r#"{"aud":"orders"}"#), Err(TokenFault::Missing("exp")));
    }

    #[test]
    fn the_audience_is_text_or_texts_with_ours_among_them() {
        let ours = ["orders".to_owned(), "stock".to_owned()];
        let other = |found: &[&str]| Err(TokenFault::audience(&ours, found));
        let told = TokenFault::audience(&ours, &["a\n", "b"]).to_string();
        assert!(told.ends_with("it names `a\\n`, `b`, and configured is `orders`, `stock`"), "{told}");
        for (aud, verdict) in [
            (r#""orders""#, Ok(())),
            (r#"["x","stock"]"#, Ok(())),
            (r#""Orders""#, other(&["Orders"])),
            (r#""orders stock""#, other(&["orders stock"])),
            (r#"[]"#, other(&[])),
            (r#"["a\n", "b"]"#, other(&["a\n", "b"])),
            (r#"["orders",1]"#, Err(TokenFault::Malformed("aud"))),
            (r#"[["orders"]]"#, Err(TokenFault::Malformed("aud"))),
            (r#"{"orders":true}"#, Err(TokenFault::Malformed("aud"))),
            (r#"null"#, Err(TokenFault::Malformed("aud"))),
        ] {
            assert_eq!(judge(&format!(r#"{{"exp":2000000,"aud":{aud}}}"#)).map(drop), verdict, "{aud}");
        }
        assert_eq!(judge(r#"{"exp":2000000}"#).map(drop), other(&[]));
    }

    #[test]
    fn a_bound_token_needs_its_proof() {
        for cnf in [r#"{"jkt":"x"}"#, "null", "{}"] {
            assert_eq!(
                judge(&format!(r#"{{"exp":2000000,"aud":"orders","cnf":{cnf}}}"#)),
                Err(TokenFault::Unproven)
            );
        }
    }

    #[test]
    fn the_issuer_is_exact() {
        for (claims, verdict) in [
            (r#"{"iss":"https://a"}"#, Ok(())),
            (r#"{"iss":"https://a/"}"#, Err(TokenFault::issuer("https://a", Some("https://a/")))),
            (r#"{"iss":"HTTPS://a"}"#, Err(TokenFault::issuer("https://a", Some("HTTPS://a")))),
            (r#"{"iss":["https://a"]}"#, Err(TokenFault::Malformed("iss"))),
            (r#"{}"#, Err(TokenFault::issuer("https://a", None))),
        ] {
            assert_eq!(
                check_issuer(&Object::parse(claims.as_bytes()).unwrap(), "https://a"),
                verdict,
                "{claims}"
            );
        }
    }
}
