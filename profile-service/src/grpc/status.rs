//! What each failure looks like on the wire: one match from error to code.

use tonic::{Code, Status};

use crate::{people::Error, store::StoreError};

/// The status of an error. Failures of the store are logged here, once, and their insides stay here.
pub(super) fn of(error: &Error) -> Status {
    let code = code(error);
    match code {
        Code::Unavailable | Code::Aborted => tracing::warn!(%error, "the profile store has no answer"),
        Code::Internal => tracing::error!(%error, "a stored profile cannot be read"),
        _ => tracing::debug!(%error, "refused"),
    }
    let message = match code {
        Code::Unavailable => "the profile store did not answer in time; try again".to_owned(),
        Code::Internal => "the stored profile cannot be read; restore or delete its key in redis".to_owned(),
        _ => error.to_string(),
    };
    Status::new(code, message)
}

/// Name of the code as it stands in metrics.
pub(super) fn code_name(error: Option<&Error>) -> &'static str {
    name(error.map_or(Code::Ok, code))
}

/// Name of a code that this service uses.
pub(super) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Unavailable => "unavailable",
        Code::Aborted => "aborted",
        Code::Internal => "internal",
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        _ => "other",
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::Store(StoreError::Redis(_) | StoreError::Late(_)) => Code::Unavailable,
        Error::Store(StoreError::Busy) => Code::Aborted,
        Error::Store(StoreError::Unreadable(_)) => Code::Internal,
        Error::Invalid(_) => Code::InvalidArgument,
        Error::Nobody => Code::NotFound,
    }
}
