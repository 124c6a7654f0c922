//! API keys, in memory.

use super::{Facts, Memory};
use crate::times::to_the_minute;
use haechi_core::Timestamp;
use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, Change, Edit, KeyFilter, KeyPage, KeyStanding, KeyState, KeyUse, Stored,
};
use std::cmp::Reverse;

impl ApiKeys for Memory {
    fn by_sha256<'a>(&'a self, sha256: &'a [u8; 32]) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(move |facts| {
            let id = facts.api_keys.by_secret.get(sha256);
            Ok(id.and_then(|id| facts.api_keys.by_id.get(id)).cloned())
        })
    }

    fn is_bound_to_its_runtime(&self) -> bool {
        false
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ApiKeyRecord>> {
        self.answer(move |facts| Ok(facts.api_keys.by_id.get(id).cloned()))
    }

    fn list<'a>(&'a self, filter: &'a KeyFilter, page: &'a KeyPage) -> Stored<'a, Vec<ApiKeyRecord>> {
        self.answer(move |facts| {
            let keys = &facts.api_keys;
            let after = page.after.as_ref().map(|id| keys.known(id)).transpose()?;
            let place = after.map(|key| Reverse((key.created_at, &key.id)));
            let newest_first = keys.by_creation.iter().rev();
            let follow = newest_first.skip_while(|(at, id)| place > Some(Reverse((*at, id))));
            let follow = follow.skip(usize::from(place.is_some()));
            let records = follow.filter_map(|(_, id)| keys.by_id.get(id));
            Ok(records.filter(|key| key.fits(filter)).take(page.limit).cloned().collect())
        })
    }

    fn expiring<'a>(&'a self, now: Timestamp, by: &'a [Timestamp]) -> Stored<'a, Vec<u64>> {
        self.answer(move |facts| {
            let active = |key: &&ApiKeyRecord| key.standing(now) == KeyStanding::Active;
            let ends: Vec<Timestamp> =
                facts.api_keys.by_id.values().filter(active).filter_map(|key| key.expires_at).collect();
            let count = |by: &Timestamp| ends.iter().filter(|end| *end <= by).count() as u64;
            Ok(by.iter().map(count).collect())
        })
    }

    fn add<'a>(&'a self, key: &'a ApiKeyRecord) -> Stored<'a, ()> {
        self.answer(move |facts| facts.api_keys.add(key))
    }

    fn add_all<'a>(&'a self, keys: &'a [ApiKeyRecord]) -> Stored<'a, ()> {
        self.answer(move |facts| {
            for (index, key) in keys.iter().enumerate() {
                if let Err(error) = facts.api_keys.add(key) {
                    keys.iter().take(index).for_each(|key| facts.api_keys.remove(key));
                    return Err(error);
                }
            }
            Ok(())
        })
    }

    fn rotate<'a>(
        &'a self,
        key: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Timestamp,
    ) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.api_keys.rotate(key, sha256, previous_until)?;
            facts.log.add(Change::ApiKey(key.of.to_owned()));
            Ok(())
        })
    }

    fn revoke<'a>(&'a self, key: Edit<'a>) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.api_keys.edited(key)?.state = KeyState::Revoked;
            facts.log.add(Change::ApiKey(key.of.to_owned()));
            Ok(())
        })
    }

    fn used<'a>(&'a self, uses: &'a [KeyUse]) -> Stored<'a, ()> {
        self.answer(move |facts| {
            uses.iter().for_each(|of| facts.note(of));
            Ok(())
        })
    }
}

impl Facts {
    fn note(&mut self, of: &KeyUse) {
        let Some(key) = self.api_keys.by_id.get_mut(&of.id) else { return };
        let used_at = Some(to_the_minute(of.at).max(key.created_at));
        if key.last_used_at < used_at {
            key.last_used_at = used_at;
            key.last_used_from = Some(of.from);
        }
    }
}
