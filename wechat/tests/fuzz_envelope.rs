//! Fuzz target: whoever has the key and fills the envelope with anything gets it opened or refused, and nothing else.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::time::Duration;

use aes::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::NoPadding};
use base64::{Engine, engine::general_purpose::STANDARD};
use wechat::envelope::{AesKey, decrypt, encrypt};

const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

/// Blocks under the key, with no padding but what they hold themselves.
fn closed(plain: &[u8]) -> String {
    let lenient = base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let lenient = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let key: [u8; 32] = lenient.decode(format!("{KEY}=")).unwrap().try_into().unwrap();
    let iv: [u8; 16] = key[..16].try_into().unwrap();
    let mut buffer = plain.to_vec();
    let cipher = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into());
    let length = buffer.len();
    cipher.encrypt_padded::<NoPadding>(&mut buffer, length).unwrap();
    STANDARD.encode(buffer)
}

/// Says whether it opened.
fn opens(key: &AesKey, plain: &[u8]) -> bool {
    let Ok(opened) = decrypt(key, closed(plain).as_bytes()) else { return false };
    let held = opened.message().len() + opened.receive_id().len();
    assert!(held + 20 < plain.len() && plain.len() - held - 20 <= 32);
    assert!(plain[20..].starts_with(opened.message()));
    let again =
        std::str::from_utf8(opened.receive_id()).map(|id| encrypt(key, [7; 16], opened.message(), id));
    if let Ok(again) = again {
        let again = decrypt(key, again.as_bytes()).unwrap();
        assert_eq!((again.message(), again.receive_id()), (opened.message(), opened.receive_id()));
    }
    true
}

#[test]
fn fuzz_envelope() {
    let key = AesKey::parse(KEY).unwrap();
    bolero::check!().with_test_time(Duration::from_millis(300)).for_each(|bytes: &[u8]| {
        assert!(decrypt(&key, bytes).is_err() || bytes.len() >= 44);
        let whole = bytes.len() / 16 * 16;
        opens(&key, &bytes[..whole]);
        // The same with a padding and a length that are right, so that what lies between is looked at.
        let pad = 32 - (bytes.len() + 20) % 32;
        let told = u32::try_from(bytes.len() / 2).unwrap().to_be_bytes();
        let framed = [&[0; 16], &told[..], bytes, &vec![u8::try_from(pad).unwrap(); pad]].concat();
        assert!(opens(&key, &framed));
    });
}
