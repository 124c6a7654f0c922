//! The log of changes, by way of the copy in Redis.

use crate::support::{Node, wait};
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Revocations, Revoked, StoreError};
use haechi_testkit::{Fault, FaultyStore, PATIENCE, RedisServer};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A node that follows the log as the gate does.
struct Follower {
    node: Node,
    log: Arc<dyn Revocations>,
    epoch: u64,
    known: BTreeSet<Change>,
}

impl Follower {
    async fn ready(server: &RedisServer, store: &Arc<FaultyStore>) -> Self {
        let node = Node::ready(&server.url()).await;
        let log = node.state.revocations(store.clone());
        Self { node, log, epoch: 0, known: BTreeSet::new() }
    }

    /// Asks until there is no more. How old the answer is.
    async fn poll(&mut self) -> Result<Duration, StoreError> {
        loop {
            let (page, age) = self.log.followed_since(self.epoch, 1_000).await?;
            if !page.follows(self.epoch) {
                self.epoch = 0;
                continue;
            }
            assert!(page.epoch >= self.epoch, "{page:?}");
            self.known.extend(page.changes);
            self.epoch = page.epoch;
            if page.epoch >= page.newest {
                return Ok(age);
            }
        }
    }

    async fn polls_until(&mut self, mut condition: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        loop {
            let _ = self.poll().await;
            if condition(self) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{} known up to {}", self.known.len(), self.epoch);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads the copy from now on.
    async fn reads_the_copy(&mut self) {
        let before = self.copied();
        self.polls_until(|follower| follower.copied() > before).await;
    }

    fn copied(&self) -> u64 {
        self.node.state.stats().changes_from_copy
    }

    fn asked_the_store(&self) -> u64 {
        self.node.state.stats().changes_from_store
    }
}

async fn revoke(store: &FaultyStore, names: std::ops::Range<u32>) -> BTreeSet<Change> {
    let mut all = BTreeSet::new();
    for n in names {
        let what = Revoked::Session(format!("session {n}"));
        store.inner().revocations.revoke(&what, Timestamp::MAX).await.unwrap();
        all.insert(Change::Revoked { what, until: Timestamp::MAX });
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_carries_changes_so_that_the_store_is_not_asked() {
    let (server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut expected = revoke(&store, 0..10).await;
    let mut one = Follower::ready(&server, &store).await;
    let mut other = Follower::ready(&server, &store).await;
    one.reads_the_copy().await;
    other.reads_the_copy().await;
    let asked = (one.asked_the_store(), other.asked_the_store());
    expected.extend(revoke(&store, 10..4_000).await);
    for follower in [&mut one, &mut other] {
        follower.polls_until(|follower| follower.known == expected).await;
    }
    assert_eq!((one.asked_the_store(), other.asked_the_store()), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_tells_who_waits_that_there_is_something_new() {
    let (server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut one = Follower::ready(&server, &store).await;
    let mut other = Follower::ready(&server, &store).await;
    one.reads_the_copy().await;
    other.reads_the_copy().await;
    let expected = revoke(&store, 0..1).await;
    let told = async {
        while other.known != expected {
            other.log.changed().await;
            let _ = other.poll().await;
        }
    };
    // Somebody brings the copy up to date, as it is late.
    let polling = async {
        loop {
            let _ = one.poll().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = told => {}
        () = polling => {}
        () = tokio::time::sleep(PATIENCE) => panic!("nobody said so"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_loses_its_memory_loses_no_change() {
    let (mut server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut follower = Follower::ready(&server, &store).await;
    follower.reads_the_copy().await;
    let mut expected = revoke(&store, 0..5).await;
    server.command(&["FLUSHALL"]);
    expected.extend(revoke(&store, 5..10).await);
    follower.polls_until(|follower| follower.known == expected).await;
    follower.reads_the_copy().await;
    server.kill();
    expected.extend(revoke(&store, 10..15).await);
    follower.polls_until(|follower| follower.known == expected).await;
    server.start_again(&[]);
    expected.extend(revoke(&store, 15..20).await);
    follower.node.reaches(true).await;
    follower.polls_until(|follower| follower.known == expected).await;
    follower.reads_the_copy().await;
    // Stands still.
    server.freeze();
    expected.extend(revoke(&store, 20..25).await);
    follower.polls_until(|follower| follower.known == expected).await;
    server.thaw();
    follower.reads_the_copy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_has_another_node_go_on_when_one_dies() {
    let (server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut one = Follower::ready(&server, &store).await;
    let mut other = Follower::ready(&server, &store).await;
    one.reads_the_copy().await;
    other.reads_the_copy().await;
    drop(one);
    server.command(&["SET", "haechi:changes:by", "one that died", "PX", "1500"]);
    let expected = revoke(&store, 0..3).await;
    other.polls_until(|follower| follower.known == expected).await;
    other.reads_the_copy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_makes_no_knowledge_younger_than_it_is() {
    let (server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut follower = Follower::ready(&server, &store).await;
    follower.reads_the_copy().await;
    let away = Instant::now();
    store.set_fault(Fault::Fails);
    let began = Instant::now();
    while let Ok(age) = follower.poll().await {
        assert!(age + Duration::from_secs(1) >= away.elapsed(), "{age:?} after {:?}", away.elapsed());
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.set_fault(Fault::None);
    follower.reads_the_copy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_hold_nonsense_and_nobody_believes_it() {
    let (server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut expected = revoke(&store, 0..5).await;
    let mut follower = Follower::ready(&server, &store).await;
    follower.reads_the_copy().await;
    // Of a store that was further on and was restored since; of a future clock; not ours at all.
    let heads = ["log abc 999999 0 1", "log abc 3 0 9007199254740991", "what is this", ""];
    for (n, head) in (5..).zip(heads) {
        server.command(&["DEL", "haechi:changes"]);
        server.command(&["ZADD", "haechi:changes", "0", head, "7", "7 8 planet - x"]);
        expected.extend(revoke(&store, n..n + 1).await);
        follower.polls_until(|follower| follower.known == expected).await;
        follower.reads_the_copy().await;
    }
    assert!(follower.epoch < 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_a_part_and_the_store_has_the_rest() {
    let (server, store) = (RedisServer::start(&[]), FaultyStore::new());
    let mut follower = Follower::ready(&server, &store).await;
    follower.reads_the_copy().await;
    let expected = revoke(&store, 0..2_000).await;
    let mut late = Follower::ready(&server, &store).await;
    follower.polls_until(|follower| follower.known == expected).await;
    // As if older entries had been dropped for want of room.
    server.command(&["ZREMRANGEBYRANK", "haechi:changes", "1", "1000"]);
    let head = server.command(&["ZRANGE", "haechi:changes", "0", "0"]);
    let mut parts: Vec<&str> = head.split(' ').collect();
    parts[3] = "1500";
    server.command(&["ZREM", "haechi:changes", &head]);
    server.command(&["ZADD", "haechi:changes", "0", &parts.join(" ")]);
    late.polls_until(|follower| follower.known == expected).await;
    wait(|| server.command(&["ZCARD", "haechi:changes"]) != "0").await;
}
