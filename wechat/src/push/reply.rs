//! The encrypted passive reply (`facts.md` §1.6). `success`, which is all that the gateway answers, needs none of this.

use super::seal::sign;
use super::{Credentials, Format, Opened, SealError};
use crate::envelope;

/// Encrypts and signs a passive reply to `push`, with the key that opened it: a sender that does not know the new key yet could not
/// read it otherwise (`facts.md` §1.8, key rotation). `timestamp` is the replier's own clock, in Unix seconds; `nonce` is the push's or
/// a new one.
///
/// # Errors
/// [`SealError::Clear`].
pub fn seal_reply(
    push: &Opened<'_>,
    credentials: &Credentials,
    message: &[u8],
    format: Format,
    timestamp: i64,
    nonce: &str,
    random16: [u8; 16],
) -> Result<String, SealError> {
    let encrypt =
        envelope::encrypt(push.key().ok_or(SealError::Clear)?, random16, message, &credentials.app_id);
    let signature = sign(credentials, timestamp, nonce, Some(&encrypt));
    Ok(match format {
        Format::Xml => format!(
            "<xml>\n<Encrypt><![CDATA[{encrypt}]]></Encrypt>\n\
             <MsgSignature><![CDATA[{signature}]]></MsgSignature>\n\
             <TimeStamp>{timestamp}</TimeStamp>\n<Nonce><![CDATA[{nonce}]]></Nonce>\n</xml>"
        ),
        Format::Json => {
            let nonce = serde_json::Value::from(nonce);
            format!(
                r#"{{"Encrypt":"{encrypt}","MsgSignature":"{signature}","TimeStamp":{timestamp},"Nonce":{nonce}}}"#
            )
        }
    })
}
