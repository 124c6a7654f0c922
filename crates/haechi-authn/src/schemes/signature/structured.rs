//! The structured fields of a signature (RFC 9651, as far as RFC 9421 and RFC 9530 use them). What two readers could take differently is none: a key that stands twice, an
//! item of another kind, a number with a sign or zeros before it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most members of a dictionary, of a list, and of the parameters of one.
const MOST: usize = 32;

/// What one signature covers: a member of `Signature-Input` (RFC 9421 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignatureInput {
    pub(super) components: Vec<Component>,
    pub(super) created: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) nonce: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) tag: Option<String>,
    /// The whole member, as it is signed.
    pub(super) text: String,
}

/// A component of a message (RFC 9421 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) name: String,
    /// Which parameter of the query, for `@query-param`.
    pub(super) query_parameter: Option<String>,
    /// Whether nothing here says what its parameters would (`sf`, `key`, `bs`, `tr`, `req`): others on the way may sign such, and ours may not.
    pub(super) is_foreign: bool,
    /// The identifier, as it is signed.
    pub(super) text: String,
}

enum Bare {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
    Other,
}

/// Labels, and what each covers. `None` where it cannot be read.
pub(super) fn signature_inputs(text: &str) -> Option<Vec<(String, SignatureInput)>> {
    dictionary(text, signature_input)
}

/// Keys, and the bytes of each: `Signature`, `Content-Digest`. `None` where it cannot be read.
pub(super) fn byte_sequences(text: &str) -> Option<Vec<(String, Vec<u8>)>> {
    dictionary(text, |cursor| {
        let Bare::Bytes(bytes) = cursor.bare()?.0 else { return None };
        // They mean nothing here.
        if cursor.0.starts_with(';') { None } else { Some(bytes) }
    })
}

fn dictionary<T>(text: &str, value: impl Fn(&mut Cursor<'_>) -> Option<T>) -> Option<Vec<(String, T)>> {
    let mut cursor = Cursor(text.trim_matches(' '));
    let mut all: Vec<(String, T)> = Vec::new();
    loop {
        let key = cursor.key()?.to_owned();
        cursor.expect('=')?;
        let member = value(&mut cursor)?;
        if all.len() == MOST || all.iter().any(|(known, _)| *known == key) {
            return None;
        }
        all.push((key, member));
        cursor.0 = cursor.0.trim_start_matches([' ', '\t']);
        if cursor.0.is_empty() {
            return Some(all);
        }
        cursor.expect(',')?;
        cursor.0 = cursor.0.trim_start_matches([' ', '\t']);
    }
}

fn signature_input(cursor: &mut Cursor<'_>) -> Option<SignatureInput> {
    cursor.expect('(')?;
    let mut components: Vec<Component> = Vec::new();
    loop {
        cursor.0 = cursor.0.trim_start_matches(' ');
        if cursor.expect(')').is_some() {
            break;
        }
        let component = component(cursor)?;
        // Each once, with its parameters (RFC 9421 2).
        if components.len() == MOST || components.contains(&component) {
            return None;
        }
        components.push(component);
        if !cursor.0.starts_with([' ', ')']) {
            return None;
        }
    }
    let covered: Vec<&str> = components.iter().map(|component| &*component.text).collect();
    let mut input = SignatureInput {
        text: format!("({})", covered.join(" ")),
        components,
        created: None,
        expires: None,
        nonce: None,
        algorithm: None,
        key_id: None,
        tag: None,
    };
    for (key, value, text) in parameters(cursor)? {
        input.text.push_str(&text);
        match (&*key, value) {
            ("created", Bare::Number(at)) => input.created = Some(at),
            ("expires", Bare::Number(at)) => input.expires = Some(at),
            ("nonce", Bare::Text(nonce)) => input.nonce = Some(nonce),
            ("alg", Bare::Text(name)) => input.algorithm = Some(name),
            ("keyid", Bare::Text(id)) => input.key_id = Some(id),
            ("tag", Bare::Text(tag)) => input.tag = Some(tag),
            ("created" | "expires" | "nonce" | "alg" | "keyid" | "tag", _) => return None,
            // Signed along, and for others.
            _ => {}
        }
    }
    Some(input)
}

fn component(cursor: &mut Cursor<'_>) -> Option<Component> {
    let name = cursor.text()?;
    let mut component = Component { text: quoted(&name), name, query_parameter: None, is_foreign: false };
    for (key, value, text) in parameters(cursor)? {
        component.text.push_str(&text);
        match (&*key, value) {
            ("name", Bare::Text(of)) if component.name == "@query-param" => {
                component.query_parameter = Some(of)
            }
            _ => component.is_foreign = true,
        }
    }
    component.is_foreign |= component.query_parameter.is_some() != (component.name == "@query-param");
    Some(component)
}

/// Each with its value, and as it is signed.
fn parameters(cursor: &mut Cursor<'_>) -> Option<Vec<(String, Bare, String)>> {
    let mut all: Vec<(String, Bare, String)> = Vec::new();
    while cursor.expect(';').is_some() {
        cursor.0 = cursor.0.trim_start_matches(' ');
        let key = cursor.key()?.to_owned();
        let (value, text) = if cursor.expect('=').is_some() {
            let (value, text) = cursor.bare()?;
            (value, format!(";{key}={text}"))
        } else {
            (Bare::Other, format!(";{key}"))
        };
        if all.len() == MOST || all.iter().any(|(known, ..)| *known == key) {
            return None;
        }
        all.push((key, value, text));
    }
    Some(all)
}

/// What is not read yet.
struct Cursor<'t>(&'t str);

impl<'t> Cursor<'t> {
    fn expect(&mut self, wanted: char) -> Option<()> {
        self.0 = self.0.strip_prefix(wanted)?;
        Some(())
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.0.find(|c: char| !belongs(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn key(&mut self) -> Option<&'t str> {
        if !self.0.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return None;
        }
        Some(self.take(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c)))
    }

    fn text(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            let next = self.0.chars().next()?;
            self.expect(next)?;
            match next {
                '"' => return Some(text),
                '\\' => {
                    let escaped = self.0.chars().next().filter(|c| matches!(c, '"' | '\\'))?;
                    self.expect(escaped)?;
                    text.push(escaped);
                }
                ' '..='~' => text.push(next),
                _ => return None,
            }
        }
    }

    /// An item without parameters, and as it is signed.
    fn bare(&mut self) -> Option<(Bare, String)> {
        match self.0.chars().next()? {
            '"' => {
                let text = self.text()?;
                let signed = quoted(&text);
                Some((Bare::Text(text), signed))
            }
            ':' => {
                self.expect(':')?;
                let text = self.take(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
                self.expect(':')?;
                let bytes = STANDARD.decode(text).ok()?;
                Some((Bare::Bytes(bytes), format!(":{text}:")))
            }
            '?' => {
                self.expect('?')?;
                let said = self.take(|c| matches!(c, '0' | '1'));
                (said.len() == 1).then(|| (Bare::Other, format!("?{said}")))
            }
            '0'..='9' => {
                let digits = self.take(|c| c.is_ascii_digit());
                let plain = digits.len() <= 15 && (digits == "0" || !digits.starts_with('0'));
                let number = digits.parse().ok().filter(|_| plain && !self.0.starts_with('.'))?;
                Some((Bare::Number(number), digits.to_owned()))
            }
            first if first.is_ascii_alphabetic() || first == '*' => {
                let token = self.take(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Some((Bare::Other, token.to_owned()))
            }
            _ => None,
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::{byte_sequences, signature_inputs};
    use proptest::prelude::*;

    #[test]
    fn what_is_covered_is_read_and_written_as_it_is_signed() {
        let text = r#"sig1=( "@method"  "@query-param";name="a\"b" "date" ); created=1618884473;keyid="k 1";nonce="n";alg="ed25519";x=?1;y;z=:YWI=:, b=()"#;
        let inputs = signature_inputs(text).unwrap();
        let (label, input) = &inputs[0];
        assert_eq!((&**label, inputs.len()), ("sig1", 2));
        assert_eq!(
            input.text,
            r#"("@method" "@query-param";name="a\"b" "date");created=1618884473;keyid="k 1";nonce="n";alg="ed25519";x=?1;y;z=:YWI=:"#
        );
        assert_eq!(
            (input.created, input.key_id.as_deref(), input.expires),
            (Some(1_618_884_473), Some("k 1"), None)
        );
        assert_eq!(input.components[1].query_parameter.as_deref(), Some("a\"b"));
    }

    #[test]
    fn what_only_others_can_have_signed_is_read_and_known_as_such() {
        for (component, is_foreign) in [
            ("\"x\"", false),
            ("\"@query-param\";name=\"y\"", false),
            ("\"x\";sf", true),
            ("\"x\";req", true),
            ("\"x\";key=\"y\"", true),
            ("\"x\";name=\"y\"", true),
            ("\"@query-param\"", true),
            ("\"@query-param\";name=1", true),
            ("\"@query-param\";name=\"y\";req", true),
        ] {
            let inputs = signature_inputs(&format!("a=({component})")).unwrap();
            assert_eq!(inputs[0].1.components[0].is_foreign, is_foreign, "{component}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for text in [
            "",
            "a",
            "a=",
            "a=1",
            "a=\"x\"",
            "a=(\"x\"",
            "a=(x)",
            "a=(\"x\"\"y\")",
            "a=(\"x\" \"x\")",
            "a=();created=1;created=2",
            "a=();created=01",
            "a=();created=-1",
            "a=();created=1.0",
            "a=();created=\"1\"",
            "a=();created=1234567890123456",
            "a=();keyid=k",
            "a=();keyid=\"k",
            "a=();keyid=\"k\\x\"",
            "a=(),a=()",
            "a=(),",
            "a=() b=()",
            "A=()",
            "a=();",
            "a=(\"\u{e9}\")",
        ] {
            assert_eq!(signature_inputs(text), None, "{text}");
        }
        assert_eq!(byte_sequences("a=:YWI=:, b=:YQ==:").unwrap()[0], ("a".to_owned(), b"ab".to_vec()));
        for text in ["a=:YWI=", "a=YWI=", "a=:YWI=:;x", "a=:Y W:", "a=:YWI=:,a=:YWI=:", "a=:YWI:", "a=:YWJ=:"]
        {
            assert_eq!(byte_sequences(text), None, "{text}");
        }
    }

    proptest! {
        /// Two readers of what is signed read the same.
        #[test]
        fn what_is_read_is_written_as_it_is_read(
            text in "a=\\(( ?\"[ -~]{0,6}\"(;name=\"[a-z]{0,3}\")?){0,3} ?\\)(; ?[a-z]{1,8}=?(\"[ -~]{0,4}\"|[0-9]{1,4}|:[A-Za-z]{0,8}:)?){0,4}"
        ) {
            if let Some(inputs) = signature_inputs(&text) {
                let again = signature_inputs(&format!("a={}", inputs[0].1.text));
                prop_assert_eq!(again, Some(inputs));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,64}") {
            drop((signature_inputs(&text), byte_sequences(&text)));
        }
    }
}
