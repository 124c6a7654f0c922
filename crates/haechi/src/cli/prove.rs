//! `haechi prove`: is this true of every caller and every request? Proved, or shown by an example.

use super::analysis::{load, solver};
use super::output::{self, counted};
use super::verdict::Verdict;
use super::{Common, Failure, Format, ProveArgs};
use crate::config::{Property, load_properties};
use crate::inspect::analysis::Loaded;
use crate::inspect::prove::{Answer, Included, Outcome, ProofReport, ask};
use crate::wire::control_runtime;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// Proves, as text or JSON. Exit 1 where something does not hold or was not decided.
pub(crate) fn prove(common: &Common, arguments: &ProveArgs) -> Result<(), Failure> {
    let loaded = load(&common.config)?;
    let beside = || common.config.with_file_name("properties.yaml");
    let properties = match &arguments.properties {
        Some(file) => read(file, &loaded)?,
        None if !loaded.config.property_files.is_empty() => loaded.config.properties.clone(),
        None => read(&beside(), &loaded)?,
    };
    let runtime = control_runtime().map_err(Failure::fault)?;
    let told = runtime.block_on(async {
        let mut solver = solver(&arguments.cvc5)?;
        Ok::<_, Failure>(ask(&loaded, &properties, &mut solver).await)
    })?;
    match common.output {
        Format::Json => output::json(&told)?,
        Format::Text => output::line(render(&told).trim_end())?,
    }
    if told.holds() { Ok(()) } else { Err(Failure::Told) }
}

fn read(file: &Path, loaded: &Loaded) -> Result<Arc<[Property]>, Failure> {
    let read = load_properties(file, &loaded.config);
    read.map(Arc::from).map_err(|report| Failure::Config(Box::new(report)))
}

/// As people read it.
pub(super) fn render(told: &ProofReport) -> String {
    let mut out = String::new();
    for answer in &told.properties {
        // Writing to a `String` does not fail.
        let _ = write_answer(&mut out, answer);
    }
    let count = |outcome: Outcome| told.properties.iter().filter(|answer| answer.outcome == outcome).count();
    let (no, unknown) = (count(Outcome::DoesNotHold), count(Outcome::NotDecided));
    let _ = write!(out, "\n{}: {} proved", plural(told.properties.len()), count(Outcome::Proved));
    if no > 0 {
        let _ = write!(out, ", {no} not so");
    }
    if unknown > 0 {
        let _ = write!(out, ", {unknown} not decided");
    }
    let _ = writeln!(out, " ({} to cvc5, {} ms)", counted(told.questions, "question"), told.solver_ms);
    out
}

fn plural(count: usize) -> String {
    if count == 1 { "1 property".into() } else { format!("{count} properties") }
}

fn write_answer(out: &mut String, answer: &Answer) -> std::fmt::Result {
    let (word, verdict) = match answer.outcome {
        Outcome::Proved => ("proved", Verdict::Good),
        Outcome::DoesNotHold => ("not so", Verdict::Bad),
        Outcome::NotDecided => ("not decided", Verdict::Look),
    };
    let word = format!("{word:<12}");
    let about = match answer.routes.len() {
        0 => "no route takes such requests".to_owned(),
        count => counted(count, "route"),
    };
    writeln!(out, "{} {}  ({about}, {} ms)", verdict.out(&word), output::shown(&answer.name), answer.ms)?;
    for route in &answer.routes {
        let own = if route.built_in { " (built in)" } else { "" };
        if let Some(why) = &route.why {
            writeln!(out, "             on `{}`{own}: {}", route.route, output::shown(why))?;
        }
        if let Some(shown) = &route.example {
            writeln!(out, "             on `{}`{own}, for example:", route.route)?;
            for line in &shown.lines {
                writeln!(out, "               {}", output::shown(line))?;
            }
            writeln!(out, "               {}", output::shown(&shown.gate))?;
            writeln!(out, "               see: {}", output::shown(&shown.explain))?;
        }
    }
    for Included { role, by } in &answer.included {
        writeln!(out, "             {} counts as {role}: it includes it", by.join(", "))?;
    }
    Ok(())
}
