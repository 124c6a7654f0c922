//! `haechi check`: is the configuration sound?

use super::output::{self, counted};
use super::{Common, Failure, Format};
use crate::config::{Config, load};

/// Says what the configuration holds, or everything that is wrong with it. Warnings go to stderr.
pub(crate) fn check(common: &Common) -> Result<(), Failure> {
    match (load(&common.config), common.output) {
        (Ok(config), Format::Text) => {
            output::to_stderr(&config.warnings.to_string());
            output::line(&summary(&config))
        }
        (Ok(config), Format::Json) => {
            output::to_stderr(&config.warnings.to_string());
            output::line("[]")
        }
        (Err(report), Format::Text) => Err(Failure::Config(Box::new(report))),
        (Err(report), Format::Json) => {
            output::json(&report.lines().collect::<Vec<_>>())?;
            Err(Failure::Told)
        }
    }
}

fn summary(config: &Config) -> String {
    format!(
        "ok: {}, {}, {}, {}",
        counted(config.listeners.len(), "listener"),
        counted(config.routes.len(), "route"),
        counted(config.services.len(), "service"),
        counted(config.authenticators.len(), "authenticator"),
    )
}
