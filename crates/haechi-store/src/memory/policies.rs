//! Policies that are kept in the store, in memory.

use super::Memory;
use crate::records::policy_changed;
use haechi_core::ports::{Policies, PoliciesInForce, PolicyVersion, Stored};
use std::collections::BTreeMap;

impl Policies for Memory {
    fn in_force(&self) -> Stored<'_, PoliciesInForce> {
        self.answer(|facts| {
            let newest: BTreeMap<&str, &PolicyVersion> =
                facts.policies.iter().map(|version| (&*version.name, version)).collect();
            let policies = newest.into_values().filter(|version| version.text.is_some()).cloned().collect();
            Ok(PoliciesInForce { serial: newest_serial(&facts.policies), policies })
        })
    }

    fn serial(&self) -> Stored<'_, i64> {
        self.answer(|facts| Ok(newest_serial(&facts.policies)))
    }

    fn versions<'a>(
        &'a self,
        name: &'a str,
        before: Option<i64>,
        limit: usize,
    ) -> Stored<'a, Vec<PolicyVersion>> {
        self.answer(move |facts| {
            let of_name = facts.policies.iter().rev().filter(|version| version.name == name);
            let earlier = of_name.filter(|version| before.is_none_or(|before| version.version < before));
            Ok(earlier.take(limit).cloned().collect())
        })
    }

    fn version<'a>(&'a self, name: &'a str, version: i64) -> Stored<'a, Option<PolicyVersion>> {
        self.answer(move |facts| {
            Ok(facts.policies.iter().find(|one| one.name == name && one.version == version).cloned())
        })
    }

    fn add<'a>(&'a self, version: &'a PolicyVersion) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let of_name = facts.policies.iter().filter(|one| one.name == version.name).count();
            let follows = i64::try_from(of_name).is_ok_and(|count| version.version == count + 1);
            if version.serial != newest_serial(&facts.policies) + 1 || !follows {
                return Err(policy_changed(version));
            }
            facts.policies.push(version.clone());
            Ok(())
        })
    }
}

fn newest_serial(all: &[PolicyVersion]) -> i64 {
    all.last().map_or(0, |version| version.serial)
}
