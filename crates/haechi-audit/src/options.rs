//! What is configured of a trail.

use std::path::PathBuf;
use std::time::Duration;

/// How a trail is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The file that is written to; those that are full stand beside it.
    pub file: PathBuf,
    /// What becomes of a request whose record cannot be written.
    pub mode: Mode,
    /// When a record counts as written.
    pub durability: Durability,
    /// A file that has become so large is followed by another, in bytes.
    pub roll_size: u64,
    /// Whether a new day (UTC) begins a new file.
    pub roll_daily: bool,
    /// Files are deleted at this age; never without one.
    pub keep: Option<Duration>,
    /// Of all files together so much stays, in bytes; all of it without one.
    pub keep_size: Option<u64>,
    /// How often a checkpoint is written.
    pub checkpoint_every: Duration,
    /// Checkpoints are appended to this file as well.
    pub checkpoint_file: Option<PathBuf>,
    /// The key that signs checkpoints: a PEM file, which is made where there is none.
    pub key: PathBuf,
}

/// What becomes of a request whose record cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is refused (503).
    Required,
    /// It goes on, and the loss is counted.
    BestEffort,
}

/// When a record counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the kernel has it: it survives the end of the process.
    Written,
    /// When the disk has it: it survives a power cut. Records that come meanwhile are synced together.
    Synced,
}
