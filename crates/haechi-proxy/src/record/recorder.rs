//! With what a worker's requests are recorded.

use super::Record;
use crate::decisions::{Decided, DecisionRings, Question};
use crate::log::{AccessLog, LogSink};
use crate::metrics::WorkerMetrics;
use crate::spans::{TraceSink, Traces};
use crate::watchers::DecisionWatchers;
use fastrand::Rng;
use std::cell::RefCell;
use std::sync::Arc;

/// A worker's counters, its ends of the access log and the traces, and the decisions that it remembers.
pub(crate) struct Recorder {
    metrics: Arc<WorkerMetrics>,
    log: AccessLog,
    traces: Traces,
    decisions: RefCell<DecisionRings>,
    watchers: DecisionWatchers,
    /// The record of the request that panicked, until it is answered.
    panicked: RefCell<Option<Record>>,
    span_ids: RefCell<Rng>,
}

impl Recorder {
    /// Log lines and traced requests go to these; nowhere without one.
    pub(crate) fn new(
        metrics: Arc<WorkerMetrics>,
        log: Option<LogSink>,
        traces: Option<TraceSink>,
        watchers: DecisionWatchers,
    ) -> Self {
        Self {
            metrics,
            log: AccessLog::new(log),
            traces: Traces::new(traces),
            decisions: RefCell::default(),
            watchers,
            panicked: RefCell::default(),
            span_ids: RefCell::new(Rng::new()),
        }
    }

    /// The counters.
    pub(crate) const fn metrics(&self) -> &Arc<WorkerMetrics> {
        &self.metrics
    }

    /// The access log.
    pub(crate) const fn log(&self) -> &AccessLog {
        &self.log
    }

    /// Traced requests.
    pub(crate) const fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Who watches decisions as they are made.
    pub(crate) const fn watchers(&self) -> &DecisionWatchers {
        &self.watchers
    }

    /// Gives what has gathered to the control side; every tick.
    pub(crate) fn hand_over(&self) {
        self.log.send();
        self.traces.send();
    }

    /// A span's id.
    pub(crate) fn span_id(&self) -> u64 {
        self.span_ids.borrow_mut().u64(1..)
    }

    /// Keeps a decision for whoever asks about it.
    pub(crate) fn remember(&self, decided: Decided) {
        self.decisions.borrow_mut().keep(decided);
    }

    /// The decisions that are asked about; `generation` is that of the plan in force.
    pub(crate) fn remembered(&self, question: &Question, generation: u64) -> Vec<Decided> {
        self.decisions.borrow().answer(question, generation)
    }

    /// Keeps the record of a request that panics, so that whoever catches the panic goes on with it. Returns whether it was taken.
    pub(crate) fn keep_panicked(&self, record: impl FnOnce() -> Record) -> bool {
        let mut panicked = self.panicked.borrow_mut();
        let free = panicked.is_none();
        if free {
            *panicked = Some(record());
        }
        free
    }

    /// The record of the request that panicked.
    pub(crate) fn take_panicked(&self) -> Option<Record> {
        self.panicked.borrow_mut().take()
    }
}
