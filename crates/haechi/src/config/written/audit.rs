//! `audit`: the record of what was decided and done.

use super::sinks::Sink;
use crate::config::choice::choice;
use crate::config::defaults::{self, AuditFileSize, CheckpointInterval, RetentionAge, RetentionSize};
use crate::config::record::record;
use crate::config::source::At;
use reqwest::Url;

record! {
    "`audit`"
    /// The audit trail: one line for every decision, login and change, each with the hash of the one before.
    struct Audit {
        /// The file that lines are appended to. Those that are full stay beside it.
        required file as "file": At<String>,
        /// What becomes of a request whose record cannot be written.
        default mode as "mode": AuditMode = AuditMode::Required,
        /// When a record counts as written.
        default durability as "durability": AuditDurability = AuditDurability::Written,
        /// When another file is begun.
        section roll as "roll": AuditRoll,
        /// What is kept. Everything, for ever, where this is left out.
        optional keep as "keep": AuditKeep,
        /// The signed lines that join the chains.
        section checkpoints as "checkpoints": AuditCheckpoints,
        /// The Ed25519 key that signs checkpoints (PEM, PKCS #8). It is made where there is none; beside the file where this is left out.
        optional key as "key": At<String>,
        /// Syslog servers and OTLP collectors that every line is sent to as well.
        default sinks as "sinks": Vec<At<Sink>> = Vec::new(),
    }
}

choice! {
    "what becomes of a request whose record cannot be written"
    /// What becomes of a request whose record cannot be written.
    pub(crate) enum AuditMode {
        /// It is answered 503: without a record nothing is forwarded.
        Required = "required",
        /// It goes on, and the loss is counted.
        BestEffort = "best_effort",
    }
}

choice! {
    "when a record counts as written"
    /// When a record counts as written.
    pub(crate) enum AuditDurability {
        /// When the kernel has it: it survives the end of the process.
        Written = "written",
        /// When the disk has it: it survives a power cut. Records that come meanwhile are synced together.
        Synced = "synced",
    }
}

record! {
    "`roll` of `audit`"
    /// When another file is begun.
    struct AuditRoll {
        /// When the file has become so large.
        default size as "size": AuditFileSize = defaults::AUDIT_FILE,
        /// With every day (UTC).
        default daily as "daily": bool = true,
    }
}

record! {
    "`keep` of `audit`"
    /// What is kept of the trail. What is deleted leaves its ends, so that the rest can still be verified.
    struct AuditKeep {
        /// Files that were closed so long ago are deleted.
        optional age as "age": At<RetentionAge>,
        /// All files together are no larger; the oldest is deleted first.
        optional size as "size": At<RetentionSize>,
    }
}

record! {
    "`checkpoints` of `audit`"
    /// The signed lines that join the chains.
    struct AuditCheckpoints {
        /// How often one is written.
        default every as "every": CheckpointInterval = defaults::CHECKPOINT_EVERY,
        /// A file elsewhere that they are appended to as well, such as on a disk that only another machine can change.
        optional file as "file": At<String>,
        /// An address that each is sent to as well (`POST`, one JSON line).
        optional url as "url": At<Url>,
        /// Lets them go to another machine over plain `http`.
        default allow_http as "allow_http": bool = false,
    }
}
