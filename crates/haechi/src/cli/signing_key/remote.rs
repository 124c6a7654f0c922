//! `haechi signing-key` at a running gate.

use super::{KeyView, SigningKeyCommand, print, told_next};
use crate::cli::output::{counted, said};
use crate::cli::remote::Gate;
use crate::cli::{Common, Failure};
use haechi_authn::identity::SOONEST;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

/// All of them, on one page.
#[derive(Deserialize)]
struct Page {
    items: Vec<KeyView>,
}

/// Has it done.
pub(super) async fn signing_key(
    gate: &Gate,
    common: &Common,
    command: SigningKeyCommand,
) -> Result<(), Failure> {
    match command {
        SigningKeyCommand::List => {
            let page: Page = gate.get(&["signing-keys"], &[]).await?;
            print(common, &page.items)
        }
        SigningKeyCommand::Rotate { lead, at_once } => {
            let lead = if at_once { Some(SOONEST) } else { lead };
            // No key signs before it was asked to.
            let seconds = lead.map(|lead| lead.as_millis().div_ceil(1000));
            let body = seconds.map_or_else(|| json!({}), |seconds| json!({ "lead": seconds as u64 }));
            let next: KeyView = gate.change(Method::POST, &["signing-keys", "rotate"], &body).await?;
            told_next(common.output, &next)
        }
        SigningKeyCommand::Retire { kid } => {
            gate.act(Method::POST, &["signing-keys", &kid, "retire"], None).await?;
            said(&format!("signing key `{kid}` is withdrawn"));
            Ok(())
        }
        SigningKeyCommand::Reseal => {
            #[derive(Deserialize)]
            struct Resealed {
                resealed: usize,
            }
            let done: Resealed = gate.change(Method::POST, &["signing-keys", "reseal"], &json!({})).await?;
            said(&format!("sealed {}", counted(done.resealed, "signing key")));
            Ok(())
        }
    }
}
