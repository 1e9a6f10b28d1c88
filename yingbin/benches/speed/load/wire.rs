//! The least HTTP that a generator needs: whole requests out, whole answers in, every answer checked.

use anyhow::{Result, bail};

/// Whether the bytes hold the whole answer of a push; it must be `success`.
pub(super) fn taken(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    if head.starts_with(b"HTTP/1.1 200") && b"success".starts_with(body) {
        return Ok(body.len() == b"success".len());
    }
    bail!("an answer that is not success: {}", String::from_utf8_lossy(answer))
}
