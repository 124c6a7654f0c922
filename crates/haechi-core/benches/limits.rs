//! What a rate limit costs: `cargo bench -p haechi-core`. docs/benchmarks.md tells how to read it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is no part of the gate")]

use haechi_core::rate::{Gcra, LimitTable, Rate};
use haechi_core::{Clock, SystemClock};
use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// As many as the gate has.
const PLACES: usize = 1 << 20;
const ASKED: u64 = 2_000_000;
const ROUNDS: usize = 7;

fn main() {
    // `cargo test --benches` runs it too, without asking for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("a check (key hashed, clock read, counted), nanoseconds, median of {ROUNDS} rounds");
    println!("{:>9}  {:>10}  {:>10}  {:>9}", "keys", "address", "subject", "forgotten");
    for keys in [10, 1_000, 100_000, 1_000_000] {
        let (by_address, _) = median(keys, address);
        let (by_subject, table) = median(keys, subject);
        println!("{keys:>9}  {by_address:>10.1}  {by_subject:>10.1}  {:>9}", table.stats().forgotten);
    }
    println!("\none key asked by so many threads at once, nanoseconds a check");
    for threads in [1, 2, 4] {
        println!("{threads:>9}  {:>10.1}", contended(threads));
    }
}

fn gcra() -> Gcra {
    let number = NonZeroU32::new(100).unwrap();
    Gcra::new(&Rate { requests: number, per: Duration::from_secs(60), burst: number })
}

/// Made, not looked up: a request brings its key along.
fn address(number: u64) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(u128::from(number) << 64))
}

fn subject(number: u64) -> [u8; 24] {
    let mut text = *b"4c5e2f00-9d1b-........ab";
    text.iter_mut().skip(14).zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    text
}

/// Nanoseconds a check, with the keys asked in an order in which no cache helps, and the table of the last round.
fn median<K: std::hash::Hash>(keys: u64, key: fn(u64) -> K) -> (f64, LimitTable) {
    let (table, gcra) = (LimitTable::new(PLACES), gcra());
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let (start, mut at) = (Instant::now(), 0);
        for _ in 0..ASKED {
            at = (at + 7_919) % keys;
            let key = table.key(&(4_711_u64, key(black_box(at))));
            black_box(table.take(key, &gcra, SystemClock.uptime()));
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e9 / ASKED as f64);
    }
    rounds.sort_by(f64::total_cmp);
    (rounds.get(ROUNDS / 2).copied().unwrap_or_default(), table)
}

fn contended(threads: usize) -> f64 {
    let (table, gcra, start) = (LimitTable::new(PLACES), gcra(), Barrier::new(threads));
    let each = ASKED / 4;
    let took = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            let began = Instant::now();
            for _ in 0..each {
                black_box(table.take(table.key(&black_box("key")), &gcra, SystemClock.uptime()));
            }
            began.elapsed()
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).max().unwrap_or_default()
    });
    took.as_secs_f64() * 1e9 / each as f64
}
