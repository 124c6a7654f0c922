use super::Metrics;
use haechi_authz::RouteIndex;
use haechi_core::metrics::{Page, Source};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn text(metrics: &Metrics) -> String {
    let mut page = Page::default();
    metrics.show(&mut page);
    page.to_string()
}

#[test]
fn counts_go_on_under_the_next_plan_where_a_name_has_another_index() {
    let metrics = Metrics::default();
    let worker = metrics.worker();
    let (first, second) = (names(&["a", "b"]), names(&["b", "c"]));
    let (old, new) =
        (worker.of_plan(first.iter(), first.iter()), worker.of_plan(second.iter(), second.iter()));
    old.route(RouteIndex::new(0)).unwrap().decisions.count("allow");
    old.route(RouteIndex::new(1)).unwrap().decisions.count("allow");
    new.route(RouteIndex::new(0)).unwrap().decisions.count("allow");
    old.services()[1].requests.count("answered");
    new.services()[0].requests.count("answered");
    assert!(old.route(RouteIndex::new(2)).is_none());
    let text = text(&metrics);
    for line in [
        "haechi_authz_decisions_total{route=\"a\",result=\"allow\"} 1\n",
        "haechi_authz_decisions_total{route=\"b\",result=\"allow\"} 2\n",
        "haechi_upstream_requests_total{service=\"b\",result=\"answered\"} 2\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("route=\"c\""), "nothing was counted of it: {text}");
}

#[test]
fn workers_add_up() {
    let metrics = Metrics::default();
    for _ in 0..2 {
        let worker = metrics.worker();
        let plan = worker.of_plan(names(&["a"]).iter(), [].iter());
        let took = Duration::from_millis(1_200);
        plan.route(RouteIndex::new(0)).unwrap().request(Some(&Method::GET), Some(StatusCode::OK), took);
        worker.unrouted().request(Some(&Method::from_bytes(b"WHAT").unwrap()), None, took);
        worker.connections(3);
    }
    let text = text(&metrics);
    for line in [
        "haechi_http_requests_total{route=\"a\",method=\"GET\",status=\"200\"} 2\n",
        "haechi_http_requests_total{route=\"\",method=\"other\",status=\"0\"} 2\n",
        "haechi_request_duration_seconds_bucket{route=\"a\",le=\"1\"} 0\n",
        "haechi_request_duration_seconds_bucket{route=\"a\",le=\"1.5\"} 2\n",
        "haechi_request_duration_seconds_sum{route=\"a\"} 2.4\n",
        "haechi_connections 6\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
