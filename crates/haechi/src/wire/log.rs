//! The thread that writes the access log, so that no worker waits for a disk or a terminal.

use crate::config::meant::{AccessLog, LogTarget};
use haechi_proxy::{LogSink, batch_channel};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use tokio::sync::mpsc::Receiver;

/// Batches of lines that may wait for the writer; each is what a worker gathered in one tick.
const WAITING: usize = 256;

/// The writer and the way to it.
pub(crate) struct LogWriter {
    /// For the workers; `None` when nothing is to be logged.
    pub(crate) sink: Option<LogSink>,
    /// Lines that were dropped.
    pub(crate) dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be made.
    pub(crate) fn start(written: &AccessLog) -> io::Result<Self> {
        let (out, terminal): (Box<dyn Write + Send>, bool) = match &written.target {
            LogTarget::Off => return Ok(Self { sink: None, dropped: Arc::default(), thread: None }),
            LogTarget::Stdout => (Box::new(io::stdout()), io::stdout().is_terminal()),
            LogTarget::Stderr => (Box::new(io::stderr()), io::stderr().is_terminal()),
            LogTarget::File(path) => {
                (Box::new(OpenOptions::new().create(true).append(true).open(path)?), false)
            }
        };
        let (sender, receiver) = batch_channel(WAITING);
        let thread =
            std::thread::Builder::new().name("access-log".into()).spawn(move || write(receiver, out))?;
        let dropped = sender.dropped().clone();
        let sink = LogSink { lines: sender, format: written.format, color: terminal };
        Ok(Self { sink: Some(sink), dropped, thread: Some(thread) })
    }

    /// Waits until every line that was handed over is written. The workers must have ended.
    pub(crate) fn finish(self) {
        drop(self.sink);
        if let Some(thread) = self.thread {
            // A writer that broke off has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

fn write(mut batches: Receiver<Vec<u8>>, mut out: Box<dyn Write + Send>) {
    let mut failing = false;
    while let Some(lines) = batches.blocking_recv() {
        let outcome = out.write_all(&lines).and_then(|()| out.flush());
        if let Err(error) = &outcome
            && !failing
        {
            tracing::error!(%error, "cannot write the access log");
        }
        failing = outcome.is_err();
    }
}
