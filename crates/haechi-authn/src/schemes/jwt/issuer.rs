//! Whose tokens an authenticator takes: one issuer, or the many tenants of one.

use crate::jose::TokenFault;
use crate::jose::claims;
use crate::jose::json::{Json, Object};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What `iss` must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRule {
    written: Box<str>,
    /// Empty for an issuer that is exactly what is written.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// What this claim of the same token says, which must be one of these.
    Claim(Box<str>, Vec<Box<str>>),
}

/// Why an issuer with `{claim}` in it cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// A brace without the other, or nothing between them.
    #[error("the braces of the issuer do not enclose the name of a claim")]
    Braces,
    /// A claim that any token could fill as it likes.
    #[error("`tenants` does not list which `{0}` there may be")]
    NotListed(String),
    /// A claim that the issuer has no place for.
    #[error("the issuer has no `{{{0}}}`, which `tenants` lists")]
    NotUsed(String),
}

impl IssuerRule {
    /// Exactly this issuer.
    pub fn exactly(issuer: &str) -> Self {
        Self { written: issuer.into(), parts: Vec::new() }
    }

    /// An issuer in which `{claim}` stands for what the token's own claim says, if that is one of `tenants`.
    ///
    /// # Errors
    /// [`IssuerFault`].
    pub fn of_tenants(
        issuer: &str,
        tenants: &BTreeMap<Box<str>, Vec<Box<str>>>,
    ) -> Result<Self, IssuerFault> {
        let mut parts = Vec::new();
        let mut used = Vec::new();
        let mut rest = issuer;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or(IssuerFault::Braces)?;
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return Err(IssuerFault::Braces);
            }
            let listed = tenants.get(name).filter(|listed| !listed.is_empty());
            let listed = listed.ok_or_else(|| IssuerFault::NotListed(name.to_owned()))?;
            used.push(name);
            parts.extend([Part::Text(before.into()), Part::Claim(name.into(), listed.clone())]);
            rest = behind;
        }
        if rest.contains('}') {
            return Err(IssuerFault::Braces);
        }
        if let Some(unused) = tenants.keys().find(|name| !used.contains(&&***name)) {
            return Err(IssuerFault::NotUsed(unused.to_string()));
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self { written: issuer.into(), parts })
    }

    /// The issuer of these claims, before anything else is known about the token: it only says whose keys to take.
    ///
    /// # Errors
    /// [`TokenFault::Issuer`] or [`TokenFault::Tenant`] for another, [`TokenFault::Malformed`] for what is no text.
    pub(super) fn check<'c>(&'c self, claims: &'c Object<'_>) -> Result<&'c str, TokenFault> {
        let expected = self.filled(claims)?;
        let Some(expected) = expected else {
            return Err(TokenFault::issuer(&self.written, claims.member("iss").and_then(Json::as_str)));
        };
        claims::check_issuer(claims, &expected).map_err(|fault| match fault {
            TokenFault::Issuer { found, .. } => {
                TokenFault::Issuer { configured: self.written.to_string(), found }
            }
            other => other,
        })?;
        for part in &self.parts {
            if let Part::Claim(name, listed) = part {
                let found = claims.member(name).and_then(Json::as_str).unwrap_or_default();
                if !listed.iter().any(|known| **known == *found) {
                    return Err(TokenFault::tenant(name, found));
                }
            }
        }
        Ok(claims.member("iss").and_then(Json::as_str).unwrap_or_default())
    }

    /// What `iss` must be for a token with these claims; `None` where a claim that it takes is missing.
    fn filled(&self, claims: &Object<'_>) -> Result<Option<Cow<'_, str>>, TokenFault> {
        if self.parts.is_empty() {
            return Ok(Some(Cow::Borrowed(&self.written)));
        }
        let mut filled = String::with_capacity(self.written.len() + 32);
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Claim(name, _) => match claims.member(name) {
                    Some(Json::String(value)) => filled.push_str(value),
                    Some(_) => return Err(TokenFault::Malformed("iss")),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(Cow::Owned(filled)))
    }
}

#[cfg(test)]
mod tests {
    use super::{IssuerFault, IssuerRule};
    use crate::jose::json::Object;

    fn tenants(names: &[&str]) -> std::collections::BTreeMap<Box<str>, Vec<Box<str>>> {
        [("tid".into(), names.iter().copied().map(Box::from).collect())].into()
    }

    #[test]
    fn a_tenant_is_listed_and_is_the_one_of_the_issuer() {
        let rule = IssuerRule::of_tenants("https://login/{tid}/v2.0", &tenants(&["a", "b"])).unwrap();
        let check = |claims: &str| {
            let claims = Object::parse(claims.as_bytes()).unwrap();
            rule.check(&claims).map(str::to_owned).map_err(|fault| fault.to_string())
        };
        assert_eq!(
            check(r#"{"iss":"https://login/b/v2.0","tid":"b"}"#).as_deref(),
            Ok("https://login/b/v2.0")
        );
        for (claims, why) in [
            (r#"{"iss":"https://login/c/v2.0","tid":"c"}"#, "`tid` is `c`, which `tenants` does not list"),
            (r#"{"iss":"https://login/a/v2.0","tid":"b"}"#, "other issuer"),
            (r#"{"iss":"https://login/a/v2.0"}"#, "configured is `https://login/{tid}/v2.0`"),
            (r#"{"iss":"https://login/{tid}/v2.0","tid":"{tid}"}"#, "does not list"),
            (r#"{"iss":"https://login/a/v2.0","tid":["a"]}"#, "malformed"),
            (r#"{"tid":"a"}"#, "names none"),
        ] {
            let told = check(claims).unwrap_err();
            assert!(told.contains(why), "{claims}: {told}");
        }
    }

    #[test]
    fn nothing_is_filled_that_is_not_listed() {
        let rule = |issuer: &str, names: &[&str]| IssuerRule::of_tenants(issuer, &tenants(names));
        assert_eq!(rule("https://x/{tid}", &[]), Err(IssuerFault::NotListed("tid".into())));
        assert_eq!(rule("https://x/{org}", &["a"]), Err(IssuerFault::NotListed("org".into())));
        assert_eq!(rule("https://x/", &["a"]), Err(IssuerFault::NotUsed("tid".into())));
        for braces in
            ["https://x/{tid", "https://x/tid}", "https://x/{}", "https://x/{{tid}}", "https://x/}{tid}"]
        {
            assert_eq!(rule(braces, &["a"]), Err(IssuerFault::Braces), "{braces}");
        }
    }
}
