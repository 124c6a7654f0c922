//! The configuration: read, checked, and all its faults reported at once.
//!
//! `yaml` makes a tree with places, `written` makes records of it, `meant` checks what hangs together. A [`Config`] exists only when nothing is
//! wrong. Nothing else in Haechi reads environment variables.

mod bundle;
mod cases;
pub(crate) mod choice;
mod defaults;
mod include;
mod inherit;
mod kept;
mod machine;
pub(crate) mod meant;
mod passage;
pub(crate) mod placeholder;
mod properties;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod report;
mod schema;
pub(crate) mod source;
mod store_policies;
mod stored;
pub(crate) mod value;
mod writable;
mod written;
pub(crate) mod yaml;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use cases::{Case, CaseCaller, Expect, load_cases, parse_time, read_cases};
pub(crate) use meant::{Config, Property};
pub(crate) use placeholder::{plain, process_variable};
pub(crate) use properties::load_properties;
pub(crate) use report::{Fault, Report};
pub(crate) use schema::json_schema;
pub(crate) use value::{matching_files, parse_duration, parse_network};

use crate::config::read::Definitions;
use haechi_audit::Bundle;
use haechi_store::Location;
use placeholder::Surroundings;
use read::{Reader, Value};
use source::Source;
use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub(crate) use store_policies::StorePolicies;

/// No access token of the embedded identity provider lives longer, whatever the configuration says.
pub(crate) const LONGEST_ACCESS_TOKEN: std::time::Duration = std::time::Duration::from_millis(defaults::DAY);

/// No configuration is longer.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// Reads and checks a configuration file, which may name `definitions`.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(file: &Path, definitions: Definitions) -> Result<Config, Report> {
    let text = read(file)?;
    checked(file, text, definitions, None)
}

/// Reads and checks a configuration that stands in no file; messages call it `name`.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load_from(name: &Path, opened: impl Read, definitions: Definitions) -> Result<Config, Report> {
    let text = text(opened).map_err(|fault| Report::errors(Source::new(name, String::new()), vec![fault]))?;
    checked(name, text, definitions, None)
}

/// Reads and checks a configuration file that is to follow on `in_force` without a restart.
///
/// # Errors
/// Everything that is wrong with it, and everything that needs a restart.
pub(crate) fn load_next(file: &Path, in_force: &Config) -> Result<Config, Report> {
    let text = read(file)?;
    checked(file, text, in_force.definitions, Some(in_force))
}

/// Checks a text that might come to stand in `file` and follow on `in_force` without a restart.
///
/// # Errors
/// Everything that is wrong with it, and everything that needs a restart.
pub(crate) fn check_next(file: &Path, text: String, in_force: &Config) -> Result<Config, Report> {
    checked(file, text, in_force.definitions, Some(in_force))
}

/// Checks a text by itself, as if nothing were in force.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn check(file: &Path, text: String, definitions: Definitions) -> Result<Config, Report> {
    checked(file, text, definitions, None)
}

/// Reads a configuration that was kept for evidence, as far as it decides. Its policies are put into `folder` for that.
///
/// # Errors
/// [`KeptError`].
pub(crate) fn load_kept(
    bundle: &Bundle,
    folder: &Path,
    definitions: Definitions,
) -> Result<Config, kept::KeptError> {
    kept::put_policies(bundle, folder)?;
    let variable = |_: &str| Ok(None);
    let kept = Some(&bundle.values);
    let surroundings = Surroundings { folder, variable: &variable, files: RefCell::default(), kept };
    let stored = StorePolicies::of_bundle(bundle);
    parse_in(&surroundings, &folder.join("decides.yaml"), bundle.decides.clone(), definitions, None)
        .and_then(|config| config.with_policies(stored))
        .map_err(|report| kept::KeptError::Config(Box::new(report)))
}

fn read(file: &Path) -> Result<String, Report> {
    read_file(file).map_err(|fault| Report::errors(Source::new(file, String::new()), vec![fault]))
}

/// Relative paths are relative to the folder of `file`, which need not exist.
fn checked(
    file: &Path,
    text: String,
    definitions: Definitions,
    in_force: Option<&Config>,
) -> Result<Config, Report> {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let surroundings =
        Surroundings { folder, variable: &process_variable, files: RefCell::default(), kept: None };
    parse_in(&surroundings, file, text, definitions, in_force)
}

fn parse_in(
    surroundings: &Surroundings<'_>,
    file: &Path,
    text: String,
    definitions: Definitions,
    in_force: Option<&Config>,
) -> Result<Config, Report> {
    let mut faults = Vec::new();
    let tree = yaml::parse(&text, &mut faults);
    let mut source = Source::new(file, text);
    let Some(mut tree) = tree else {
        if faults.is_empty() {
            faults.push(
                Fault::of_file("the file is empty").help("`haechi schema config` describes what it may hold"),
            );
        }
        return Err(Report::errors(source, faults));
    };
    let mut reader = Reader { definitions, source: &mut source, faults, surroundings };
    if include::apply(&mut tree, &mut reader).is_err() {
        let faults = reader.faults;
        return Err(Report::errors(source, faults).naming(surroundings.files.take()));
    }
    inherit::apply(&mut tree);
    let decides = bundle::decides(&tree, surroundings);
    let written = written::Config::read(&tree, &mut reader);
    let mut faults = reader.faults;
    let config = written.and_then(|written| {
        meant::resolve(&written, &source, definitions, surroundings.folder, in_force, &mut faults)
    });
    let files = surroundings.files.take();
    match config {
        Some(config) if faults.is_empty() => {
            let store = config.store.as_ref().and_then(Location::file);
            let named = files.iter().map(PathBuf::as_path);
            let careless = writable::warnings([file].into_iter().chain(named).chain(store));
            let bundle = bundle::of(&source, &files, decides).into();
            let config = Config { files, bundle, warnings: config.warnings.and(careless), ..config };
            let properties = proved_of(&config)?;
            Ok(Config { properties, ..config })
        }
        _ => Err(Report::errors(source, faults).naming(files)),
    }
}

/// What must be true of the policies, of all files that say so.
fn proved_of(config: &Config) -> Result<Arc<[Property]>, Report> {
    let mut all = Vec::new();
    for file in &config.property_files {
        let read = load_properties(file, config);
        all.extend(read.map_err(|report| report.naming(config.files.clone()))?);
    }
    Ok(all.into())
}

fn read_file(file: &Path) -> Result<String, Fault> {
    text(std::fs::File::open(file).map_err(|error| unreadable(&error))?)
}

fn unreadable(error: &std::io::Error) -> Fault {
    let help = "name the file with `-c FILE`, or in `HAECHI_CONFIG`";
    Fault::of_file(format!("the configuration cannot be read: {}", plain(error))).help(help)
}

fn text(opened: impl Read) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Fault::of_file("the configuration is longer than 8 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count()
                + 1;
        Fault::of_file(format!("line {line} is not UTF-8")).help("save the file as UTF-8")
    })
}
