use super::{Kind, Metric, Page};
use proptest::prelude::*;
use std::time::Duration;

const BOUNDS: [Duration; 3] = [Duration::from_nanos(250), Duration::from_millis(25), Duration::from_secs(10)];

#[test]
fn a_page_is_prometheus_text() {
    let mut page = Page::default();
    page.gauge("b_connections", "Open connections", &[]).add(&[], 3.0);
    page.counter("a_total", "A \\ and\nmore", &["x", "y"]).add(&["1", ""], 2).add(&["\"\\\n", "é"], 1);
    page.counter("unused_total", "Nothing yet", &["x"]);
    let counts = vec![1, 0, 2, 4];
    page.histogram("c_seconds", "Times", &["route"], &BOUNDS).add(
        &["r"],
        counts,
        Duration::from_millis(1500),
    );
    let expected = r#"# HELP a_total A \\ and\nmore
# TYPE a_total counter
a_total{x="\"\\\n",y="é"} 1
a_total{x="1",y=""} 2
# HELP b_connections Open connections
# TYPE b_connections gauge
b_connections 3
# HELP c_seconds Times
# TYPE c_seconds histogram
c_seconds_bucket{route="r",le="0.00000025"} 1
c_seconds_bucket{route="r",le="0.025"} 1
c_seconds_bucket{route="r",le="10"} 3
c_seconds_bucket{route="r",le="+Inf"} 7
c_seconds_sum{route="r"} 1.5
c_seconds_count{route="r"} 7
# HELP unused_total Nothing yet
# TYPE unused_total counter
"#;
    assert_eq!(page.to_string(), expected);
}

#[test]
fn what_workers_count_adds_up() {
    let mut page = Page::default();
    for _ in 0..2 {
        page.counter("a_total", "A", &["x"]).add(&["1"], 2);
        page.gauge("b", "B", &[]).add(&[], 1.5);
        page.histogram("c_seconds", "C", &[], &BOUNDS).add(&[], vec![1, 0, 0, 2], Duration::from_secs(2));
    }
    let text = page.to_string();
    for line in [
        "a_total{x=\"1\"} 4\n",
        "\nb 3\n",
        "c_seconds_bucket{le=\"10\"} 2\n",
        "c_seconds_bucket{le=\"+Inf\"} 6\n",
        "c_seconds_sum 4\n",
        "c_seconds_count 6\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn what_was_declared_is_known_without_values() {
    let mut page = Page::default();
    page.histogram("c_seconds", "C", &["route"], &BOUNDS);
    let declared =
        Metric { name: "c_seconds", help: "C", kind: Kind::Histogram(&BOUNDS), labels: &["route"] };
    assert_eq!(page.metrics().collect::<Vec<_>>(), [&declared]);
}

/// Reads `name{x="VALUE"} 1` as the format says, and gives the value.
fn read_back(line: &str) -> Option<String> {
    let mut rest = line.strip_prefix("a_total{x=\"")?.chars();
    let mut value = String::new();
    loop {
        match rest.next()? {
            '"' => break,
            '\n' => return None,
            '\\' => value.push(match rest.next()? {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    (rest.as_str() == "} 1").then_some(value)
}

proptest! {
    #[test]
    fn no_label_value_breaks_out_of_its_quotes(value in "(?s)([\\\\\"\n{}=, a]|.)*") {
        let mut page = Page::default();
        page.counter("a_total", "A", &["x"]).add(&[&value], 1);
        let text = page.to_string();
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        prop_assert_eq!(lines.len(), 3);
        prop_assert_eq!(read_back(lines[2]), Some(value));
    }

    #[test]
    fn durations_are_written_as_they_are(seconds in 0..1_000_000u64, nanos in 0..1_000_000_000u32) {
        let text = super::text::Seconds(Duration::new(seconds, nanos)).to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        prop_assert_eq!(whole.parse::<u64>().unwrap(), seconds);
        prop_assert_eq!(format!("{decimals:0<9}").parse::<u32>().unwrap(), nanos);
        prop_assert!(!decimals.ends_with('0') && !text.ends_with('.'));
    }
}
