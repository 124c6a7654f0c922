//! What another gateway is told, in the form that it can take.

use super::asker::Asker;
use super::check;
use super::question::{Allowed, FORBIDDEN, Question};
use crate::forwarding::{exchanged_token, token_of_caller};
use crate::identity_headers::{IdentityHeaders, IdentityNames};
use crate::judge::PermittedRequest;
use crate::refusal::{Refusal, Refused};
use crate::respond::{self, Passes, refused_as};
use crate::response::{Response, ResponseBody};
use crate::settings::Target;
use haechi_authn::BodyRule;
use haechi_core::Fields;

/// The fields that tell the service of the caller, as the service would get them from this gate.
pub(super) async fn caller(
    question: &Question<'_>,
    asker: Asker,
    allowed: &Allowed<'_>,
) -> Result<Fields, Refused> {
    let PermittedRequest { permitted, route, route_index, verified } = &allowed.permitted;
    let chain = question.plan.chain(*route_index);
    if chain.is_some_and(|chain| chain.body(*verified, permitted.head()) != BodyRule::Any) {
        let reason = "the caller's signature speaks for the body, which the gateway that asks does not show";
        return Err(Refused::new(FORBIDDEN, reason));
    }
    let mut fields = Fields::with_capacity(12, 512);
    let standard = IdentityHeaders { names: IdentityNames::Standard, ..IdentityHeaders::default() };
    let mut headers = &standard;
    match route.target {
        Target::Service(index) => {
            let service = question.plan.shared.service(index);
            let service =
                service.ok_or_else(|| Refused::new(Refusal::Internal, "the plan has no such service"))?;
            headers = &service.settings.identity_headers;
            headers.write(permitted.caller(), &mut fields);
            let verified = (permitted, *route_index, *verified);
            let exchanged = exchanged_token(question.plan, service, verified).await;
            let exchanged = exchanged.map_err(|unavailable| {
                let retry_after = unavailable.retry_after;
                Refused::new(Refusal::CannotTell { retry_after }, unavailable.reason)
            })?;
            let token = match exchanged {
                Some(exchanged) => Some(exchanged.expose().as_str().into()),
                None => token_of_caller(question.plan, service, permitted)
                    .map_err(|error| Refused::new(Refusal::CANNOT_TELL, error))?,
            };
            if let Some(token) = token {
                fields.push(b"authorization", format!("Bearer {token}").as_bytes());
            }
        }
        Target::Nowhere => headers.write(permitted.caller(), &mut fields),
        Target::Identity(_) => {
            let reason = "the gate itself answers this address: lead it to a listener of the gate";
            return Err(Refused::new(FORBIDDEN, reason));
        }
    }
    // Envoy and Caddy leave what the client has sent, or write nonsense, where they are told nothing; in gRPC Envoy is told what to remove.
    if asker != Asker::Check {
        let vocabulary = question.plan.shared.enforcer.engine().compiled().vocabulary();
        for name in headers.all_names(vocabulary.attributes.keys().map(|name| &**name)) {
            if !fields.iter().any(|field| field.name == name.as_bytes()) {
                fields.push(name.as_bytes(), b"");
            }
        }
    }
    let mut parent = Vec::with_capacity(55);
    allowed.trace.write(&mut parent, question.worker.random_bits() as u64);
    fields.push(b"traceparent", &parent);
    Ok(fields)
}

/// It may go on.
pub(super) fn allowed(caller: &Fields, allowed: Allowed<'_>) -> Response {
    let Allowed { to, record, additions, .. } = allowed;
    let write = |fields: &mut Fields| {
        caller.iter().for_each(|field| fields.push(field.name, field.value));
        additions.apply_own(fields);
    };
    respond::allowed(&to, write, record)
}

/// It goes no further: the answer for the client, in a form by which the gateway that asks lets nobody through.
pub(super) fn refused(asker: Asker, response: Response) -> Response {
    let passes = match asker {
        Asker::Check => return check::denied(response),
        Asker::AuthRequest => Passes::TwoStatuses,
        Asker::ForwardAuth | Asker::Authzen(_) => Passes::All,
        Asker::ExtAuthz => Passes::NoServerError,
    };
    let Response { status, mut fields, body, close, mut record } = response;
    let told = refused_as(status, passes);
    if told != status || asker == Asker::AuthRequest {
        fields.push(b"x-auth-status", status.as_str().as_bytes());
    }
    if asker == Asker::AuthRequest {
        let redirect =
            fields.iter().find(|field| field.name == b"location").map(|field| field.value.to_vec());
        if let Some(redirect) = redirect {
            fields.retain(|field| field.name != b"location");
            fields.push(b"x-auth-redirect", &redirect);
        }
    }
    record.told(told);
    let body = match body {
        body @ ResponseBody::Full(_) => body,
        _ => ResponseBody::Full(Vec::new()),
    };
    Response { status: told, fields, body, close, record }
}
