//! What a real Prometheus makes of the metrics.

use crate::harness::prometheus::{Prometheus, promtool};
use crate::harness::{Folder, Gate, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the slow answers take. It lies between two bounds of the histogram.
const SLOW: Duration = Duration::from_millis(1_200);
/// The bounds between which a slow answer may lie, in seconds.
const BOUNDS: [f64; 9] = [1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 30.0, f64::INFINITY];

/// `/slow/**` takes [`SLOW`], everything else no time.
fn start() -> (Backend, Gate) {
    let backend = Backend::start(|request| {
        if request.target().starts_with("/slow") {
            std::thread::sleep(SLOW);
        }
        Answer::ok("x")
    });
    let routes =
        [("/fast/**", "anonymous", "any"), ("/slow/**", "anonymous", "any"), ("/**", "[local]", "any")];
    let gate = Gate::start(&format!(
        "store: sqlite:haechi.db\nidentity: {{ issuer: http://localhost:8080, path: /auth }}\nauthenticators: {{ local: {{ type: jwt, issuer: self }} }}\n{}",
        routes_to(&backend, &routes)
    ));
    (backend, gate)
}

#[test]
fn prometheus_finds_the_99th_percentile_of_a_route() {
    const P99: &str =
        "histogram_quantile(0.99, sum by (le, route) (rate(haechi_request_duration_seconds_bucket[1m])))";
    let (_backend, gate) = start();
    let prometheus = Prometheus::scraping(gate.admin_address());
    let mut longest = SLOW;
    let (fast, slow) = eventually(Duration::from_secs(90), || {
        gate.get("/fast/x").expect(200);
        let begun = Instant::now();
        gate.get("/slow/x").expect(200);
        longest = longest.max(begun.elapsed());
        assert_eq!(prometheus.trouble(), "", "{}", gate.admin("/metrics").text());
        Some((prometheus.query(P99, "route", "r0")?, prometheus.query(P99, "route", "r1")?))
    });
    // What the client waited for is an upper bound of what the gate saw, on a busy machine as well.
    let upper = BOUNDS.into_iter().find(|bound| longest.as_secs_f64() <= *bound).unwrap();
    assert!(1.0 < slow && slow <= upper, "the slow route's is {slow}, and no answer took over {longest:?}");
    assert!(0.0 < fast && fast < slow, "the fast route's is {fast}, the slow one's {slow}");
}

#[test]
fn promtool_has_nothing_to_complain_of() {
    let (_backend, gate) = start();
    gate.get("/fast/x").expect(200);
    gate.get("/no-token").expect(401);
    gate.curl("/fast/x", &["--request", "OTHER"]).expect(200);
    let page = eventually(crate::harness::PATIENCE, || {
        let page = gate.admin("/metrics").expect(200);
        assert_eq!(page.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = page.text();
        text.contains("method=\"other\"").then_some(text)
    });
    assert_eq!(promtool(&page), "", "{page}");
    assert!(
        page.contains("le=\"0.025\"") && page.contains("le=\"+Inf\"") && !page.contains("e308"),
        "{page}"
    );
    assert_ne!(promtool("haechi_x_total 1\n"), "", "promtool does not look");
}

#[test]
fn a_running_gate_shows_what_the_docs_tell_of() {
    let (_backend, gate) = start();
    let page = gate.admin("/metrics").expect(200).text();
    let shown = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let shown: BTreeSet<&str> = shown.filter_map(|line| line.split(' ').next()).collect();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let told: BTreeSet<&str> =
        docs.lines().filter_map(|line| line.strip_prefix("| `haechi_")?.split('`').next()).collect();
    let shown: BTreeSet<&str> = shown.iter().filter_map(|name| name.strip_prefix("haechi_")).collect();
    assert_eq!(shown, told);
}

#[test]
fn counters_outlive_a_reload_and_their_routes() {
    let backend = Backend::saying("x");
    let routes = |paths: &[&str]| {
        let routes: Vec<_> = paths.iter().map(|path| (*path, "anonymous", "any")).collect();
        routes_to(&backend, &routes)
    };
    let gate = Gate::start_in(Folder::new(&routes(&["/a/**", "/b/**"])));
    let count = |route: &str, least: f64| {
        let label = format!("route=\"{route}\"");
        let labels = [label.as_str()];
        eventually(crate::harness::PATIENCE, || {
            let requests = gate.metric("haechi_http_requests_total", &labels);
            let durations = gate.metric("haechi_request_duration_seconds_count", &labels);
            let decisions = gate.metric("haechi_authz_decisions_total", &labels);
            assert!(requests <= least && durations <= least && decisions <= least);
            (requests == least && durations == least && decisions == least).then_some(())
        });
    };
    gate.get("/a/x").expect(200);
    gate.get("/b/x").expect(200);
    gate.get("/b/x").expect(200);
    count("r0", 1.0);
    count("r1", 2.0);
    // Under the new configuration r0 has another place in it, and r1 is gone.
    let other = routes(&["/c/**", "/a/**"]).replace("name: r0", "name: r2").replace("name: r1", "name: r0");
    gate.folder().rewrite(&other);
    gate.signal("HUP");
    eventually(crate::harness::PATIENCE, || {
        (gate.metric("haechi_config_generation", &[]) == 2.0).then_some(())
    });
    gate.get("/a/x").expect(200);
    gate.get("/c/x").expect(200);
    count("r0", 2.0);
    count("r1", 2.0);
    count("r2", 1.0);
}
