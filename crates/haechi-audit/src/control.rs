//! The control side of a trail: its own chain, checkpoints, and what is to be done from time to time.

use crate::chain::{Head, hex};
use crate::control_state::Control;
use crate::failing::{Failing, lock, refused};
use crate::file::AuditFile;
use crate::follow::Follow;
use crate::json;
use crate::name::rolled_files;
use crate::options::Durability;
use crate::trail::{Trail, WRITTEN_WITHIN};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the end waits for another process to let go of a file that was rolled, so that it can be sealed.
const LET_GO_WITHIN: Duration = Duration::from_millis(500);

/// Whether a line carries a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Yes,
    No,
}

impl Control {
    /// Writes a line of the control side. Returns it.
    pub(crate) fn write(&mut self, trail: &Trail, body: &[u8], signed: Signed) -> Result<Vec<u8>, Failing> {
        let file = trail.file.load_full();
        let mut lines = Vec::with_capacity(body.len() + 512);
        let (head, last) = (self.chain.head(), self.last.clone());
        if !Arc::ptr_eq(&last, file.name()) {
            self.chain.add(&mut lines, trail.continued(&last).as_bytes());
            self.last = file.name().clone();
        }
        let begin = self.chain.add_open(&mut lines, body);
        if signed == Signed::Yes {
            json::text_member(&mut lines, "key", trail.key.id());
            let signature = trail.key.sign(lines.get(begin..).unwrap_or_default());
            json::text_member(&mut lines, "signature", &signature);
        }
        self.chain.close(&mut lines, begin);
        match append(trail, &file, &lines) {
            Ok(()) => {
                trail.written(1, &lines);
                trail.publish(self.chain.id(), self.chain.head());
                Ok(lines.split_off(begin))
            }
            Err(error) => {
                self.chain.go_back(head);
                self.last = last;
                Err(refused(&file, &error))
            }
        }
    }

    /// Joins the chains: where each has come to, and what the file is so far.
    pub(crate) fn checkpoint(&mut self, trail: &Trail, is_final: bool) -> Result<(), Failing> {
        let file = trail.file.load_full();
        // What is told of must be on the disk before it is told.
        let failed = |error: io::Error| refused(&file, &error);
        file.sync().map_err(failed)?;
        self.follow.advance(file.file()).map_err(failed)?;
        let mut body = trail.event("checkpoint");
        heads_member(&mut body, "heads", &trail.heads());
        file_member(&mut body, file.path(), &self.follow);
        if is_final {
            json::bare_member(&mut body, "final", true);
        }
        let line = self.write(trail, &body, Signed::Yes)?;
        file.sync().map_err(failed)?;
        trail.checkpointed(&line);
        self.send_elsewhere(trail, &line);
        Ok(())
    }

    fn send_elsewhere(&mut self, trail: &Trail, line: &[u8]) {
        let Some(path) = &trail.options.checkpoint_file else { return };
        let appended = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(line).and_then(|()| file.sync_data()));
        let fails = appended.is_err();
        if let Err(error) = appended
            && !self.elsewhere_fails
        {
            tracing::error!(file = %path.display(), %error, "cannot write the checkpoint of the audit trail elsewhere");
        }
        self.elsewhere_fails = fails;
    }
}

fn append(trail: &Trail, file: &AuditFile, lines: &[u8]) -> io::Result<()> {
    file.append(lines)?;
    if trail.options.durability == Durability::Synced {
        file.sync()?;
        trail.counts.syncs.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Appends `,"heads":{"9f3c01ab.1":{"seq":7,"hash":"…"}}`.
pub(crate) fn heads_member(out: &mut Vec<u8>, name: &str, heads: &BTreeMap<Box<str>, Head>) {
    let heads: BTreeMap<_, _> = heads
        .iter()
        .map(|(chain, head)| (chain, serde_json::json!({ "seq": head.seq, "hash": hex(&head.hash) })))
        .collect();
    let heads = serde_json::to_string(&heads).unwrap_or_default();
    json::bare_member(out, name, heads);
}

/// Appends `,"file":{"name":"…","size":…,"lines":…,"sha256":"…"}`.
pub(crate) fn file_member(out: &mut Vec<u8>, path: &Path, follow: &Follow) {
    let file = serde_json::json!({
        "name": crate::name::in_records(path),
        "size": follow.offset,
        "lines": follow.lines,
        "sha256": hex(&follow.sha256()),
    });
    json::bare_member(out, "file", file);
}

impl Trail {
    /// Does what is due: looks whether something can be written again, rolls the file, seals those that were rolled, deletes those that are too
    /// old, writes a checkpoint. To be called about ten times a second, from a thread that may wait for the disk.
    pub fn tick(&self) {
        let mut control = lock(&self.control);
        if let Some(why) = self.why() {
            self.recover(&mut control, &why);
        }
        if self.is_failing() {
            return;
        }
        if self.file.load().is_elsewhere() {
            self.begin_anew(&mut control);
        }
        self.roll_when_due(&mut control);
        self.seal_what_is_closed(&mut control);
        if Instant::now() >= control.checkpoint_at {
            control.checkpoint_at = Instant::now() + self.options.checkpoint_every;
            let done = control.checkpoint(self, false).map(|()| self.delete_what_is_old(&mut control));
            self.note_failure(done);
        }
    }

    /// Writes the last checkpoint. Workers must have ended.
    pub fn finish(&self) {
        let mut control = lock(&self.control);
        self.seal_what_is_closed(&mut control);
        // Another process lets go of a file that was rolled at its next tick.
        let until = Instant::now() + LET_GO_WITHIN;
        while !control.closing.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            self.seal_what_is_closed(&mut control);
        }
        let done = control.checkpoint(self, true);
        self.note_failure(done);
    }

    /// Writes a checkpoint now, and deletes what is old.
    #[cfg(test)]
    pub(crate) fn tick_checkpoint(&self) {
        lock(&self.control).checkpoint_at = Instant::now();
        self.tick();
    }

    pub(crate) fn note_failure(&self, done: Result<(), Failing>) {
        if let Err(why) = done {
            self.fail(why);
        }
    }

    /// Looks whether something can be written again. The line that says so is the proof.
    fn recover(&self, control: &mut Control, why: &Failing) {
        if matches!(why, Failing::Refused(_)) {
            let file = self.file.load();
            if file.is_elsewhere() {
                self.begin_anew(control);
            } else if file.make_room().is_err() {
                return;
            }
        }
        let mut body = self.event("resumed");
        json::text_member(&mut body, "reason", &self.failing().unwrap_or_default());
        json::bare_member(&mut body, "refused", self.counts.refused.load(Ordering::Relaxed));
        json::bare_member(&mut body, "dropped", self.counts.dropped.load(Ordering::Relaxed));
        let begun = Instant::now();
        if control.write(self, &body, Signed::No).is_ok() && begun.elapsed() <= WRITTEN_WITHIN {
            self.recovered();
        }
    }

    /// The file was moved or deleted, or another process has rolled it: its path gets, or has, another one.
    fn begin_anew(&self, control: &mut Control) {
        let before = self.file.load_full();
        // Whoever rolled it seals it, once it is let go of here.
        let rolled = rolled_files(&self.options.file).unwrap_or_default();
        let rolled = rolled.into_iter().rev().find(|path| before.is_at(path));
        match AuditFile::open(&self.options.file) {
            Ok(next) => {
                match rolled {
                    Some(path) => before.name().is_now(path),
                    None => {
                        tracing::warn!(file = %self.options.file.display(), "the file of the audit trail was moved or deleted; another one is begun");
                    }
                }
                self.file.store(Arc::new(next));
                control.follow = Follow::default();
                control.last = before.name().clone();
            }
            Err(error) => self.fail(refused(&before, &error)),
        }
    }
}
