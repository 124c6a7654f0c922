//! `haechi decisions`: what a running gate has decided lately, and what it decides from now on.

use super::remote::{Gate, GateArgs, ONE_QUESTION, looking, wait};
use super::verdict::Verdict;
use super::{Common, Failure, Format, output};
use clap::Args;
use haechi_admin::decisions::DecisionRecord;
use haechi_core::Outcome;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// How often a gate is asked for what is new.
const EVERY: Duration = Duration::from_secs(1);
/// A token that is made for somebody who follows is valid for so long.
const WHILE_FOLLOWING: Duration = Duration::from_secs(12 * 60 * 60);
/// So many are asked for at once.
const PAGE: usize = 200;
/// So many new ones are shown of one second; of more, the newest.
const MOST_NEW: usize = 10 * PAGE;
/// So many ids are remembered, so that none is shown twice.
const REMEMBERED: usize = 4 * MOST_NEW;

/// `haechi decisions`.
#[derive(Debug, Args)]
pub(crate) struct DecisionsArgs {
    /// Only those that let nobody through.
    #[arg(long)]
    denied: bool,
    /// Only the one about the request of this id, as answers, logs and backends have it.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only those about callers with this subject.
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// Only those on the route of this name.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Goes on with what is decided from now on, until it is stopped; `--output json` prints one line for each then.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    gate: GateArgs,
}

/// Asks the gate, and prints.
pub(crate) fn decisions(common: &Common, arguments: &DecisionsArgs) -> Result<(), Failure> {
    let gate =
        looking(common, &arguments.gate, if arguments.follow { WHILE_FOLLOWING } else { ONE_QUESTION })?;
    wait(async {
        if arguments.follow {
            return follow(&gate, arguments, common.output).await;
        }
        let found = newest(&gate, arguments, arguments.limit as usize).await?;
        match common.output {
            Format::Json => output::json(&found),
            Format::Text if found.is_empty() => {
                output::said("no decisions");
                Ok(())
            }
            Format::Text => table(&found),
        }
    })
}

fn table(found: &[DecisionRecord]) -> Result<(), Failure> {
    let heads = ["time", "outcome", "method", "host and path", "route", "caller", "id"];
    let rows: Vec<Vec<String>> = found.iter().map(|record| row(record).into()).collect();
    let reasons = std::iter::once(None).chain(found.iter().map(reason));
    let outcomes = std::iter::once(None).chain(found.iter().map(|record| Some(record.outcome)));
    for ((text, outcome), reason) in output::headed(&heads, &rows).iter().zip(outcomes).zip(reasons) {
        output::line(&outcome.map_or(text.clone(), |outcome| coloured(text, outcome)))?;
        reason.map_or(Ok(()), |reason| output::line(&reason))?;
    }
    Ok(())
}

async fn newest(gate: &Gate, arguments: &DecisionsArgs, most: usize) -> Result<Vec<DecisionRecord>, Failure> {
    let outcome = arguments.denied.then(|| Outcome::Deny.name().to_owned());
    let filters = [
        ("outcome", outcome),
        ("request", arguments.request.clone()),
        ("subject", arguments.subject.clone()),
        ("route", arguments.route.clone()),
    ];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut found: Vec<DecisionRecord> = gate.list(&["decisions"], &query, most).await?;
    found.truncate(most);
    Ok(found)
}

async fn follow(gate: &Gate, arguments: &DecisionsArgs, format: Format) -> Result<(), Failure> {
    let mut known = Known::default();
    let mut found = newest(gate, arguments, arguments.limit as usize).await?;
    loop {
        // The oldest of them first, as they were decided.
        for record in found.iter().rev().filter(|record| !known.has(record)) {
            show(record, format)?;
        }
        known.note(&found);
        tokio::time::sleep(EVERY).await;
        found = newest(gate, arguments, PAGE).await?;
        if found.len() == PAGE && !found.iter().any(|record| known.has(record)) {
            found = newest(gate, arguments, MOST_NEW).await?;
        }
    }
}

/// What was shown.
#[derive(Default)]
struct Known {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Known {
    fn has(&self, record: &DecisionRecord) -> bool {
        self.ids.contains(&record.id)
    }

    fn note(&mut self, records: &[DecisionRecord]) {
        for record in records {
            if self.ids.insert(record.id.clone()) {
                self.order.push_back(record.id.clone());
            }
        }
        while self.order.len() > REMEMBERED {
            self.order.pop_front().map(|id| self.ids.remove(&id));
        }
    }
}

fn show(record: &DecisionRecord, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::line(&serde_json::to_string(record).map_err(Failure::fault)?),
        Format::Text => {
            let cells = row(record).map(|cell| output::shown(&cell));
            output::line(&coloured(&cells.join("  "), record.outcome))?;
            reason(record).map_or(Ok(()), |reason| output::line(&reason))
        }
    }
}

fn row(record: &DecisionRecord) -> [String; 7] {
    let caller = match record.caller.kind.as_str() {
        "Anonymous" => "anonymous".to_owned(),
        _ => record.caller.subject.clone(),
    };
    [
        record.time.clone(),
        record.outcome.name().to_owned(),
        record.request.method.clone(),
        format!("{}{}", record.request.host, record.request.path),
        record.request.route.clone(),
        caller,
        record.id.clone(),
    ]
}

/// A row with its outcome in colour: the second cell, behind the time.
fn coloured(row: &str, outcome: Outcome) -> String {
    let verdict = match outcome {
        Outcome::Allow => Verdict::Good,
        Outcome::Deny => Verdict::Bad,
        Outcome::Unavailable => Verdict::Look,
    };
    row.replacen(outcome.name(), &verdict.out(outcome.name()), 1)
}

fn reason(record: &DecisionRecord) -> Option<String> {
    record.reason.as_ref().map(|reason| format!("  because {}", output::shown(reason)))
}
