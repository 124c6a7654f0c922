//! Wrong passwords that are counted together.

use crate::support::Node;
use haechi_core::ports::{GuessBounds, GuessKeys, OtherBounds};
use haechi_testkit::RedisServer;
use std::num::NonZeroU32;
use std::time::Duration;

const KEYS: GuessKeys = GuessKeys { pair: [1; 16], address: [2; 16], account: [3; 16] };

fn bounds(pair: u32, others: Option<(u32, u32)>, lasts: Duration) -> GuessBounds {
    let number = |number| NonZeroU32::new(number).unwrap();
    let others =
        others.map(|(address, account)| OtherBounds { address: number(address), account: number(account) });
    GuessBounds { pair: number(pair), others, lasts }
}

#[tokio::test]
async fn redis_counts_wrong_passwords_over_two_nodes() {
    let server = RedisServer::start(&[]);
    let nodes = [Node::ready(&server.url()).await, Node::ready(&server.url()).await];
    let [one, other] = nodes.each_ref().map(|node| node.state.guesses());
    let bounds = bounds(3, Some((5, 9)), Duration::from_secs(900));
    for (n, node) in [&one, &other, &one].into_iter().enumerate() {
        let state = node.failed(KEYS, bounds).await.unwrap();
        assert_eq!((state.failures as usize, state.pair_locked.is_zero()), (n + 1, n < 2));
    }
    let seen = other.look(KEYS).await.unwrap();
    assert!(seen.pair_locked > Duration::from_secs(890) && seen.pair_locked <= Duration::from_secs(900));
    assert!(seen.address_locked.is_zero() && !seen.is_known);
    // The same address at other names.
    let next = GuessKeys { pair: [4; 16], account: [5; 16], ..KEYS };
    for locked in [false, true] {
        assert_eq!(!other.failed(next, bounds).await.unwrap().address_locked.is_zero(), locked);
    }
    one.succeeded(KEYS).await.unwrap();
    let seen = other.look(KEYS).await.unwrap();
    assert_eq!((seen.failures, seen.pair_locked, seen.is_known), (0, Duration::ZERO, true));
}

#[tokio::test]
async fn redis_lets_a_lock_end() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    let guesses = node.state.guesses();
    let bounds = bounds(1, None, Duration::from_millis(200));
    let locked = guesses.failed(KEYS, bounds).await.unwrap();
    assert!(!locked.pair_locked.is_zero() && locked.account_locked.is_zero());
    let began = std::time::Instant::now();
    while !guesses.look(KEYS).await.unwrap().pair_locked.is_zero() {
        assert!(began.elapsed() < haechi_testkit::PATIENCE);
    }
    assert_eq!(guesses.look(KEYS).await.unwrap().failures, 0);
    assert_eq!(server.command(&["EXISTS", &format!("haechi:guess:account:{}", "03".repeat(16))]), "0");
}

#[tokio::test]
async fn redis_forgets_what_was_counted_against_a_name_that_is_unlocked() {
    let server = RedisServer::start(&[]);
    let nodes = [Node::ready(&server.url()).await, Node::ready(&server.url()).await];
    let [one, other] = nodes.each_ref().map(|node| node.state.guesses());
    let bounds = bounds(2, Some((100, 2)), Duration::from_secs(900));
    let elsewhere = GuessKeys { pair: [4; 16], address: [5; 16], ..KEYS };
    let another_name = GuessKeys { pair: [6; 16], account: [7; 16], ..KEYS };
    for keys in [KEYS, KEYS, elsewhere, elsewhere, another_name, another_name] {
        one.failed(keys, bounds).await.unwrap();
    }
    let began = std::time::Instant::now();
    loop {
        // What fails in the very millisecond of the unlocking counts on.
        other.unlocked(KEYS.account).await.unwrap();
        let seen = [one.look(KEYS).await.unwrap(), one.look(elsewhere).await.unwrap()];
        if seen.iter().all(|seen| seen.pair_locked.is_zero() && seen.account_locked.is_zero()) {
            assert!(seen.iter().all(|seen| seen.failures == 0));
            break;
        }
        assert!(began.elapsed() < haechi_testkit::PATIENCE);
    }
    assert!(!one.look(another_name).await.unwrap().pair_locked.is_zero());
    // What fails in the very millisecond of the unlocking may be taken for what was before it.
    let unlocked = std::time::Instant::now();
    while unlocked.elapsed() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    let again = one.failed(KEYS, bounds).await.unwrap();
    assert_eq!((again.failures, again.pair_locked.is_zero()), (1, true), "it is counted from the beginning");
    assert!(!one.failed(KEYS, bounds).await.unwrap().pair_locked.is_zero());
}
