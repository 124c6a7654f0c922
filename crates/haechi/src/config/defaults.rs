//! Default values of the configuration. Durations and sizes in the units their types name.

use super::value::{BoundedDuration, Count, Fraction, Size};
use std::time::Duration;

pub(super) const MINUTE: u64 = 60_000;
pub(super) const DAY: u64 = 24 * 60 * MINUTE;

/// A part of all: 0 to 1.
pub(super) type Share = Fraction;
/// How long something may take: 1 ms to 1 day.
pub(super) type Timeout = BoundedDuration<1, DAY>;
/// How long a stream may be silent; 0 for ever.
pub(super) type IdleTimeout = BoundedDuration<0, DAY>;
/// How long something may be put off: at most 1 day.
pub(super) type Delay = BoundedDuration<0, DAY>;
/// How long a browser may remember the answer to a preflight: at most 1 day.
pub(super) type PreflightAge = BoundedDuration<0, DAY>;
/// How long something stays valid: 1 s to 10 years.
pub(super) type Lifetime = BoundedDuration<1000, { 3650 * DAY }>;
/// After how long a password must be changed: 1 s to 10 years.
pub(super) type PasswordAge = BoundedDuration<1000, { 3650 * DAY }>;
/// How long a token lives that cannot be looked up: 1 s to 1 day.
pub(super) type TokenLifetime = BoundedDuration<1000, DAY>;
/// For how long a refresh token may be presented again: at most 1 min.
pub(super) type ReuseInterval = BoundedDuration<0, MINUTE>;
/// After how long a signing key is replaced: 1 h to 10 years.
pub(super) type RotationInterval = BoundedDuration<{ 60 * MINUTE }, { 3650 * DAY }>;
/// The size of a message's head: 1 KiB to 256 KiB.
pub(super) type HeadSize = Size<1024, { 256 << 10 }>;
/// The size of a body: anything.
pub(super) type BodySize = Size<0, { u64::MAX }>;
/// How many header fields: as many as the data plane can read at most.
pub(super) type FieldCount = Count<1, 256>;
/// How many streams of an HTTP/2 connection, or frames of a kind in a second.
pub(super) type StreamCount = Count<1, 100_000>;
/// Memory for buffers: 1 MiB to 1 TiB.
pub(super) type BufferSize = Size<{ 1 << 20 }, { 1 << 40 }>;
/// How many connections.
pub(super) type ConnectionCount = Count<1, 1_000_000>;
/// How many workers.
pub(super) type WorkerCount = Count<1, 1024>;
/// How long an answer of a decision point is kept: at most 1 h.
pub(super) type AnswerLifetime = BoundedDuration<0, { 60 * MINUTE }>;
/// How much of a service's traffic an endpoint gets, beside the others.
pub(super) type Weight = Count<0, 1000>;
/// Over how long a share grows: at most 1 h.
pub(super) type SlowStart = BoundedDuration<0, { 60 * MINUTE }>;
/// From one look-up of a name to the next: 1 s to 1 day.
pub(super) type ResolveInterval = BoundedDuration<1000, DAY>;
/// How many checks in a row.
pub(super) type StreakCount = Count<1, 1000>;
/// How many failed requests in a row.
pub(super) type EjectionCount = Count<0, 1000>;
/// A part of a whole.
pub(super) type Percent = Count<0, 100>;
/// How many connections to an endpoint, or requests.
pub(super) type CircuitCount = Count<1, 1_000_000>;
/// How long a connection is kept: 1 s to 1 day.
pub(super) type KeptFor = BoundedDuration<1000, DAY>;
/// How many requests a connection carries.
pub(super) type KeptRequests = Count<1, 1_000_000_000>;
/// How many idle connections.
pub(super) type IdleCount = Count<0, 100_000>;
/// How many times more a request is sent.
pub(super) type AttemptCount = Count<1, 10>;
/// How many requests in a time, or at once.
pub(super) type RequestCount = Count<1, 1_000_000_000>;
/// How many requests at once.
pub(super) type BurstCount = Count<1, 1_000_000_000>;
/// The time of a rate limit: 1 ms to 366 days.
pub(super) type RatePeriod = BoundedDuration<1, { 366 * DAY }>;
/// How long a browser stays logged in: 1 s to 1 year.
pub(super) type SessionTime = BoundedDuration<1000, { 366 * DAY }>;
/// How many people a change takes.
pub(super) type Approvals = Count<1, 2>;
/// How long a change waits for the second: 1 s to 30 days.
pub(super) type ApprovalLifetime = BoundedDuration<1000, { 30 * DAY }>;
/// How many failed logins.
pub(super) type FailureCount = Count<1, 1000>;

/// The size of a file of the audit trail: 1 MiB to 1 TiB.
pub(super) type AuditFileSize = Size<{ 1 << 20 }, { 1 << 40 }>;
/// How long files of the audit trail are kept: 1 h to 100 years.
pub(super) type RetentionAge = BoundedDuration<{ 60 * MINUTE }, { 36_500 * DAY }>;
/// How much of the audit trail is kept: 1 MiB and more.
pub(super) type RetentionSize = Size<{ 1 << 20 }, { u64::MAX }>;
/// From one checkpoint to the next: 1 s to 1 h.
pub(super) type CheckpointInterval = BoundedDuration<1000, { 60 * MINUTE }>;

pub(super) const APPROVAL_LIFETIME: ApprovalLifetime = BoundedDuration(Duration::from_secs(24 * 60 * 60));
pub(super) const AUDIT_FILE: AuditFileSize = Size(256 << 20);
pub(super) const CHECKPOINT_EVERY: CheckpointInterval = BoundedDuration(Duration::from_secs(60));
pub(super) const CONNECT_TIMEOUT: Timeout = BoundedDuration(Duration::from_secs(2));
pub(super) const RESPONSE_TIMEOUT: Timeout = BoundedDuration(Duration::from_secs(30));
pub(super) const POINT_TIMEOUT: Timeout = BoundedDuration(Duration::from_secs(1));
pub(super) const NOT_KEPT: AnswerLifetime = BoundedDuration(Duration::ZERO);
pub(super) const WEIGHT: Weight = Count(1);
pub(super) const SAMPLE: Share = Fraction(0.1);
pub(super) const PREFLIGHT_AGE: PreflightAge = BoundedDuration(Duration::from_secs(10 * 60));

pub(super) const HEALTH_INTERVAL: Timeout = BoundedDuration(Duration::from_secs(5));
pub(super) const HEALTH_TIMEOUT: Timeout = BoundedDuration(Duration::from_secs(1));
pub(super) const UNHEALTHY_AFTER: StreakCount = Count(3);
pub(super) const HEALTHY_AFTER: StreakCount = Count(2);
pub(super) const EJECTION_FAILURES: EjectionCount = Count(5);
pub(super) const EJECTION_FOR: Timeout = BoundedDuration(Duration::from_secs(10));
pub(super) const EJECTION_MAX_PERCENT: Percent = Count(50);
pub(super) const SLOW_START: SlowStart = BoundedDuration(Duration::from_secs(10));
pub(super) const CIRCUIT_CONNECTIONS: CircuitCount = Count(10_000);
pub(super) const CIRCUIT_PENDING: CircuitCount = Count(4096);
pub(super) const CIRCUIT_REQUESTS: CircuitCount = Count(10_000);
pub(super) const KEEPALIVE_AGE: KeptFor = BoundedDuration(Duration::from_secs(10 * 60));
pub(super) const KEEPALIVE_REQUESTS: KeptRequests = Count(100_000);
pub(super) const KEEPALIVE_IDLE: IdleCount = Count(256);
pub(super) const RETRY_ATTEMPTS: AttemptCount = Count(1);
pub(super) const RETRY_BUDGET_PERCENT: Percent = Count(20);
pub(super) const RESOLVE: ResolveInterval = BoundedDuration(Duration::from_secs(10));

pub(super) const ACCESS_TOKEN_LIFETIME: TokenLifetime = BoundedDuration(Duration::from_secs(10 * 60));
pub(super) const REFRESH_TOKEN_LIFETIME: Lifetime = BoundedDuration(Duration::from_secs(30 * 24 * 60 * 60));
pub(super) const REUSE_INTERVAL: ReuseInterval = BoundedDuration(Duration::ZERO);
pub(super) const IDENTITY_TOKEN_LIFETIME: TokenLifetime = BoundedDuration(Duration::from_secs(60));
pub(super) const LOCKOUT_FAILURES: FailureCount = Count(5);
pub(super) const SESSION_IDLE: SessionTime = BoundedDuration(Duration::from_secs(30 * 60));
pub(super) const SESSION_ABSOLUTE: SessionTime = BoundedDuration(Duration::from_secs(12 * 60 * 60));
pub(super) const LOCKOUT_FOR: Lifetime = BoundedDuration(Duration::from_secs(15 * 60));

pub(super) const HEAD: HeadSize = Size(16 << 10);
pub(super) const RESPONSE_HEAD: HeadSize = Size(64 << 10);
pub(super) const FIELDS: FieldCount = Count(100);
pub(super) const BODY: BodySize = Size(100 << 20);
pub(super) const HANDSHAKE: Timeout = BoundedDuration(Duration::from_secs(10));
pub(super) const HEADER_READ: Timeout = BoundedDuration(Duration::from_secs(10));
pub(super) const IDLE: Timeout = BoundedDuration(Duration::from_secs(60));
pub(super) const BODY_STALL: Timeout = BoundedDuration(Duration::from_secs(5 * 60));
pub(super) const WRITE_STALL: Timeout = BoundedDuration(Duration::from_secs(30));
pub(super) const DRAIN_DELAY: Delay = BoundedDuration(Duration::ZERO);
pub(super) const DRAIN_GRACE: Timeout = BoundedDuration(Duration::from_secs(30));
pub(super) const HTTP2_STREAMS: StreamCount = Count(100);
pub(super) const HTTP2_RESETS: StreamCount = Count(100);
pub(super) const HTTP2_SETTINGS: StreamCount = Count(20);
pub(super) const WEBSOCKET_IDLE: Timeout = BoundedDuration(Duration::from_secs(60 * 60));

/// Client connections, where the process may use so much memory: 14,000, or as many as a quarter of it holds when each is TLS and idle.
pub(super) fn connections(memory: Option<u64>) -> u32 {
    const EACH: u64 = 16 << 10;
    let held = memory.map_or(u64::MAX, |memory| memory / 4 / EACH);
    u32::try_from(held).unwrap_or(u32::MAX).clamp(256, 14_000)
}

/// Memory for buffers, in bytes: 16 MiB for each worker and at least 64 MiB, where that is no more than an eighth of what the process may use: around what
/// is counted there are an allocator, sockets, TLS and half-made answers.
pub(super) fn buffers(workers: usize, memory: Option<u64>) -> u64 {
    const MIB: u64 = 1 << 20;
    let wanted = (16 * MIB).saturating_mul(workers as u64).max(64 * MIB);
    memory.map_or(wanted, |memory| wanted.min(memory / 8)).max(16 * MIB)
}
