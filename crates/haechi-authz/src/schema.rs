//! The Cedar schema that a configuration gives.

use crate::Vocabulary;
use crate::vocabulary::ACTIONS;
use haechi_core::AttributeType;
use serde_json::{Map, Value as Json, json};
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

/// The same in Cedar's JSON: for tools that do not read the text, and for Cedar here. Its parser of the text would stay in memory for as long as the
/// process runs.
pub fn json(vocabulary: &Vocabulary) -> Json {
    json!({ "": {
        "commonTypes": {
            "Headers": optional_strings(vocabulary.headers.keys().map(|name| &**name)),
            "Params": optional_strings(vocabulary.params().into_iter()),
            "Request": {
                "type": "Record",
                "attributes": {
                    "headers": named("Headers"),
                    "host": named("String"),
                    "ip": named("ipaddr"),
                    "params": named("Params"),
                    "path": named("String"),
                    "secure": named("Bool"),
                    "time": named("datetime"),
                },
            },
        },
        "entityTypes": {
            "Anonymous": { "shape": caller(vocabulary) },
            "ApiKey": { "memberOfTypes": ["Role"], "shape": caller(vocabulary) },
            "Role": { "memberOfTypes": ["Role"] },
            "Route": {
                "memberOfTypes": ["Service"],
                "shape": { "type": "Record", "attributes": { "labels": set_of_strings() } },
            },
            "Service": {},
            "User": { "memberOfTypes": ["Role"], "shape": caller(vocabulary) },
        },
        "actions": actions(),
    } })
}

fn actions() -> Json {
    let group = json!({ "appliesTo": { "resourceTypes": [], "principalTypes": [] } });
    let groups = ["read", "write"].map(|name| (name, group.clone()));
    let mut all: Vec<_> = ACTIONS.map(|(method, group)| (method, action(group))).into();
    all.extend(groups);
    all.sort_unstable_by_key(|(name, _)| *name);
    all.into_iter().map(|(name, action)| (name.to_owned(), action)).collect()
}

fn action(group: &str) -> Json {
    json!({
        "appliesTo": {
            "resourceTypes": ["Route"],
            "principalTypes": ["User", "ApiKey", "Anonymous"],
            "context": { "type": "Request" },
        },
        "memberOf": [{ "id": group }],
    })
}

fn caller(vocabulary: &Vocabulary) -> Json {
    let own = OWN_ATTRIBUTES.into_iter().map(|name| match name {
        "scopes" => (name, set_of_strings()),
        _ => (name, named("String")),
    });
    let declared = vocabulary.attributes.iter().map(|(name, kind)| match kind {
        AttributeType::Set => {
            (&**name, json!({ "type": "Set", "element": named("String"), "required": false }))
        }
        kind => (&**name, optional(cedar_type(*kind))),
    });
    let mut all: Vec<_> = own.chain(declared).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    let fields: Map<_, _> = all.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    json!({ "type": "Record", "attributes": fields })
}

fn optional_strings<'a>(names: impl Iterator<Item = &'a str>) -> Json {
    let fields: Map<_, _> = names.map(|name| (name.to_owned(), optional("String"))).collect();
    json!({ "type": "Record", "attributes": fields })
}

fn set_of_strings() -> Json {
    json!({ "type": "Set", "element": named("String") })
}

fn named(name: &str) -> Json {
    json!({ "type": "EntityOrCommon", "name": name })
}

fn optional(name: &str) -> Json {
    json!({ "type": "EntityOrCommon", "name": name, "required": false })
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
        AttributeType::Set => "Set<String>",
    }
}

#[cfg(test)]
mod tests {
    use super::{json, text};
    use crate::Vocabulary;
    use crate::testing::{route, rule, vocabulary};
    use cedar_policy::SchemaFragment;

    #[test]
    fn text_and_json_say_the_same() {
        let mut full = vocabulary();
        full.routes = vec![route("r", "/a/{id}/{if}", rule(&["any"]))];
        full.attributes.insert("groups".into(), haechi_core::AttributeType::Set);
        for vocabulary in [full, Vocabulary::default()] {
            let (read, _) = SchemaFragment::from_cedarschema_str(&text(&vocabulary)).unwrap();
            assert_eq!(read.to_json_value().unwrap().to_string(), json(&vocabulary).to_string());
        }
    }
}
