//! What an account and the platform share, and the account's mode.

use crate::account::Mode;
use crate::envelope::AesKey;
use crate::secret::Secret;

/// The settings of one account's pushes (`facts.md` §1.1). `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// AppId of the account (`CorpId` or `SuiteId` for WeCom): the receive id of its envelopes.
    pub app_id: String,
    /// Token that signs.
    pub token: Secret,
    /// Token before the last change, still accepted.
    pub previous_token: Option<Secret>,
    /// `EncodingAESKey`; needed in compatible and safe mode.
    pub aes_key: Option<AesKey>,
    /// `EncodingAESKey` before the last change, still accepted (`facts.md` §1.8, key rotation).
    pub previous_aes_key: Option<AesKey>,
    /// What the account is set to; a push below it is refused.
    pub mode: Mode,
}

impl Credentials {
    /// The tokens and keys that are accepted, the current ones first.
    #[must_use]
    pub fn keys(&self) -> super::Keys<'_> {
        super::Keys {
            tokens: [Some(&self.token), self.previous_token.as_ref()],
            aes_keys: [self.aes_key.as_ref(), self.previous_aes_key.as_ref()],
            app_id: Some(&self.app_id),
        }
    }
}
