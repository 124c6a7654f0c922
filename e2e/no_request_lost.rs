//! Reloads, upgrades and drains under a steady load, and not one request that fails. `scripts/no-request-lost` runs it for long.

use crate::harness::{Folder, Gate, PATIENCE, eventually};
use haechi_testkit::load::{Load, Steady};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How much of it.
struct Extent {
    reloads: usize,
    upgrades: usize,
    drains: usize,
    clients: u32,
    rate: u32,
    workers: usize,
}

impl Extent {
    /// As `NO_REQUEST_LOST` says, such as `reloads=1000 rate=5000`; little where it says nothing.
    fn asked() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test is no part of the gate")]
        let asked = std::env::var("NO_REQUEST_LOST").unwrap_or_default();
        let number = |name: &str, default: usize| {
            let given = asked.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            given.map_or(default, |number| number.parse().unwrap())
        };
        Self {
            reloads: number("reloads", 20),
            upgrades: number("upgrades", 2),
            drains: number("drains", 2),
            clients: number("clients", 16).try_into().unwrap(),
            rate: number("rate", 200).try_into().unwrap(),
            workers: number("workers", 2),
        }
    }
}

fn configuration(extent: &Extent, backend: &Steady, turn: usize) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: {}
reload: {{ watch: false }}
drain: {{ delay: 300ms }}
access_log: {{ target: \"off\" }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: all, match: {{ path: /steady }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: turn{turn}, match: {{ path: /turn/{turn} }}, authenticate: anonymous, authorize: any, service: web }}
",
        extent.workers,
        backend.url(),
    )
}

/// Threads, descriptors and KiB of memory.
fn footprint(gate: &Gate) -> (usize, usize, u64) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", gate.process())).unwrap().count();
    (count("task"), count("fd"), gate.resident())
}

#[test]
fn no_request_is_lost() {
    let extent = Extent::asked();
    let backend = Steady::start();
    let mut gate = Gate::start_in_group(Folder::exactly(&configuration(&extent, &backend, 0)));
    let current = Arc::new(Mutex::new(gate.address()));
    let target = {
        let current = current.clone();
        Arc::new(move || *current.lock().unwrap())
    };
    let load = Load::start(target, extent.clients, extent.rate);
    let begun = Instant::now();
    reloads(&extent, &backend, &gate);
    for _ in 0..extent.upgrades {
        assert_eq!(gate.upgrade().code(), Some(0));
    }
    for _ in 0..extent.drains {
        gate = drain(&extent, &backend, gate, &current);
    }
    let took = begun.elapsed();
    let report = load.stop();
    tell(&extent, took, &report);
    assert_eq!(report.failed, 0, "{report:#?}");
    assert!(report.sent > 100, "{report:#?}");
}

/// Good and broken ones in turn; neither may leave anything behind.
fn reloads(extent: &Extent, backend: &Steady, gate: &Gate) {
    let mut early = None;
    for turn in 1..=extent.reloads {
        let good = configuration(extent, backend, turn);
        let broken = good.replace("authorize", "authorise");
        let (text, result) = if turn % 2 == 1 { (good, "ok") } else { (broken, "refused") };
        gate.folder().write("haechi.yaml", &text);
        gate.signal("HUP");
        let so_far = turn.div_ceil(2) - usize::from(turn % 2 == 0 && result == "ok");
        let expected = if result == "ok" { so_far } else { turn / 2 } as f64;
        let labels = [format!("result=\"{result}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        eventually(PATIENCE, || {
            (gate.metric("haechi_config_reloads_total", &labels) >= expected).then_some(())
        });
        if turn == extent.reloads / 2 {
            early = Some(footprint(gate));
        }
    }
    gate.folder().write("haechi.yaml", &configuration(extent, backend, 0));
    if let Some((threads, descriptors, memory)) = early {
        let after = footprint(gate);
        assert!(after.0 <= threads + 2, "threads: {threads}, then {}", after.0);
        assert!(
            after.1 <= descriptors + extent.clients as usize,
            "descriptors: {descriptors}, then {}",
            after.1
        );
        assert!(after.2 <= memory + 16 * 1024, "KiB: {memory}, then {}", after.2);
    }
}

/// Another instance takes the clients' next connections as soon as this one says that it is not ready, as a load balancer would have it.
fn drain(extent: &Extent, backend: &Steady, mut gate: Gate, current: &Mutex<SocketAddr>) -> Gate {
    let next = Gate::start_in_group(Folder::exactly(&configuration(extent, backend, 0))).ready();
    gate.signal("TERM");
    eventually(PATIENCE, || (gate.admin("/readyz").status == 503).then_some(()));
    *current.lock().unwrap() = next.address();
    assert_eq!(gate.exited().code(), Some(0));
    next
}

#[expect(clippy::print_stderr, reason = "the report is what the long run is for")]
fn tell(extent: &Extent, took: Duration, report: &haechi_testkit::load::Report) {
    let Extent { reloads, upgrades, drains, .. } = extent;
    let [median, p99, p999, most] = report.latency;
    eprintln!(
        "{reloads} reloads, {upgrades} upgrades, {drains} drains in {took:.1?}: {} requests on {} connections, {} failed; \
         microseconds: median {median}, p99 {p99}, p99.9 {p999}, most {most}",
        report.sent, report.connections, report.failed,
    );
}
