//! Names: of routes, services, authenticators, roles, labels, attributes and scopes.

use crate::config::read::{Defs, Name, Reader, Value};
use crate::config::yaml::Node;
use haechi_authz::schema::OWN_ATTRIBUTES;
use serde_json::{Value as Json, json};
use std::fmt;
use std::sync::Arc;

/// A letter, then letters, digits, `_`, `.`, `-`; at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identifier(pub(crate) Arc<str>);

/// A role's name, as issuers have them: printable text of any script, at most 128 characters, without white space at its ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoleName(pub(crate) Arc<str>);

/// What an issuer calls a role or a claim: any text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ForeignName(pub(crate) Box<str>);

/// A name that Cedar takes for an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AttributeName(pub(crate) Box<str>);

/// What a request header is called in policies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContextName(pub(crate) Box<str>);

/// A scope (RFC 6749 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ScopeName(pub(crate) Arc<str>);

impl Name for Identifier {
    const WHAT: &'static str = "a name";
    const PATTERN: &'static str = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$";

    fn parse(text: &str) -> Result<Self, String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() <= 64 && text.bytes().all(legal)
        {
            Ok(Self(text.into()))
        } else {
            Err("a name is a letter, then letters, digits, `_`, `.` or `-`, at most 64 in all".into())
        }
    }
}

impl Name for RoleName {
    const WHAT: &'static str = "a role's name";
    const PATTERN: &'static str = r"^\S(.{0,126}\S)?$";

    fn parse(text: &str) -> Result<Self, String> {
        let fits = (1..=128).contains(&text.chars().count());
        if fits && text.trim() == text && text.chars().all(is_printable) {
            Ok(Self(text.into()))
        } else {
            Err("a role's name is 1 to 128 printable characters, without spaces at its ends".into())
        }
    }
}

/// Whether a reader sees it: no control character, no other white space than the space, nothing that takes no room or turns the text around.
fn is_printable(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{10ffff}'
    );
    c == ' ' || !(c.is_control() || c.is_whitespace() || invisible)
}

impl Name for ForeignName {
    const WHAT: &'static str = "a name";
    const PATTERN: &'static str = "^.+$";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".into()) } else { Ok(Self(text.into())) }
    }
}

impl AsRef<Arc<str>> for Identifier {
    fn as_ref(&self) -> &Arc<str> {
        &self.0
    }
}

impl AsRef<Arc<str>> for RoleName {
    fn as_ref(&self) -> &Arc<str> {
        &self.0
    }
}

impl Name for AttributeName {
    const WHAT: &'static str = "an attribute's name";
    const PATTERN: &'static str = "^[A-Za-z_][A-Za-z0-9_]{0,63}$";

    fn parse(text: &str) -> Result<Self, String> {
        if OWN_ATTRIBUTES.contains(&text) {
            return Err("every caller has it anyway; choose another name".into());
        }
        cedar_name(text).map(Self)
    }
}

impl Name for ContextName {
    const WHAT: &'static str = "a name for a header in policies";
    const PATTERN: &'static str = AttributeName::PATTERN;

    fn parse(text: &str) -> Result<Self, String> {
        cedar_name(text).map(Self)
    }
}

/// A name that can stand behind a dot in Cedar.
fn cedar_name(text: &str) -> Result<Box<str>, String> {
    const TAKEN: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];
    let legal = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !legal || !begins || text.len() > 64 {
        Err("it is letters, digits and `_`, not beginning with a digit, at most 64 in all".into())
    } else if TAKEN.contains(&text) || text.starts_with("__") {
        Err("the name is taken by the policy language; choose another".into())
    } else {
        Ok(text.into())
    }
}

impl Name for ScopeName {
    const WHAT: &'static str = "a scope";
    const PATTERN: &'static str = r#"^[!#-\[\]-~]+$"#;

    fn parse(text: &str) -> Result<Self, String> {
        let legal = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if !text.is_empty() && text.len() <= 256 && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err("a scope is one word of visible ASCII without `\"` and `\\`; write several as a list".into())
        }
    }
}

macro_rules! named_value {
    ($($name:ident),*) => {$(
        impl Value for $name {
            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                let text = reader.text(Self::WHAT, node)?;
                reader.parsed(Self::WHAT, node, |_| Self::parse(&text))
            }

            fn schema(_: &mut Defs) -> Json {
                json!({ "type": "string", "pattern": format!(r"{}|\$\{{", Self::PATTERN) })
            }

            fn shown(&self) -> Json {
                (*self.0).into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

named_value!(Identifier, RoleName, AttributeName, ScopeName);

#[cfg(test)]
mod tests {
    use super::{AttributeName, ContextName, Identifier, RoleName, ScopeName};
    use crate::config::read::Name;
    use haechi_authz::schema::OWN_ATTRIBUTES;

    #[test]
    fn names_are_plain_words() {
        assert!(["a", "Orders-v2.eu_west", &"a".repeat(64)].iter().all(|n| Identifier::parse(n).is_ok()));
        assert!(
            ["", "1a", "a b", "a/b", "é", "_a", &"a".repeat(65)]
                .iter()
                .all(|n| Identifier::parse(n).is_err())
        );
        let longest = "관".repeat(128);
        let roles =
            ["관리자", "/staff/admins", "a", "Domain Admins", "0f3c-guid", "a\"b\\c", "{x}", "-", &longest];
        assert!(roles.iter().all(|n| RoleName::parse(n).is_ok()));
        let too_long = "관".repeat(129);
        let none =
            ["", " a", "a ", "a\nb", "a\tb", "a\u{200b}b", "\u{202e}a", "a\u{a0}b", "\u{feff}", &too_long];
        assert!(none.iter().all(|n| RoleName::parse(n).is_err()));
        assert!(["tenant", "_x", "a1"].iter().all(|n| AttributeName::parse(n).is_ok()));
        assert!(["", "1a", "a-b", "has", "subject", "__x"].iter().all(|n| AttributeName::parse(n).is_err()));
        assert!(OWN_ATTRIBUTES.iter().all(|n| AttributeName::parse(n).is_err()));
        assert!(["tenant", "issuer"].iter().all(|n| ContextName::parse(n).is_ok()));
        assert!(["has", "a-b", ""].iter().all(|n| ContextName::parse(n).is_err()));
        assert!(["orders:read", "https://x/y"].iter().all(|n| ScopeName::parse(n).is_ok()));
        assert!(["", "a b", "a\"", "a\\", "한"].iter().all(|n| ScopeName::parse(n).is_err()));
    }
}
