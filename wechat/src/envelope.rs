//! The AES envelope: AES-256-CBC with blocks of 32 in the padding (`facts.md` §1.5).

use std::ops::Range;

use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// The platform gives out keys whose last character has non-zero discarded bits (`facts.md` §1.8).
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

const BLOCK: usize = 16;
const PADDING: usize = 32;
const RANDOM: usize = 16;
/// Random bytes and length that stand before the message.
const HEAD: usize = RANDOM + 4;

/// The AES key of an account. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct AesKey([u8; 32]);

/// Why a text is no `EncodingAESKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has another number of characters than 43.
    #[error(
        "an EncodingAESKey has 43 characters, this one has {0}: copy it again from the account's settings"
    )]
    Length(usize),
    /// A character in it is no base64.
    #[error("the EncodingAESKey holds a character that is neither letter nor digit: copy it again")]
    Character,
}

impl AesKey {
    /// Reads the 43 characters that the platform calls `EncodingAESKey`.
    ///
    /// # Errors
    /// When there are not 43 characters, or one is no base64. Stray bits in the last one are accepted.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let length = text.chars().count();
        if length != 43 {
            return Err(KeyError::Length(length));
        }
        let padded = [text.as_bytes(), b"="].concat();
        let bytes = LENIENT.decode(padded).map_err(|_| KeyError::Character)?;
        Ok(Self(bytes.try_into().map_err(|_| KeyError::Character)?))
    }

    fn iv(&self) -> [u8; BLOCK] {
        std::array::from_fn(|i| self.0[i])
    }
}

impl std::fmt::Debug for AesKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AesKey(..)")
    }
}

/// Why an envelope does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The text is no base64.
    #[error("the encrypted text is no base64")]
    Base64,
    /// The ciphertext is empty or no multiple of the cipher's block.
    #[error("the ciphertext has {0} bytes, which is no multiple of 16")]
    Blocks(usize),
    /// The padding is none: nearly always another key.
    #[error("the padding is wrong, so this is another EncodingAESKey than the sender's")]
    Padding,
    /// The stated length does not fit: nearly always another key.
    #[error("the stated length {0} does not fit, so this is another EncodingAESKey than the sender's")]
    MessageLength(u32),
    /// The message of a URL verification is no UTF-8.
    #[error("the text in it is no UTF-8")]
    Text,
}

/// An opened envelope: one buffer, decrypted in place, and where its two texts lie.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain {
    buffer: Vec<u8>,
    message: Range<usize>,
    receive_id: Range<usize>,
}

impl Plain {
    /// The message, byte for byte.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.buffer[self.message.clone()]
    }

    /// The id of whom the message is for: an AppId, `CorpId` or `SuiteId`.
    #[must_use]
    pub fn receive_id(&self) -> &[u8] {
        &self.buffer[self.receive_id.clone()]
    }

    /// The message alone, in the buffer that held it.
    #[must_use]
    pub fn into_message(mut self) -> Vec<u8> {
        self.buffer.truncate(self.message.end);
        self.buffer.drain(..self.message.start);
        self.buffer
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("message_bytes", &self.message.len()).finish_non_exhaustive()
    }
}

/// Opens an envelope.
///
/// # Errors
/// When the text is no base64 or does not decrypt to a padded, length-prefixed message.
pub fn decrypt(key: &AesKey, base64: &[u8]) -> Result<Plain, EnvelopeError> {
    let mut buffer = LENIENT.decode(base64).map_err(|_| EnvelopeError::Base64)?;
    if buffer.is_empty() || !buffer.len().is_multiple_of(BLOCK) {
        return Err(EnvelopeError::Blocks(buffer.len()));
    }
    let cipher = cbc::Decryptor::<aes::Aes256>::new(&key.0.into(), &key.iv().into());
    cipher.decrypt_padded::<NoPadding>(&mut buffer).map_err(|_| EnvelopeError::Padding)?;
    let end = unpadded(&buffer).ok_or(EnvelopeError::Padding)?;
    let length = buffer[..end].get(RANDOM..HEAD).ok_or(EnvelopeError::Padding)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    let fits = usize::try_from(length).ok().filter(|length| *length <= end - HEAD);
    let message = HEAD..HEAD + fits.ok_or(EnvelopeError::MessageLength(length))?;
    let receive_id = message.end..end;
    Ok(Plain { buffer, message, receive_id })
}

/// Where the padding of 1 to 32 equal bytes begins.
fn unpadded(buffer: &[u8]) -> Option<usize> {
    let pad = *buffer.last()?;
    let start = buffer.len().checked_sub(usize::from(pad))?;
    let valid = (1..=PADDING).contains(&usize::from(pad)) && buffer[start..].iter().all(|byte| *byte == pad);
    valid.then_some(start)
}

/// Closes an envelope around `message`, for `receive_id`.
#[must_use]
pub fn encrypt(key: &AesKey, random16: [u8; RANDOM], message: &[u8], receive_id: &str) -> String {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let filled = HEAD + message.len() + receive_id.len();
    let pad = PADDING - filled % PADDING;
    let mut buffer = Vec::with_capacity(filled + pad);
    buffer.extend_from_slice(&random16);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(message);
    buffer.extend_from_slice(receive_id.as_bytes());
    buffer.resize(filled + pad, u8::try_from(pad).unwrap_or(0));
    let cipher = cbc::Encryptor::<aes::Aes256>::new(&key.0.into(), &key.iv().into());
    let sealed = cipher
        .encrypt_padded::<NoPadding>(&mut buffer, filled + pad)
        .expect("the buffer is a multiple of the block, so nothing has to be added");
    LENIENT.encode(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_with_stray_bits_and_refused_when_it_is_none() {
        let stray = AesKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C");
        assert_eq!(stray, AesKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2A"));
        assert_eq!(format!("{:?}", stray.unwrap()), "AesKey(..)");
        assert_eq!(AesKey::parse(""), Err(KeyError::Length(0)));
        assert_eq!(AesKey::parse(&"A".repeat(44)), Err(KeyError::Length(44)));
        assert_eq!(AesKey::parse(&"密".repeat(43)), Err(KeyError::Character));
        assert_eq!(AesKey::parse(&"!".repeat(43)), Err(KeyError::Character));
    }

    #[test]
    fn the_message_leaves_in_the_buffer_that_held_it() {
        let key = AesKey::parse(&"A".repeat(43)).unwrap();
        let plain = decrypt(&key, encrypt(&key, [1; 16], "中文".as_bytes(), "wx1").as_bytes()).unwrap();
        assert_eq!((plain.message(), plain.receive_id()), ("中文".as_bytes(), &b"wx1"[..]));
        assert_eq!(plain.into_message(), "中文".as_bytes());
    }
}
