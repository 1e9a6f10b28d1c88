//! Names of kinds and outcomes, as they stand in `ce_type`, in playbooks and in metrics.

use crate::{
    event::{Event, event::Kind},
    reply::Outcome,
};

impl Event {
    /// The kind as a word: `entered`, `text_received` … An event without a kind is `unrecognised`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        self.kind.as_ref().map_or("unrecognised", Kind::name)
    }
}

impl Kind {
    /// The kind as a word, as in `ce_type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Entered(_) => "entered",
            Self::Subscribed(_) => "subscribed",
            Self::Unsubscribed(_) => "unsubscribed",
            Self::Scanned(_) => "scanned",
            Self::MenuClicked(_) => "menu_clicked",
            Self::MenuViewed(_) => "menu_viewed",
            Self::LocationReported(_) => "location_reported",
            Self::TextReceived(_) => "text_received",
            Self::ImageReceived(_) => "image_received",
            Self::VoiceReceived(_) => "voice_received",
            Self::LocationReceived(_) => "location_received",
            Self::LinkReceived(_) => "link_received",
            Self::LinkClicked(_) => "link_clicked",
            Self::Unrecognised(_) => "unrecognised",
        }
    }
}

impl Outcome {
    /// The outcome as a word, as in `ce_type`: `sent`, `set_aside` …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Sent => "sent",
            Self::Suppressed => "suppressed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::SetAside => "set_aside",
        }
    }
}
