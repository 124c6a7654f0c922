//! `haechi check`: is the configuration sound?

use super::output::{self, counted};
use super::{Common, Failure, Format};
use crate::authenticators;
use crate::config::{Config, load};

/// Says what the configuration holds, or everything that is wrong with it. Warnings go to stderr, or into the list of `--output json`.
pub(crate) fn check(common: &Common) -> Result<(), Failure> {
    match (load(&common.config, authenticators::ALL), common.output) {
        (Ok(config), Format::Text) => {
            output::to_stderr(&config.warnings.to_string());
            output::line(&summary(&config))
        }
        (Ok(config), Format::Json) => output::json(&config.warnings.lines().collect::<Vec<_>>()),
        (Err(report), Format::Text) => Err(Failure::Config(Box::new(report))),
        (Err(report), Format::Json) => {
            output::json(&report.lines().collect::<Vec<_>>())?;
            Err(Failure::Told)
        }
    }
}

fn summary(config: &Config) -> String {
    let shadow = config.shadow_policies.as_ref().map_or(0, |shadow| shadow.policies().len());
    let counts = [
        (config.listeners.len(), "listener"),
        (config.routes.len(), "route"),
        (config.services.len(), "service"),
        (config.authenticators.len(), "authenticator"),
    ];
    let policies = [(config.policies.policies().len(), "policy"), (shadow, "shadow policy")];
    let some = policies.into_iter().filter(|(count, _)| *count > 0);
    let all: Vec<String> = counts.into_iter().chain(some).map(|(count, what)| counted(count, what)).collect();
    format!("ok: {}", all.join(", "))
}
