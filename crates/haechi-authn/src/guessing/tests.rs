use super::{BY_ADDRESS, BY_NAME, Guess, GuessGuard, Lockout, Refused, WAITING};
use haechi_core::ports::{BoxFuture, GuessBounds, GuessKeys, GuessState, SharedGuesses, SharedStateError};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LASTS: Duration = Duration::from_secs(900);
const NOW: Duration = Duration::from_secs(5000);

fn lockout() -> Lockout {
    Lockout { failures: NonZeroU32::new(3).unwrap(), lasts: LASTS }
}

fn guard() -> Arc<GuessGuard> {
    Arc::new(GuessGuard::new(64))
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

async fn admit(guard: &Arc<GuessGuard>, name: &str, from: IpAddr, now: Duration) -> Result<Guess, Refused> {
    guard.admit(("", name), from, lockout(), || now).await
}

async fn fail(guard: &Arc<GuessGuard>, name: &str, from: IpAddr) -> bool {
    let guess = admit(guard, name, from, NOW).await;
    let Ok(guess) = guess else { return false };
    guess.failed(name, NOW).await;
    true
}

async fn log_in(guard: &Arc<GuessGuard>, name: &str, from: IpAddr) -> bool {
    let Ok(guess) = admit(guard, name, from, NOW).await else { return false };
    guess.succeeded().await;
    true
}

#[tokio::test]
async fn a_stranger_locks_out_nobody_but_the_stranger() {
    let guard = guard();
    for _ in 0..3 {
        assert!(fail(&guard, "root", address(1)).await);
    }
    assert!(!log_in(&guard, "root", address(1)).await);
    assert!(log_in(&guard, "root", address(2)).await);
    assert!(log_in(&guard, "mina", address(1)).await);
    assert_eq!(guard.stats().locked_pairs, 1);
    assert_eq!(guard.stats().unhashed, 1);
    assert!(admit(&guard, "root", address(1), NOW + LASTS).await.is_ok(), "for so long and no longer");
}

#[tokio::test]
async fn a_64_is_one_address() {
    let guard = guard();
    let of_block = |host: u128| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | host));
    for host in 0..3 {
        assert!(fail(&guard, "root", of_block(host)).await);
    }
    assert!(!log_in(&guard, "root", of_block(77)).await);
    assert!(log_in(&guard, "root", of_block(1 << 64)).await);
}

#[tokio::test]
async fn success_clears_the_count() {
    let guard = guard();
    for _ in 0..9 {
        assert!(fail(&guard, "mina", address(1)).await && fail(&guard, "mina", address(1)).await);
        assert!(log_in(&guard, "mina", address(1)).await);
    }
}

#[tokio::test]
async fn who_tries_many_names_is_refused_at_new_ones() {
    let guard = guard();
    assert!(log_in(&guard, "mina", address(1)).await);
    for n in 0..3 * BY_ADDRESS {
        assert!(fail(&guard, &format!("user {n}"), address(1)).await, "{n}");
    }
    assert!(!fail(&guard, "one more", address(1)).await);
    assert!(log_in(&guard, "mina", address(1)).await, "known here");
    assert!(log_in(&guard, "one more", address(2)).await);
    assert_eq!(guard.stats().locked_addresses, 1);
}

#[tokio::test]
async fn a_name_at_which_the_world_guesses_is_locked_for_unknown_addresses_alone() {
    let guard = guard();
    assert!(log_in(&guard, "root", address(0)).await);
    for n in 1..=3 * BY_NAME {
        assert!(fail(&guard, "root", address(n)).await, "{n}");
    }
    assert!(!log_in(&guard, "root", address(1000)).await);
    assert!(log_in(&guard, "root", address(0)).await);
    assert_eq!(guard.stats().locked_accounts, 1);
    assert!(admit(&guard, "root", address(1000), NOW + LASTS).await.is_ok());
}

#[tokio::test]
async fn guesses_at_once_wait_for_those_under_way() {
    let guard = guard();
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(admit(&guard, "root", address(1), NOW).await.unwrap_or_else(|_| panic!()));
    }
    let fourth = tokio::spawn({
        let guard = guard.clone();
        async move { admit(&guard, "root", address(1), NOW).await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert!(!fourth.is_finished());
    running.pop().unwrap().succeeded().await;
    assert_eq!(fourth.await.unwrap(), Ok(()), "the password was right");
    let fourth = tokio::spawn({
        let guard = guard.clone();
        async move { admit(&guard, "root", address(1), NOW).await.map(drop) }
    });
    running.push(admit(&guard, "root", address(1), NOW).await.unwrap_or_else(|_| panic!()));
    for guess in running {
        guess.failed("root", NOW).await;
    }
    assert!(matches!(fourth.await.unwrap(), Ok(()) | Err(Refused::Locked(_))));
    assert!(matches!(admit(&guard, "root", address(1), NOW).await, Err(Refused::Locked(_))));
}

#[tokio::test]
async fn nobody_gets_more_than_a_share_of_a_pool_that_is_half_full() {
    let guard = guard();
    let mut held = Vec::new();
    for n in 0.. {
        match admit(&guard, &format!("user {n}"), address(1), NOW).await {
            Ok(guess) => held.push(guess),
            Err(refused) => {
                assert_eq!((refused, held.len()), (Refused::Busy, 32));
                break;
            }
        }
    }
    assert!(admit(&guard, "root", address(2), NOW).await.is_ok());
    drop(held);
    let tables = guard.tables();
    assert_eq!((tables.total, tables.trying.len(), tables.trying_by_address.len()), (0, 0, 0));
}

#[tokio::test]
async fn no_more_wait_than_there_is_room_for() {
    let guard = guard();
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(admit(&guard, "root", address(1), NOW).await.unwrap_or_else(|_| panic!()));
    }
    let mut waiting = Vec::new();
    for _ in 0..WAITING + 8 {
        let guard = guard.clone();
        waiting.push(tokio::spawn(async move { admit(&guard, "root", address(1), NOW).await.map(drop) }));
    }
    tokio::task::yield_now().await;
    for guess in running {
        guess.failed("root", NOW).await;
    }
    let mut busy = 0;
    for outcome in waiting {
        busy += usize::from(outcome.await.unwrap() == Err(Refused::Busy));
    }
    assert_eq!(busy, 8, "the rest was refused when the user was locked");
    assert!(guard.tables().trying.is_empty());
}

/// What two nodes share, without the locks.
#[derive(Default)]
struct Others {
    failures: Arc<Mutex<HashMap<[u8; 16], u32>>>,
    known: Arc<Mutex<HashSet<[u8; 16]>>>,
    away: AtomicBool,
}

impl Others {
    fn state(&self, keys: GuessKeys) -> GuessState {
        let failures = self.failures.lock().unwrap().get(&keys.pair).copied().unwrap_or(0);
        let pair_locked = if failures >= 3 { LASTS } else { Duration::ZERO };
        let is_known = self.known.lock().unwrap().contains(&keys.pair);
        GuessState { failures, pair_locked, is_known, ..GuessState::default() }
    }

    fn told<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, Result<T, SharedStateError>> {
        let away = self.away.load(Relaxed);
        Box::pin(async move { if away { Err(SharedStateError("away".into())) } else { Ok(answer) } })
    }
}

impl SharedGuesses for Others {
    fn look(&self, keys: GuessKeys) -> BoxFuture<'static, Result<GuessState, SharedStateError>> {
        self.told(self.state(keys))
    }

    fn failed(
        &self,
        keys: GuessKeys,
        bounds: GuessBounds,
    ) -> BoxFuture<'static, Result<GuessState, SharedStateError>> {
        assert_eq!((bounds.pair.get(), bounds.lasts), (3, LASTS));
        *self.failures.lock().unwrap().entry(keys.pair).or_default() += 1;
        self.told(self.state(keys))
    }

    fn succeeded(&self, keys: GuessKeys) -> BoxFuture<'static, Result<(), SharedStateError>> {
        self.failures.lock().unwrap().remove(&keys.pair);
        self.known.lock().unwrap().insert(keys.pair);
        self.told(())
    }

    /// Every pair that failed is one of the name.
    fn unlocked(&self, _: [u8; 16]) -> BoxFuture<'static, Result<(), SharedStateError>> {
        self.failures.lock().unwrap().clear();
        self.told(())
    }

    fn is_reachable(&self) -> bool {
        true
    }
}

fn two_nodes() -> ([Arc<GuessGuard>; 2], Arc<Others>) {
    let others = Arc::new(Others::default());
    let guards = [guard(), guard()];
    guards.iter().for_each(|guard| guard.count_with(others.clone()));
    (guards, others)
}

#[tokio::test]
async fn nodes_count_together_and_forget_together() {
    let ([one, other], _) = two_nodes();
    for node in [&one, &other] {
        assert!(fail(node, "root", address(1)).await);
    }
    assert!(log_in(&one, "root", address(1)).await, "which every node hears");
    for node in [&other, &one, &other] {
        assert!(fail(node, "root", address(1)).await);
    }
    for node in [&one, &other] {
        assert!(!fail(node, "root", address(1)).await);
        assert!(fail(node, "root", address(2)).await, "another address");
        assert!(fail(node, "alice", address(1)).await, "another name");
    }
    assert_eq!(one.stats().unhashed + other.stats().unhashed, 2);
}

#[tokio::test]
async fn a_node_that_cannot_ask_the_others_counts_alone() {
    let ([one, other], others) = two_nodes();
    others.away.store(true, Relaxed);
    for _ in 0..3 {
        assert!(fail(&one, "root", address(1)).await);
    }
    assert!(!fail(&one, "root", address(1)).await);
    assert!(fail(&other, "root", address(1)).await);
    others.away.store(false, Relaxed);
    assert!(!fail(&other, "root", address(1)).await, "it was told meanwhile");
}

#[tokio::test]
async fn whoever_is_unlocked_may_try_again_from_everywhere() {
    let guard = guard();
    for from in 1..=BY_NAME {
        for _ in 0..3 {
            fail(&guard, "root", address(from)).await;
        }
        fail(&guard, "mina", address(1)).await;
    }
    assert!(!log_in(&guard, "root", address(1)).await && !log_in(&guard, "root", address(999)).await);
    guard.unlock(("another realm", "root")).await;
    assert!(!log_in(&guard, "root", address(1)).await, "of another realm");
    guard.unlock(("", "root")).await;
    assert!(log_in(&guard, "root", address(1)).await && log_in(&guard, "root", address(999)).await);
    assert!(!log_in(&guard, "mina", address(1)).await, "of another name");
}

#[tokio::test]
async fn all_nodes_learn_who_is_unlocked() {
    let ([one, other], _) = two_nodes();
    for _ in 0..3 {
        assert!(fail(&one, "root", address(1)).await);
    }
    assert!(!fail(&other, "root", address(1)).await);
    other.unlock(("", "root")).await;
    assert!(log_in(&other, "root", address(1)).await);
}
