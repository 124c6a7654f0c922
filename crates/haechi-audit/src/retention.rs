//! Retention: files that are too old, or too much together, are deleted. What they ended with stays in the trail, so that what follows can still be verified.

use crate::control::{Signed, file_member, heads_member};
use crate::control_state::Control;
use crate::failing::Failing;
use crate::follow::Follow;
use crate::json;
use crate::name::{rolled_at, rolled_files};
use crate::trail::Trail;
use std::io;
use std::path::Path;

impl Trail {
    /// Deletes what is too old or too much, the oldest first.
    pub(crate) fn delete_what_is_old(&self, control: &mut Control) {
        if self.options.keep.is_none() && self.options.keep_size.is_none() {
            return;
        }
        let done = self.deletable().and_then(|files| {
            for (path, reason) in files {
                let gone = self.delete(control, &path, reason)?;
                tracing::info!(file = %path.display(), reason, lines = gone, "deleted a file of the audit trail");
            }
            Ok(())
        });
        if let Err(error) = done {
            tracing::warn!(%error, "cannot delete old files of the audit trail");
        }
    }

    fn deletable(&self) -> io::Result<Vec<(std::path::PathBuf, &'static str)>> {
        let current = &self.options.file;
        let oldest = self.options.keep.map(|keep| crate::name::rolled(current, self.clock.now().minus(keep)));
        let oldest = oldest.as_deref().and_then(|path| rolled_at(current, path)).unwrap_or_default();
        let files = rolled_files(current)?;
        let sizes = files
            .iter()
            .map(|path| path.metadata().map(|about| about.len()))
            .collect::<io::Result<Vec<_>>>()?;
        let mut together = sizes.iter().sum::<u64>() + self.file.load().length()?;
        let mut deletable = Vec::new();
        for (path, size) in files.into_iter().zip(sizes) {
            let is_too_old = rolled_at(current, &path).is_some_and(|at| at < oldest);
            let is_too_much = self.options.keep_size.is_some_and(|most| together > most);
            if !is_too_old && !is_too_much {
                break;
            }
            together -= size;
            deletable.push((path, if is_too_old { "age" } else { "size" }));
        }
        Ok(deletable)
    }

    fn delete(&self, control: &mut Control, path: &Path, reason: &str) -> io::Result<u64> {
        let follow = Follow::of_path(path)?;
        let mut body = self.event("deleted");
        file_member(&mut body, path, &follow);
        heads_member(&mut body, "ends", &follow.ends());
        json::text_member(&mut body, "reason", reason);
        // The trail must know it, and the disk keep that, before the file is gone.
        let known = control.write(self, &body, Signed::Yes);
        known.map_err(|why| match why {
            Failing::Slow => io::Error::from(io::ErrorKind::TimedOut),
            Failing::Refused(why) => io::Error::other(why),
        })?;
        self.file.load().sync()?;
        std::fs::remove_file(path)?;
        Ok(follow.lines)
    }
}
