//! What a push says: its common fields and, for the kinds that are typed, its own (`facts.md` §2).

use crate::document::Document;

/// A push, borrowing from its document. A text that the document does not hold is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Push<'d> {
    /// Original id of the account (`gh_…`); `CorpID` for `WeCom`.
    pub to_user_name: &'d str,
    /// OpenID of the user; empty in pushes that are not about one.
    pub from_user_name: &'d str,
    /// Unix seconds; `None` when missing or odd.
    pub create_time: Option<i64>,
    /// `text`, `event`, …
    pub msg_type: &'d str,
    /// Name of the event as written; empty for messages.
    pub event: &'d str,
    /// The kind with its own fields.
    pub kind: Kind<'d>,
    pub(super) document: &'d Document<'d>,
}

/// The kinds that are typed. A message id is text: real ones exceed 2^53, and some are no numbers (§1.7).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'d> {
    /// The user wrote.
    Text {
        /// `MsgId`.
        message_id: &'d str,
        /// What was written, or the text of the tapped option.
        content: &'d str,
        /// `bizmsgmenuid`: the option of a `msgmenu` that was tapped.
        menu_option_id: Option<&'d str>,
    },
    /// The user sent a picture.
    Image {
        /// `MsgId`.
        message_id: &'d str,
        /// Address of the picture.
        pic_url: &'d str,
        /// Id for download.
        media_id: &'d str,
    },
    /// The user sent a voice message.
    Voice {
        /// `MsgId`.
        message_id: &'d str,
        /// Id for download.
        media_id: &'d str,
        /// `amr`, `speex`, …
        format: &'d str,
        /// Recognised text, in older pushes.
        recognition: Option<&'d str>,
    },
    /// The user sent a place.
    Location {
        /// `MsgId`.
        message_id: &'d str,
        /// Degrees north.
        latitude: Option<f64>,
        /// Degrees east.
        longitude: Option<f64>,
        /// Zoom of the map.
        scale: Option<i64>,
        /// Name of the place.
        label: &'d str,
    },
    /// The user sent a link.
    Link {
        /// `MsgId`.
        message_id: &'d str,
        /// Headline.
        title: &'d str,
        /// Line below it.
        description: &'d str,
        /// Address.
        url: &'d str,
    },
    /// The user followed the account.
    Subscribe {
        /// Scene of the QR code, without `qrscene_`.
        scene: Option<&'d str>,
        /// Ticket of the QR code.
        ticket: &'d str,
        /// `EventKey` as written.
        event_key: &'d str,
    },
    /// The user unfollowed it: the platform demands that their data be deleted.
    Unsubscribe,
    /// A follower scanned a parametric QR code.
    Scan {
        /// Scene of the QR code.
        scene: &'d str,
        /// Ticket of the QR code.
        ticket: &'d str,
    },
    /// The user tapped a menu button of kind click.
    Click {
        /// Key of the button.
        key: &'d str,
    },
    /// The user opened an address from the menu.
    View {
        /// The address.
        url: &'d str,
        /// `MenuId` of a conditional menu.
        menu_id: &'d str,
    },
    /// Automatic report of the user's place.
    LocationReport {
        /// Degrees north.
        latitude: Option<f64>,
        /// Degrees east.
        longitude: Option<f64>,
        /// Metres.
        precision: Option<f64>,
    },
    /// The user entered the conversation.
    Enter(Entrance<'d>),
    /// Any other push: read the document's leaves.
    Unrecognised,
}

/// The signals by which a platform says that a user has entered (`facts.md` §2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance<'d> {
    /// `user_enter_tempsession` of a mini-program.
    TempSession {
        /// Attribute `session-from` of the contact button.
        session_from: &'d str,
    },
    /// `ENTER` of WeChat 4.5.
    Enter,
}

impl<'d> Push<'d> {
    /// Reads a push. Never fails: what is missing is empty, what is odd is `None`, what is unknown is
    /// [`Kind::Unrecognised`].
    #[must_use]
    pub fn read(document: &'d Document<'d>) -> Self {
        let fields = Fields(document);
        let msg_type = fields.text("MsgType");
        let is_event = msg_type.eq_ignore_ascii_case("event");
        let event = if is_event { fields.text("Event") } else { "" };
        Self {
            to_user_name: fields.text("ToUserName"),
            from_user_name: fields.text("FromUserName"),
            create_time: fields.integer("CreateTime"),
            msg_type,
            event,
            kind: if is_event { fields.event(event) } else { fields.message(msg_type) },
            document,
        }
    }

    /// `MsgId`; job results, which spell it `MsgID`, have none.
    #[must_use]
    pub fn message_id(&self) -> Option<&'d str> {
        self.document.get("MsgId").filter(|id| !id.is_empty())
    }
}

struct Fields<'d>(&'d Document<'d>);

impl<'d> Fields<'d> {
    fn text(&self, name: &str) -> &'d str {
        self.0.get(name).unwrap_or_default()
    }

    fn filled(&self, name: &str) -> Option<&'d str> {
        self.0.get(name).filter(|value| !value.is_empty())
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.parse().ok()
    }

    fn decimal(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn message(&self, msg_type: &str) -> Kind<'d> {
        let message_id = self.text("MsgId");
        match msg_type {
            "text" => Kind::Text {
                message_id,
                content: self.text("Content"),
                menu_option_id: self.filled("bizmsgmenuid"),
            },
            "image" => {
                Kind::Image { message_id, pic_url: self.text("PicUrl"), media_id: self.text("MediaId") }
            }
            "voice" => Kind::Voice {
                message_id,
                media_id: self.text("MediaId"),
                format: self.text("Format"),
                recognition: self.filled("Recognition"),
            },
            "location" => Kind::Location {
                message_id,
                latitude: self.decimal("Location_X"),
                longitude: self.decimal("Location_Y"),
                scale: self.integer("Scale"),
                label: self.text("Label"),
            },
            "link" => Kind::Link {
                message_id,
                title: self.text("Title"),
                description: self.text("Description"),
                url: self.text("Url"),
            },
            _ => Kind::Unrecognised,
        }
    }

    /// Names come in upper and lower case, and another in `WeCom` than elsewhere (`facts.md` §2.1).
    fn event(&self, event: &str) -> Kind<'d> {
        let is = |name: &str| event.eq_ignore_ascii_case(name);
        if is("CLICK") {
            Kind::Click { key: self.text("EventKey") }
        } else if is("VIEW") {
            Kind::View { url: self.text("EventKey"), menu_id: self.text("MenuId") }
        } else if is("user_enter_tempsession") {
            Kind::Enter(Entrance::TempSession { session_from: self.text("SessionFrom") })
        } else if is("ENTER") {
            Kind::Enter(Entrance::Enter)
        } else if is("LOCATION") {
            Kind::LocationReport {
                latitude: self.decimal("Latitude"),
                longitude: self.decimal("Longitude"),
                precision: self.decimal("Precision"),
            }
        } else if is("SCAN") {
            Kind::Scan { scene: self.text("EventKey"), ticket: self.text("Ticket") }
        } else if is("subscribe") {
            self.subscribe()
        } else if is("unsubscribe") {
            Kind::Unsubscribe
        } else {
            Kind::Unrecognised
        }
    }

    fn subscribe(&self) -> Kind<'d> {
        let event_key = self.text("EventKey");
        let scene = event_key.strip_prefix("qrscene_");
        Kind::Subscribe { scene, ticket: self.text("Ticket"), event_key }
    }
}
