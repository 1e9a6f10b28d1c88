//! What the text of a setting can mean.

use std::{
    fmt, fs,
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// A type that a setting can have.
pub trait Value: Sized {
    /// Reads it; the error says what was expected, as in “is not …”.
    ///
    /// # Errors
    /// The text is none.
    fn parse(text: &str) -> Result<Self, &'static str>;

    /// Writes it as a person would.
    fn show(&self) -> String;
}

macro_rules! plain {
    ($($type:ty: $expected:literal;)*) => {$(
        impl Value for $type {
            fn parse(text: &str) -> Result<Self, &'static str> {
                text.parse().map_err(|_| $expected)
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

plain! {
    String: "a text";
    bool: "true or false";
    u16: "a number from 0 to 65535";
    u32: "a whole number";
    u64: "a whole number";
    i64: "a whole number";
    usize: "a whole number";
    f64: "a number";
    SocketAddr: "an address and port such as 0.0.0.0:8080";
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let expected = "a time such as 300ms, 5s, 10m, 2h or 7d";
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
        let millis =
            UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis).ok_or(expected)?;
        let number: u64 = digits.parse().map_err(|_| expected)?;
        number.checked_mul(millis).map(Self::from_millis).ok_or(expected)
    }

    fn show(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let fitting = UNITS.iter().rev().find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit));
        fitting.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
    }
}

/// More than any secret has.
const MOST: u64 = 64 * 1024;

/// A text that no log and no dump shows, and the file that it stands in, if any.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    file: Option<PathBuf>,
}

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), file: None }
    }

    /// The content of a file, without the line breaks at its end. Blocks the thread.
    ///
    /// # Errors
    /// The file cannot be read, or is too large to be one; the error does not name it.
    pub fn read(file: &Path) -> io::Result<Self> {
        let mut text = String::new();
        fs::File::open(file)?.take(MOST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MOST {
            return Err(io::Error::other("it is larger than 64 KiB"));
        }
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        Ok(Self { text, file: Some(file.to_owned()) })
    }

    /// The text, to be passed on and never to be printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Where it stands.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
