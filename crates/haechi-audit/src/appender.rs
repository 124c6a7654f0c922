//! A worker's end of the trail: records that become ready in the same turn of its loop leave in one `write`.

use crate::chain::{Chain, Head};
use crate::failing::{Failing, refused};
use crate::file::AuditFile;
use crate::jobs::{Job, NotKept};
use crate::name::FileName;
use crate::trail::{Trail, WRITTEN_WITHIN};
use crate::writer;
use arc_swap::{ArcSwap, Cache};
use haechi_core::ports::AuditError;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// Proof that what it is about stands in the trail, as far as the configuration asks for that. Only this crate makes one.
#[derive(Debug)]
#[must_use]
pub struct Recorded(());

/// One writer's end of the trail; where none is configured, every record counts as written.
#[derive(Clone, Debug)]
pub struct AuditWriter(Option<Rc<Appender>>);

/// One writer's chain, and the records that wait to be written.
struct Appender {
    trail: Arc<Trail>,
    chain: RefCell<Chain>,
    file: RefCell<Cache<Arc<ArcSwap<AuditFile>>, Arc<AuditFile>>>,
    /// The file of the lines before; another one is begun with a line that says so.
    last: RefCell<Option<Arc<FileName>>>,
    group: RefCell<Group>,
    /// Lines, while they are written.
    lines: RefCell<Vec<u8>>,
    /// The other thread is writing for this chain. What comes meanwhile waits, because its hashes depend on what comes of that.
    in_flight: Cell<bool>,
}

/// Records that are written together.
#[derive(Default)]
struct Group {
    bodies: Vec<u8>,
    ends: Vec<usize>,
    outcome: Rc<Outcome>,
}

/// What came of a group.
#[derive(Default)]
struct Outcome {
    done: Cell<Option<bool>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Outcome {
    fn settle(&self, written: bool) {
        self.done.set(Some(written));
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// A place in the trail. It is reserved before anything is decided: where nothing can be written, nothing needs to be decided.
#[must_use]
#[derive(Debug)]
pub struct AuditSlot<'a>(Option<&'a Rc<Appender>>);

impl AuditWriter {
    /// With a chain of its own in `trail`, where there is one.
    pub fn new(trail: Option<&Arc<Trail>>) -> Self {
        Self(trail.map(Appender::new))
    }

    /// The trail that it writes to.
    pub fn trail(&self) -> Option<&Arc<Trail>> {
        self.0.as_ref().map(|appender| &appender.trail)
    }

    /// A place for one record.
    ///
    /// # Errors
    /// [`AuditError`], where the trail is required and is known not to be writable.
    pub fn reserve(&self) -> Result<AuditSlot<'_>, AuditError> {
        match &self.0 {
            Some(appender) if appender.trail.is_failing() && appender.trail.is_required() => {
                Err(appender.trail.error())
            }
            appender => Ok(AuditSlot(appender.as_ref())),
        }
    }

    /// Adds a record that nobody waits for: it leaves with the next ones, at the latest with the next tick. One that cannot be made is counted as dropped.
    pub fn note(&self, body: impl FnOnce(&Trail, &mut Vec<u8>) -> Result<(), AuditError>) {
        let Some(appender) = &self.0 else { return };
        let trail = &*appender.trail;
        if trail.is_failing() || appender.group.borrow_mut().add(|out| body(trail, out)).is_err() {
            trail.counts().dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what waits, tells the control side where the chain has come to, and lets go of a file that was rolled. For a worker's tick.
    pub fn tick(&self) {
        let Some(appender) = &self.0 else { return };
        appender.flush();
        appender.file.borrow_mut().load();
        if !appender.in_flight.get() {
            appender.publish();
        }
    }
}

impl Appender {
    fn new(trail: &Arc<Trail>) -> Rc<Self> {
        Rc::new(Self {
            chain: RefCell::new(trail.chain()),
            file: RefCell::new(Cache::new(trail.file.clone())),
            last: RefCell::default(),
            group: RefCell::default(),
            lines: RefCell::default(),
            in_flight: Cell::new(false),
            trail: trail.clone(),
        })
    }

    fn publish(&self) {
        let chain = self.chain.borrow();
        self.trail.publish(chain.id(), chain.head());
    }

    /// Writes what waits.
    fn flush(self: &Rc<Self>) {
        if self.in_flight.get() || self.group.borrow().ends.is_empty() {
            return;
        }
        let file = self.file.borrow_mut().load().clone();
        let sealed = self.seal(file);
        if self.trail.writes_directly() {
            self.write(sealed);
        } else {
            self.hand_over(sealed);
        }
    }

    /// Makes lines of the waiting records.
    fn seal(&self, file: Arc<AuditFile>) -> Sealed {
        let mut group = self.group.borrow_mut();
        let (mut chain, mut lines) = (self.chain.borrow_mut(), self.lines.borrow_mut());
        lines.clear();
        let head = chain.head();
        let last = self.last.replace(Some(file.name().clone()));
        if let Some(before) = last.as_ref().filter(|before| !Arc::ptr_eq(before, file.name())) {
            chain.add(&mut lines, self.trail.continued(before).as_bytes());
        }
        let mut begin = 0;
        for end in &group.ends {
            chain.add(&mut lines, group.bodies.get(begin..*end).unwrap_or_default());
            begin = *end;
        }
        let records = group.ends.len() as u64;
        group.bodies.clear();
        group.ends.clear();
        Sealed { file, head, last, records, outcome: std::mem::take(&mut group.outcome) }
    }

    /// Writes the lines on this thread.
    fn write(&self, sealed: Sealed) {
        let lines = self.lines.borrow();
        let begun = Instant::now();
        let written = sealed.file.append(&lines);
        let took = begun.elapsed();
        self.trail.took(took);
        match written {
            Ok(()) => {
                self.trail.written(sealed.records, &lines);
                sealed.outcome.settle(took <= WRITTEN_WITHIN);
            }
            Err(error) => {
                let why = refused(&sealed.file, &error);
                self.lost(sealed, NotKept { why, in_file: false });
            }
        }
    }

    /// Lets the other thread write the lines.
    fn hand_over(self: &Rc<Self>, sealed: Sealed) {
        let (done, answer) = oneshot::channel();
        writer::hand_over(&self.trail, Job { file: sealed.file.clone(), lines: self.lines.take(), done });
        self.in_flight.set(true);
        let appender = self.clone();
        // A task of its own, because whoever waits for the record may go away.
        drop(tokio::task::spawn_local(async move {
            let no_thread =
                || NotKept { why: Failing::Refused("no thread writes it".to_owned()), in_file: false };
            match answer.await.unwrap_or_else(|_| Err(no_thread())) {
                Ok(lines) => {
                    appender.trail.written(sealed.records, &lines);
                    sealed.outcome.settle(true);
                }
                Err(not) => appender.lost(sealed, not),
            }
            appender.in_flight.set(false);
            appender.flush();
        }));
    }

    fn lost(&self, sealed: Sealed, not: NotKept) {
        if !not.in_file {
            self.chain.borrow_mut().go_back(sealed.head);
            self.last.replace(sealed.last);
        }
        if !self.trail.is_required() {
            self.trail.counts().dropped.fetch_add(sealed.records, Ordering::Relaxed);
        }
        self.trail.fail(not.why);
        sealed.outcome.settle(false);
    }
}

/// Lines that are being written, and what was before them.
struct Sealed {
    file: Arc<AuditFile>,
    head: Head,
    last: Option<Arc<FileName>>,
    records: u64,
    outcome: Rc<Outcome>,
}

impl AuditSlot<'_> {
    /// Writes a record, whose members `body` puts down without braces, and comes back when it is written.
    ///
    /// # Errors
    /// [`AuditError`], where the trail is required, and the record could not be made, was not written, or not in time.
    pub async fn write(
        self,
        body: impl FnOnce(&Trail, &mut Vec<u8>) -> Result<(), AuditError>,
    ) -> Result<Recorded, AuditError> {
        let Some(appender) = self.0 else { return Ok(Recorded(())) };
        let trail = &*appender.trail;
        // It may have failed since the place was reserved.
        if trail.is_failing() {
            return trail.unwritten().map(|()| Recorded(()));
        }
        let outcome = {
            let mut group = appender.group.borrow_mut();
            if let Err(error) = group.add(|out| body(trail, out)) {
                return trail.unwritten().map(|()| Recorded(())).map_err(|_| error);
            }
            group.outcome.clone()
        };
        let written = Writing { appender, outcome, has_yielded: false, timeout: None }.await;
        if written || !trail.is_required() { Ok(Recorded(())) } else { Err(trail.error()) }
    }
}

impl Group {
    /// Adds what `body` puts down; nothing of it where that fails.
    fn add(&mut self, body: impl FnOnce(&mut Vec<u8>) -> Result<(), AuditError>) -> Result<(), AuditError> {
        let begin = self.bodies.len();
        let made = body(&mut self.bodies);
        match made {
            Ok(()) => self.ends.push(self.bodies.len()),
            Err(_) => self.bodies.truncate(begin),
        }
        made
    }
}

/// Waits until the others of this turn have added theirs, and then for the write.
struct Writing<'a> {
    appender: &'a Rc<Appender>,
    outcome: Rc<Outcome>,
    has_yielded: bool,
    timeout: Option<Pin<Box<Sleep>>>,
}

impl Future for Writing<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if let Some(written) = self.outcome.done.get() {
            return Poll::Ready(written);
        }
        if !self.has_yielded {
            // Those that are ready already come first, and their records leave with this one.
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.appender.flush();
        if let Some(written) = self.outcome.done.get() {
            return Poll::Ready(written);
        }
        self.outcome.waiting.borrow_mut().push(cx.waker().clone());
        let timeout = self.timeout.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITTEN_WITHIN)));
        if timeout.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.appender.trail.fail(Failing::Slow);
        Poll::Ready(false)
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.publish();
    }
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("chain", &*self.chain.borrow()).finish_non_exhaustive()
    }
}
