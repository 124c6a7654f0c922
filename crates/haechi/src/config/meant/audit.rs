//! The audit trail, as it is meant.

use super::names::Resolver;
use super::sinks::{Sink, sinks};
use crate::config::report::Fault;
use crate::config::written::{self, AuditDurability, AuditMode};
use haechi_audit::{Durability, Mode, Options, key_of};
use haechi_authn::keys::WebOrigin;
use std::path::Path;

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audit {
    /// How it is kept.
    pub options: Options,
    /// Where checkpoints are sent as well.
    pub checkpoint_url: Option<String>,
    /// Where every line is sent as well.
    pub sinks: Vec<Sink>,
}

pub(super) fn audit(resolver: &mut Resolver<'_>, folder: &Path) -> Option<Option<Audit>> {
    let Some(written) = resolver.written.audit.given() else {
        return resolver.written.audit.is_absent().then_some(None);
    };
    let (file, roll, checkpoints) =
        (written.file.as_ref()?, written.roll.as_ref()?, written.checkpoints.as_ref()?);
    if file.value.is_empty() || file.value.ends_with('/') {
        let fault = Fault::new(file.span, "this is not the name of a file");
        return resolver.fault(fault.help("write a file that lines are appended to: `audit/haechi.jsonl`"));
    }
    let current = folder.join(&file.value);
    let keep = written.keep.given();
    let size = keep.and_then(|keep| keep.size.given());
    if let Some(size) = size.filter(|size| size.value.0 < roll.size.0) {
        let fault = Fault::new(size.span, "less would be kept than one file may hold");
        resolver.faults.push(fault.help("make `keep.size` larger than `roll.size`, or `roll.size` smaller"));
    }
    let checkpoint_url = checkpoint_url(resolver, checkpoints);
    let sinks = sinks(resolver, &written.sinks)?;
    let options = Options {
        mode: match written.mode {
            AuditMode::Required => Mode::Required,
            AuditMode::BestEffort => Mode::BestEffort,
        },
        durability: match written.durability {
            AuditDurability::Written => Durability::Written,
            AuditDurability::Synced => Durability::Synced,
        },
        roll_size: roll.size.0,
        roll_daily: roll.daily,
        keep: keep.and_then(|keep| keep.age.given()).map(|age| age.value.0),
        keep_size: size.map(|size| size.value.0),
        checkpoint_every: checkpoints.every.0,
        checkpoint_file: checkpoints.file.given().map(|file| folder.join(&file.value)),
        key: written.key.given().map_or_else(|| key_of(&current), |key| folder.join(&key.value)),
        file: current,
    };
    Some(Some(Audit { options, checkpoint_url, sinks }))
}

fn checkpoint_url(resolver: &mut Resolver<'_>, written: &written::AuditCheckpoints) -> Option<String> {
    let url = written.url.given()?;
    if WebOrigin::permitted(url.as_str(), written.allow_http).is_err() {
        let fault = Fault::new(url.span, "checkpoints would leave this machine over plain `http`");
        return resolver.fault(fault.help("write `https://`, or set `allow_http: true` beside it"));
    }
    Some(url.to_string())
}
