//! Cache of policy verdicts. Cedar is pure: equal facts, equal verdict.

use crate::slice::Slice;
use crate::{FactValue, Facts, PointAnswer, Read, RequestFacts, Verdict, Vocabulary};
use haechi_core::{AttributeValue, CallerKind, Timestamp};
use quick_cache::unsync::Cache;
use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Verdicts and answers kept per worker.
const KEPT: usize = 8192;
/// Longer keys are not kept: they come from long paths and headers, which rarely come again.
const LONGEST_KEY: usize = 1024;

/// A decision point's answer, and until when it holds.
type Answer = (PointAnswer, Timestamp);

/// One worker's memory of decisions. It belongs to one enforcer and is dropped with it.
pub struct Memo {
    verdicts: RefCell<Cache<Box<[u8]>, Arc<Verdict>>>,
    answers: RefCell<Cache<Box<[u8]>, Answer>>,
    scratch: RefCell<Vec<u8>>,
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            verdicts: RefCell::new(Cache::new(KEPT)),
            answers: RefCell::new(Cache::new(KEPT)),
            scratch: RefCell::default(),
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("verdicts", &self.verdicts.borrow().len()).finish_non_exhaustive()
    }
}

impl Memo {
    /// The verdict of `slice` (of the engine `engine`) on these facts: the one that was kept, or what `decide` says, which then is kept.
    pub(crate) fn verdict(
        &self,
        engine: u8,
        vocabulary: &Vocabulary,
        slice: &Slice,
        facts: &Facts<'_>,
        decide: impl FnOnce() -> Arc<Verdict>,
    ) -> Arc<Verdict> {
        let mut key = self.scratch.take();
        key.clear();
        key.push(engine);
        let known = write_key(&mut key, vocabulary, slice, facts) && key.len() <= LONGEST_KEY;
        let verdict = if !known {
            decide()
        } else if let Some(kept) = self.verdicts.borrow().get(key.as_slice()) {
            kept.clone()
        } else {
            let verdict = decide();
            self.verdicts.borrow_mut().insert(key.as_slice().into(), verdict.clone());
            verdict
        };
        self.scratch.replace(key);
        verdict
    }

    /// A decision point's answer that still holds.
    pub(crate) fn answer(&self, key: &[u8], now: Timestamp) -> Option<PointAnswer> {
        let answers = self.answers.borrow();
        answers.get(key).filter(|(_, until)| *until > now).map(|(answer, _)| answer.clone())
    }

    /// AnswerLifetimes a decision point's answer.
    pub(crate) fn keep_answer(&self, key: &[u8], answer: PointAnswer, until: Timestamp) {
        if key.len() <= 4 * LONGEST_KEY {
            self.answers.borrow_mut().insert(key.into(), (answer, until));
        }
    }
}

/// Writes the slice and exactly the facts that it reads, each so that its end can be told. False for facts that never come again.
fn write_key(key: &mut Vec<u8>, vocabulary: &Vocabulary, slice: &Slice, facts: &Facts<'_>) -> bool {
    key.extend(slice.id.to_ne_bytes());
    write_roles(key, slice, facts);
    let source = RequestFacts { facts: *facts, vocabulary };
    slice.reads.iter().all(|read| match read {
        // The roles are written above; the rest is the same for all requests of a slice.
        Read::Role(_) | Read::Method | Read::Route | Read::Labels | Read::Hierarchy => true,
        _ => read.value(&source).is_ok_and(|value| write_value(key, &value)),
    })
}

/// False for what never comes again.
fn write_value(key: &mut Vec<u8>, value: &FactValue<'_>) -> bool {
    match value {
        FactValue::Time(_) => return false,
        FactValue::Missing => key.push(0),
        FactValue::Kind(of) => key.push(kind(*of)),
        FactValue::Principal(caller) => {
            key.push(kind(caller.kind));
            write_text(key, &caller.issuer);
            write_text(key, &caller.subject);
        }
        FactValue::Bool(value) => key.push(u8::from(*value)),
        FactValue::Text(text) => {
            key.push(1);
            write_text(key, text);
        }
        FactValue::Names(names) => write_list(key, names.iter().map(|name| &**name)),
        FactValue::Attribute(value) => write_attribute(key, value),
        FactValue::Record(pairs) => write_list(key, pairs.iter().flat_map(|(name, value)| [*name, *value])),
        FactValue::Ip(IpAddr::V4(address)) => {
            key.push(4);
            key.extend(address.octets());
        }
        FactValue::Ip(IpAddr::V6(address)) => {
            key.push(6);
            key.extend(address.octets());
        }
    }
    true
}

/// One bit for each role that the slice knows.
fn write_roles(key: &mut Vec<u8>, slice: &Slice, facts: &Facts<'_>) {
    if slice.roles.is_empty() {
        return;
    }
    let start = key.len();
    key.resize(start + slice.roles.len().div_ceil(8), 0);
    for role in &facts.caller.roles {
        if let Ok(found) = slice.roles.binary_search_by(|(name, _)| (**name).cmp(role))
            && let Some(byte) = key.get_mut(start + found / 8)
        {
            *byte |= 1 << (found % 8);
        }
    }
}

const fn kind(kind: CallerKind) -> u8 {
    match kind {
        CallerKind::User => 1,
        CallerKind::ApiKey => 2,
        CallerKind::Anonymous => 3,
    }
}

fn write_text(key: &mut Vec<u8>, text: &str) {
    key.extend(text.len().to_ne_bytes());
    key.extend(text.as_bytes());
}

fn write_list<'a>(key: &mut Vec<u8>, items: impl Iterator<Item = &'a str>) {
    let start = key.len();
    key.extend(0usize.to_ne_bytes());
    let mut count = 0usize;
    for item in items {
        write_text(key, item);
        count += 1;
    }
    if let Some(place) = key.get_mut(start..start + size_of::<usize>()) {
        place.copy_from_slice(&count.to_ne_bytes());
    }
}

fn write_attribute(key: &mut Vec<u8>, value: &AttributeValue) {
    match value {
        AttributeValue::Bool(value) => key.extend([1, u8::from(*value)]),
        AttributeValue::Long(value) => {
            key.push(2);
            key.extend(value.to_ne_bytes());
        }
        AttributeValue::String(value) => {
            key.push(3);
            write_text(key, value);
        }
        AttributeValue::Set(members) => {
            key.push(4);
            write_list(key, members.iter().map(|member| &**member));
        }
    }
}
