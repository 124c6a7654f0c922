//! The examples and the README: every configuration that we show loads as it stands.

use crate::harness::{Folder, haechi};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

fn examples() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[test]
fn every_example_loads_without_a_warning() {
    let elsewhere = Folder::exactly("");
    let found = examples();
    assert!(found.len() >= 12, "{found:?}");
    for folder in found {
        let copy = with_certificates(&folder);
        let file = copy.as_ref().map_or(&*folder, |copy| copy.path()).join("haechi.yaml");
        let checked = haechi(elsewhere.path(), &["check", "-c", file.to_str().unwrap()]);
        assert_eq!(checked.code, 0, "{}: {checked:#?}", file.display());
        assert!(!checked.stderr.contains("warning"), "{}: {}", file.display(), checked.stderr);
    }
}

/// A copy of an example that begins with certificates, in which they have been made as its README says.
fn with_certificates(folder: &Path) -> Option<Folder> {
    let script = std::fs::read_to_string(folder.join("certificates.sh")).ok()?;
    let copy = Folder::exactly(&std::fs::read_to_string(folder.join("haechi.yaml")).unwrap());
    copy.write("certificates.sh", &script);
    let made = Command::new("sh").arg(copy.file("certificates.sh")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    Some(copy)
}

#[test]
fn every_example_is_explained_and_points_at_the_schema() {
    for folder in examples() {
        let yaml = std::fs::read_to_string(folder.join("haechi.yaml")).unwrap();
        let first = yaml.lines().next().unwrap();
        assert_eq!(first, "# yaml-language-server: $schema=../haechi.schema.json", "{}", folder.display());
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme.contains("$ "), "{} shows nothing to try", folder.display());
    }
}

/// The examples that have this file.
fn examples_with(file: &str) -> Vec<PathBuf> {
    let found: Vec<PathBuf> = examples().into_iter().filter(|folder| folder.join(file).exists()).collect();
    assert!(found.len() >= 5, "{file}: {found:?}");
    found
}

#[test]
fn the_cases_of_every_example_pass_and_leave_nothing_unexercised() {
    for folder in examples_with("cases.yaml") {
        let tested = haechi(&folder, &["test", "-c", "haechi.yaml", "cases.yaml", "--coverage"]);
        assert_eq!(tested.code, 0, "{}: {tested:#?}", folder.display());
        let (_, coverage) = tested.stdout.split_once("\nexercised: ").unwrap();
        assert_eq!(coverage.lines().count(), 1, "{}: {coverage}", folder.display());
    }
}

#[test]
fn the_properties_of_every_example_are_proved() {
    for folder in examples_with("properties.yaml") {
        let proved = haechi(&folder, &["prove", "--output", "json"]);
        assert_eq!(proved.code, 0, "{}: {proved:#?}", folder.display());
        let told: Value = serde_json::from_str(&proved.stdout).unwrap();
        let properties = told["properties"].as_array().unwrap();
        assert!(properties.len() >= 3, "{}: {told:#}", folder.display());
        for property in properties {
            assert_eq!(property["outcome"], "proved", "{}: {property:#}", folder.display());
        }
    }
}

#[test]
fn the_schema_beside_the_examples_is_the_one_that_the_binary_prints() {
    let printed = haechi(&root(), &["schema", "config"]).success().stdout;
    let remedy = "run `haechi schema config > examples/haechi.schema.json`";
    assert!(read("examples/haechi.schema.json") == printed, "examples/haechi.schema.json is stale: {remedy}");
}

/// The first block of this language in a text in Markdown.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let (_, after) =
        text.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("no {language} block"));
    after.split_once("```").unwrap().0
}

#[test]
fn the_configuration_of_the_readme_loads_in_both_languages() {
    let yaml = block(&read("README.md"), "yaml").to_owned();
    assert_eq!(yaml, block(&read("README.ko.md"), "yaml"));
    haechi(Folder::exactly(&yaml).path(), &["check"]).success();
}

/// Every page of the documentation.
fn documentation() -> Vec<PathBuf> {
    let pages = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let docs = root().join("docs");
    let folders = ["", "providers", "ko", "ko/providers"].map(|folder| pages(docs.join(folder)));
    folders.into_iter().flatten().filter(|path| path.is_file()).collect()
}

/// Every complete configuration in the documentation; fragments begin elsewhere.
#[test]
fn whole_configurations_in_the_documentation_load() {
    let mut seen = 0;
    for path in documentation() {
        let text = std::fs::read_to_string(&path).unwrap();
        for part in text.split("```yaml\n").skip(1) {
            let yaml = part.split("```").next().unwrap();
            if yaml.starts_with("listeners:") {
                seen += 1;
                let checked = haechi(Folder::exactly(yaml).path(), &["check"]);
                assert_eq!(checked.code, 0, "{}: {checked:#?}", path.display());
            }
        }
    }
    assert!(seen > 0);
}

/// What a page in Korean has in common with the one in English: its blocks of code, word for word, and how many headings, rows, items and links.
fn shape(page: &Path) -> (Vec<String>, [usize; 4]) {
    let text = std::fs::read_to_string(page).unwrap();
    let parts: Vec<&str> = text.split("```").collect();
    let code = parts.iter().skip(1).step_by(2).map(|&part| part.to_owned()).collect();
    let prose: Vec<&str> = parts.iter().step_by(2).flat_map(|part| part.lines()).collect();
    let begins = |prefix: &str| prose.iter().filter(|line| line.starts_with(prefix)).count();
    let links = prose.iter().map(|line| line.matches("](").count()).sum();
    (code, [begins("#"), begins("|"), begins("- "), links])
}

#[test]
fn pages_in_korean_equal_those_in_english() {
    let docs = root().join("docs");
    let korean: Vec<PathBuf> =
        documentation().into_iter().filter(|path| path.starts_with(docs.join("ko"))).collect();
    assert!(korean.len() >= 13, "{}", korean.len());
    for page in korean {
        let english = docs.join(page.strip_prefix(docs.join("ko")).unwrap());
        let (here, there) = (shape(&page), shape(&english));
        assert_eq!(here.0, there.0, "{}", page.display());
        assert_eq!(here.1, there.1, "{}: headings, rows, items, links", page.display());
    }
}

/// Links within the repository, in everything that people read first.
#[test]
fn links_lead_somewhere() {
    let folder = root();
    let mut pages: Vec<PathBuf> =
        ["README.md", "README.ko.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
            .map(|name| folder.join(name))
            .into();
    pages.extend(documentation());
    pages.extend(
        examples().into_iter().chain([folder.join("examples")]).map(|example| example.join("README.md")),
    );
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let leads = page.parent().unwrap().join(path);
            assert!(leads.exists(), "{} links to {target}", page.display());
        }
    }
}

/// Every `file.rs::test` that SECURITY.md names is there.
#[test]
fn every_promise_has_its_test() {
    let text = read("SECURITY.md");
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|part| part.split_once(".rs::")).collect();
    assert!(named.len() > 50, "{}", named.len());
    for (file, test) in named {
        assert!(read(&format!("{file}.rs")).contains(&format!("fn {test}(")), "{file}.rs has no `{test}`");
    }
}

/// Every key that the loader knows, built or not, stands in the reference.
#[test]
fn every_key_stands_in_the_reference() {
    let reference = read("docs/configuration.md");
    let words: BTreeSet<&str> = reference.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let schema: Value = serde_json::from_str(&read("examples/haechi.schema.json")).unwrap();
    let records = schema["$defs"].as_object().unwrap().values();
    let keys: BTreeSet<&String> = records
        .filter_map(|record| record["properties"].as_object())
        .flat_map(|properties| properties.keys())
        .collect();
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys {
        assert!(words.contains(key.as_str()), "docs/configuration.md does not have `{key}`");
    }
}
