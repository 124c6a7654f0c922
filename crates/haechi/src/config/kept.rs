//! A configuration that was kept for evidence, read again as far as it decides: routes, who may, and policies. What it says of addresses, certificates, keys and
//! secrets is not needed for that, and is not there.

use super::placeholder::Surroundings;
use super::report::Report;
use super::yaml::{self, Key, Kind, Node};
use haechi_audit::Bundle;
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What decides, of the whole.
const DECIDES: [&str; 13] = [
    "listeners",
    "trusted_proxies",
    "caller_attributes",
    "context_headers",
    "roles",
    "policies",
    "shadow_policies",
    "decision_points",
    "services",
    "routes",
    "identity",
    "authenticators",
    "store",
];

/// And of a route.
const OF_ROUTE: [&str; 8] =
    ["name", "match", "authenticate", "authorize", "service", "labels", "allow_in_path", "origins"];

/// Why a kept configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    #[error("cannot write its files: {0}")]
    Files(#[from] io::Error),
    #[error(
        "it names `{0}`, which is outside its folder: only policies and included files inside can be kept"
    )]
    Outside(String),
    #[error("{0}")]
    Config(Box<Report>),
}

/// Leaves of a configuration what decides, and puts what is always right in the place of the rest.
pub(super) fn reduce(tree: &mut Node) {
    let Kind::Mapping(entries) = &mut tree.kind else { return };
    entries.retain(|(key, _)| DECIDES.contains(&&*key.text));
    put(entries, "store", "\"sqlite:kept.db\"");
    put(entries, "listeners", "[{ bind: \"127.0.0.1:0\" }]");
    for (key, node) in entries {
        match (key.text.as_str(), &mut node.kind) {
            ("identity", kind) => retain(kind, &["issuer", "path", "allow_http"]),
            ("services", Kind::Mapping(all)) => {
                all.iter_mut()
                    .for_each(|(_, service)| replace(service, "{ endpoints: [\"http://127.0.0.1:9\"] }"));
            }
            ("decision_points", Kind::Mapping(all)) => all.iter_mut().for_each(|(_, point)| {
                retain(&mut point.kind, &["type"]);
                if let Kind::Mapping(entries) = &mut point.kind {
                    put(entries, "url", "\"http://127.0.0.1:9/decide\"");
                }
            }),
            ("authenticators", Kind::Mapping(all)) => {
                all.iter_mut().for_each(|(_, known)| authenticator(known))
            }
            ("routes", Kind::Sequence(all)) => {
                all.iter_mut().for_each(|route| retain(&mut route.kind, &OF_ROUTE))
            }
            _ => {}
        }
    }
}

/// Nobody is asked who they are: it is enough that the authenticator is there, gives callers of the same kind, and looks where it looked. Whatever asks
/// somebody outside, or is set up with files and secrets, is stood in for by one that verifies nothing.
fn authenticator(node: &mut Node) {
    let is_own = text_of(node, "issuer") == Some("self");
    match text_of(node, "type") {
        Some("basic" | "api_key") => retain(&mut node.kind, &["type", "header"]),
        Some("jwt") if is_own => retain(&mut node.kind, &["type", "issuer", "from"]),
        Some("jwt" | "introspection") => stand_in(node, &["from"]),
        _ => stand_in(node, &[]),
    }
}

fn stand_in(node: &mut Node, keeping: &[&str]) {
    retain(&mut node.kind, keeping);
    if let Kind::Mapping(entries) = &mut node.kind {
        put(entries, "type", "jwt");
        put(entries, "issuer", "\"https://kept.invalid\"");
        put(entries, "audiences", "unchecked");
    }
}

fn text_of<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    let Kind::Mapping(entries) = &node.kind else { return None };
    match &entries.iter().find(|(key, _)| key.text == name)?.1.kind {
        Kind::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

fn retain(kind: &mut Kind, names: &[&str]) {
    if let Kind::Mapping(entries) = kind {
        entries.retain(|(key, _)| names.contains(&&*key.text));
    }
}

fn replace(node: &mut Node, yaml: &str) {
    if let Some(fixed) = yaml::parse(yaml, &mut Vec::new()) {
        node.kind = fixed.kind;
    }
}

fn put(entries: &mut Vec<(Key, Node)>, name: &str, yaml: &str) {
    entries.retain(|(key, _)| key.text != name);
    if let Some(node) = yaml::parse(yaml, &mut Vec::new()) {
        entries.push((Key { text: name.to_owned(), span: node.span }, node));
    }
}

/// What the placeholders stand for that are left in a reduced configuration. Secrets are not among them: where they stand was left out.
pub(super) fn values(reduced: &Node, surroundings: &Surroundings<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut texts = Vec::new();
    scalars(reduced, &mut texts);
    for text in texts {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            if let Ok(value) = surroundings.expand(surroundings.folder, &format!("${{{name}}}")) {
                values.insert(name.to_owned(), value);
            }
            rest = behind;
        }
    }
    values
}

/// Writes a tree as YAML, in the form of JSON.
pub(super) fn written(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Scalar { text, plain } => {
            let is_word =
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'~'));
            if *plain && is_word {
                out.push_str(if text.is_empty() { "~" } else { text })
            } else {
                quoted(text, out)
            }
        }
        Kind::Sequence(all) => {
            out.push('[');
            for node in all {
                written(node, out);
                out.push_str(", ");
            }
            out.push(']');
        }
        Kind::Mapping(all) => {
            out.push('{');
            for (key, node) in all {
                quoted(&key.text, out);
                out.push_str(": ");
                written(node, out);
                out.push_str(", ");
            }
            out.push('}');
        }
        Kind::Faulty => out.push('~'),
    }
}

fn quoted(text: &str, out: &mut String) {
    // What JSON escapes, YAML reads in the same way.
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn scalars<'n>(node: &'n Node, into: &mut Vec<&'n str>) {
    match &node.kind {
        Kind::Scalar { text, .. } => into.push(text),
        Kind::Sequence(all) => all.iter().for_each(|node| scalars(node, into)),
        Kind::Mapping(all) => all.iter().for_each(|(_, node)| scalars(node, into)),
        Kind::Faulty => {}
    }
}

/// Puts the policies of a kept configuration into `folder`.
///
/// # Errors
/// [`KeptError`].
pub(super) fn put_policies(bundle: &Bundle, folder: &Path) -> Result<(), KeptError> {
    std::fs::create_dir_all(folder)?;
    let policies = bundle.files.iter().filter(|(name, _)| name.ends_with(".cedar"));
    for (name, text) in policies {
        let path = inside(folder, name).ok_or_else(|| KeptError::Outside(name.clone()))?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The path of a name that leads nowhere else.
fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !name.is_empty()).then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use crate::authenticators::ALL;
    use crate::authenticators::definition::types;
    use crate::config::load_kept;

    /// One of each type, with all that it needs.
    const SAMPLES: &[(&str, &str)] = &[
        (
            "jwt",
            "{ type: jwt, issuer: \"https://sso.example.com\", audiences: [a], from: [{ cookie: session }], role_map: { a: USER } }",
        ),
        ("basic", "{ type: basic, realm: staff }"),
        ("api_key", "{ type: api_key, header: X-Partner }"),
        (
            "oidc",
            "{ type: oidc, issuer: \"https://sso.example.com\", client_id: c, client_secret: hunter2-hunter2 }",
        ),
        (
            "introspection",
            "{ type: introspection, url: \"https://sso.example.com/introspect\", client_id: c, client_secret: hunter2-hunter2, from: [{ header: X-Token }] }",
        ),
        (
            "external",
            "{ type: external, url: \"https://auth.example.com/verify\", headers: [authorization, X-Key], cookies: [session] }",
        ),
        ("mtls", "{ type: mtls, subject: san_uri, roles: [USER] }"),
        (
            "signature",
            "{ type: signature, keys: { k: { secret: hunter2-hunter2-hunter2-hunter2-hunter2, algorithm: hmac-sha256, roles: [USER] } } }",
        ),
    ];

    #[test]
    fn a_configuration_with_each_type_of_authenticator_is_read_again() {
        for known in types(ALL) {
            let sample = SAMPLES.iter().find(|(word, _)| *word == known.word);
            let (word, sample) = sample.unwrap_or_else(|| panic!("add a sample of `{}`", known.word));
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("haechi.yaml");
            let yaml = format!(
                "listeners: [{{ bind: \"127.0.0.1:0\" }}]\nstore: sqlite:h.db\naudit: {{ file: a.jsonl }}\nroles: {{ USER: {{}} }}\n\
                 identity: {{ issuer: \"http://localhost:8080\" }}\nauthenticators: {{ a: {sample}, own: {{ type: jwt, issuer: self }} }}\n\
                 services: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}\n\
                 routes: [{{ name: r, match: {{ path: / }}, authenticate: [a, own], authorize: {{ roles: [USER] }}, service: s }}]\n"
            );
            std::fs::write(&file, yaml).unwrap();
            let config = load(&file).unwrap_or_else(|report| panic!("{word}: {report}"));
            assert!(!config.bundle.text().contains("hunter2"));
            let kept = load_kept(&config.bundle, &folder.path().join("kept"), ALL);
            let kept = kept.unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!(kept.routes.len(), 1, "{word}");
        }
    }
}
