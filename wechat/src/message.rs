//! Messages of the customer-service API: what they hold, who can show them, how they are written (`facts.md` §4.2).

mod wire;

use std::borrow::Cow;

use crate::account::AccountKind;

/// One message of `custom/send`, without its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text; `<a href="…">` in it is live.
    Text {
        /// The text, at most [`TEXT_BYTES`] bytes.
        content: String,
    },
    /// A card with a picture that opens an address: `news` with its one article.
    News {
        /// Headline.
        title: String,
        /// Line under the headline; may be empty.
        description: String,
        /// Address that a tap opens.
        url: String,
        /// Address of the picture; may be empty.
        picurl: String,
    },
    /// A question with options that can be tapped.
    MsgMenu {
        /// Text above the options; may be empty.
        head: String,
        /// Id and text of each option; the id comes back as `bizmsgmenuid`.
        options: Vec<(String, String)>,
        /// Text below the options; may be empty.
        tail: String,
    },
    /// A card that opens an address, for mini-programs.
    Link {
        /// Headline.
        title: String,
        /// Line under the headline; may be empty.
        description: String,
        /// Address that a tap opens.
        url: String,
        /// Address of the picture; may be empty.
        thumb_url: String,
    },
    /// A card that opens a page of a mini-program.
    MiniProgramPage {
        /// Headline.
        title: String,
        /// AppId of the mini-program; a mini-program's own card needs none.
        appid: String,
        /// Page and query.
        pagepath: String,
        /// Uploaded cover.
        thumb_media_id: String,
    },
}

/// Longest text in bytes of UTF-8: the usual assumption, no official number (`facts.md` §4.2, §9.6).
pub const TEXT_BYTES: usize = 2048;

/// Why a message can not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The kind of account can not show this kind of message.
    #[error("an account of kind `{kind}` can not show `{msgtype}`: it shows {shown}")]
    Kind {
        /// The account's kind.
        kind: AccountKind,
        /// The message's `msgtype`.
        msgtype: &'static str,
        /// What it shows of the messages that exist here.
        shown: &'static str,
    },
    /// A field that must hold something is empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// The text is longer than the platform takes.
    #[error("the text has {0} bytes, the platform takes {TEXT_BYTES}: shorten it or split it into parts")]
    TooLong(usize),
    /// An address that a tap could not open.
    #[error("`{0}` must begin with http:// or https://")]
    Address(&'static str),
    /// Two options with one id: the answer could not be told apart.
    #[error("two options of the menu have the id `{0}`")]
    SameOption(String),
    /// A control character, which JSON has to escape and the platform does not unescape.
    #[error("`{0}` holds a control character: remove it, or pass the text through `printable`")]
    Control(&'static str),
}

impl Message {
    /// The `msgtype` on the wire.
    #[must_use]
    pub fn msgtype(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::News { .. } => "news",
            Self::MsgMenu { .. } => "msgmenu",
            Self::Link { .. } => "link",
            Self::MiniProgramPage { .. } => "miniprogrampage",
        }
    }

    /// Whether an account of this kind can show this kind of message, whatever it says.
    ///
    /// # Errors
    /// [`MessageError::Kind`], which names what it can show.
    pub fn kind_allowed(&self, kind: AccountKind) -> Result<(), MessageError> {
        kind_allowed(self.msgtype(), kind)
    }

    /// Whether the message can be sent as it is.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, kind: AccountKind) -> Result<(), MessageError> {
        self.kind_allowed(kind)?;
        for (name, value) in self.fields() {
            no_control(name, value)?;
        }
        match self {
            Self::Text { content } => check_text(content),
            Self::News { title, url, picurl, .. } => check_card(title, url, "picurl", picurl),
            Self::Link { title, url, thumb_url, .. } => check_card(title, url, "thumb_url", thumb_url),
            Self::MsgMenu { options, .. } => check_options(options),
            Self::MiniProgramPage { title, appid, pagepath, thumb_media_id } => {
                let appid = if kind == AccountKind::Official { appid.as_str() } else { "-" };
                filled(&[("title", title), ("appid", appid), ("pagepath", pagepath)])?;
                filled(&[("thumb_media_id", thumb_media_id)])
            }
        }
    }

    /// The body of `custom/send`: raw UTF-8, nothing escaped that JSON does not demand, keys in a fixed order.
    #[must_use]
    pub fn to_json(&self, touser: &str) -> String {
        wire::to_json(self, touser)
    }

    fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Text { content } => vec![("content", content)],
            Self::News { title, description, url, picurl } => {
                vec![("title", title), ("description", description), ("url", url), ("picurl", picurl)]
            }
            Self::Link { title, description, url, thumb_url } => {
                vec![("title", title), ("description", description), ("url", url), ("thumb_url", thumb_url)]
            }
            Self::MsgMenu { head, options, tail } => {
                let mut fields: Vec<(_, &str)> = vec![("head", head), ("tail", tail)];
                fields.extend(options.iter().flat_map(|(id, text)| [("id", id.as_str()), ("option", text)]));
                fields
            }
            Self::MiniProgramPage { title, appid, pagepath, thumb_media_id } => vec![
                ("title", title),
                ("appid", appid),
                ("pagepath", pagepath),
                ("thumb_media_id", thumb_media_id),
            ],
        }
    }
}

/// Whether an account of this kind can show messages of this `msgtype` (`facts.md` §4.2).
///
/// # Errors
/// [`MessageError::Kind`], which names what it can show.
pub fn kind_allowed(msgtype: &'static str, kind: AccountKind) -> Result<(), MessageError> {
    let (list, shown): (&[&str], _) = match kind {
        AccountKind::Official => {
            (&["text", "news", "msgmenu", "miniprogrampage"], "text, news, msgmenu, miniprogrampage")
        }
        AccountKind::MiniProgram => (&["text", "link", "miniprogrampage"], "text, link, miniprogrampage"),
    };
    if list.contains(&msgtype) { Ok(()) } else { Err(MessageError::Kind { kind, msgtype, shown }) }
}

/// The text without control characters, for a user's words that go into a message. Line breaks and tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_control) {
        Cow::Owned(text.chars().filter(|c| !is_control(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

fn no_control(name: &'static str, value: &str) -> Result<(), MessageError> {
    if value.chars().any(is_control) { Err(MessageError::Control(name)) } else { Ok(()) }
}

fn check_text(content: &str) -> Result<(), MessageError> {
    filled(&[("content", content)])?;
    if content.len() > TEXT_BYTES { Err(MessageError::TooLong(content.len())) } else { Ok(()) }
}

fn check_card(title: &str, url: &str, picture: &'static str, address: &str) -> Result<(), MessageError> {
    filled(&[("title", title), ("url", url)])?;
    opens("url", url)?;
    if address.is_empty() { Ok(()) } else { opens(picture, address) }
}

fn check_options(options: &[(String, String)]) -> Result<(), MessageError> {
    if options.is_empty() {
        return Err(MessageError::Empty("options"));
    }
    for (index, (id, content)) in options.iter().enumerate() {
        filled(&[("id", id), ("option", content)])?;
        if options[..index].iter().any(|(earlier, _)| earlier == id) {
            return Err(MessageError::SameOption(id.clone()));
        }
    }
    Ok(())
}

fn filled(fields: &[(&'static str, &str)]) -> Result<(), MessageError> {
    match fields.iter().find(|(_, value)| value.trim().is_empty()) {
        Some((name, _)) => Err(MessageError::Empty(name)),
        None => Ok(()),
    }
}

fn opens(name: &'static str, url: &str) -> Result<(), MessageError> {
    let known = url.starts_with("https://") || url.starts_with("http://");
    if known { Ok(()) } else { Err(MessageError::Address(name)) }
}
