//! What a verdict rests on, written once: most requests get one that was given before.

use haechi_audit::json;
use haechi_authz::{Decision, Source, Verdict};
use quick_cache::unsync::Cache;
use std::fmt::Display;
use std::sync::Arc;

/// Verdicts that are kept.
const KEPT: usize = 1024;

/// Members of records by the verdict that they tell of.
pub(super) struct VerdictFragments {
    /// By address. The verdict is kept, so that no other one can have its place.
    known: Cache<usize, (Arc<Verdict>, Arc<[u8]>)>,
    last: Arc<[u8]>,
}

impl Default for VerdictFragments {
    fn default() -> Self {
        Self { known: Cache::new(KEPT), last: Arc::new([]) }
    }
}

impl VerdictFragments {
    /// `,"policies":[…],"reads":[…],"reason":"…"`, the last where it denies.
    pub(super) fn fragment(&mut self, decision: &Decision) -> &[u8] {
        let verdict = &decision.verdict;
        let at = Arc::as_ptr(verdict) as usize;
        self.last = match self.known.get(&at) {
            Some((_, fragment)) => fragment.clone(),
            None => {
                let fragment: Arc<[u8]> = members(verdict).into();
                self.known.insert(at, (verdict.clone(), fragment.clone()));
                fragment
            }
        };
        &self.last
    }
}

fn members(verdict: &Verdict) -> Vec<u8> {
    let mut out = Vec::new();
    let names: Vec<String> = verdict.decided_by.iter().map(name).collect();
    json::list_member(&mut out, "policies", names.iter().map(String::as_str));
    let reads = texts(verdict.reads.iter());
    json::list_member(&mut out, "reads", reads.iter().map(String::as_str));
    if let Some(reason) = &verdict.denied {
        json::text_member(&mut out, "reason", &reason.describe());
    }
    let errors: Vec<String> = verdict.errors.iter().map(|(source, why)| format!("{source}: {why}")).collect();
    if !errors.is_empty() {
        json::list_member(&mut out, "errors", errors.iter().map(String::as_str));
    }
    out
}

fn texts(all: impl Iterator<Item = impl Display>) -> Vec<String> {
    all.map(|one| one.to_string()).collect()
}

/// As decisions have it elsewhere: `route`, the clause's name, or the policy's place.
fn name(source: &Source) -> String {
    match source {
        Source::Grant => "route".to_owned(),
        Source::Clause(name, _) => (*name).to_owned(),
        Source::Policy(place, None) => place.to_string(),
        Source::Policy(place, Some(id)) => format!("{id} ({place})"),
    }
}
