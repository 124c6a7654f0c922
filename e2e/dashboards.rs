//! The dashboards and alerts that we ship (deploy/grafana, deploy/prometheus), in a real Prometheus that scrapes a gate under load.

use crate::harness::prometheus::{Prometheus, promtool_faults};
use crate::harness::{Authority, Folder, Gate, curl, eventually};
use haechi_testkit::jose::Key;
use haechi_testkit::{Answer, Backend, IdentityProvider, RedisServer, Unreachable};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long until everything has been scraped twice and every rule evaluated, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(50);
/// Retries of ten seconds that a service has whatever its budget, and some more.
const OVER_BUDGET: usize = 40;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap().join(path)
}

fn rule_files() -> [PathBuf; 2] {
    [shipped("prometheus/rules.yaml"), shipped("prometheus/alerts.yaml")]
}

/// A gate with one of everything that has a metric, and what it speaks to.
struct World {
    gate: Gate,
    key: String,
    _backend: Backend,
    _issuer: IdentityProvider,
    _redis: RedisServer,
    _nowhere: Unreachable,
}

impl World {
    fn start() -> Self {
        let backend = Backend::start(|request| {
            let target = request.target();
            if target.starts_with("/slow") {
                std::thread::sleep(Duration::from_millis(200));
            }
            match target {
                "/flaky/x" => Answer::new(503, &[], ""),
                "/v1/data/http/allow" => Answer::ok(r#"{"result":true}"#),
                _ => Answer::ok("x"),
            }
        });
        let issuer = IdentityProvider::start(&[&Key::p256("one")]);
        let (redis, nowhere) = (RedisServer::start(&[]), Unreachable::refusing());
        let yaml = include_str!("dashboards/gate.yaml")
            .replace("[BACKEND]", &format!("[\"{}\"]", backend.url()))
            .replace(" POINT/", &format!(" {}/", backend.url()))
            .replace(" ISSUER,", &format!(" \"{}\",", issuer.issuer()))
            .replace(" REDIS\n", &format!(" \"{}\"\n", redis.url()))
            .replace("[NOWHERE]", &format!("[\"{}\"]", nowhere.url()))
            .replace(" NOWHERE/", &format!(" {}/", nowhere.url()));
        let folder = Folder::exactly(&yaml);
        let leaf = Authority::new("ours").leaf(&["localhost"]);
        folder.write("site.pem", &leaf.certificate);
        folder.write("site.key", &leaf.key);
        folder.write("next.cedar", "forbid(principal, action, resource == Route::\"orders\");\n");
        folder.add_user("root", &["ADMIN"]);
        let key = folder.create_key(&["--owner", "acme", "--role", "USER", "--attr", "clearance=5"]);
        let gate = Gate::start_in(folder);
        Self { gate, key, _backend: backend, _issuer: issuer, _redis: redis, _nowhere: nowhere }
    }

    /// Something of everything that is counted.
    fn load(&self) {
        let (gate, key) = (&self.gate, &*format!("X-API-Key: {}", self.key));
        gate.get_with("/orders/1", &[key]).expect(200);
        gate.get_with("/orders/1", &["X-API-Key: hk_wrong"]).expect(401);
        gate.get_with("/admin/x", &[key]).expect(403);
        gate.curl("/admin/x", &["--user", "root:wrong"]);
        gate.get_with_token("/corp/x", "not.a.token").expect(401);
        gate.get_with_token("/opaque/x", "opaque").expect(503);
        gate.get("/pages/x").expect(401);
        gate.get_with("/overflow/x", &[key]).expect(403);
        gate.get("/asked/x").expect(200);
        gate.get("/undecided/x").expect(503);
        gate.get("/limited/x");
        gate.get("/nowhere").expect(404);
        gate.get("/gone/x").expect(502);
        gate.get_with("/shared/x", &[&format!("X-Long: {}", "x".repeat(20_000))]).expect(431);
        let asks = ["Origin: https://app.example.com", "Access-Control-Request-Method: GET"];
        gate.curl("/shared/x", &["--request", "OPTIONS", "--header", asks[0], "--header", asks[1]])
            .expect(204);
        curl(&["--insecure", &format!("https://{}/shared/x", self.tls_address())]).expect(200);
        let flaky = vec![gate.url("/flaky/x"); OVER_BUDGET];
        curl(&flaky.iter().map(String::as_str).collect::<Vec<_>>()).expect(503);
        let slow = gate.url("/slow/x");
        curl(&["--parallel", "--parallel-immediate", &slow, &slow, &slow, &slow]);
        // A frame of DATA on stream 0, where none may be.
        let garbage = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0hello";
        gate.converse().send(garbage).reads_to_its_end();
    }

    fn tls_address(&self) -> SocketAddr {
        let lines = self.gate.log();
        let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.find(|line| line["event"] == "listening" && line["listener"] == "1").unwrap();
        line["address"].as_str().unwrap().parse().unwrap()
    }
}

/// Every query of every dashboard and every variable, with where it stands.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(shipped("grafana")).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = |what: &Value| format!("{}: {}", path.display(), what.as_str().unwrap());
        for panel in board["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array();
            assert!(targets.is_some() || panel["type"] == "row", "{} has no query", name(&panel["title"]));
            for target in targets.into_iter().flatten() {
                found.push((name(&panel["title"]), target["expr"].as_str().unwrap().to_owned()));
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if let Some(query) = variable["query"]["query"].as_str() {
                let asked = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
                let (series, label) = asked.and_then(|asked| asked.rsplit_once(", ")).unwrap();
                found.push((name(&variable["name"]), format!("sum by ({label}) ({series})")));
            }
        }
    }
    found
}

/// A query as Grafana sends it, with every variable standing for all. What stands in for nothing is left out, so that a misspelt name shows.
fn filled(query: &str) -> String {
    let query = query.replace("$__rate_interval", "1m").replace(" or vector(0)", "");
    ["$job", "$instance", "$route", "$service", "$authenticator"]
        .iter()
        .fold(query, |query, variable| query.replace(variable, ".*"))
}

/// What an alert looks at: its expression without the thresholds.
fn without_thresholds(alert: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in alert.split(' ') {
        let is_threshold = matches!(words.last(), Some(&("==" | ">" | "<"))) && word.parse::<f64>().is_ok();
        if is_threshold {
            words.pop();
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

/// The series that an expression names, each with its matchers.
fn selectors(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        rest = &rest[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let matchers = after.starts_with('{').then(|| after.find('}')).flatten().map_or(0, |end| end + 1);
        if name.contains("haechi_") {
            found.push(format!("{name}{}", &after[..matchers]));
        }
        rest = &after[matchers..];
    }
    found
}

#[test]
fn prometheus_and_redis_have_data_for_every_query() {
    let world = World::start();
    let prometheus = Prometheus::scraping_with_rules(world.gate.admin_address(), &rule_files());
    let mut wanted = queries();
    assert!(wanted.len() > 90, "{}", wanted.len());
    wanted.iter_mut().for_each(|(_, query)| *query = filled(query));
    let rules = eventually(DEADLINE, || {
        let rules = prometheus.rules();
        (rules.len() > 40).then_some(rules)
    });
    for rule in &rules {
        let query = without_thresholds(rule["query"].as_str().unwrap());
        wanted.push((rule["name"].as_str().unwrap().to_owned(), query));
    }
    let parts: Vec<_> = wanted
        .iter()
        .flat_map(|(name, query)| selectors(query).into_iter().map(move |part| (name.clone(), part)))
        .collect();
    assert!(parts.len() > wanted.len(), "{parts:#?}");
    wanted.extend(parts);
    let begun = std::time::Instant::now();
    while !wanted.is_empty() && begun.elapsed() < DEADLINE {
        world.load();
        assert_eq!(prometheus.trouble(), "");
        wanted.retain(|(_, query)| !prometheus.has_data(query));
    }
    assert!(wanted.is_empty(), "no data for {wanted:#?}");
    let sick: Vec<_> = prometheus.rules().into_iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(sick.is_empty(), "{sick:#?}");
    let unknown = "sum(rate(haechi_nothing_of_ours_total[1m]))";
    assert!(!prometheus.has_data(unknown), "everything has data");
}

#[test]
fn every_alert_fires_and_has_its_runbook() {
    let files = rule_files();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    assert_eq!(promtool_faults(&["check", "rules"], &files), "");
    let tests = shipped("prometheus/tests.yaml");
    assert_eq!(promtool_faults(&["test", "rules"], &[&tests]), "");

    let text = std::fs::read_to_string(shipped("prometheus/alerts.yaml")).unwrap();
    let named = |prefix: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.trim().strip_prefix(prefix)).map(str::to_owned).collect()
    };
    let (alerts, links) = (named("- alert: "), named("runbook: docs/runbooks.md#"));
    let lower =
        |names: &BTreeSet<String>| names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>();
    assert_eq!(lower(&alerts), links);
    let runbooks = std::fs::read_to_string(shipped("../docs/runbooks.md")).unwrap();
    let told: BTreeSet<String> =
        runbooks.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    assert_eq!(told, alerts);
    // Each of them is expected to fire where everything is wrong.
    let tests = std::fs::read_to_string(tests).unwrap();
    for alert in &alerts {
        assert!(tests.contains(&format!("{{alertname=\"{alert}\"}}")), "{alert} is not tried");
    }
}

#[test]
fn thresholds_and_selectors_are_found() {
    assert_eq!(without_thresholds("a > 0.5 and b{x=\"> 1\"} == 0"), "a and b{x=\"> 1\"}");
    assert_eq!(without_thresholds("max by (job) (haechi_x) < 1.2096e+06"), "max by (job) (haechi_x)");
    let found = selectors("sum by (job) (rate(haechi_a_total{b=\"haechi_c\"}[5m])) / route:haechi_d:rate5m");
    assert_eq!(found, ["haechi_a_total{b=\"haechi_c\"}", "route:haechi_d:rate5m"]);
}
