//! The page that `push decode` prints for a person: each step with ✓ or ✗, then the document.

use std::fmt::Write as _;

use wechat::push::{Decoded, Form};

use super::decode::{Captured, Failure};
use crate::command::time;

/// The steps of an encrypted push, in the order in which they are made.
const STEPS: [&str; 5] = ["envelope", "signature", "base64", "decrypt", "receive_id"];

pub(super) fn form_name(form: Form) -> &'static str {
    match form {
        Form::UrlCheck => "url_verification",
        Form::EncryptedUrlCheck => "encrypted_url_verification",
        Form::Plain => "plain",
        Form::Encrypted => "encrypted",
    }
}

pub(super) fn page(
    captured: &Captured<'_>,
    decoded: &Result<Decoded, Failure>,
    broken: Option<&str>,
    cause: Option<&str>,
    age: Option<i64>,
) -> String {
    let mut page = match decoded {
        Ok(decoded) => passed(decoded, captured.app_id.is_some()),
        Err(failure) => failed(failure, cause),
    };
    if let Some(broken) = broken {
        let _infallible =
            writeln!(page, "· envelope    {broken}: only its Encrypt was read; a gateway refuses this push");
    }
    page.push_str(&age_line(age));
    if let Ok(decoded) = decoded {
        let document = String::from_utf8_lossy(&decoded.document);
        let title = match decoded.form {
            Form::UrlCheck | Form::EncryptedUrlCheck => "answer it with exactly this text",
            Form::Plain | Form::Encrypted => "the document",
        };
        let _infallible = write!(page, "\n{title}:\n{document}\n");
    }
    page
}

fn passed(decoded: &Decoded, compared: bool) -> String {
    let bytes = decoded.document.len();
    let (form, sealed) = match decoded.form {
        Form::UrlCheck => ("a URL verification", false),
        Form::EncryptedUrlCheck => ("a URL verification with an encrypted echostr", true),
        Form::Plain => ("a clear push", false),
        Form::Encrypted => ("an encrypted push", true),
    };
    let mut lines = format!("this is {form}\n✓ signature   made with this Token\n");
    if sealed {
        let id = decoded.receive_id.as_deref().unwrap_or_default();
        let how = if compared { "as it should be" } else { "not compared: give --app-id" };
        let _infallible = write!(
            lines,
            "✓ base64      the encrypted text is whole\n✓ decrypt     the key opens it: {bytes} bytes\n\
             ✓ receive id  {id} ({how})\n"
        );
    }
    lines
}

fn failed(failure: &Failure, cause: Option<&str>) -> String {
    let at = STEPS.iter().position(|step| *step == failure.step()).unwrap_or(0);
    let before = STEPS.iter().take(at).filter(|step| **step != "envelope");
    let mut lines: String = before.map(|step| format!("✓ {step}\n")).collect();
    let _infallible = writeln!(lines, "✗ {}: {}", failure.step().replace('_', " "), failure.say());
    if let Some(cause) = cause {
        let _infallible = writeln!(lines, "  {cause}");
    }
    lines
}

fn age_line(age: Option<i64>) -> String {
    match age {
        Some(seconds) => format!("· timestamp   {} (told, never a failure here)\n", time::relative(seconds)),
        None => "· timestamp   none, or no number\n".to_owned(),
    }
}
