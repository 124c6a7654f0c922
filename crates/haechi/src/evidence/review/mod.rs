//! Who may do what, who did, and what nobody needed.

mod accounts;
mod smaller;
mod usage;

use super::EvidenceError;
use crate::config::Config;
use haechi_audit::subjects::Subjects;
use haechi_authz::{Clause, Rule};
use haechi_core::ports::StoreError;
use haechi_core::{Clock, SystemClock};
use haechi_store::Store;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use usage::{Usage, Use};

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Review {
    /// Uses before this time do not count.
    pub(crate) since: String,
    /// Where the trail begins.
    pub(crate) trail_from: Option<String>,
    pub(crate) access: Vec<Access>,
    pub(crate) accounts: Vec<Account>,
}

/// That holders of a role may use a route.
#[derive(Debug, Serialize)]
pub(crate) struct Access {
    pub(crate) route: String,
    /// `any` and `policy` stand for routes that name no roles.
    pub(crate) role: String,
    pub(crate) requests: u64,
    pub(crate) last_used: Option<String>,
    pub(crate) unused: bool,
}

/// Somebody who may call.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    /// `user`, `key`, or `client`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) roles: Vec<String>,
    pub(crate) requests: u64,
    pub(crate) last_used: Option<String>,
    pub(crate) unused: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    /// The trail cannot be read.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the trail's files say of the last so many days, until it takes too long.
pub(crate) struct Reviewed {
    usage: Usage,
    since: String,
}

impl Reviewed {
    /// Reads the files.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub(crate) fn of(files: &[PathBuf], days: u32, until: Option<Instant>) -> Result<Self, EvidenceError> {
        let days = Duration::from_secs(u64::from(days) * 86_400);
        let since = SystemClock.now().minus(days).rfc3339_millis().to_string();
        Ok(Self { usage: Usage::of(files, &since, until)?, since })
    }

    /// What `config` and the store let people do, and whether they did.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub(crate) async fn review(
        self,
        config: &Config,
        store: Option<&Store>,
        people: (Option<&Subjects>, &str),
    ) -> Result<Review, ReviewError> {
        let accounts = match store {
            Some(store) => accounts::accounts(store, people, &self.usage).await?,
            None => Vec::new(),
        };
        let access = access(config, &self.usage);
        Ok(Review { since: self.since, trail_from: self.usage.begins, access, accounts })
    }
}

/// A configuration whose routes name no roles that nobody used.
#[derive(Debug, Serialize)]
pub(crate) struct Smaller {
    /// Its text.
    pub(crate) config: String,
    /// What each route would name.
    pub(crate) routes: BTreeMap<String, Vec<String>>,
    /// Routes that could not be found in the text.
    pub(crate) left: Vec<String>,
}

impl Review {
    /// `text` without the roles that nobody used, of routes that somebody used by another role; `None` where there are none.
    pub(crate) fn smaller(&self, text: &str) -> Option<Smaller> {
        let mut keep: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in self.access.iter().filter(|one| !one.unused) {
            keep.entry(&one.route).or_default().push(&one.role);
        }
        let unused = self.access.iter().filter(|one| one.unused);
        let less: BTreeMap<&str, &Vec<&str>> =
            unused.filter_map(|one| Some((&*one.route, keep.get(&*one.route)?))).collect();
        if less.is_empty() {
            return None;
        }
        let (config, left) = smaller::without(text, &less);
        let owned = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect();
        let routes = less.iter().map(|(route, keep)| ((*route).to_owned(), owned(keep))).collect();
        Some(Smaller { config, routes, left: owned(&left) })
    }

    /// Whether the trail does not reach back as far as was asked.
    pub(crate) fn is_early(&self) -> bool {
        self.trail_from.as_ref().is_none_or(|from| *from > self.since)
    }
}

/// Each route with each role that it names.
fn access(config: &Config, usage: &Usage) -> Vec<Access> {
    let mut access = Vec::new();
    for route in &config.routes {
        let roles = route.authorize.clauses().iter().find_map(|clause| match clause {
            Clause::Roles(roles) => Some(roles),
            _ => None,
        });
        let mut add = |role: &str, used: Option<&Use>| {
            access.push(Access {
                route: route.name.to_string(),
                role: role.to_owned(),
                requests: used.map_or(0, |used| used.requests),
                last_used: used.map(|used| used.last.clone()),
                unused: used.is_none(),
            });
        };
        match roles {
            Some(roles) => roles.iter().for_each(|role| add(role, usage.of_role(&route.name, role))),
            None if route.authorize == Rule::any() => add("any", usage.of_route(&route.name)),
            None => add("policy", usage.of_route(&route.name)),
        }
    }
    access
}
