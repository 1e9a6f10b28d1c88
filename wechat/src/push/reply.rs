//! The encrypted passive reply (`facts.md` §1.6). `success` and the empty answer need none of this.

use super::seal::{key, sign};
use super::{Credentials, Format, SealError};
use crate::envelope;

/// Encrypts and signs a passive reply. `timestamp` is the replier's own clock, in Unix seconds; `nonce` is the
/// push's or a new one.
///
/// # Errors
/// [`SealError::NoKey`].
pub fn seal_reply(
    credentials: &Credentials,
    message: &[u8],
    format: Format,
    timestamp: i64,
    nonce: &str,
    random16: [u8; 16],
) -> Result<String, SealError> {
    let encrypt = envelope::encrypt(key(credentials)?, random16, message, &credentials.app_id);
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
