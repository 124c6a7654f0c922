//! One worker's memory of decisions, bounded in number and in bytes.

use super::{Decided, Question, Wanted, direction};
use haechi_core::id::DecisionId;
use haechi_core::{Outcome, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Allowed requests that are remembered.
const ALLOWED: usize = 1024;
/// Refused and undecided requests that are remembered. It is these that people ask about, so no flood of allowed ones drives them out.
const REFUSED: usize = 4096;
/// Long paths and many words take the place of more records.
const ALLOWED_BYTES: usize = 1024 * 1024;
const REFUSED_BYTES: usize = 3 * 1024 * 1024;

/// The newest decisions of a worker, and examples of what shadow policies would change.
#[derive(Debug)]
pub(crate) struct DecisionRings {
    allowed: Ring,
    refused: Ring,
    examples: Examples,
}

impl Default for DecisionRings {
    fn default() -> Self {
        Self {
            allowed: Ring::new(ALLOWED, ALLOWED_BYTES),
            refused: Ring::new(REFUSED, REFUSED_BYTES),
            examples: Examples::default(),
        }
    }
}

impl DecisionRings {
    /// Keeps one more.
    pub(crate) fn keep(&mut self, decided: Decided) {
        if let Some(direction) = direction(&decided.decision) {
            self.examples.keep(direction, &decided);
        }
        match decided.outcome() {
            Outcome::Allow => self.allowed.push(decided),
            Outcome::Deny | Outcome::Unavailable => self.refused.push(decided),
        }
    }

    /// What there is to say to `question` under the configuration of generation `generation`.
    pub(crate) fn answer(&self, question: &Question, generation: u64) -> Vec<Decided> {
        match question {
            Question::Of(id) => {
                self.all().find(|decided| decided.decision.id == *id).cloned().into_iter().collect()
            }
            Question::Recent(wanted) => self.newest(wanted),
            Question::Shadow if self.examples.generation == generation => {
                self.examples.first.values().cloned().collect()
            }
            Question::Shadow => Vec::new(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Decided> {
        let rings = self.refused.records.iter().rev().chain(self.allowed.records.iter().rev());
        rings.chain(self.examples.first.values())
    }

    /// Sorted as they were made, newest first. A record comes when its request is over, so that the rings are not quite in order.
    fn newest(&self, wanted: &Wanted) -> Vec<Decided> {
        let mut best: BTreeMap<(Timestamp, DecisionId), &Decided> = BTreeMap::new();
        let rings = self.refused.records.iter().rev().chain(self.allowed.records.iter().rev());
        for decided in rings.filter(|decided| wanted.takes(decided)) {
            let oldest = best.first_key_value().map(|(moment, _)| *moment);
            let full = best.len() >= wanted.limit;
            if full && oldest.is_none_or(|oldest| oldest >= decided.moment()) {
                continue;
            }
            best.insert(decided.moment(), decided);
            if full {
                best.pop_first();
            }
        }
        best.into_values().rev().cloned().collect()
    }
}

/// The newest so many, of so many bytes.
#[derive(Debug)]
struct Ring {
    records: VecDeque<Decided>,
    most: usize,
    weight: usize,
    heaviest: usize,
}

impl Ring {
    const fn new(most: usize, heaviest: usize) -> Self {
        Self { records: VecDeque::new(), most, weight: 0, heaviest }
    }

    fn push(&mut self, decided: Decided) {
        if self.records.len() >= self.most {
            self.forget_one();
        }
        self.weight += decided.weight();
        self.records.push_back(decided);
        while self.weight > self.heaviest && self.forget_one() {}
    }

    fn forget_one(&mut self) -> bool {
        let oldest = self.records.pop_front();
        self.weight -= oldest.as_ref().map_or(0, Decided::weight);
        oldest.is_some()
    }
}

/// The first request of each route and direction on which shadow policies differ, since their configuration came into force.
#[derive(Debug, Default)]
struct Examples {
    generation: u64,
    first: BTreeMap<(Arc<str>, &'static str), Decided>,
}

impl Examples {
    fn keep(&mut self, direction: &'static str, decided: &Decided) {
        let generation = decided.decision.generation;
        if generation < self.generation {
            return;
        }
        if generation > self.generation {
            self.first.clear();
            self.generation = generation;
        }
        let kind = (decided.route.name.clone(), direction);
        self.first.entry(kind).or_insert_with(|| decided.clone());
    }
}

#[cfg(test)]
mod tests;
