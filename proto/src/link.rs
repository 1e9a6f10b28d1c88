//! The token of a link in a reply: sealed, so that neither openid nor item can be read or changed, and expiring.
//!
//! content-service mints it, the gateway opens it; both hold the same key. AES-SIV is deterministic, so the same
//! decision makes the same bytes.

use aes_siv::{KeyInit as _, siv::Aes128Siv};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest as _, Sha256};

/// What a link says when it is opened.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Link {
    /// AppId of the account.
    #[prost(string, tag = "1")]
    pub app_id: String,
    /// The user to whom the link was sent.
    #[prost(string, tag = "2")]
    pub openid: String,
    /// The item that it opens.
    #[prost(string, tag = "3")]
    pub item_id: String,
    /// The event whose reply holds it, 32 hex digits.
    #[prost(string, tag = "4")]
    pub reply_event_id: String,
    /// The slot of the reply.
    #[prost(string, tag = "5")]
    pub slot: String,
    /// Not to be honoured from then on, Unix seconds.
    #[prost(int64, tag = "6")]
    pub expires_at: i64,
}

/// Why a token is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not made with this key, cut, or changed.
    #[error("the link was not made here")]
    Forged,
    /// Its time has passed.
    #[error("the link has expired")]
    Expired,
}

/// The key that content-service and gateway share.
#[derive(Clone)]
pub struct LinkKey([u8; 32]);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

impl LinkKey {
    /// Derives the key from a secret of any length.
    #[must_use]
    pub fn derive(secret: &str) -> Self {
        Self(Sha256::new_with_prefix(b"yingbin link v1\0").chain_update(secret).finalize().into())
    }

    /// Seals a link into a token for `/c/{token}`.
    #[must_use]
    pub fn seal(&self, link: &Link) -> String {
        let sealed = self.cipher().encrypt([[0u8; 0]; 0], &link.encode_to_vec());
        URL_SAFE_NO_PAD
            .encode(sealed.expect("AES-SIV refuses more than 126 headers only, and there are none"))
    }

    /// Opens a token at `now` (Unix seconds).
    ///
    /// # Errors
    /// [`LinkError`], which tells a forged token from an expired one.
    pub fn open(&self, token: &str, now: i64) -> Result<Link, LinkError> {
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| LinkError::Forged)?;
        let bytes = self.cipher().decrypt([[0u8; 0]; 0], &sealed).map_err(|_| LinkError::Forged)?;
        let link = Link::decode(bytes.as_slice()).map_err(|_| LinkError::Forged)?;
        if now < link.expires_at { Ok(link) } else { Err(LinkError::Expired) }
    }

    fn cipher(&self) -> Aes128Siv {
        Aes128Siv::new(&self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link() -> Link {
        Link {
            app_id: "wx0123456789abcdef".into(),
            openid: "oTestOpenId0123456789abcdefg".into(),
            item_id: "taiwan-1".into(),
            reply_event_id: "0123456789abcdef0123456789abcdef".into(),
            slot: "lead".into(),
            expires_at: 2_000,
        }
    }

    #[test]
    fn a_link_opens_until_it_expires_and_only_with_its_key() {
        let key = LinkKey::derive("secret");
        let token = key.seal(&link());
        assert_eq!(token, key.seal(&link()), "the same decision makes the same bytes");
        assert_eq!(key.open(&token, 1_999), Ok(link()));
        assert_eq!(key.open(&token, 2_000), Err(LinkError::Expired));
        assert_eq!(LinkKey::derive("other").open(&token, 0), Err(LinkError::Forged));
        assert!(!token.contains("oTest"));
    }

    proptest! {
        #[test]
        fn a_changed_token_is_forged(at in 0usize..150, byte in any::<u8>(), junk in "[A-Za-z0-9_-]{0,200}") {
            let key = LinkKey::derive("secret");
            let mut token = key.seal(&link()).into_bytes();
            let at = at % token.len();
            prop_assume!(token[at] != byte);
            token[at] = byte;
            if let Ok(text) = String::from_utf8(token) {
                prop_assert_eq!(key.open(&text, 0), Err(LinkError::Forged));
            }
            prop_assert_eq!(key.open(&junk, 0), Err(LinkError::Forged));
        }
    }
}
