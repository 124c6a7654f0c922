//! What Cedar says, in terms of what was written and with what would be right.

use super::{CompiledText, PolicyFault};
use cedar_policy::{ValidationError, ValidationWarning};
use miette::Diagnostic;

/// Every error that `error` tells of.
pub(super) fn faults_of(
    error: &dyn Diagnostic,
    within: CompiledText,
    shift: usize,
    most: usize,
) -> Vec<PolicyFault> {
    let first = fault_of(error, within, shift, most);
    let related = error.related().into_iter().flatten();
    std::iter::once(first).chain(related.map(|other| fault_of(other, within, shift, most))).collect()
}

/// One error of Cedar's, whose text began `shift` bytes before ours and holds `most` bytes of ours.
pub(super) fn fault_of(
    error: &dyn Diagnostic,
    within: CompiledText,
    shift: usize,
    most: usize,
) -> PolicyFault {
    let label = error.labels().and_then(|mut labels| labels.next());
    let (offset, length) = label.as_ref().map_or((0, 0), |label| (label.offset(), label.len()));
    let offset = offset.saturating_sub(shift).min(most);
    let named = label.as_ref().and_then(|label| label.label()).map(|label| format!(": {label}"));
    PolicyFault {
        within,
        offset,
        length: length.min(most.saturating_sub(offset)),
        message: format!("{}{}", plain(&error.to_string()), named.unwrap_or_default()),
        help: error.help().map(|help| plain(&help.to_string())),
    }
}

/// What is wrong with a policy or condition that could be read. Cedar's text began `shift` bytes before `text`.
pub(super) fn of_error(
    error: &ValidationError,
    within: CompiledText,
    shift: usize,
    text: &str,
) -> PolicyFault {
    let fault = fault_of(error, within, shift, text.len());
    match error {
        ValidationError::UnsafeOptionalAttributeAccess(_) => unguarded(fault, text),
        _ => fault,
    }
}

/// What is odd about a policy.
pub(super) fn of_warning(
    warning: &ValidationWarning,
    within: CompiledText,
    shift: usize,
    text: &str,
) -> PolicyFault {
    let fault = fault_of(warning, within, shift, text.len());
    match warning {
        ValidationWarning::ImpossiblePolicy(_) => PolicyFault {
            message: "the policy never applies: there is no request for which its conditions hold".into(),
            help: Some("look for parts that exclude each other, or remove it".into()),
            ..fault
        },
        _ => fault,
    }
}

/// An attribute that callers may lack, read without a test. In a file that is an error: nobody should have to guess what its absence means.
fn unguarded(fault: PolicyFault, text: &str) -> PolicyFault {
    let written = text.get(fault.offset..fault.offset.saturating_add(fault.length)).unwrap_or_default();
    let Some((record, name)) = written.rsplit_once('.') else { return fault };
    PolicyFault {
        message: format!("`{written}` may be missing"),
        help: Some(format!("test first that it is there: `{record} has {name} && …`")),
        ..fault
    }
}

/// Cedar begins some messages with the policy's internal id, which nobody wrote, and has a name of its own for "anything".
fn plain(message: &str) -> String {
    let rest = message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, "));
    rest.map_or(message, |(_, rest)| rest).replace("<__cedar::internal::Any>", "")
}
