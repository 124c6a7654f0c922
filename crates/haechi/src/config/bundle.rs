//! A configuration as it is kept for evidence: its files and those with policies, without secrets.

use super::kept;
use super::placeholder::Surroundings;
use super::source::Source;
use super::yaml::{Kind, Node};
use haechi_audit::Bundle;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// No file of policies is longer.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// What was read: the text of `source`, and those of `files` that hold policies.
pub(super) fn of(source: &Source, files: &BTreeSet<PathBuf>, (decides, values): Decides) -> Bundle {
    let folder = source.file().parent().unwrap_or(Path::new(""));
    let name = |file: &Path| file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
    let mut kept: BTreeMap<String, String> =
        source.without_secrets().into_iter().map(|(file, text)| (name(file), text)).collect();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "cedar")) {
        // A pattern is no file.
        let about = std::fs::metadata(file).ok().filter(|about| about.is_file() && about.len() <= MAX_FILE);
        if let Some(text) = about.and_then(|_| std::fs::read_to_string(file).ok()) {
            kept.insert(name(file), text);
        }
    }
    Bundle { main: name(source.file()), files: kept, decides, values, ..Bundle::default() }
}

/// What of a configuration decides, as text, and what the placeholders in it stand for.
pub(super) type Decides = (String, BTreeMap<String, String>);

/// Nobody asks for it in a configuration without a trail, and in one that was kept.
pub(super) fn decides(tree: &Node, surroundings: &Surroundings<'_>) -> Decides {
    let has_trail =
        matches!(&tree.kind, Kind::Mapping(entries) if entries.iter().any(|(key, _)| key.text == "audit"));
    if !has_trail || surroundings.kept.is_some() {
        return Decides::default();
    }
    let mut reduced = tree.clone();
    kept::reduce(&mut reduced);
    let mut text = String::new();
    kept::written(&reduced, &mut text);
    (text, kept::values(&reduced, surroundings))
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;

    #[test]
    fn a_kept_configuration_has_its_files_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.cedar", "permit(principal, action, resource);\n");
        write("more.yaml", "services:\n  s: { endpoints: [\"http://127.0.0.1:1\"] }\n");
        write(
            "haechi.yaml",
            "listeners: [{ bind: \"127.0.0.1:0\" }]\ninclude: [more.yaml]\npolicies: [a.cedar]\n\
             telemetry: { traces: { endpoint: \"https://c/v1\", headers: { authorization: hunter2 } } }\n\
             routes: [{ name: r, match: { path: / }, authenticate: anonymous, authorize: policy, service: s }]\n",
        );
        let config = load(&folder.path().join("haechi.yaml")).unwrap_or_else(|report| panic!("{report}"));
        let bundle = &config.bundle;
        assert_eq!(bundle.main, "haechi.yaml");
        assert_eq!(bundle.files.keys().collect::<Vec<_>>(), ["a.cedar", "haechi.yaml", "more.yaml"]);
        let text = bundle.text();
        assert!(!text.contains("hunter2") && text.contains("*******"), "{text}");
        assert!(text.contains("authorize: policy"), "{text}");
    }
}
