//! What we ship for running the gate: units, manifests and the container file agree with the program.

use crate::harness::{Folder, haechi};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// The value of the first line `key: value` or `key=value`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix([':', '=']));
    let found = found.unwrap_or_else(|| panic!("no `{key}` in\n{text}"));
    found.split('#').next().unwrap().trim()
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap()
}

/// What stands in the ConfigMap as `haechi.yaml`.
fn shipped_configuration() -> String {
    let manifest = read("deploy/kubernetes/configmap.yaml");
    let (_, block) = manifest.split_once("  haechi.yaml: |\n").unwrap();
    block.lines().map(|line| line.strip_prefix("    ").unwrap_or("")).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn every_manifest_is_yaml() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("deploy/kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for event in saphyr_parser::Parser::new_from_str(&text) {
            event.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        }
        assert!(text.starts_with("apiVersion: ") && text.contains("\nkind: "), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn the_configuration_in_the_manifest_is_sound_and_has_time_to_drain() {
    let configuration = shipped_configuration();
    let checked = haechi(Folder::exactly(&configuration).path(), &["check"]).success();
    assert!(checked.stderr.is_empty(), "{checked:#?}");
    let needed = seconds(value(&configuration, "delay")) + seconds(value(&configuration, "grace"));
    let given = seconds(value(&read("deploy/kubernetes/deployment.yaml"), "terminationGracePeriodSeconds"));
    assert!(given > needed, "{given} s are given, {needed} s are needed");
}

#[test]
fn the_probes_of_the_manifest_are_commands_of_the_program() {
    let manifest = read("deploy/kubernetes/deployment.yaml");
    let probes: Vec<&str> = manifest.lines().filter(|line| line.contains("exec: {")).collect();
    assert_eq!(probes.len(), 3, "{probes:#?}");
    let admin = shipped_configuration().lines().any(|line| line.trim() == "bind: 127.0.0.1:9901");
    for probe in probes {
        let (_, list) = probe.split_once('[').unwrap();
        let words: Vec<&str> =
            list.split(']').next().unwrap().split(", ").map(|word| word.trim_matches('"')).collect();
        assert_eq!(words[0], "/usr/local/bin/haechi");
        assert!(admin && words.contains(&"127.0.0.1:9901"), "{words:?}");
        // Asked of a port where nobody is: wrong usage would be 2.
        let asked: Vec<&str> = words[1..]
            .iter()
            .map(|word| if *word == "127.0.0.1:9901" { "127.0.0.1:1" } else { word })
            .collect();
        let ended = haechi(Folder::exactly("").path(), &asked);
        assert!(ended.code == 1 && ended.stderr.contains("does not answer"), "{ended:#?}");
    }
}

#[test]
fn the_units_are_sound() {
    let unit = read("deploy/systemd/haechi.service");
    assert!(seconds(value(&unit, "TimeoutStopSec")) > 30, "less than `drain.grace`");
    assert_eq!(value(&unit, "ExecReload"), "/bin/kill -HUP $MAINPID");
    let folder = Folder::exactly("");
    let program = env!("CARGO_BIN_EXE_haechi");
    folder.write("haechi.service", &unit.replace("/usr/local/bin/haechi", program));
    folder.write("haechi.socket", &read("deploy/systemd/haechi.socket"));
    // Where systemd is installed, it says itself what it thinks of them.
    let files = [folder.file("haechi.service"), folder.file("haechi.socket")];
    if let Ok(verified) = Command::new("systemd-analyze").arg("verify").args(&files).output() {
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("haechi.")).collect();
        assert!(verified.status.success() && about_ours.is_empty(), "{said}");
    }
}

#[test]
fn the_container_is_built_with_our_compiler_and_runs_as_nobody() {
    let file = read("deploy/Containerfile");
    let toolchain = read("rust-toolchain.toml");
    let channel =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(file.contains(&format!("/rust:{channel}-")), "another compiler than {channel}");
    assert!(file.contains("\nUSER 65532:65532\n"));
    let started = value(&read("deploy/kubernetes/deployment.yaml"), "args").to_owned();
    assert_eq!(started, "[run, -c, /etc/haechi/haechi.yaml]");
    assert!(file.ends_with("CMD [\"run\", \"-c\", \"/etc/haechi/haechi.yaml\"]\n"));
}
