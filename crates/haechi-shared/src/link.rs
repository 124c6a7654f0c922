//! The one connection of this process to the shared state: made again when it breaks, and shown to be alive once a second.

use crate::connect::{ConnectError, Connector, Driver};
use arc_swap::ArcSwapOption;
use haechi_core::ports::SharedStateError;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, PushInfo, RedisError, Script, ScriptInvocation};
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How often this node says that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A server that takes longer has the connection made anew: it may stand still, or be another one by now.
const BEAT_WITHIN: Duration = Duration::from_secs(1);
/// A node that was not heard of for so long does not count any more.
const NODE_KEPT: Duration = Duration::from_secs(10);
/// Between two tries, from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Questions that may be open at once. More are not asked.
const IN_FLIGHT: usize = 4096;

static HEARTBEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("heartbeat.lua")));

/// The connection, where there is one, and what is known of it.
pub(crate) struct Link {
    connector: Connector,
    /// This process among the nodes.
    node: String,
    current: ArcSwapOption<MultiplexedConnection>,
    /// Whether the last question was answered.
    answers: AtomicBool,
    places: Semaphore,
    nodes: AtomicU32,
    /// Why it cannot be used; `None` while it can.
    fault: ArcSwapOption<String>,
    /// Something was published on [`Link::channel`], or the connection was made anew.
    pub(crate) told: Arc<Notify>,
    pub(crate) counts: Counts,
}

/// What has happened so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) not_asked: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Link {
    pub(crate) fn new(connector: Connector) -> Self {
        Self {
            connector,
            node: format!("{:016x}", fastrand::u64(..)),
            current: ArcSwapOption::empty(),
            answers: AtomicBool::new(false),
            places: Semaphore::new(IN_FLIGHT),
            nodes: AtomicU32::new(1),
            fault: ArcSwapOption::from_pointee("it was not reached yet".to_owned()),
            told: Arc::default(),
            counts: Counts::default(),
        }
    }

    /// Keeps the connection, for ever. Needs a runtime with timers.
    pub(crate) async fn keep(&self) -> Infallible {
        let mut pause = PAUSE.0;
        loop {
            let reason = match self.connect().await {
                Ok((connection, driver)) => {
                    let began = Instant::now();
                    let reason = self.use_up(connection, driver).await;
                    if began.elapsed() > PAUSE.1 {
                        pause = PAUSE.0;
                    }
                    reason
                }
                Err(error) => error.to_string(),
            };
            self.lose(reason);
            // Nodes that lost the same server do not come back in one moment.
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Driver), ConnectError> {
        let told = self.told.clone();
        self.connector.connect(CONNECT_WITHIN, move |_: &PushInfo| told.notify_one()).await
    }

    /// Uses a connection until it breaks. Returns how.
    async fn use_up(&self, connection: MultiplexedConnection, driver: Driver) -> String {
        tokio::select! {
            () = driver => "the connection was closed".to_owned(),
            reason = self.beat(connection) => reason,
        }
    }

    async fn beat(&self, mut connection: MultiplexedConnection) -> String {
        let subscribed = timeout(BEAT_WITHIN, connection.subscribe(self.channel())).await;
        if let Some(reason) = trouble(&subscribed) {
            return reason;
        }
        let mut first = true;
        loop {
            let heard = timeout(BEAT_WITHIN, self.say_here(&mut connection)).await;
            if let Some(reason) = trouble(&heard) {
                return reason;
            }
            if let Ok(Ok(nodes)) = heard {
                self.nodes.store(nodes.max(1), Relaxed);
            }
            if std::mem::take(&mut first) {
                self.counts.connections.fetch_add(1, Relaxed);
                self.current.store(Some(Arc::new(connection.clone())));
                self.fault.store(None);
                tracing::info!(server = %self.connector.location, "the shared state is reached");
                // What was told while nobody listened is asked for.
                self.told.notify_one();
            }
            self.answers.store(true, Relaxed);
            tokio::time::sleep(BEAT_EVERY).await;
        }
    }

    async fn say_here(&self, connection: &mut MultiplexedConnection) -> Result<u32, RedisError> {
        let mut call = HEARTBEAT.key(self.key("nodes"));
        call.arg(&self.node).arg(millis(NODE_KEPT));
        call.invoke_async(connection).await
    }

    fn lose(&self, reason: String) {
        self.current.store(None);
        self.answers.store(false, Relaxed);
        if self.fault.load().is_none() {
            tracing::warn!(server = %self.connector.location, reason, "the shared state cannot be reached");
        }
        self.fault.store(Some(Arc::new(reason)));
        // Whoever waits for news asks elsewhere.
        self.told.notify_one();
    }

    /// No longer one of the nodes: this process ends.
    pub(crate) async fn leave(&self) {
        if let Some(connection) = self.current.load_full() {
            let mut connection = MultiplexedConnection::clone(&connection);
            let mut gone = redis::cmd("ZREM");
            gone.arg(self.key("nodes")).arg(&self.node);
            // Where that fails the others notice after a while.
            let _ = timeout(BEAT_WITHIN, gone.query_async::<()>(&mut connection)).await;
        }
    }

    /// Deletes a key. Where that fails it expires.
    pub(crate) async fn delete(&self, key: &str) {
        if let Some(connection) = self.current.load_full() {
            let mut connection = MultiplexedConnection::clone(&connection);
            let _ = timeout(BEAT_WITHIN, redis::cmd("DEL").arg(key).query_async::<()>(&mut connection)).await;
        }
    }

    /// Calls a script, within `patience`.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
        patience: Duration,
    ) -> Result<T, SharedStateError> {
        let (Some(connection), Ok(_place)) = (self.current.load_full(), self.places.try_acquire()) else {
            self.counts.not_asked.fetch_add(1, Relaxed);
            let reason = self.fault.load_full();
            return Err(SharedStateError(
                reason.map_or_else(|| "too many questions at once".into(), |r| (*r).clone()),
            ));
        };
        let mut connection = MultiplexedConnection::clone(&connection);
        let answer = timeout(patience, call.invoke_async(&mut connection)).await;
        let (count, answers) = match &answer {
            Ok(Ok(_)) => (&self.counts.answered, true),
            Ok(Err(_)) => (&self.counts.failed, false),
            Err(_) => (&self.counts.late, false),
        };
        count.fetch_add(1, Relaxed);
        if self.answers.load(Relaxed) != answers {
            // A question that was on its way when the connection broke says nothing of the next one.
            self.answers.store(answers && self.current.load().is_some(), Relaxed);
        }
        match answer {
            Ok(answer) => answer.map_err(|error| SharedStateError(error.to_string())),
            Err(_) => Err(SharedStateError("no answer in time".into())),
        }
    }

    /// This process among the nodes.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// A key of ours.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.connector.location.prefix)
    }

    /// Where nodes tell each other that there is something to ask for.
    pub(crate) fn channel(&self) -> String {
        self.key("changed")
    }

    /// How long a count may take.
    pub(crate) fn patience(&self) -> Duration {
        self.connector.location.timeout
    }

    pub(crate) fn answers(&self) -> bool {
        self.answers.load(Relaxed)
    }

    pub(crate) fn nodes(&self) -> NonZeroU32 {
        NonZeroU32::new(self.nodes.load(Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.load_full().map(|reason| String::clone(&reason))
    }
}

type Timed<T> = Result<Result<T, RedisError>, tokio::time::error::Elapsed>;

fn trouble<T>(answer: &Timed<T>) -> Option<String> {
    match answer {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    }
}

/// For keys.
pub(crate) fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
