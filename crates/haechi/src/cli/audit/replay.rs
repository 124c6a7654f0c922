//! `haechi audit replay`: decides every recorded decision again.

use super::{ReplayArgs, configured};
use crate::authenticators;
use crate::cli::output::counted;
use crate::cli::{Common, Failure, Format, configuration, output};
use crate::config::{Config, load_kept};
use crate::evidence::records::each_record;
use crate::inspect::recorded::RecordedDecision;
use crate::inspect::replay::{ChangeGroup, Judge, Replay, ReplayReport};
use crate::wire::control_runtime;
use haechi_audit::read::{Filter, open};
use haechi_audit::subjects::{SubjectKey, Subjects};
use haechi_audit::{Bundle, files_of, subjects_of};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(super) fn replay(common: &Common, arguments: &ReplayArgs) -> Result<(), Failure> {
    let current = match arguments.files.last() {
        Some(file) => file.clone(),
        None => configured(common)?.1.options.file,
    };
    let files = if arguments.files.is_empty() {
        files_of(&current).map_err(Failure::fault)?
    } else {
        arguments.files.clone()
    };
    let judges = if arguments.recorded {
        Judges::Recorded { current: current.clone(), known: HashMap::new(), folder: temporary_folder()? }
    } else {
        Judges::One(Box::new(judge(configuration(&common.config)?)?))
    };
    let mut replaying = Replaying {
        judges,
        keys: keys(&current)?,
        runtime: control_runtime().map_err(Failure::fault)?,
        replay: Replay::default(),
    };
    let filter = Filter { event: Some("decision".into()), ..Filter::default() };
    each_record(&files, &filter, |mut record| {
        open(&mut record, &replaying.keys);
        replaying.decide(&record)
    })?;
    let report = replaying.replay.finished();
    match common.output {
        Format::Json => output::json(&report)?,
        Format::Text => output::line(text(&report).trim_end())?,
    }
    // What decided then must decide the same again.
    if arguments.recorded && !report.changes.is_empty() { Err(Failure::Told) } else { Ok(()) }
}

/// Those of the trail that the files are of; nobody's where they are not here.
fn keys(current: &Path) -> Result<HashMap<String, SubjectKey>, Failure> {
    let path = subjects_of(&unrolled(current));
    if !path.exists() {
        return Ok(HashMap::new());
    }
    Subjects::open(&path).and_then(|keys| keys.all()).map_err(Failure::fault)
}

/// The trail's file, for one that was rolled.
fn unrolled(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('-') {
        Some((stem, at)) if at.contains("Z.") => {
            let extension = at.rsplit_once('.').map_or("", |(_, extension)| extension);
            file.with_file_name(format!("{stem}.{extension}"))
        }
        _ => file.to_owned(),
    }
}

/// Who decides.
enum Judges {
    /// One configuration for all.
    One(Box<Judge>),
    /// For each decision the configuration that made it.
    Recorded { current: PathBuf, known: HashMap<String, Box<Judge>>, folder: TempDir },
}

impl Judges {
    fn of(&mut self, hash: &str) -> Result<&Judge, Failure> {
        match self {
            Self::One(judge) => Ok(judge),
            Self::Recorded { current, known, folder } => {
                if !known.contains_key(hash) {
                    let failed = |why: String| {
                        Failure::fault(format!("the configuration {hash} cannot be read: {why}"))
                    };
                    let bundle =
                        Bundle::read(&unrolled(current), hash).map_err(|error| failed(error.to_string()))?;
                    let config = load_kept(&bundle, &folder.path().join(hash), authenticators::ALL);
                    let config = config.map_err(|error| failed(error.to_string()))?;
                    known.insert(hash.to_owned(), Box::new(judge(config)?));
                }
                known.get(hash).map(|judge| &**judge).ok_or_else(|| Failure::fault("no configuration"))
            }
        }
    }
}

fn judge(config: Config) -> Result<Judge, Failure> {
    Judge::new(Arc::new(config)).map_err(Failure::fault)
}

/// Where kept configurations are read from; gone when dropped.
fn temporary_folder() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("haechi-replay-").tempdir().map_err(Failure::fault)
}

struct Replaying {
    judges: Judges,
    keys: HashMap<String, SubjectKey>,
    runtime: Runtime,
    replay: Replay,
}

impl Replaying {
    fn decide(&mut self, record: &serde_json::Value) -> Result<(), Failure> {
        let Some(recorded) = RecordedDecision::of(record) else {
            self.replay.unreadable();
            return Ok(());
        };
        let judge = self.judges.of(&recorded.config)?;
        self.runtime.block_on(self.replay.decide(&recorded, judge));
        Ok(())
    }
}

fn text(report: &ReplayReport) -> String {
    let mut out = String::new();
    for change in &report.changes {
        let ChangeGroup { route, method, was, would_be, because, count, example } = change;
        let because = if because.is_empty() { String::new() } else { format!(": {because}") };
        out.push_str(&format!(
            "{method} on route {route}: {was} -> {would_be}{because} ({})\n",
            counted(usize::try_from(*count).unwrap_or(usize::MAX), "request")
        ));
        out.push_str(&format!(
            "    such as {} {} by {} (request {})\n",
            example.at,
            example.path,
            roles(&example.roles),
            example.request
        ));
    }
    let changed = report.decided - report.same;
    let unreadable = match report.unreadable {
        0 => String::new(),
        count => format!("; {count} of people whose keys are gone could not be decided"),
    };
    out.push_str(&format!(
        "{} decided again: {} the same, {changed} otherwise{unreadable}\n",
        report.decided, report.same
    ));
    out
}

fn roles(roles: &[String]) -> String {
    if roles.is_empty() {
        "a caller without roles".to_owned()
    } else {
        format!("a caller with {}", roles.join(", "))
    }
}
