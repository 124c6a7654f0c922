//! As many nodes as fit, which follow the log of changes as gates do and do nothing else. `scripts/cluster-simulation` runs it with many.

use crate::support::Node;
use haechi_core::Timestamp;
use haechi_core::ports::{Revocations, Revoked};
use haechi_testkit::{FaultyStore, RedisServer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How a gate follows the log (`watch_revocations`).
const EVERY: Duration = Duration::from_secs(1);
const AT_MOST_EVERY: Duration = Duration::from_millis(100);

/// A stand-in for a node: the real connection, heartbeat and reading of changes, without requests.
struct StandIn {
    node: Node,
    epoch: Arc<AtomicU64>,
    changes: Arc<AtomicU64>,
    following: tokio::task::AbortHandle,
}

impl StandIn {
    fn start(url: &str, store: &Arc<FaultyStore>) -> Self {
        let node = Node::at(&format!("{url}?timeout=2s"));
        let log = node.state.revocations(store.clone());
        let (epoch, changes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let following = tokio::spawn(follow(log, epoch.clone(), changes.clone())).abort_handle();
        Self { node, epoch, changes, following }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn follow(log: Arc<dyn Revocations>, epoch: Arc<AtomicU64>, changes: Arc<AtomicU64>) {
    let mut ticks = tokio::time::interval(EVERY);
    // Gates do not start in one moment.
    tokio::time::sleep(EVERY.mul_f32(rand_part())).await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = log.changed() => tokio::time::sleep(AT_MOST_EVERY).await,
        }
        while let Ok((page, _)) = log.followed_since(epoch.load(Relaxed), 10_000).await {
            changes.fetch_add(page.changes.len() as u64, Relaxed);
            epoch.store(page.epoch, Relaxed);
            if page.epoch >= page.newest {
                break;
            }
        }
    }
}

fn rand_part() -> f32 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0) % 1000) as f32 / 1000.0
}

fn asked(name: &str, default: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test is no part of the gate")]
    let asked = std::env::var("CLUSTER_SIMULATION").unwrap_or_default();
    let given = asked.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    given.map_or(default, |number| number.parse().unwrap())
}

/// A number of the server's own statistics.
fn of_redis(server: &RedisServer, section: &str, name: &str) -> f64 {
    let text = server.command(&["INFO", section]);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().parse().unwrap()
}

struct Usage {
    at: Instant,
    commands: f64,
    processor: f64,
    sent: f64,
    store: usize,
}

fn usage(server: &RedisServer, store: &FaultyStore) -> Usage {
    Usage {
        at: Instant::now(),
        commands: of_redis(server, "stats", "total_commands_processed"),
        processor: of_redis(server, "cpu", "used_cpu_user") + of_redis(server, "cpu", "used_cpu_sys"),
        sent: of_redis(server, "stats", "total_net_output_bytes"),
        store: store.asked(),
    }
}

#[expect(clippy::print_stderr, reason = "the report is what the long run is for")]
fn tell(what: &str, nodes: usize, before: &Usage, after: &Usage) {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    eprintln!(
        "{what}: {nodes} nodes, {seconds:.1} s; of Redis {:.0} commands/s, {:.1} % of a core, {:.2} MB/s out; of the store {:.1} questions/s",
        (after.commands - before.commands) / seconds,
        (after.processor - before.processor) / seconds * 100.0,
        (after.sent - before.sent) / seconds / 1e6,
        (after.store - before.store) as f64 / seconds,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_tells_many_nodes_of_many_revocations() {
    let (nodes, revocations, quiet) = (asked("nodes", 20), asked("revocations", 1_000), asked("quiet", 0));
    let deadline = Duration::from_secs(60);
    let (server, store) = (RedisServer::start(&["--maxclients", "20000"]), FaultyStore::new());
    let all: Vec<StandIn> = (0..nodes).map(|_| StandIn::start(&server.url(), &store)).collect();
    let began = Instant::now();
    while !all.iter().all(|one| one.node.state.stats().changes_from_copy > 0) {
        assert!(began.elapsed() < deadline, "not all nodes read the copy");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if quiet > 0 {
        let before = usage(&server, &store);
        tokio::time::sleep(Duration::from_secs(quiet as u64)).await;
        tell("nothing happens", nodes, &before, &usage(&server, &store));
    }
    let before = usage(&server, &store);
    for n in 0..revocations {
        store
            .inner()
            .revocations
            .revoke(&Revoked::Session(format!("{n:032}")), Timestamp::MAX)
            .await
            .unwrap();
    }
    let (written, goal) = (Instant::now(), store.inner().revocations.epoch().await.unwrap());
    let mut known = Vec::new();
    while known.len() < nodes {
        let now = all.iter().filter(|one| one.epoch.load(Relaxed) >= goal).count();
        known.extend(std::iter::repeat_n(written.elapsed(), now - known.len()));
        assert!(written.elapsed() < deadline, "{} of {nodes} know", known.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tell("everything is revoked", nodes, &before, &usage(&server, &store));
    eprintln!(
        "{revocations} revocations known by half of the nodes after {:.2?}, by all after {:.2?}; Redis holds {:.1} MB",
        known[nodes / 2],
        known[nodes - 1],
        of_redis(&server, "memory", "used_memory") / 1e6,
    );
    for one in &all {
        assert!(one.changes.load(Relaxed) >= revocations as u64);
    }
}
