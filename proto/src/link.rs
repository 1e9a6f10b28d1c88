//! The token of a link in a reply: sealed, so that neither openid nor item can be read or changed, and expiring.
//!
//! content-service mints it, the gateway opens it; both hold the same key. AES-SIV is deterministic, so the same
//! decision makes the same bytes.

use aes_siv::{KeyInit as _, siv::Aes128Siv};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest as _, Sha256};

/// What a link says when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// AppId of the account.
    pub app_id: String,
    /// The user to whom the link was sent.
    pub openid: String,
    /// The item that it opens.
    pub item_id: String,
    /// The event whose reply holds it, 32 hex digits.
    pub reply_event_id: String,
    /// The slot of the reply.
    pub slot: String,
    /// Not to be honoured from then on, Unix seconds.
    pub expires_at: i64,
}

/// A link as it is sealed: ids in as few bytes as they need, since a message has 2,048 and holds many links.
#[derive(Clone, PartialEq, Eq, Message)]
struct Packed {
    #[prost(bytes = "vec", tag = "1")]
    app_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    openid: Vec<u8>,
    #[prost(string, tag = "3")]
    item_id: String,
    #[prost(bytes = "vec", tag = "4")]
    reply_event_id: Vec<u8>,
    #[prost(string, tag = "5")]
    slot: String,
    #[prost(int64, tag = "6")]
    expires_at: i64,
}

impl From<&Link> for Packed {
    fn from(link: &Link) -> Self {
        Self {
            app_id: pack(&link.app_id),
            openid: pack(&link.openid),
            item_id: link.item_id.clone(),
            reply_event_id: pack(&link.reply_event_id),
            slot: link.slot.clone(),
            expires_at: link.expires_at,
        }
    }
}

impl TryFrom<Packed> for Link {
    type Error = LinkError;

    fn try_from(packed: Packed) -> Result<Self, LinkError> {
        let unpack = |bytes: &[u8]| unpack(bytes).ok_or(LinkError::Forged);
        Ok(Self {
            app_id: unpack(&packed.app_id)?,
            openid: unpack(&packed.openid)?,
            reply_event_id: unpack(&packed.reply_event_id)?,
            item_id: packed.item_id,
            slot: packed.slot,
            expires_at: packed.expires_at,
        })
    }
}

/// An id as `form, bytes`: hex digits, hex digits behind `wx`, base64url letters, or as it is. Each form is read back exactly: large
/// hex digits are not taken for small ones, and base64url has one spelling for its bytes.
fn pack(id: &str) -> Vec<u8> {
    let hex =
        |digits: &str| hex::decode(digits).ok().filter(|_| !digits.bytes().any(|b| b.is_ascii_uppercase()));
    let as_hex = || hex(id).map(|bytes| (1, bytes));
    let behind_wx = || id.strip_prefix("wx").and_then(hex).map(|bytes| (2, bytes));
    let as_base64 = || URL_SAFE_NO_PAD.decode(id).ok().map(|bytes| (3, bytes));
    let (form, mut bytes) =
        as_hex().or_else(behind_wx).or_else(as_base64).unwrap_or_else(|| (0, id.as_bytes().to_vec()));
    bytes.insert(0, form);
    bytes
}

fn unpack(packed: &[u8]) -> Option<String> {
    let (form, bytes) = packed.split_first()?;
    match form {
        0 => String::from_utf8(bytes.to_vec()).ok(),
        1 => Some(hex::encode(bytes)),
        2 => Some(format!("wx{}", hex::encode(bytes))),
        3 => Some(URL_SAFE_NO_PAD.encode(bytes)),
        _ => None,
    }
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
        let sealed = self.cipher().encrypt([[0u8; 0]; 0], &Packed::from(link).encode_to_vec());
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
        let link = Link::try_from(Packed::decode(bytes.as_slice()).map_err(|_| LinkError::Forged)?)?;
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
        assert!(token.len() < 140, "{} letters are too many for a message with seven links", token.len());
    }

    proptest! {
        #[test]
        fn every_id_comes_back_as_it_was(id in "(wx)?[0-9a-fA-F]{0,18}|[A-Za-z0-9_-]{0,30}|\\PC{0,20}") {
            prop_assert_eq!(unpack(&pack(&id)), Some(id));
        }

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
