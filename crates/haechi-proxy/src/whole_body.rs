//! A request's body as a whole, for calls of the gate's own.

use crate::http1::body::BodyError;
use crate::io::Charge;
use crate::refusal::{Refusal, Refused};
use crate::request_body::RequestBody;
use std::future::poll_fn;

/// Reads a body of at most `most` bytes, which count with `charge`.
pub(crate) async fn read(
    body: &mut RequestBody,
    mut charge: Charge,
    most: usize,
) -> Result<Vec<u8>, Refused> {
    let mut whole = Vec::new();
    loop {
        match poll_fn(|cx| body.poll_ready(cx)).await {
            Ok(0) => return Ok(whole),
            Ok(count) if whole.len() + count > most => {
                let reason = format!("the body is over the limit of {most} bytes");
                return Err(Refused::new(Refusal::BodyTooLarge, reason));
            }
            Ok(count) => {
                charge.grow(count);
                body.take_into(count, &mut whole, |out, data| out.extend_from_slice(data));
            }
            Err(fault @ BodyError::TooLarge) => {
                return Err(Refused::new(Refusal::BodyTooLarge, fault.to_string()));
            }
            Err(fault) => return Err(Refused::new(Refusal::BadRequest, fault.to_string())),
        }
    }
}
