//! The thread that writes the access log, so that no worker waits for a disk or a terminal.

use super::sinks::{SinkError, SinkQueues, Sinks};
use crate::config::meant::{AccessLog, Egress, LogTarget};
use crate::diagnostics::write_lines;
use haechi_authn::supervisor::supervise_thread;
use haechi_proxy::{LogSink, batch_channel};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::runtime::Runtime;
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
    /// Where lines are sent besides.
    pub(crate) sinks: Sinks,
    /// The file, where lines are written to one.
    file: Option<PathBuf>,
    /// A file that was opened anew, for the writer to go on in.
    reopened: Next<File>,
    /// Heard from when the writer has written its last line.
    end: Option<mpsc::Receiver<()>>,
}

/// Where to write from the next lines on, until the writer has seen it.
type Next<W> = Arc<Mutex<Option<W>>>;

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("cannot open the access log: {0}")]
    Open(#[from] io::Error),
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl LogWriter {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be made.
    pub(crate) fn start(
        configured: &AccessLog,
        egress: &Egress,
        control: &Runtime,
    ) -> Result<Self, LogError> {
        let sinks = Sinks::start(&configured.sinks, "access", egress, control)?;
        let mut file = None;
        let reopened = Next::default();
        let (out, terminal) = match &configured.target {
            // Nobody else wants the lines.
            LogTarget::Off if !sinks.queues.is_empty() => (None, false),
            LogTarget::Off => {
                return Ok(Self { sink: None, dropped: Arc::default(), file, reopened, end: None, sinks });
            }
            // Descriptors of its own: the standard library's handles have locks, which would be held for as long as nobody reads.
            LogTarget::Stdout => (Some(own(io::stdout())?), io::stdout().is_terminal()),
            LogTarget::Stderr => (Some(own(io::stderr())?), io::stderr().is_terminal()),
            LogTarget::File(path) => {
                file = Some(path.clone());
                (Some(open(path)?), false)
            }
        };
        let (sender, batches) = batch_channel(WAITING);
        let dropped = sender.dropped().clone();
        let end =
            Writing::new(batches, (out, reopened.clone()), dropped.clone(), sinks.queues.clone()).start()?;
        // Nobody but a terminal wants colours, and all get the same lines.
        let color = terminal && sinks.queues.is_empty();
        let sink = LogSink { lines: sender, format: configured.format, color };
        Ok(Self { sink: Some(sink), dropped, file, reopened, end: Some(end), sinks })
    }

    /// Opens the file by its name again, after something else has renamed it. Lines go on in the one that was open where that fails.
    pub(crate) fn reopen(&self) {
        let Some(path) = &self.file else { return };
        match open(path) {
            Ok(file) => *self.reopened.lock().unwrap_or_else(PoisonError::into_inner) = Some(file),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot open the access log again; it goes on in the file that is open");
            }
        }
    }

    /// Waits until every line that was handed over is written, for a moment at most: nobody may be reading. The workers must have ended.
    pub(crate) fn finish(self, control: &Runtime) {
        drop(self.sink);
        if let Some(end) = self.end {
            let _ = end.recv_timeout(LAST_LINES);
        }
        self.sinks.finish(control);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn own(standard: impl AsFd) -> io::Result<File> {
    standard.as_fd().try_clone_to_owned().map(File::from)
}

/// The writer's thread, and what outlives a panic of it.
struct Writing<W> {
    batches: Receiver<Vec<u8>>,
    /// Nowhere, where only sinks want the lines.
    out: Option<W>,
    reopened: Next<W>,
    lost: Arc<AtomicU64>,
    sinks: SinkQueues,
    /// What is being written.
    in_hand: Vec<u8>,
    failing: bool,
    torn: bool,
}

impl<W: Write + Send + 'static> Writing<W> {
    fn new(
        batches: Receiver<Vec<u8>>,
        (out, reopened): (Option<W>, Next<W>),
        lost: Arc<AtomicU64>,
        sinks: SinkQueues,
    ) -> Self {
        Self { batches, out, reopened, lost, sinks, in_hand: Vec::new(), failing: false, torn: false }
    }

    /// Starts the thread. The receiver hears when the last line is written.
    fn start(mut self) -> io::Result<mpsc::Receiver<()>> {
        let (ended, end) = mpsc::sync_channel(1);
        supervise_thread("access log", "access-log", move || {
            self.run();
            // Nobody may be waiting.
            let _ = ended.try_send(());
        })?;
        Ok(end)
    }

    /// Writes until no worker is left to send lines.
    fn run(&mut self) {
        self.lose_in_hand();
        while let Some(lines) = self.batches.blocking_recv() {
            self.sinks.send(&lines);
            if let Some(next) = self.reopened.lock().unwrap_or_else(PoisonError::into_inner).take() {
                (self.out, self.torn) = (Some(next), false);
            }
            let Some(out) = &mut self.out else { continue };
            self.in_hand = lines;
            let outcome = write_lines(out, &self.in_hand, &mut self.torn);
            self.in_hand = Vec::new();
            if let Err((error, count)) = &outcome {
                self.lost.fetch_add(*count, Relaxed);
                if !self.failing {
                    tracing::error!(%error, "cannot write the access log");
                }
            }
            self.failing = outcome.is_err();
        }
    }

    /// A panic came while lines were written: how far it came is not known, so they count as lost, and the next ones begin on a line of their own.
    fn lose_in_hand(&mut self) {
        let lines = std::mem::take(&mut self.in_hand);
        if !lines.is_empty() {
            self.lost.fetch_add(lines.iter().filter(|&&byte| byte == b'\n').count() as u64, Relaxed);
            self.torn = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Next, SinkQueues, Writing};
    use haechi_authn::supervisor::stats;
    use std::io::{self, Write};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};
    use tokio::sync::mpsc::channel;

    /// Takes half of the first write, and panics.
    struct Fragile(Arc<Mutex<Vec<u8>>>);

    impl Write for Fragile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let first = self.0.lock().unwrap().is_empty();
            let count = if first { bytes.len() / 2 } else { bytes.len() };
            self.0.lock().unwrap().extend_from_slice(&bytes[..count]);
            assert!(!first, "as intended");
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_panics_is_started_again_and_counts_what_it_lost() {
        let (sender, batches) = channel(8);
        let (written, lost) = (Arc::default(), Arc::new(AtomicU64::new(0)));
        let end = Writing::new(
            batches,
            (Some(Fragile(Arc::clone(&written))), Next::default()),
            lost.clone(),
            SinkQueues::default(),
        )
        .start()
        .unwrap();
        sender.blocking_send(b"first\nsecond\n".to_vec()).unwrap();
        sender.blocking_send(b"third\n".to_vec()).unwrap();
        drop(sender);
        end.recv().unwrap();
        assert_eq!(String::from_utf8_lossy(&written.lock().unwrap()), "first\n\nthird\n");
        assert_eq!(lost.load(Relaxed), 2);
        let stats = stats().into_iter().find(|stats| stats.kind == "access log").unwrap();
        assert_eq!((stats.restarts, stats.down), (1, 0));
    }
}
