//! The Cedar schema that a configuration gives.

use crate::Vocabulary;
use crate::vocabulary::ACTIONS;
use cedar_policy::SchemaFragment;
use haechi_core::AttributeType;
use std::fmt::Write;

/// What callers have besides their declared attributes; the names cannot be declared again.
pub const OWN_ATTRIBUTES: [&str; 4] = ["subject", "issuer", "authenticator", "scopes"];

/// The schema as text, for people, editors and other tools.
pub fn text(vocabulary: &Vocabulary) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write_all(vocabulary, &mut out);
    out
}

/// The same in Cedar's JSON, for tools that do not read the text.
///
/// # Errors
/// When Cedar cannot say it so, which it can of every configuration that was checked.
pub fn json(vocabulary: &Vocabulary) -> Result<serde_json::Value, String> {
    let (schema, _) =
        SchemaFragment::from_cedarschema_str(&text(vocabulary)).map_err(|error| error.to_string())?;
    schema.to_json_value().map_err(|error| error.to_string())
}

fn write_all(vocabulary: &Vocabulary, out: &mut String) -> std::fmt::Result {
    writeln!(out, "// Roles. A role is in every role that it includes.\nentity Role in [Role];\n")?;
    writeln!(out, "// What answers, and what is asked for.\nentity Service;")?;
    writeln!(out, "entity Route in [Service] {{\n  labels: Set<String>,\n}};\n")?;
    writeln!(out, "// Who is calling: somebody an issuer vouches for, an API key, or nobody in particular.")?;
    for (kind, within) in [("User", " in [Role]"), ("ApiKey", " in [Role]"), ("Anonymous", "")] {
        writeln!(out, "entity {kind}{within} {{")?;
        writeln!(
            out,
            "  subject: String,\n  issuer: String,\n  authenticator: String,\n  scopes: Set<String>,"
        )?;
        for (name, kind) in &vocabulary.attributes {
            writeln!(out, "  {}?: {},", quoted(name), cedar_type(*kind))?;
        }
        writeln!(out, "}};")?;
    }
    writeln!(out, "\n// The path parameters of all routes; a route has those of its own pattern.")?;
    record(out, "Params", vocabulary.params().into_iter())?;
    writeln!(out, "\n// The request headers of `context_headers`.")?;
    record(out, "Headers", vocabulary.headers.keys().map(|name| &**name))?;
    writeln!(
        out,
        "\n// The request.\ntype Request = {{\n  host: String,\n  path: String,\n  params: Params,\n  headers: Headers,\n  ip: ipaddr,\n  time: datetime,\n  secure: Bool,\n}};\n"
    )?;
    writeln!(out, "// The methods.\naction \"read\", \"write\";")?;
    for (method, group) in ACTIONS {
        writeln!(
            out,
            "action \"{method}\" in [\"{group}\"] appliesTo {{\n  principal: [User, ApiKey, Anonymous],\n  resource: [Route],\n  context: Request,\n}};"
        )?;
    }
    Ok(())
}

fn record<'a>(out: &mut String, name: &str, fields: impl Iterator<Item = &'a str>) -> std::fmt::Result {
    writeln!(out, "type {name} = {{")?;
    for field in fields {
        writeln!(out, "  {}?: String,", quoted(field))?;
    }
    writeln!(out, "}};")
}

/// A string literal of Cedar.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            other => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}

const fn cedar_type(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::String => "String",
        AttributeType::Long => "Long",
        AttributeType::Bool => "Bool",
    }
}
