//! What the process has to say about itself: events, one JSON object a line, on standard error.
//!
//! Whoever has something to say, workers and libraries among them, puts a line into a bounded queue and goes on. A thread of its own writes
//! them, so that a pipe that nobody reads, a full disk or a closed descriptor stops nobody. What finds no room, or cannot be written, is counted.

mod dropped;
mod repeats;

use dropped::DROPPED;
use haechi_authn::supervisor::supervise_thread;
use repeats::Repeats;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that may wait to be written.
const WAITING: usize = 1024;

static QUEUE: OnceLock<Option<SyncSender<Message>>> = OnceLock::new();

enum Message {
    Line(Vec<u8>),
    /// Tells when everything before it is written.
    Flush(SyncSender<()>),
}

/// From now on events go to standard error; secrets are not in them by construction.
pub(crate) fn install() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        // What cannot be written is counted here. The library's own complaint would panic where standard error is closed.
        .log_internal_errors(false)
        .with_writer(Queue)
        .finish()
        .with(Repeats::default())
        .init();
}

/// Puts a line, with its end, into the queue.
pub(crate) fn line(text: &str) {
    send(Message::Line(text.as_bytes().to_vec()));
}

/// Events that were left out so far, by reason: the same too often within a second, standard error too slow, standard error broken.
pub(crate) fn dropped() -> [(&'static str, u64); 3] {
    [
        ("repeated", DROPPED.repeated.load(Relaxed)),
        ("queue_full", DROPPED.full.load(Relaxed)),
        ("write_failed", DROPPED.failed.load(Relaxed)),
    ]
}

/// Waits until what was said is written, for a moment at most: nobody may be reading.
pub(crate) fn flush(within: Duration) {
    if QUEUE.get().is_none() {
        return;
    }
    let (written, done) = sync_channel(1);
    send(Message::Flush(written));
    let _ = done.recv_timeout(within);
}

fn send(message: Message) {
    match QUEUE.get_or_init(start).as_ref().map(|queue| queue.try_send(message)) {
        Some(Ok(())) => {}
        Some(Err(TrySendError::Full(_))) => {
            DROPPED.full.fetch_add(1, Relaxed);
        }
        Some(Err(TrySendError::Disconnected(_))) | None => {
            DROPPED.failed.fetch_add(1, Relaxed);
        }
    }
}

/// The queue, with the thread that empties it; `None` where there can be no thread.
fn start() -> Option<SyncSender<Message>> {
    let (sender, messages) = sync_channel(WAITING);
    // A descriptor of its own: the standard library's handle has a lock, which would be held for as long as nobody reads.
    let mut out = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?);
    let mut torn = false;
    let write = move || write(&messages, &mut out, &mut torn);
    supervise_thread("diagnostics", "diagnostics", write).ok().map(|()| sender)
}

fn write(messages: &Receiver<Message>, mut out: impl Write, torn: &mut bool) {
    while let Ok(message) = messages.recv() {
        let line = match message {
            Message::Line(line) => line,
            Message::Flush(done) => {
                let _ = done.try_send(());
                continue;
            }
        };
        if write_lines(&mut out, &line, torn).is_err() {
            DROPPED.failed.fetch_add(1, Relaxed);
        }
    }
}

/// Writes whole lines. Where one before was cut off, they begin on a line of their own. The error comes with how many lines are lost.
pub(crate) fn write_lines(
    out: &mut impl Write,
    lines: &[u8],
    torn: &mut bool,
) -> Result<(), (io::Error, u64)> {
    let lost = |error, rest: &[u8]| Err((error, rest.iter().filter(|&&byte| byte == b'\n').count() as u64));
    if *torn {
        if let Err(error) = out.write_all(b"\n") {
            return lost(error, lines);
        }
        *torn = false;
    }
    let mut rest = lines;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return lost(io::ErrorKind::WriteZero.into(), rest),
            Ok(count) => {
                let (written, left) = rest.split_at(count.min(rest.len()));
                *torn = written.last() != Some(&b'\n');
                rest = left;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return lost(error, rest),
        }
    }
    Ok(())
}

/// Makes a line of each event.
#[derive(Clone, Copy)]
struct Queue;

impl Write for Queue {
    /// The formatter writes an event whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        send(Message::Line(event.to_vec()));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::write_lines;
    use std::io::{self, Write};

    /// A disk with so many bytes left.
    struct Disk {
        kept: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room).min(3);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.kept.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_cut_off_fuses_with_none() {
        let mut disk = Disk { kept: Vec::new(), room: 9 };
        let mut torn = false;
        write_lines(&mut disk, b"first\n", &mut torn).unwrap();
        assert_eq!(write_lines(&mut disk, b"second\nsecond\n", &mut torn).unwrap_err().1, 2);
        assert_eq!(write_lines(&mut disk, b"third\n", &mut torn).unwrap_err().1, 1);
        disk.room = 100;
        write_lines(&mut disk, b"fourth\n", &mut torn).unwrap();
        assert_eq!(disk.kept, b"first\nsec\nfourth\n");
    }
}
