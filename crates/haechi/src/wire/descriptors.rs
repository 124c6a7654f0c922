//! File descriptors: as many as the system allows, and some kept back, so that connections can never use them up.

use crate::config::Config;
use haechi_proxy::Budget;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept back for what is neither a connection of the data plane nor one of the admin listener: the store, log files, key fetching, name lookups,
/// configuration files that are read again.
const RESERVE: usize = 64;
/// What a worker holds for its runtime, and for a connection that is taken only to be closed.
const PER_WORKER: usize = 8;
/// With fewer the gate could hardly serve anybody.
const LEAST: usize = 32;

/// The process may open too few files.
#[derive(Debug, thiserror::Error)]
#[error(
    "the process may open only {allowed} files, and this configuration needs {needed}; raise the limit (`ulimit -n`, `LimitNOFILE=`) or lower `workers`"
)]
pub(crate) struct TooFew {
    allowed: usize,
    needed: usize,
}

/// Raises the limit as far as the process may, and says how many descriptors are left for connections to clients and to services.
pub(super) fn for_connections(config: &Config) -> Result<usize, TooFew> {
    let allowed = raise();
    let admin = config.admin.iter().flat_map(|admin| [admin.bind.is_some(), admin.socket.is_some()]);
    let doors = config.probes.len() + admin.filter(|there| *there).count();
    let kept = RESERVE
        + doors * haechi_admin::MAX_CONNECTIONS
        + config.workers.get() * (PER_WORKER + config.listeners.len());
    match allowed.checked_sub(kept) {
        Some(left) if left >= LEAST => Ok(left),
        _ => Err(TooFew { allowed, needed: kept + LEAST }),
    }
}

/// Tells when the descriptors allow fewer client connections than the configuration.
pub(super) fn warn_of(config: &Config, budget: &Budget) {
    let (configured, allowed) = (config.limits.connections, budget.most_clients());
    if allowed < configured {
        tracing::warn!(
            configured,
            allowed,
            "the limit of open files allows fewer client connections than `limits.connections`"
        );
    }
}

fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::debug!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    current.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX))
}
