//! `haechi check`: is the configuration sound?

mod online;

use super::output::{self, counted};
use super::{CheckArgs, Common, Failure, Format, tell_report};
use crate::authenticators;
use crate::config::{Config, Report, load, load_from};
use serde_json::json;
use std::io;
use std::path::Path;

/// Says what the configuration holds, or everything that is wrong with it. Warnings go to stderr, or into the list of `--output json`.
pub(crate) fn check(common: &Common, arguments: &CheckArgs) -> Result<(), Failure> {
    let file = arguments.file.as_deref().unwrap_or(&common.config);
    let config = match (read(file), common.output) {
        (Ok(config), _) => config,
        (Err(report), Format::Text) => return Err(Failure::Config(Box::new(report))),
        (Err(report), Format::Json) => {
            output::json(&report.lines().collect::<Vec<_>>())?;
            return Err(Failure::Told);
        }
    };
    let asked = arguments.online.then(|| online::ask(&config)).transpose()?;
    match (common.output, &asked) {
        (Format::Text, _) => {
            tell_report(&config.warnings);
            output::line(&summary(&config))?;
            asked.iter().flatten().try_for_each(|found| output::line(&found.to_string()))?;
        }
        (Format::Json, None) => output::json(&config.warnings.lines().collect::<Vec<_>>())?,
        (Format::Json, Some(asked)) => {
            output::json(
                &json!({ "warnings": config.warnings.lines().collect::<Vec<_>>(), "online": asked }),
            )?;
        }
    }
    if asked.iter().flatten().all(online::Found::is_well) { Ok(()) } else { Err(Failure::Told) }
}

/// `-` is standard input, and relative paths are then relative to the current folder.
fn read(file: &Path) -> Result<Config, Report> {
    if file == Path::new("-") {
        load_from(Path::new("standard input"), io::stdin().lock(), authenticators::ALL)
    } else {
        load(file, authenticators::ALL)
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
