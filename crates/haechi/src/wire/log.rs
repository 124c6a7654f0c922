//! The thread that writes the access log, so that no worker waits for a disk or a terminal.

use crate::config::meant::{AccessLog, LogTarget};
use crate::diagnostics::write_lines;
use haechi_proxy::{LogSink, batch_channel};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// Batches of lines that may wait for the writer; each is what a worker gathered in one tick.
const WAITING: usize = 256;

/// How long the end waits for the last lines to be taken.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The writer and the way to it.
pub(crate) struct LogWriter {
    /// For the workers; `None` when nothing is to be logged.
    pub(crate) sink: Option<LogSink>,
    /// Lines that were dropped, or that could not be written.
    pub(crate) dropped: Arc<AtomicU64>,
    /// Heard from when the writer has written its last line.
    end: Option<mpsc::Receiver<()>>,
}

impl LogWriter {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be made.
    pub(crate) fn start(configured: &AccessLog) -> io::Result<Self> {
        let (out, terminal) = match &configured.target {
            LogTarget::Off => return Ok(Self { sink: None, dropped: Arc::default(), end: None }),
            // Descriptors of its own: the standard library's handles have locks, which would be held for as long as nobody reads.
            LogTarget::Stdout => (own(io::stdout())?, io::stdout().is_terminal()),
            LogTarget::Stderr => (own(io::stderr())?, io::stderr().is_terminal()),
            LogTarget::File(path) => (OpenOptions::new().create(true).append(true).open(path)?, false),
        };
        let (sender, receiver) = batch_channel(WAITING);
        let (ended, end) = mpsc::sync_channel(1);
        let (dropped, lost) = (sender.dropped().clone(), sender.dropped().clone());
        let write = move || {
            write(receiver, out, &lost);
            // Nobody may be waiting.
            let _ = ended.try_send(());
        };
        std::thread::Builder::new().name("access-log".into()).spawn(write)?;
        let sink = LogSink { lines: sender, format: configured.format, color: terminal };
        Ok(Self { sink: Some(sink), dropped, end: Some(end) })
    }

    /// Waits until every line that was handed over is written, for a moment at most: nobody may be reading. The workers must have ended.
    pub(crate) fn finish(self) {
        drop(self.sink);
        if let Some(end) = self.end {
            let _ = end.recv_timeout(LAST_LINES);
        }
    }
}

fn own(standard: impl AsFd) -> io::Result<File> {
    standard.as_fd().try_clone_to_owned().map(File::from)
}

fn write(mut batches: Receiver<Vec<u8>>, mut out: File, lost: &AtomicU64) {
    let (mut failing, mut torn) = (false, false);
    while let Some(lines) = batches.blocking_recv() {
        let outcome = write_lines(&mut out, &lines, &mut torn);
        if let Err((error, count)) = &outcome {
            lost.fetch_add(*count, Relaxed);
            if !failing {
                tracing::error!(%error, "cannot write the access log");
            }
        }
        failing = outcome.is_err();
    }
}
