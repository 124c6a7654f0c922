//! Rate limits, counted by one script in one step.

use crate::link::{Link, hex};
use haechi_core::ports::{BoxFuture, LimitAnswer, LimitCheck, Rate, SharedLimits, SharedStateError};
use redis::{Script, ScriptInvocation};
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static LIMITS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limits.lua")));

/// No limit reaches further ahead than this (71 years): with the time of day it stays below 2^53 microseconds.
const FURTHEST: u128 = 1 << 51;

/// The counts of limits.
pub(crate) struct Limits(pub(crate) Arc<Link>);

impl SharedLimits for Limits {
    fn take(
        &self,
        checks: Vec<LimitCheck>,
    ) -> BoxFuture<'static, Result<Vec<LimitAnswer>, SharedStateError>> {
        let link = self.0.clone();
        Box::pin(async move {
            if checks.is_empty() {
                return Ok(Vec::new());
            }
            let cells: Vec<Cell> = checks.iter().map(|check| Cell::of(check.rate)).collect();
            let mut call = LIMITS.prepare_invoke();
            for (check, cell) in checks.iter().zip(&cells) {
                call.key(key(&link, &check.key));
                cell.add_to(&mut call);
            }
            let answer: Vec<u64> = link.call(&call, link.patience()).await?;
            answers(&cells, &answer)
                .ok_or_else(|| SharedStateError("the answer is not to the question".into()))
        })
    }

    fn is_reachable(&self) -> bool {
        self.0.answers()
    }

    fn nodes(&self) -> NonZeroU32 {
        self.0.nodes()
    }
}

fn key(link: &Link, bytes: &[u8; 16]) -> String {
    link.key(&format!("limit:{}", hex(bytes)))
}

/// A limit in numbers that a script computes with exactly. Spans are in parts: so many of them, `n`, are a microsecond.
struct Cell {
    n: u128,
    /// What one request stands for.
    step: u128,
    /// How far ahead of now the requests may reach.
    most: u128,
}

impl Cell {
    fn of(rate: Rate) -> Self {
        let n = u128::from(rate.requests.get());
        // In `per` there are `requests` steps, so a step has as many parts as `per` has microseconds.
        let step = rate.per.as_nanos().div_ceil(1_000).clamp(1, FURTHEST);
        let most = step.saturating_mul(u128::from(rate.burst.get())).min(FURTHEST * n);
        Self { n, step, most }
    }

    fn add_to(&self, call: &mut ScriptInvocation<'_>) {
        let Self { n, step, most } = self;
        for number in [*n, step / n, step % n, most / n, most % n] {
            call.arg(u64::try_from(number).unwrap_or(u64::MAX));
        }
    }

    /// What it means that the requests reach so many parts ahead.
    fn answer(&self, is_within: bool, ahead: u128) -> LimitAnswer {
        let left = self.most.saturating_sub(ahead);
        let more_after = (self.step - left % self.step).min(ahead);
        LimitAnswer {
            is_within,
            remaining: u32::try_from(left / self.step).unwrap_or(u32::MAX),
            retry_after: self.span(self.step.saturating_sub(left)),
            more_after: self.span(more_after),
            full_after: self.span(ahead),
        }
    }

    fn span(&self, parts: u128) -> Duration {
        Duration::from_micros(u64::try_from(parts.div_ceil(self.n)).unwrap_or(u64::MAX))
    }
}

/// Whether all are within, then three numbers for each.
fn answers(cells: &[Cell], numbers: &[u64]) -> Option<Vec<LimitAnswer>> {
    let (_, rest) = numbers.split_first()?;
    let (each, rest) = rest.as_chunks::<3>();
    if each.len() != cells.len() || !rest.is_empty() {
        return None;
    }
    let answer = |(cell, [within, whole, parts]): (&Cell, &[u64; 3])| {
        cell.answer(*within == 1, u128::from(*whole) * cell.n + u128::from(*parts))
    };
    Some(cells.iter().zip(each).map(answer).collect())
}

#[cfg(test)]
mod tests {
    use super::{Cell, answers};
    use haechi_core::ports::Rate;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn cell(requests: u32, per: Duration, burst: u32) -> Cell {
        let number = |number| NonZeroU32::new(number).unwrap();
        Cell::of(Rate { requests: number(requests), per, burst: number(burst) })
    }

    #[test]
    fn what_the_numbers_of_the_script_mean() {
        let cell = cell(3, Duration::from_secs(1), 2);
        assert_eq!((cell.step / cell.n, cell.step % cell.n), (333_333, 1));
        assert_eq!((cell.most / cell.n, cell.most % cell.n), (666_666, 2));
        let first = answers(&[cell], &[1, 1, 333_333, 1]).unwrap();
        assert_eq!((first[0].remaining, first[0].retry_after), (1, Duration::ZERO));
        assert_eq!(first[0].full_after, Duration::from_micros(333_334));
        assert_eq!(first[0].more_after, first[0].full_after);
    }

    #[test]
    fn a_used_up_limit_says_when_there_is_more() {
        let cell = cell(1, Duration::from_secs(10), 1);
        let refused = cell.answer(false, 7_000_000);
        assert_eq!((refused.remaining, refused.retry_after), (0, Duration::from_secs(7)));
        assert_eq!(refused.more_after, refused.retry_after);
    }

    #[test]
    fn the_largest_and_the_smallest_stay_exact() {
        for (requests, per) in
            [(1, Duration::MAX), (u32::MAX, Duration::MAX), (u32::MAX, Duration::from_nanos(1))]
        {
            let cell = cell(requests, per, u32::MAX);
            assert!(cell.most / cell.n <= 1 << 51 && cell.step >= 1);
            assert!(cell.step <= cell.most, "one fits");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let one = [cell(1, Duration::from_secs(1), 1)];
        for numbers in [&[][..], &[1], &[1, 1, 0], &[1, 1, 0, 0, 1, 0, 0]] {
            assert!(answers(&one, numbers).is_none());
        }
    }
}
