//! Rolling: a file that is full or of another day is renamed and followed by another.

use crate::control::{Signed, file_member, heads_member};
use crate::control_state::Control;
use crate::failing::{Failing, refused};
use crate::file::AuditFile;
use crate::follow::Follow;
use crate::name::{folder, rolled};
use crate::trail::Trail;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Trail {
    /// Begins another file where the one that is written to is full, or of another day.
    pub(crate) fn roll_when_due(&self, control: &mut Control) {
        let file = self.file.load_full();
        let due = file.length().map(|length| {
            length > 0
                && (length >= self.options.roll_size
                    || (self.options.roll_daily && self.is_of_another_day(control)))
        });
        match due {
            Ok(false) => {}
            Ok(true) => {
                let done = self.roll(control, &file);
                self.note_failure(done);
            }
            Err(error) => self.fail(refused(&file, &error)),
        }
    }

    /// The day is that of the first line.
    fn is_of_another_day(&self, control: &mut Control) -> bool {
        if control.follow.first.is_empty() && control.follow.advance(self.file.load().file()).is_err() {
            return false;
        }
        let today = self.clock.now().rfc3339().to_string();
        let first = String::from_utf8_lossy(&control.follow.first);
        let day = first.split_once("\"at\":\"").and_then(|(_, at)| at.get(..10));
        day.is_some_and(|day| !today.starts_with(day))
    }

    fn roll(&self, control: &mut Control, file: &Arc<AuditFile>) -> Result<(), Failing> {
        let failed = |error: io::Error| refused(file, &error);
        // Another process may write to the trail as well, during an upgrade or by a command: one of them rolls.
        let folder = File::open(folder(&self.options.file)).map_err(failed)?;
        folder.lock().map_err(failed)?;
        if file.is_elsewhere() {
            return Ok(());
        }
        // The last line of the control side in the old file vouches for what is in it so far.
        control.checkpoint(self, false)?;
        let to = rolled(&self.options.file, self.clock.now());
        if to.exists() {
            // Two in the same millisecond: the next tick comes with another one.
            return Ok(());
        }
        std::fs::rename(&self.options.file, &to).map_err(failed)?;
        // Another process that finds the path empty begins the next file itself, without this lock: it is the same file for both.
        match AuditFile::open(&self.options.file) {
            Ok(next) => {
                file.name().is_now(to);
                self.file.store(Arc::new(next));
                control.closing.push((file.clone(), std::mem::take(&mut control.follow)));
                self.counts.rolled.fetch_add(1, Ordering::Relaxed);
                control.checkpoint(self, false)
            }
            Err(error) => {
                // Nothing was begun: it goes on as before, unless another process has begun the next file meanwhile, which must not be replaced.
                renameat_with(CWD, &to, CWD, &self.options.file, RenameFlags::NOREPLACE)
                    .map_err(|error| failed(error.into()))?;
                Err(failed(error))
            }
        }
    }

    /// Seals files that were rolled, once no writer of any process has them any more: nothing can come behind what is sealed.
    pub(crate) fn seal_what_is_closed(&self, control: &mut Control) {
        for (file, mut follow) in std::mem::take(&mut control.closing) {
            let alone = Arc::strong_count(&file) == 1 && file.is_ours_alone().unwrap_or(false);
            if !alone {
                control.closing.push((file, follow));
                continue;
            }
            let sealed = follow.advance(file.file()).map_err(|error| refused(&file, &error)).and_then(|()| {
                let mut body = self.event("sealed");
                file_member(&mut body, file.path(), &follow);
                heads_member(&mut body, "ends", &follow.ends());
                control.write(self, &body, Signed::Yes)
            });
            if let Err(why) = sealed {
                self.fail(why);
                control.closing.push((file, follow));
            }
        }
    }
}

impl Follow {
    /// Reads a file that nobody writes to any more.
    pub(crate) fn of_path(path: &std::path::Path) -> io::Result<Self> {
        Self::whole(&File::open(path)?)
    }
}
