//! The outer document of an encrypted push: only its `Encrypt` counts.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::document::walk;

/// The `Encrypt` field of an envelope, XML or JSON; `None` when a readable body holds none.
///
/// Whatever else the envelope says is ignored: no signature covers it (`facts.md` §1.3).
///
/// # Errors
/// [`Refusal::Envelope`] for a DOCTYPE, deep nesting, bytes that are no UTF-8, or a cut body.
pub fn encrypted_part(body: &[u8]) -> Result<Option<Cow<'_, str>>, Refusal> {
    let mut found = None;
    let visit = |path: &[Cow<'_, str>], value| {
        if let ([name], None) = (path, &found)
            && matches!(name.as_ref(), "Encrypt" | "encrypt")
        {
            found = Some(value);
        }
    };
    walk(body, visit).map_err(Refusal::Envelope)?;
    Ok(found.map(crate::document::trimmed))
}
