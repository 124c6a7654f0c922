//! Plain Cedar over the whole policy set is the specification. Slices and memo must give the same answer to everything.
//!
//! A world is a made-up configuration with its policies; it is asked many questions. What plain Cedar is given is written here, as text, apart
//! from the code that is checked: every clause as the `forbid` that it stands for, and all facts whether a policy reads them or not.

mod plain;
pub(crate) mod world;

use fastrand::Rng;
use haechi_authz::{Engine, Facts, Memo};
use plain::Plain;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

/// Questions to each world.
const QUESTIONS: u64 = 500;

/// What came out, to see that the questions were worth asking.
#[derive(Debug, Default)]
struct Tally {
    allowed: AtomicU64,
    denied: AtomicU64,
    errors: AtomicU64,
}

/// Asks `cases` questions; the seed tells the worlds. Panics at the first difference with everything needed to see it.
fn compare(cases: u64, seed: u64) -> Tally {
    let (tally, next) = (Tally::default(), AtomicU64::new(0));
    let worlds = cases.div_ceil(QUESTIONS);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= worlds {
                        return;
                    }
                    one_world(seed.wrapping_add(number), &tally);
                }
            });
        }
    });
    tally
}

fn one_world(seed: u64, tally: &Tally) {
    let mut rng = Rng::with_seed(seed);
    let world = World::generate(&mut rng);
    let plain = Plain::new(&world);
    let engine = Engine::new(Arc::new(world.compiled())).unwrap();
    let memo = Memo::default();
    for question in 0..QUESTIONS {
        let (head, route, caller) = world.question(&mut rng);
        let facts = Facts { head: &head, route, caller: &caller };
        let (expected, errors) = plain.decide(&facts);
        // Twice: worked out, and remembered.
        for _ in 0..2 {
            let verdict = engine.decide(&facts, &memo);
            assert_eq!(
                verdict.is_allowed(),
                expected,
                "seed {seed}, question {question}: {head:#?}\n{caller:#?}\nroute {}\n{verdict:#?}\nplain errors: {errors}\n{world}",
                world.vocabulary.routes[route.get()].name,
            );
        }
        let counter = match (expected, errors) {
            (true, _) => &tally.allowed,
            (false, false) => &tally.denied,
            (false, true) => &tally.errors,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn slices_and_memo_agree_with_plain_cedar() {
    let tally = compare(100_000, 0);
    let [allowed, denied, errors] =
        [&tally.allowed, &tally.denied, &tally.errors].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(allowed + denied + errors, 100_000);
    // Questions that all have one answer would prove nothing.
    assert!(allowed > 10_000 && denied > 10_000 && errors > 1_000, "{tally:?}");
}

/// `scripts/reference CASES` runs it: as many as asked, with seeds that were not tried before.
#[test]
#[ignore = "goes on for as long as asked: scripts/reference"]
fn as_many_as_asked() {
    let asked = std::env::var("REFERENCE_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases: u64 = asked.expect("REFERENCE_CASES is a number");
    let seed = Rng::new().u64(..);
    let begun = std::time::Instant::now();
    let mut done = 0;
    while done < cases {
        let step = (cases - done).min(100_000);
        let tally = compare(step, seed.wrapping_add(done));
        let step = [&tally.allowed, &tally.denied, &tally.errors].map(|count| count.load(Ordering::Relaxed));
        done += step.iter().sum::<u64>();
        eprintln!("{done} cases, no difference (seed {seed}, {} s): {tally:?}", begun.elapsed().as_secs());
    }
}
