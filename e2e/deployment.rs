//! What we ship for running the gate: units, manifests and the container file agree with the program.

use crate::harness::{Folder, Gate, curl, haechi};
use serde_json::Value;
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

/// The manifests, those of the component for monitoring among them.
fn manifests() -> Vec<PathBuf> {
    let folders = ["deploy/kubernetes", "deploy/kubernetes/monitoring"];
    let entries = folders.into_iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

#[test]
fn every_manifest_is_yaml_and_named_by_the_kustomization() {
    let mut seen = 0;
    for path in manifests() {
        let text = std::fs::read_to_string(&path).unwrap();
        for event in saphyr_parser::Parser::new_from_str(&text) {
            event.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        }
        let text: String =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert!(text.starts_with("apiVersion: ") && text.contains("\nkind: "), "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        if name != "kustomization.yaml" && name != "secret.sample.yaml" {
            let list = std::fs::read_to_string(path.with_file_name("kustomization.yaml")).unwrap();
            assert!(
                list.contains(&format!("\n  - {name}\n")),
                "{} is not among the resources",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
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
fn the_probes_of_the_manifest_are_answered() {
    let manifest = read("deploy/kubernetes/deployment.yaml");
    let probes: Vec<&str> =
        manifest.lines().filter_map(|line| line.trim().strip_prefix("httpGet: { path: ")).collect();
    assert_eq!(probes, ["/readyz, port: probes }", "/readyz, port: probes }", "/livez, port: probes }"]);
    let configuration = shipped_configuration();
    for (name, port) in [("http", "8080"), ("probes", "9903")] {
        assert!(manifest.contains(&format!("{{ name: {name}, containerPort: {port} }}")), "{manifest}");
        assert!(configuration.contains(&format!("bind: 0.0.0.0:{port}")), "{configuration}");
    }
    // As shipped, but for the addresses.
    let ours = configuration
        .replace("0.0.0.0:8080", "127.0.0.1:0")
        .replace("0.0.0.0:9903", "127.0.0.1:0")
        .replace("127.0.0.1:9901", "127.0.0.1:0")
        .replace("/run/haechi/admin.sock", "admin.sock")
        .replace("orders.default.svc.cluster.local:8080", "127.0.0.1:9");
    let gate = Gate::start_in(Folder::exactly(&ours)).ready();
    let probed = gate.log().into_iter().find(|line| line.contains("\"listener\":\"probes\"")).unwrap();
    let probed: Value = serde_json::from_str(&probed).unwrap();
    let asked = |path: &str| curl(&[&format!("http://{}{path}", probed["address"].as_str().unwrap())]).status;
    assert_eq!(["/readyz", "/livez", "/metrics", "/orders/1"].map(asked), [200, 200, 200, 404]);
}

#[test]
fn the_units_are_sound() {
    let unit = read("deploy/systemd/haechi.service");
    assert!(seconds(value(&unit, "TimeoutStopSec")) > 30, "less than `drain.grace`");
    assert_eq!(value(&unit, "ExecReload"), "/bin/kill -HUP $MAINPID");
    // systemd does not wait for a main process that it has not started, as it is after an upgrade; so the unit does.
    let waits = "\nExecStop=/bin/kill -TERM $MAINPID\nExecStop=/usr/bin/tail --pid=${MAINPID} ";
    assert!(unit.contains(waits), "{unit}");
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
    assert!(file.contains("\nUSER 65532:65532\n") && file.contains("\nFROM scratch\n"));
    assert!(read("deploy/kubernetes/deployment.yaml").contains("runAsUser: 65532"));
    let started = value(&read("deploy/kubernetes/deployment.yaml"), "args").to_owned();
    assert_eq!(started, "[run, -c, /etc/haechi/haechi.yaml]");
    assert!(file.ends_with("CMD [\"run\", \"-c\", \"/etc/haechi/haechi.yaml\"]\n"));
}

/// The package of the program under test: what is in it, who owns it, and that its configuration loads.
#[test]
fn dpkg_finds_everything_in_the_package() {
    let folder = Folder::exactly("");
    let built = Command::new(root().join("scripts/deb"))
        .args(["--quick", "--output", folder.path().to_str().unwrap(), env!("CARGO_BIN_EXE_haechi")])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let package = String::from_utf8(built.stdout).unwrap();
    let dpkg_deb = |arguments: &[&str]| {
        let output = Command::new("dpkg-deb").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = dpkg_deb(&["--contents", package.trim()]);
    for line in [
        "-rwxr-xr-x root/root ./usr/bin/haechi",
        "-rw-r----- root/root ./etc/haechi/haechi.yaml",
        "drwxr-x--- root/root ./etc/haechi/",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/haechi.service",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/haechi.socket",
        "-rw-r--r-- root/root ./usr/lib/sysusers.d/haechi.conf",
        "-rw-r--r-- root/root ./usr/lib/tmpfiles.d/haechi.conf",
        "-rw-r--r-- root/root ./etc/logrotate.d/haechi",
        "-rw-r--r-- root/root ./usr/share/man/man1/haechi-key-create.1.gz",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/haechi",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let is_it = |listed: &str| {
            let found: Vec<&str> = listed.split_whitespace().collect();
            found.first() == words.first() && found.get(1) == words.get(1) && found.last() == words.last()
        };
        assert!(listed.lines().any(is_it), "{line} is missing in\n{listed}");
    }
    assert_eq!(dpkg_deb(&["--field", package.trim(), "Version"]).trim(), env!("CARGO_PKG_VERSION"));
    dpkg_deb(&["--extract", package.trim(), folder.path().to_str().unwrap()]);
    let unit = std::fs::read_to_string(folder.file("usr/lib/systemd/system/haechi.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/haechi run -c /etc/haechi/haechi.yaml\n"), "{unit}");
    let checked = haechi(folder.path(), &["check", "-c", "etc/haechi/haechi.yaml"]).success();
    assert!(checked.stderr.contains("there are no routes"), "{checked:#?}");
    // Its first route is one, once it is no comment any more.
    let text = std::fs::read_to_string(folder.file("etc/haechi/haechi.yaml")).unwrap();
    let (before, route) = text.split_once("# services:").unwrap();
    let bare =
        |line: &str| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap_or(line).to_owned() + "\n";
    let text = format!("{before}services:{}", route.lines().map(bare).collect::<String>());
    folder.write("haechi.yaml", &text);
    let checked = haechi(folder.path(), &["check"]).success();
    assert!(checked.stdout.contains("1 route, 1 service"), "{checked:#?}");
}
