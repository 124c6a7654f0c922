//! The thread that waits for the disk where workers must not: for `synced`, and while the disk is slow.

use crate::failing::{Failing, lock, refused};
use crate::file::AuditFile;
use crate::jobs::{Job, NotKept};
use crate::options::Durability;
use crate::trail::Trail;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// At most so many writers' lines are synced together.
const AT_ONCE: usize = 256;

/// Hands the lines over. Dropping `done` without an answer means that there is no thread.
pub(crate) fn hand_over(trail: &Arc<Trail>, job: Job) {
    let mut sender = lock(&trail.jobs.0);
    let jobs = sender.take().or_else(|| start(trail));
    if let Some(jobs) = jobs
        && jobs.send(job).is_ok()
    {
        *sender = Some(jobs);
    }
}

fn start(trail: &Arc<Trail>) -> Option<Sender<Job>> {
    let (sender, jobs) = channel();
    let trail = Arc::downgrade(trail);
    let thread = std::thread::Builder::new().name("audit-writer".to_owned());
    match thread.spawn(move || run(&trail, &jobs)) {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::error!(%error, "cannot start the thread that writes the audit trail");
            None
        }
    }
}

fn run(trail: &Weak<Trail>, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let Some(trail) = trail.upgrade() else { return };
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(AT_ONCE));
        let begun = Instant::now();
        let outcomes: Vec<_> = group.iter().map(|job| job.file.append(&job.lines)).collect();
        let synced =
            if trail.options().durability == Durability::Synced { sync(&trail, &group) } else { Ok(()) };
        trail.took(begun.elapsed());
        let all_well = outcomes.iter().all(Result::is_ok) && synced.is_ok();
        for (job, outcome) in group.into_iter().zip(outcomes) {
            let Job { file, lines, done } = job;
            let outcome = outcome.map_err(|error| NotKept { why: refused(&file, &error), in_file: false });
            let outcome = outcome.and(synced.clone().map_err(|why| NotKept { why, in_file: true }));
            // Nobody may be waiting any more; it is written all the same.
            let _ = done.send(outcome.map(|()| lines));
        }
        if all_well {
            trail.answered();
        }
    }
}

/// One sync for all; usually they are of one file.
fn sync(trail: &Trail, group: &[Job]) -> Result<(), Failing> {
    let mut last: Option<&Arc<AuditFile>> = None;
    for job in group {
        if last.is_none_or(|file| !Arc::ptr_eq(file, &job.file)) {
            job.file.sync().map_err(|error| refused(&job.file, &error))?;
            trail.counts().syncs.fetch_add(1, Ordering::Relaxed);
        }
        last = Some(&job.file);
    }
    Ok(())
}
