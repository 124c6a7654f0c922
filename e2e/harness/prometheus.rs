//! Prometheus, which scrapes a gate, and promtool.

use super::{Folder, PATIENCE, curl, eventually};
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running Prometheus; stopped when dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Prometheus {
    /// Starts, and scrapes `target` once a second.
    #[track_caller]
    pub(crate) fn scraping(target: SocketAddr) -> Self {
        Self::scraping_with_rules(target, &[])
    }

    /// The same, with these files of rules, which are evaluated once a second.
    #[track_caller]
    pub(crate) fn scraping_with_rules(target: SocketAddr, rules: &[PathBuf]) -> Self {
        let folder = Folder::exactly("");
        folder.write(
            "prometheus.yml",
            &format!(
                "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\nrule_files: {rules:?}\nscrape_configs: [{{ job_name: haechi, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n"
            ),
        );
        // The port is free until somebody else takes it; Prometheus does not say which one it got.
        let address = haechi_testkit::port::unused_address();
        let log = std::fs::File::create(folder.file("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is installed (scripts/test sees to it)");
        let mut prometheus = Self { child, address, folder };
        eventually(PATIENCE, || {
            let ended = prometheus.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", prometheus.log());
            let ready = curl(&[&format!("http://{address}/-/ready")]);
            (ready.status == 200).then_some(())
        });
        prometheus
    }

    /// The value of an expression for the series with this label; `None` where there is no such series, or its value is no number.
    pub(crate) fn query(&self, expression: &str, label: &str, value: &str) -> Option<f64> {
        let result = self.result(expression);
        let found = result.as_array()?.iter().find(|series| series["metric"][label] == *value)?;
        finite(found)
    }

    /// Whether an expression has a series, and in one of them a number.
    #[track_caller]
    pub(crate) fn has_data(&self, expression: &str) -> bool {
        self.result(expression)
            .as_array()
            .is_some_and(|series| series.iter().any(|one| finite(one).is_some()))
    }

    /// The groups of rules that it has loaded, as its API tells of them.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let told = curl(&[&format!("http://{}/api/v1/rules", self.address)]).expect(200).json();
        let groups = told["data"]["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    #[track_caller]
    fn result(&self, expression: &str) -> Value {
        let url = format!("http://{}/api/v1/query", self.address);
        let answer = curl(&["--get", "--data-urlencode", &format!("query={expression}"), &url]);
        assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
        answer.json()["data"]["result"].take()
    }

    /// Why the target cannot be scraped; empty where it can, or was not yet.
    pub(crate) fn trouble(&self) -> String {
        let targets: Value = curl(&[&format!("http://{}/api/v1/targets", self.address)]).expect(200).json();
        targets["data"]["activeTargets"][0]["lastError"].as_str().unwrap_or_default().to_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.file("prometheus.log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The number of one series of an answer, where it is one.
fn finite(series: &Value) -> Option<f64> {
    let number: f64 = series["value"][1].as_str()?.parse().ok()?;
    number.is_finite().then_some(number)
}

/// Runs promtool, and returns what it says where it finds a fault.
pub(crate) fn promtool_faults(arguments: &[&str], files: &[&Path]) -> String {
    let output = Command::new("promtool").args(arguments).args(files).output();
    let output = output.expect("promtool is installed (scripts/test sees to it)");
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { String::new() } else { String::from_utf8_lossy(&said).into_owned() }
}

/// What `promtool check metrics` complains of in `page`.
pub(crate) fn promtool(page: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (scripts/test sees to it)");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() || !said.is_empty() { said } else { output.status.to_string() }
}
