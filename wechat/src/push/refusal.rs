//! Why a push or a URL verification is refused, in words for the account's operator.

use crate::document::Unreadable;
use crate::envelope::EnvelopeError;

/// Why a request is refused. To the sender all of them must look alike; these words are for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something that the check needs was not given.
    #[error("{0} is missing: without it the request can not be checked")]
    Missing(&'static str),
    /// The account's mode does not allow a request of this form.
    #[error("{0}")]
    Mode(&'static str),
    /// The outer document is unreadable.
    #[error("the body is no envelope: {0}")]
    Envelope(Unreadable),
    /// The outer document holds no `Encrypt`.
    #[error("the body holds no Encrypt field: set the account to compatible or safe mode, or check plainly")]
    NoEncrypt,
    /// `signature` or `msg_signature` is not ours.
    #[error(
        "`{0}` does not verify: check that the Token equals the one in the account's settings, and that the \
         query and the body were captured unchanged"
    )]
    Signature(&'static str),
    /// The ciphertext is no base64.
    #[error("the signature verifies, but the encrypted text is no base64: the sender builds it wrongly")]
    Base64,
    /// No key opens it.
    #[error(
        "the signature verifies, but no key opens it: {0}; copy the EncodingAESKey from the settings again"
    )]
    Decrypt(EnvelopeError),
    /// It is addressed to somebody else.
    #[error("it is addressed to `{found}`, not to `{expected}`: check the AppId")]
    ReceiveId {
        /// The receive id in the envelope.
        found: String,
        /// The account's own.
        expected: String,
    },
}

impl Refusal {
    /// The step that failed, in one word: `missing`, `mode`, `envelope`, `signature`, `base64`, `decrypt`
    /// or `receive_id`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Mode(_) => "mode",
            Self::Envelope(_) | Self::NoEncrypt => "envelope",
            Self::Signature(_) => "signature",
            Self::Base64 => "base64",
            Self::Decrypt(_) => "decrypt",
            Self::ReceiveId { .. } => "receive_id",
        }
    }
}
