//! Bodies that a verified credential speaks for: read whole, compared with what was signed, and only then sent on.

use crate::forwarding::Forwarding;
use crate::held_body::WholeBody;
use crate::refusal::{Refusal, Refused};
use crate::request_body::RequestBody;
use crate::whole_body;
use haechi_authn::schemes::signature::check_digest;
use haechi_authn::{BodyRule, Chain};
use haechi_core::RequestHead;

/// The body that goes on: `body` as it comes, where nothing is said of it, and else one that was compared.
///
/// # Errors
/// It is not the one that was signed, or larger than what is read whole.
pub(crate) async fn checked(
    request: &Forwarding<'_>,
    head: &RequestHead,
    mut body: RequestBody,
) -> Result<RequestBody, Refused> {
    let Some(chain) = request.plan.chain(request.route_index) else { return Ok(body) };
    let most = match chain.body(request.verified, head) {
        BodyRule::Any => return Ok(body),
        BodyRule::None if body.length() == Some(0) => return Ok(body),
        BodyRule::None => 0,
        BodyRule::Digest { most } => most,
    };
    let buffers = request.worker.buffers();
    let read = whole_body::read(&mut body, buffers.charge(0), most);
    let stall = request.plan.shared.limits.body_stall;
    let read = request.timer.limit_client(stall, read).await;
    let bytes = match read {
        Err(_) => return Err(Refused::new(Refusal::RequestTimeout, "the body did not come in time")),
        Ok(Err(refused)) if most > 0 => return Err(refused),
        Ok(Err(_)) => {
            return Err(unsigned(chain, "the request has a body, which the signature does not cover"));
        }
        Ok(Ok(bytes)) => bytes,
    };
    if most > 0 {
        check_digest(head, &bytes).map_err(|why| unsigned(chain, why))?;
    }
    if bytes.is_empty() {
        return Ok(RequestBody::Empty);
    }
    let charge = buffers.charge(bytes.len());
    Ok(RequestBody::Whole(WholeBody::new(bytes, charge)))
}

fn unsigned(chain: &Chain, why: &'static str) -> Refused {
    let challenges = chain.challenges().into_iter().map(|challenge| (challenge, None)).collect();
    Refused::new(Refusal::BadCredential { challenges }, why)
}
