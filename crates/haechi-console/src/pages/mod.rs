//! The pages. Each is made of what calls answer.

mod approvals;
mod audit;
mod candidate;
mod clients;
mod configurations;
mod decisions;
mod endpoints;
mod keys;
mod matrix;
mod overview;
mod policies;
mod review;
mod routes;
mod sessions;
mod signing_keys;
mod users;
mod who_can;
mod zone;

pub(crate) use candidate::{rehearsed, valid};
pub(crate) use decisions::LIVE;

use crate::fetch::Failed;
use crate::shown::{Ask, Shown};

/// The page at `path`.
pub(crate) async fn page(ask: &Ask<'_>, path: &str) -> Result<Shown, Failed> {
    let rest = path.strip_prefix("/console").unwrap_or_default().trim_start_matches('/');
    match rest.split('/').collect::<Vec<_>>()[..] {
        ["" | "login"] => overview::show(ask).await,
        ["decisions"] => decisions::list(ask).await,
        ["decisions", "live"] => Ok(decisions::live(ask)),
        ["decisions", id] => decisions::one(ask, id).await,
        ["who-can"] => who_can::show(ask).await,
        ["explain"] => who_can::explain(ask).await,
        ["matrix"] => matrix::show(ask).await,
        ["matrix", "cell"] => matrix::cell(ask).await,
        ["routes"] => routes::routes(ask).await,
        ["services"] => routes::services(ask).await,
        ["users"] => users::list(ask).await,
        ["users", "new"] => Ok(users::new(ask)),
        ["users", name] => users::one(ask, name).await,
        ["sessions"] => sessions::list(ask).await,
        ["keys"] => keys::list(ask).await,
        ["keys", "new"] => Ok(keys::new(ask)),
        ["keys", id] => keys::one(ask, id).await,
        ["clients"] => clients::list(ask).await,
        ["clients", "new"] => Ok(clients::new(ask)),
        ["clients", id] => clients::one(ask, id).await,
        ["signing-keys"] => signing_keys::list(ask).await,
        ["candidate"] => Ok(candidate::show(ask).await),
        ["configurations"] => configurations::list(ask).await,
        ["configurations", sha256] => configurations::one(ask, sha256).await,
        ["policies"] => policies::list(ask).await,
        ["policies", name] => policies::one(ask, name).await,
        ["approvals"] => approvals::list(ask).await,
        ["zone"] => Ok(zone::show(ask)),
        ["review"] => review::show(ask).await,
        ["audit"] => audit::list(ask).await,
        ["audit", "verify"] => audit::verify(ask).await,
        ["audit", "erase"] => Ok(audit::erase(ask)),
        _ => Err(Failed::Missing),
    }
}

/// What faults call the text that was typed into this form: the store's name for a policy, and a file's for a configuration.
pub(crate) async fn text_in(ask: &Ask<'_>, form: &str, stars: &[&str]) -> String {
    match form {
        "policies/*" => format!("store:{}", stars.first().copied().unwrap_or_default()),
        _ => candidate::file(ask).await,
    }
}
