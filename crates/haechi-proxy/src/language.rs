//! The language of the pages that people see at the gate (RFC 9110 12.5.4). What machines read stays English.

mod korean;

use haechi_core::Fields;
use haechi_core::language::prefers_korean;
use http::StatusCode;

/// A language that pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    /// Where nothing else is asked for.
    #[default]
    English,
    /// Where it is preferred to English.
    Korean,
}

impl Language {
    /// The one that the request prefers.
    pub(crate) fn of(fields: &Fields) -> Self {
        if prefers_korean(fields) { Self::Korean } else { Self::English }
    }

    /// Its tag (RFC 5646).
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// A text of ours in this language.
    pub(crate) fn said(self, english: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Korean => korean::text(english).unwrap_or(english),
        }
    }

    /// What a status means.
    pub(crate) fn reason(self, status: StatusCode) -> &'static str {
        let english = status.canonical_reason().unwrap_or_default();
        match self {
            Self::English => english,
            Self::Korean => korean::reason(status).unwrap_or(english),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, korean};
    use haechi_core::Fields;

    fn of(values: &[&str]) -> Language {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.push(b"accept-language", value.as_bytes()));
        Language::of(&fields)
    }

    #[test]
    fn korean_is_for_those_who_prefer_it() {
        for value in [
            "ko",
            "ko-KR,ko;q=0.9,en-US;q=0.8",
            "KO-kr",
            "en;q=0.5, ko;q=0.501",
            "fr, ko;q=0.1",
            "en;q=0, ko;q=0.001",
        ] {
            assert_eq!(of(&[value]), Language::Korean, "{value}");
        }
        for value in
            ["", "en", "en, ko", "ko;q=0", "*", "kok", "ko;q=x", "ko;q=2", "en-GB, ko;q=0.9", "\u{e9}"]
        {
            assert_eq!(of(&[value]), Language::English, "{value}");
        }
        assert_eq!(of(&["en;q=0.3", "ko"]), Language::Korean);
        assert_eq!(of(&[]), Language::English);
    }

    /// The texts in double quotes between two places of a source.
    fn texts<'s>(source: &'s str, from: &str, to: &str) -> Vec<&'s str> {
        let (_, after) = source.split_once(from).unwrap();
        let (part, _) = after.split_once(to).unwrap();
        part.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn every_text_that_people_see_is_there_in_korean() {
        let details = texts(
            include_str!("refusal.rs"),
            "pub(crate) const fn detail",
            "/// What the access log calls it.",
        );
        assert!(details.len() > 25, "{details:?}");
        let browser = include_str!("identity_provider/browser.rs");
        let refused = texts(browser, "fn refused(client", "Refused::new(refusal, fault.to_string())");
        assert!(refused.len() >= 6, "{refused:?}");
        let told = browser.split("let told = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let asked = browser.split("refuse(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let said = browser.split(".said(\"").skip(1).filter_map(|rest| rest.split('"').next());
        for text in details.into_iter().chain(refused).chain(told).chain(asked).chain(said) {
            assert!(korean::text(text).is_some(), "there is no Korean for `{text}`");
        }
    }
}
