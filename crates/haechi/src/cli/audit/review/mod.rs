//! `haechi review`: who may do what, who did, and what nobody needed (docs/audit.md).

mod accounts;
mod page;
mod smaller;
mod usage;

use super::{configured, files};
use crate::cli::diff::diff;
use crate::cli::output::{self, said};
use crate::cli::{Common, DiffArgs, Failure, Form};
use clap::Args;
use haechi_authz::{Clause, Rule};
use haechi_core::{Clock, SystemClock};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use usage::{Usage, Use};

/// `haechi review`.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// Access that nobody used for so many days is unused.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Write the configuration without the roles that nobody used into this file, and show with `haechi diff` that nothing else changes. Needs the program cvc5.
    #[arg(long, value_name = "FILE")]
    smaller: Option<PathBuf>,
    /// The solver's program.
    #[arg(long, value_name = "FILE", default_value = "cvc5")]
    cvc5: PathBuf,
    /// The trail's files; those of the configuration where none is named.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Review {
    /// Uses before this time do not count.
    since: String,
    /// Where the trail begins.
    trail_from: Option<String>,
    access: Vec<Access>,
    accounts: Vec<Account>,
}

/// That holders of a role may use a route.
#[derive(Debug, Serialize)]
struct Access {
    route: String,
    /// `any` and `policy` stand for routes that name no roles.
    role: String,
    requests: u64,
    last_used: Option<String>,
    unused: bool,
}

/// Somebody who may call.
#[derive(Debug, Serialize)]
struct Account {
    /// `user`, `key`, or `client`.
    kind: &'static str,
    name: String,
    id: String,
    roles: Vec<String>,
    requests: u64,
    last_used: Option<String>,
    unused: bool,
}

pub(crate) fn review(common: &Common, arguments: &ReviewArgs) -> Result<(), Failure> {
    let (config, _) = configured(common)?;
    let days = Duration::from_secs(u64::from(arguments.days) * 86_400);
    let since = SystemClock.now().minus(days).rfc3339_millis().to_string();
    let usage = Usage::of(&files(common, &arguments.files)?, &since)?;
    let access = access(&config, &usage);
    let accounts = accounts::accounts(common, &config, &usage)?;
    let review = Review { since, trail_from: usage.begins.clone(), access, accounts };
    match common.form {
        Form::Json => output::json(&review)?,
        Form::Csv => output::line(page::csv(&review).trim_end())?,
        Form::Html => output::line(page::html(&review).trim_end())?,
        _ => output::line(page::text(&review).trim_end())?,
    }
    if review.is_early() {
        said("the trail begins later than that: what was used before it is not known");
    }
    match &arguments.smaller {
        Some(path) => write_smaller(common, arguments, &review, path.clone()),
        None => Ok(()),
    }
}

impl Review {
    /// Whether the trail does not reach back as far as was asked.
    fn is_early(&self) -> bool {
        self.trail_from.as_ref().is_none_or(|from| *from > self.since)
    }
}

/// Each route with each role that it names.
fn access(config: &crate::config::Config, usage: &Usage) -> Vec<Access> {
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

/// Takes the roles that nobody used from the routes that somebody used by another role, and shows what that changes.
fn write_smaller(
    common: &Common,
    arguments: &ReviewArgs,
    review: &Review,
    path: PathBuf,
) -> Result<(), Failure> {
    let mut keep: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in review.access.iter().filter(|one| !one.unused) {
        keep.entry(&one.route).or_default().push(&one.role);
    }
    let unused = review.access.iter().filter(|one| one.unused);
    let less: BTreeMap<&str, &Vec<&str>> =
        unused.filter_map(|one| Some((&*one.route, keep.get(&*one.route)?))).collect();
    if less.is_empty() {
        said("no route names a role that nobody used beside one that somebody did");
        return Ok(());
    }
    let text = std::fs::read_to_string(&common.config).map_err(Failure::fault)?;
    let (text, left) = smaller::without(&text, &less);
    std::fs::write(&path, text).map_err(|error| Failure::fault(format!("`{}`: {error}", path.display())))?;
    for route in left {
        said(&format!(
            "the route `{route}` stands in another file, or gets its roles elsewhere: change it by hand"
        ));
    }
    said(&format!("wrote `{}`; what it changes:", path.display()));
    let arguments =
        DiffArgs { old: common.config.clone(), new: path, fail_on: None, cvc5: arguments.cvc5.clone() };
    diff(common, &arguments)
}
