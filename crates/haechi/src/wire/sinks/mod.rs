//! Lines of a log on their way to syslog servers and OTLP collectors. Each sink has a bounded queue and a task of its own: one that is slow or gone costs
//! nobody anything but its own lines, which are counted.

mod batch;
mod otlp;
mod syslog;

use crate::config::meant::{Egress, Sink};
pub(crate) use batch::SinkError;
use batch::{Undelivered, count};
use haechi_authn::supervisor::supervise_until_done;
use otlp::Collector;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use syslog::Syslog;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Batches that may wait for one sink; each is what the log wrote at once.
const WAITING: usize = 1024;
/// A sink that has not taken a batch by then has failed.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// Before a sink that failed is tried again: doubling from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long the end of the process waits for the last lines.
const LAST: Duration = Duration::from_secs(3);

/// What became of one sink's lines.
#[derive(Debug)]
pub(crate) struct SinkCounts {
    /// Which.
    pub(crate) name: String,
    /// Lines that it has taken.
    pub(crate) sent: AtomicU64,
    /// Lines that it did not get.
    pub(crate) dropped: AtomicU64,
}

/// The way to all sinks.
#[derive(Clone, Default)]
pub(crate) struct SinkQueues(Vec<(Queue, Arc<SinkCounts>)>);

type Queue = mpsc::Sender<Arc<[u8]>>;

/// The sinks that run.
#[derive(Default)]
pub(crate) struct Sinks {
    /// For whoever has lines.
    pub(crate) queues: SinkQueues,
    tasks: Vec<JoinHandle<()>>,
    end: Option<watch::Sender<Ending>>,
}

/// How far the end of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// Lines come.
    Not,
    /// No more come; what waits is sent.
    LastLines,
    /// What could not be sent is given up.
    GivenUp,
}

impl SinkQueues {
    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands over lines, each with a line feed at its end. Never waits: what finds no room is counted.
    pub(crate) fn send(&self, lines: &[u8]) {
        if self.0.is_empty() {
            return;
        }
        let batch: Arc<[u8]> = lines.into();
        for (queue, counts) in &self.0 {
            if queue.try_send(batch.clone()).is_err() {
                counts.dropped.fetch_add(count(&batch), Relaxed);
            }
        }
    }

    /// What became of the lines, by sink.
    pub(crate) fn counts(&self) -> Vec<Arc<SinkCounts>> {
        self.0.iter().map(|(_, counts)| counts.clone()).collect()
    }
}

impl Sinks {
    /// Starts a task for each on `control`. `what` tells the lines' log from others, as syslog's MSGID.
    pub(crate) fn start(
        configured: &[Sink],
        what: &'static str,
        egress: &Egress,
        control: &Runtime,
    ) -> Result<Self, SinkError> {
        let (end, ended) = watch::channel(Ending::Not);
        let mut started = Self { end: Some(end), ..Self::default() };
        for sink in configured {
            let (name, transport) = match sink {
                Sink::Syslog(server) => {
                    let syslog = Syslog::new(server, what)?;
                    (syslog.name(), Transport::Syslog(Box::new(syslog)))
                }
                Sink::Otlp(address) => {
                    let collector = Collector::new(address, what, egress)?;
                    (collector.name(), Transport::Otlp(collector))
                }
            };
            // One server may take several logs.
            let name = if what == "access" { name } else { format!("{what} {name}") };
            let (queue, lines) = mpsc::channel(WAITING);
            let counts = Arc::new(SinkCounts { name, sent: AtomicU64::new(0), dropped: AtomicU64::new(0) });
            let delivery = Delivery {
                lines,
                in_hand: None,
                transport,
                counts: counts.clone(),
                ended: ended.clone(),
                pause: PAUSE.0,
                failing: false,
            };
            started.tasks.push(delivery.start(control.handle()));
            started.queues.0.push((queue, counts));
        }
        Ok(started)
    }

    /// Sends what waits, for a moment at most. Nobody may hand over more.
    pub(crate) fn finish(self, control: &Runtime) {
        drop(self.queues);
        if let Some(end) = &self.end {
            let _ = end.send(Ending::LastLines);
        }
        control.block_on(async {
            let until = Instant::now() + LAST;
            for task in self.tasks {
                if timeout_at(until, task).await.is_err() {
                    tracing::warn!("cannot send the last lines to a sink in time");
                }
            }
        });
        if let Some(end) = self.end {
            // Those that are still trying give up.
            let _ = end.send(Ending::GivenUp);
        }
    }
}

/// How lines travel.
enum Transport {
    Syslog(Box<Syslog>),
    Otlp(Collector),
}

/// What one sink's task works on; it outlives a panic of the task.
struct Delivery {
    lines: mpsc::Receiver<Arc<[u8]>>,
    /// What is being sent.
    in_hand: Option<Arc<[u8]>>,
    transport: Transport,
    counts: Arc<SinkCounts>,
    ended: watch::Receiver<Ending>,
    pause: Duration,
    failing: bool,
}

impl Delivery {
    fn start(self, control: &Handle) -> JoinHandle<()> {
        let delivery = Arc::new(Mutex::new(self));
        supervise_until_done(control, "log sink", move || {
            let delivery = delivery.clone();
            async move {
                delivery.lock().await.run().await;
                ControlFlow::Break(())
            }
        })
    }

    /// Sends until nobody is left to hand over lines.
    async fn run(&mut self) {
        // Of a run that panicked: sent again, they might panic again.
        if let Some(lost) = self.in_hand.take() {
            self.drop_lines(&lost);
        }
        while let Some(batch) = self.next().await {
            self.in_hand = Some(batch.clone());
            self.deliver(&batch).await;
            self.in_hand = None;
        }
    }

    /// The next batch; `None` when there is none left, and none can come. Who could hand over more may live on longer than they do.
    async fn next(&mut self) -> Option<Arc<[u8]>> {
        tokio::select! {
            biased;
            batch = self.lines.recv() => batch,
            _ = self.ended.wait_for(|ended| *ended >= Ending::LastLines) => self.lines.try_recv().ok(),
        }
    }

    /// Sends one batch, again and again until it is taken.
    async fn deliver(&mut self, batch: &[u8]) {
        loop {
            let sent = match &mut self.transport {
                Transport::Syslog(syslog) => timeout(TAKEN_WITHIN, syslog.send(batch)).await,
                Transport::Otlp(collector) => timeout(TAKEN_WITHIN, collector.send(batch)).await,
            };
            match sent
                .unwrap_or_else(|_| Err(Undelivered::ForNow(format!("no answer within {TAKEN_WITHIN:?}"))))
            {
                Ok(()) => {
                    self.counts.sent.fetch_add(count(batch), Relaxed);
                    (self.pause, self.failing) = (PAUSE.0, false);
                    return;
                }
                Err(Undelivered::Refused(why)) => {
                    self.tell(&why);
                    return self.drop_lines(batch);
                }
                Err(Undelivered::ForNow(why)) => {
                    self.tell(&why);
                    if let Transport::Syslog(syslog) = &mut self.transport {
                        syslog.disconnect();
                    }
                    let mut ended = self.ended.clone();
                    tokio::select! {
                        () = sleep(self.pause) => self.pause = (self.pause * 2).min(PAUSE.1),
                        _ = ended.wait_for(|ended| *ended == Ending::GivenUp) => return self.drop_lines(batch),
                    }
                }
            }
        }
    }

    fn drop_lines(&self, batch: &[u8]) {
        self.counts.dropped.fetch_add(count(batch), Relaxed);
    }

    /// Once, not with every try.
    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                sink = self.counts.name,
                error = why,
                "cannot send log lines; what finds no room meanwhile is dropped and counted"
            );
        }
    }
}
