//! Limits that are counted together.

use crate::support::{Node, check, wait};
use haechi_core::ports::LimitCheck;
use haechi_testkit::RedisServer;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

async fn let_through(node: &Node, checks: &[LimitCheck], times: usize) -> usize {
    let mut open = tokio::task::JoinSet::new();
    for _ in 0..times {
        open.spawn(node.limits.take(checks.to_vec()));
    }
    let answers = open.join_all().await;
    answers
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().iter().all(|answer| answer.is_within))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_makes_a_limit_over_two_nodes_one() {
    let server = RedisServer::start(&[]);
    let (one, other) = (Node::ready(&server.url()).await, Node::ready(&server.url()).await);
    let limit = [check(1, 100, HOUR, 100)];
    let (first, second) = tokio::join!(let_through(&one, &limit, 150), let_through(&other, &limit, 150));
    // In an hour a hundred; one more comes every 36 seconds.
    assert!((97..=103).contains(&(first + second)), "{first} + {second}");
    wait(|| one.limits.nodes().get() == 2 && other.limits.nodes().get() == 2).await;
}

#[tokio::test]
async fn redis_counts_against_all_limits_or_none() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    let (wide, narrow) = (check(1, 10, HOUR, 10), check(2, 2, HOUR, 2));
    let both = [wide.clone(), narrow.clone()];
    assert_eq!(let_through(&node, &both, 5).await, 2);
    let refused = node.limits.take(both.to_vec()).await.unwrap();
    assert_eq!((refused[0].is_within, refused[1].is_within), (true, false));
    assert_eq!((refused[0].remaining, refused[1].remaining), (8, 0), "what was refused was not counted");
    assert_eq!(refused[0].retry_after, Duration::ZERO);
    assert!(refused[1].retry_after > Duration::from_secs(1700) && refused[1].retry_after <= HOUR / 2);
    assert!(refused[1].full_after > HOUR - Duration::from_secs(100) && refused[1].full_after <= HOUR);
    // The same limit twice counts twice.
    let twice = node.limits.take(vec![wide.clone(), wide]).await.unwrap();
    assert_eq!((twice[0].remaining, twice[1].remaining), (7, 6));
    assert!(node.limits.take(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn redis_lets_through_again_what_has_waited() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    let limit = [check(3, 1, Duration::from_millis(300), 1)];
    assert_eq!(let_through(&node, &limit, 4).await, 1);
    let refused = node.limits.take(limit.to_vec()).await.unwrap()[0];
    assert!(!refused.is_within && refused.retry_after <= Duration::from_millis(300));
    let began = std::time::Instant::now();
    while !node.limits.take(limit.to_vec()).await.unwrap()[0].is_within {
        assert!(began.elapsed() < haechi_testkit::PATIENCE);
    }
}

#[tokio::test]
async fn redis_keeps_a_count_no_longer_than_it_matters() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    node.limits.take(vec![check(4, 100, HOUR, 100)]).await.unwrap();
    let key = server.command(&["KEYS", "haechi:limit:*"]);
    assert_eq!(key, format!("haechi:limit:{}", "04".repeat(16)));
    let left: u64 = server.command(&["PTTL", &key]).parse().unwrap();
    assert!(left <= 36_002, "36 seconds are used, and {left} ms are kept");
}

#[tokio::test]
async fn redis_computes_exactly_at_the_edges() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    // Seventy years, more requests than microseconds, and what does not divide evenly.
    let years = Duration::from_secs(70 * 365 * 86_400);
    let dense = check(6, u32::MAX, Duration::from_secs(1), 1000);
    for (limit, through) in [(check(5, 1, years, 1), 1), (check(7, 7, years, 3), 3)] {
        assert_eq!(let_through(&node, &[limit], 10).await, through);
    }
    assert!(let_through(&node, &[dense], 50).await >= 50, "a billion a second");
    let uneven = check(8, 3, HOUR, 3);
    for remaining in [2, 1, 0] {
        assert_eq!(node.limits.take(vec![uneven.clone()]).await.unwrap()[0].remaining, remaining);
    }
    assert!(!node.limits.take(vec![uneven]).await.unwrap()[0].is_within);
}

#[tokio::test]
async fn redis_that_knew_more_than_the_limit_allows_locks_nobody_out() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    // The clock was set back by a year, or the limit was a wider one before.
    let far = format!("{}:5", (1u64 << 51) + 2_000_000_000_000_000);
    server.command(&["SET", &format!("haechi:limit:{}", "09".repeat(16)), &far]);
    let limit = check(9, 10, Duration::from_secs(10), 10);
    let refused = node.limits.take(vec![limit.clone()]).await.unwrap()[0];
    assert!(!refused.is_within && refused.retry_after <= Duration::from_secs(1), "{refused:?}");
    server.command(&["SET", &format!("haechi:limit:{}", "09".repeat(16)), "what is this"]);
    assert!(node.limits.take(vec![limit]).await.unwrap()[0].is_within);
}
