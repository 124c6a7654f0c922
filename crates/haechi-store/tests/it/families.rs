//! Refresh families over two nodes, against a model: each token works once, and a replay ends the family.

use crate::Fixture;
use crate::samples::{at, hash, session};
use haechi_core::ports::{Change, Exchange, Revoked, Rotation};
use haechi_store::Store;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// So many seconds pass.
    Pass(i64),
    /// A node is shown the token that came so many before the latest; one that was never given where there are not so many.
    Present { node: usize, age: usize },
    /// Both nodes are shown that token at once.
    Race { age: usize },
    /// A node ends the login.
    End { node: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly what an honest client does.
    let age = || prop_oneof![6 => Just(0_usize), 2 => Just(1), 1 => 0..4_usize];
    prop_oneof![
        3 => (0..8_i64).prop_map(Step::Pass),
        8 => (0..2_usize, age()).prop_map(|(node, age)| Step::Present { node, age }),
        2 => age().prop_map(|age| Step::Race { age }),
        1 => (0..2_usize).prop_map(|node| Step::End { node }),
    ]
}

/// What a family is: tokens in the order they were given, and when each but the last was used.
struct Model {
    used_at: Vec<i64>,
    alive: bool,
    now: i64,
    reuse: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Rotated,
    Repeated,
    Replayed,
    Unknown,
}

impl Model {
    fn present(&mut self, token: usize) -> Outcome {
        let latest = self.used_at.len();
        if !self.alive || token > latest {
            return Outcome::Unknown;
        }
        if token == latest {
            self.used_at.push(self.now);
            return Outcome::Rotated;
        }
        if token + 1 == latest && self.now - self.used_at[token] < self.reuse {
            return Outcome::Repeated;
        }
        self.alive = false;
        Outcome::Replayed
    }
}

/// The family on two nodes. The hash of a token is its number; that of the first is 1.
struct Nodes {
    stores: [Store; 2],
    reuse: Duration,
}

impl Nodes {
    async fn present(&self, node: usize, token: usize, now: i64) -> Outcome {
        let number = |token: usize| hash(u8::try_from(token + 1).unwrap());
        let (presented, next) = (number(token), number(token + 1));
        let exchange =
            Exchange { presented: &presented, next: &next, now: at(now), reuse_interval: self.reuse };
        match self.stores[node].sessions.rotate(exchange).await.unwrap() {
            Rotation::Rotated(session) => {
                assert_eq!(session.token_sha256, next);
                Outcome::Rotated
            }
            Rotation::Repeated(session) => {
                assert_eq!(session.token_sha256, next);
                Outcome::Repeated
            }
            Rotation::Replayed { .. } => Outcome::Replayed,
            Rotation::Unknown => Outcome::Unknown,
        }
    }

    async fn is_revoked(&self) -> bool {
        let all = self.stores[0].revocations.changes_since(0, usize::MAX).await.unwrap().changes;
        let family = Revoked::Session("s1".into());
        all.iter().any(|change| matches!(change, Change::Revoked { what, .. } if *what == family))
    }
}

async fn follow(stores: [Store; 2], steps: Vec<Step>, reuse: i64) {
    let nodes = Nodes { stores, reuse: Duration::from_secs(reuse.unsigned_abs()) };
    nodes.stores[0].sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    let mut model = Model { used_at: Vec::new(), alive: true, now: 0, reuse };
    for step in steps {
        match step {
            Step::Pass(seconds) => model.now += seconds,
            Step::Present { node, age } => {
                // One beyond the latest was never given.
                let token = model.used_at.len().checked_sub(age).unwrap_or(model.used_at.len() + 1);
                let found = nodes.present(node, token, model.now).await;
                assert_eq!(found, model.present(token), "{node} {token}");
            }
            Step::Race { age } => {
                let token = model.used_at.len().saturating_sub(age);
                let now = model.now;
                let (one, other) = tokio::join!(nodes.present(0, token, now), nodes.present(1, token, now));
                let expected = [model.present(token), model.present(token)];
                let found = [&one, &other];
                let same = found == [&expected[0], &expected[1]] || found == [&expected[1], &expected[0]];
                assert!(same, "{found:?}, and not {expected:?}");
            }
            Step::End { node } => {
                nodes.stores[node].sessions.end("s1", at(9000)).await.unwrap();
                model.alive = false;
            }
        }
        assert_eq!(nodes.is_revoked().await, !model.alive);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn in_sqlite(steps in prop::collection::vec(step(), 1..30), reuse in prop_oneof![Just(0), Just(5)]) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new().await;
            follow([fixture.store.clone(), fixture.again().await], steps, reuse).await;
        });
    }

    #[test]
    fn in_memory(steps in prop::collection::vec(step(), 1..30), reuse in prop_oneof![Just(0), Just(5)]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = Store::in_memory();
        runtime.block_on(follow([store.clone(), store], steps, reuse));
    }
}

proptest! {
    // Each has a database of its own.
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn in_postgres(steps in prop::collection::vec(step(), 1..30), reuse in prop_oneof![Just(0), Just(5)]) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let url = haechi_testkit::postgres_database();
            let stores = [Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap()];
            follow(stores.clone(), steps, reuse).await;
            for store in stores {
                store.close().await;
            }
        });
    }
}
