use super::{BY_ADDRESS, BY_NAME, Guess, GuessGuard, Lockout, Refused, WAITING};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
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
    guess.map(|guess| guess.failed(name, NOW)).is_ok()
}

async fn log_in(guard: &Arc<GuessGuard>, name: &str, from: IpAddr) -> bool {
    admit(guard, name, from, NOW).await.map(Guess::succeeded).is_ok()
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
    running.pop().unwrap().succeeded();
    assert_eq!(fourth.await.unwrap(), Ok(()), "the password was right");
    let fourth = tokio::spawn({
        let guard = guard.clone();
        async move { admit(&guard, "root", address(1), NOW).await.map(drop) }
    });
    running.push(admit(&guard, "root", address(1), NOW).await.unwrap_or_else(|_| panic!()));
    running.into_iter().for_each(|guess| guess.failed("root", NOW));
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
    running.into_iter().for_each(|guess| guess.failed("root", NOW));
    let mut busy = 0;
    for outcome in waiting {
        busy += usize::from(outcome.await.unwrap() == Err(Refused::Busy));
    }
    assert_eq!(busy, 8, "the rest was refused when the user was locked");
    assert!(guard.tables().trying.is_empty());
}
