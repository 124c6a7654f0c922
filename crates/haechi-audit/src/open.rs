//! Opening: a trail goes on where an earlier process has left it, after a crash as well.

use crate::chain::{Chain, Hash, prefix, sha256};
use crate::control::{file_member, heads_member};
use crate::control_state::Control;
use crate::file::AuditFile;
use crate::follow::Follow;
use crate::json;
use crate::name::{rolled_files, subjects_of};
use crate::options::Options;
use crate::signing::{KeyError, SigningKey};
use crate::subjects::{Subjects, SubjectsError};
use crate::trail::{Listener, Parts, Trail};
use haechi_core::Clock;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Why a trail cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be used.
    #[error("cannot open the audit trail: `{path}`: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The file is something else.
    #[error("`{0}` is no audit trail: its first line is no record; name another file in `audit.file`")]
    Foreign(PathBuf),
    /// The key that signs checkpoints cannot be used.
    #[error("cannot use the key that signs the audit trail: {0}")]
    Key(#[from] KeyError),
    /// The keys of subjects cannot be used.
    #[error("cannot use the subject keys of the audit trail: {0}")]
    Subjects(#[from] SubjectsError),
}

impl Trail {
    /// Opens the trail, and makes what is not there yet. Cuts off half a line that a crash has left, and says so in the first record.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        options: Options,
        clock: Arc<dyn Clock>,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Arc<Self>, OpenError> {
        let failed = |error| OpenError::File { path: options.file.clone(), error };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(crate::name::folder(&options.file))
            .map_err(failed)?;
        let key = SigningKey::open(&options.key)?;
        let subjects = Subjects::open(&subjects_of(&options.file))?;
        let file = AuditFile::open(&options.file).map_err(failed)?;
        let mut follow = Follow::whole(file.file()).map_err(failed)?;
        if !follow.first.is_empty() && prefix(&follow.first).is_none() {
            return Err(OpenError::Foreign(options.file));
        }
        if follow.lines == 0 && file.length().map_err(failed)? > 4096 {
            return Err(OpenError::Foreign(options.file));
        }
        let cut = file.cut(follow.offset).map_err(failed)?;
        if cut > 0 {
            tracing::warn!(file = %options.file.display(), bytes = cut, "cut off half a line at the end of the audit trail, which a crash has left");
        }
        let before = match follow.control() {
            Some(hash) => hash,
            None => last_of_earlier_files(&options).map_err(failed)?,
        };
        let process = process_name(&follow);
        let mut chain = Chain::new(format!("{process}.0"), before);
        let line = start(&mut chain, &options, &key, &follow, cut, clock.now());
        file.append(&line).and_then(|()| file.sync()).map_err(failed)?;
        follow.advance(file.file()).map_err(failed)?;
        let anchor = sha256(line.strip_suffix(b"\n").unwrap_or(&line));
        let checkpoint_at = Instant::now() + options.checkpoint_every;
        let control = Control::new(chain, file.name().clone(), follow, checkpoint_at);
        let parts = Parts { options, clock, process, anchor, file, control, key, subjects, listener };
        let trail = Self::new(parts);
        trail.written(1, &line);
        Ok(trail)
    }
}

/// The first line of a process: which key signs, and where the chains of earlier processes have ended.
fn start(
    chain: &mut Chain,
    options: &Options,
    key: &SigningKey,
    follow: &Follow,
    cut: u64,
    now: haechi_core::Timestamp,
) -> Vec<u8> {
    let mut body = Vec::new();
    json::begin(&mut body, now, "start");
    json::text_member(&mut body, "version", env!("CARGO_PKG_VERSION"));
    json::text_member(&mut body, "public_key", &key.public_text());
    heads_member(&mut body, "heads", &follow.ends());
    file_member(&mut body, &options.file, follow);
    if cut > 0 {
        json::bare_member(&mut body, "cut", cut);
    }
    let mut line = Vec::new();
    let at = chain.add_open(&mut line, &body);
    json::text_member(&mut line, "key", key.id());
    let signature = key.sign(&line);
    json::text_member(&mut line, "signature", &signature);
    chain.close(&mut line, at);
    line
}

/// The last line of a control side in the files before, where the current one has none: it was just begun.
fn last_of_earlier_files(options: &Options) -> io::Result<Hash> {
    for path in rolled_files(&options.file)?.iter().rev() {
        if let Some(hash) = Follow::of_path(path)?.control() {
            return Ok(hash);
        }
    }
    Ok([0; 32])
}

/// A name that no process before had.
fn process_name(follow: &Follow) -> String {
    loop {
        let name = format!("{:08x}", fastrand::u32(..));
        if !follow.knows(&name) {
            return name;
        }
    }
}
