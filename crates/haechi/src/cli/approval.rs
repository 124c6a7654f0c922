//! `haechi approval`: changes that wait for a second person, at a running gate.

use super::output::{self, said};
use super::policy::named;
use super::remote::{Gate, Managed, wait};
use super::{Common, Failure, Format};
use clap::Subcommand;
use haechi_core::ports::Author;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `haechi approval …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalCommand {
    /// List those that wait; with `--all` those that were decided as well.
    List {
        /// Also those that were decided.
        #[arg(long)]
        all: bool,
    },
    /// Show what exactly is to be done.
    Show {
        /// Its id.
        id: String,
    },
    /// Agree to a change that somebody else asked for. It is looked at anew, and made.
    Approve {
        /// Its id.
        id: String,
    },
    /// Say no, or take back what you asked for yourself.
    Reject {
        /// Its id.
        id: String,
    },
}

/// A change that waits, or was decided.
#[derive(Debug, Serialize, Deserialize)]
struct ApprovalView {
    id: String,
    action: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
    state: String,
    asked_by: Author,
    asked_at: String,
    expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_by: Option<Author>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
}

/// Does it.
pub(crate) fn approval(
    common: &Common,
    Managed { command, gate }: Managed<ApprovalCommand>,
) -> Result<(), Failure> {
    let missing =
        "no gate answers that could be asked: start it with `admin.socket`, or name it with `--admin`";
    let gate = gate.connect(common)?.ok_or_else(|| Failure::fault(missing))?;
    wait(at_gate(&gate, common, command))
}

async fn at_gate(gate: &Gate, common: &Common, command: ApprovalCommand) -> Result<(), Failure> {
    match command {
        ApprovalCommand::List { all } => {
            let mut found: Vec<ApprovalView> = gate.list(&["approvals"], &[], usize::MAX).await?;
            found.retain(|one| all || one.state == "pending");
            let heads = ["id", "action", "target", "state", "asked", "by", "expires", "decided by"];
            let fields = [
                "id",
                "action",
                "target",
                "state",
                "asked_at",
                "asked_by",
                "expires_at",
                "decided_at",
                "decided_by",
            ];
            output::list(common, &found, (&heads, &fields), |one| {
                vec![
                    one.id.clone(),
                    one.action.clone(),
                    one.target.clone(),
                    one.state.clone(),
                    one.asked_at.clone(),
                    named(&one.asked_by),
                    one.expires_at.clone(),
                    one.decided_by.as_ref().map(named).unwrap_or_default(),
                ]
            })
        }
        ApprovalCommand::Show { id } => {
            let found: ApprovalView = gate.get(&["approvals", &id], &[]).await?;
            output::json(&found)
        }
        ApprovalCommand::Approve { id } => {
            let done: ApprovalView =
                gate.change(Method::POST, &["approvals", &id, "approve"], &Value::Null).await?;
            said(&format!("agreed to {} of {}; it is done", done.action, done.target));
            if common.output == Format::Json { output::json(&done) } else { Ok(()) }
        }
        ApprovalCommand::Reject { id } => {
            gate.act(Method::DELETE, &["approvals", &id], None).await?;
            said(&format!("the change `{id}` is not made"));
            Ok(())
        }
    }
}

/// Says that something waits.
pub(super) fn said_of_pending(format: Format, pending: &Value) -> Result<(), Failure> {
    let text = |name: &str| pending.get(name).and_then(Value::as_str).unwrap_or_default();
    let (id, until) = (text("id"), text("expires_at"));
    said(&format!(
        "nothing has changed yet: a second person must agree until {until}, with `haechi approval approve {id}`"
    ));
    match format {
        Format::Json => output::json(pending),
        Format::Text => output::line(id),
    }
}
